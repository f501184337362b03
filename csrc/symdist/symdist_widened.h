// SPDX-License-Identifier: Apache-2.0
/// Products for x86 levels without VNNI: numbers and queries widened to 16 bits, pairs of products
/// added by pmaddwd. No sum saturates, whatever the numbers. `V` is the level's register:
///   bytes, i32; static i32 pairs(a, b): products of 16 bits, two added
///
/// A 32-bit lane of a line holds 4 dimensions of a row: its even bytes and its odd ones are two
/// vectors of 16-bit numbers.
#pragma once

#include "symdist/symdist_loop.h"

namespace tersevec::symdist {
namespace {

template <class V, int Rows, int Queries>
struct WidenedLevel : Plain<WidenedLevel<V, Rows, Queries>> {
    static constexpr int rows = Rows, queries = Queries;
    using Plain<WidenedLevel>::Plain;
    using i32 = typename V::i32;
    using i16 [[gnu::vector_size(V::bytes)]] = std::int16_t;
    using u16 [[gnu::vector_size(V::bytes)]] = std::uint16_t;
    static constexpr int parts = rows * line_dims / V::bytes;  // registers of numbers
    static constexpr int parts_of_block = line_bytes / V::bytes;

    template <int Q>
    static void products(const std::int8_t* queries, std::int64_t query_bytes,
                         const std::uint8_t* blocks, std::int64_t lines,
                         std::int32_t* sums) noexcept {
        const std::int64_t block_bytes = line_bytes * lines;
        i32 sums_i32[Q][parts] = {};
        for (std::int64_t g = 0; g < lines; ++g) {
            i32 query_even[Q], query_odd[Q];
#pragma GCC unroll 4
            for (int q = 0; q < Q; ++q) {
                std::int32_t four;
                __builtin_memcpy(&four, queries + q * query_bytes + line_dims * g, sizeof four);
                const i16 signed_pairs = (i16)(i32{} + four);
                query_even[q] = (i32)(signed_pairs << 8 >> 8);
                query_odd[q] = (i32)(signed_pairs >> 8);
            }
#pragma GCC unroll 4
            for (int part = 0; part < parts; ++part) {
                i32 numbers;
                __builtin_memcpy(&numbers,
                                 blocks + part / parts_of_block * block_bytes + line_bytes * g +
                                     part % parts_of_block * V::bytes,
                                 sizeof numbers);
                const i32 even = numbers & 0x00ff00ff;
                const i32 odd = (i32)((u16)numbers >> 8);
#pragma GCC unroll 4
                for (int q = 0; q < Q; ++q) {
                    sums_i32[q][part] +=
                        V::pairs(even, query_even[q]) + V::pairs(odd, query_odd[q]);
                }
            }
        }
        __builtin_memcpy(sums, sums_i32, sizeof sums_i32);
    }
};

}  // namespace
}  // namespace tersevec::symdist
