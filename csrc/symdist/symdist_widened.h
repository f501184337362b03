// SPDX-License-Identifier: Apache-2.0
/// Products for x86 levels without VNNI. Numbers up to 127 are multiplied as bytes, pairs added in
/// 16 bits, pairs of these in 32; larger ones would saturate there, so they and the queries are
/// widened to 16 bits first. `V` is the level's register:
///   bytes, i32, and what symdist_values.h wants
///   static i32 pairs(a, b): products of 16 bits, two added
///   static i32 byte_pairs(a, b): products of unsigned bytes and bytes, two added, saturating
///
/// A 32-bit lane of a line holds 4 dimensions of a row.
#pragma once

#include "symdist/symdist_values.h"

namespace tersevec::symdist {
namespace {

/// What both ways share: registers of numbers, one after the other.
template <class V, int Rows, int Queries>
struct Shape {
    static constexpr int rows = Rows, queries = Queries;
    static constexpr int registers = rows * line_dims / V::bytes;
    using i32 = typename V::i32;
    using i16 [[gnu::vector_size(V::bytes)]] = std::int16_t;
    using u16 [[gnu::vector_size(V::bytes)]] = std::uint16_t;

    static i32 numbers(const std::uint8_t* line, int at, std::int64_t block_bytes) noexcept {
        constexpr int of_block = line_bytes / V::bytes;
        i32 loaded;
        __builtin_memcpy(&loaded, line + at / of_block * block_bytes + at % of_block * V::bytes,
                         sizeof loaded);
        return loaded;
    }
    static i32 query(const std::int8_t* queries) noexcept {
        std::int32_t four;
        __builtin_memcpy(&four, queries, sizeof four);
        return i32{} + four;
    }
};

template <class V, int Rows, int Queries>
struct ByteLevel : Plain<ByteLevel<V, Rows, Queries>>, Shape<V, Rows, Queries>, RegisterValues<V> {
    using S = Shape<V, Rows, Queries>;
    using i32 = typename S::i32;
    using Plain<ByteLevel>::Plain;
    using RegisterValues<V>::below;

    template <int Q>
    static void products(const std::int8_t* queries, std::int64_t query_bytes,
                         const std::uint8_t* blocks, std::int64_t lines,
                         std::int32_t* sums) noexcept {
        const i32 ones = i32{} + 0x00010001;
        i32 sums_i32[Q][S::registers] = {};
        for (std::int64_t g = 0; g < lines; ++g) {
            i32 query[Q];
#pragma GCC unroll 4
            for (int q = 0; q < Q; ++q) {
                query[q] = S::query(queries + q * query_bytes + line_dims * g);
            }
#pragma GCC unroll 4
            for (int at = 0; at < S::registers; ++at) {
                const i32 numbers = S::numbers(blocks + line_bytes * g, at, line_bytes * lines);
#pragma GCC unroll 4
                for (int q = 0; q < Q; ++q) {
                    sums_i32[q][at] += V::pairs(V::byte_pairs(numbers, query[q]), ones);
                }
            }
        }
        __builtin_memcpy(sums, sums_i32, sizeof sums_i32);
    }
};

template <class V, int Rows, int Queries>
struct WidenedLevel : Plain<WidenedLevel<V, Rows, Queries>>,
                      Shape<V, Rows, Queries>,
                      RegisterValues<V> {
    using S = Shape<V, Rows, Queries>;
    using i32 = typename S::i32;
    using i16 = typename S::i16;
    using u16 = typename S::u16;
    using Plain<WidenedLevel>::Plain;
    using RegisterValues<V>::below;

    int begin(const PanelScan& scan, int q, const std::uint8_t* blocks,
              std::int32_t* sums) const noexcept {
        return scan.largest_number <= 127
                   ? ByteLevel<V, Rows, Queries>(scan).begin(scan, q, blocks, sums)
                   : Plain<WidenedLevel>::begin(scan, q, blocks, sums);
    }

    template <int Q>
    static void products(const std::int8_t* queries, std::int64_t query_bytes,
                         const std::uint8_t* blocks, std::int64_t lines,
                         std::int32_t* sums) noexcept {
        i32 sums_i32[Q][S::registers] = {};
        for (std::int64_t g = 0; g < lines; ++g) {
            i32 query_even[Q], query_odd[Q];
#pragma GCC unroll 4
            for (int q = 0; q < Q; ++q) {
                const i16 pairs = (i16)S::query(queries + q * query_bytes + line_dims * g);
                query_even[q] = (i32)(pairs << 8 >> 8);
                query_odd[q] = (i32)(pairs >> 8);
            }
#pragma GCC unroll 4
            for (int at = 0; at < S::registers; ++at) {
                const i32 numbers = S::numbers(blocks + line_bytes * g, at, line_bytes * lines);
                const i32 even = numbers & 0x00ff00ff;
                const i32 odd = (i32)((u16)numbers >> 8);
#pragma GCC unroll 4
                for (int q = 0; q < Q; ++q) {
                    sums_i32[q][at] += V::pairs(even, query_even[q]) + V::pairs(odd, query_odd[q]);
                }
            }
        }
        __builtin_memcpy(sums, sums_i32, sizeof sums_i32);
    }
};

}  // namespace
}  // namespace tersevec::symdist
