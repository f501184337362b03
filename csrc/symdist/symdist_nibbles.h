// SPDX-License-Identifier: Apache-2.0
/// Codes of 1 and 2 bits by look-ups, as they are stored: a shuffle of bytes finds what nibbles add
/// to a query's sum in the tables of symdist_tables.h, 4 or 2 products at once. Several entries are
/// added up in a byte before they are widened. `V` is the level's register:
///   bytes, i32, f32, u8, u16; static unsigned signs(i32): the sign bit of each lane
///   static u8 look_up(u8 table, u8 index), in each 16 bytes
///   static void turn(line, u8* parts): a line's bytes 4 r + t as 16 t + r, or with r in the order
///       that `widen` undoes
///   static void widen(u16 even, u16 odd, sums): twice the sums of 16 rows, those of each 16 bytes
///       added
#pragma once

#include "symdist/symdist_values.h"

namespace tersevec::symdist {
namespace {

template <class V, int Queries, int Digits>
struct NibbleLevel : Plain<NibbleLevel<V, Queries, Digits>>, RegisterValues<V> {
    static constexpr int rows = block_rows, queries = Queries;
    static constexpr int query_lines = table_bytes / line_dims * Digits;
    static constexpr int parts = line_bytes / V::bytes;  // of a line
    using RegisterValues<V>::below;
    using u8 = typename V::u8;
    using u16 = typename V::u16;

    /// Whose entries add up in bytes.
    std::int64_t lines_at_once;

    explicit NibbleLevel(const PanelScan& scan) noexcept
        : Plain<NibbleLevel>(scan), lines_at_once(255 / (2 * parts * scan.largest_number)) {}

    template <int Q>
    void products(const std::int8_t* tables, std::int64_t query_bytes, const std::uint8_t* block,
                  std::int64_t lines, std::int32_t* sums) const noexcept {
        constexpr int n = Q * Digits;
        u16 all[n] = {}, odd[n] = {};  // all: of odd rows 256 times
        for (std::int64_t g = 0; g < lines;) {
            const std::int64_t end = lines - g < lines_at_once ? lines : g + lines_at_once;
            u8 found[n] = {};
            for (; g < end; ++g) {
                __builtin_prefetch(block + line_bytes * g + prefetch_bytes);
                u8 low[parts], high[parts];
                V::turn(block + line_bytes * g, low);
#pragma GCC unroll 4
                for (int i = 0; i < parts; ++i) {
                    high[i] = low[i] >> 4;
                    low[i] &= 15;
                }
#pragma GCC unroll 8
                for (int q = 0; q < n; ++q) {
                    const std::int8_t* table =
                        tables + q * (query_bytes / Digits) + table_bytes * g;
#pragma GCC unroll 4
                    for (int i = 0; i < parts; ++i, table += V::bytes) {
                        found[q] += V::look_up(loaded(table), low[i]) +
                                    V::look_up(loaded(table + table_bytes / 2), high[i]);
                    }
                }
            }
#pragma GCC unroll 8
            for (int q = 0; q < n; ++q) {
                all[q] += (u16)found[q];
                odd[q] += (u16)found[q] >> 8;
            }
        }
#pragma GCC unroll 8
        for (int q = 0; q < n; q += Digits, sums += rows) {
            u16 all_digits = all[q], odd_digits = odd[q];
            for (int d = 1; d < Digits; ++d) {
                all_digits += all[q + d] << digit_bits * d;
                odd_digits += odd[q + d] << digit_bits * d;
            }
            V::widen(all_digits - (odd_digits << 8), odd_digits, sums);
        }
    }

private:
    static u8 loaded(const std::int8_t* table) noexcept {
        u8 entries;
        __builtin_memcpy(&entries, table, sizeof entries);
        return entries;
    }
};

/// With what looks nibbles up.
template <class V>
constexpr Kernels with_nibbles(Kernels kernels) noexcept {
    kernels.below_nibbles[0] = &below<NibbleLevel<V, table_queries, 1>, Factored>;
    kernels.below_nibbles[1] = &below<NibbleLevel<V, table_queries / 2, 2>, Factored>;
    return kernels;
}

}  // namespace
}  // namespace tersevec::symdist
