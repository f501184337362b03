// SPDX-License-Identifier: Apache-2.0
/// What the levels with VNNI and VPOPCNTDQ share: byte products of few queries, and sign codes.
#pragma once

#include "symdist/symdist_avx512_values.h"

namespace tersevec::symdist {
namespace {

/// A line: 4 dimensions of 16 rows times 4 bytes of a query, broadcast.
struct VnniLevel : Plain<VnniLevel>, Avx512Values {
    static constexpr int rows = 64, queries = 4;
    using Avx512Values::below;
    using Plain::Plain;

    template <int Q>
    static void products(const std::int8_t* queries, std::int64_t query_bytes,
                         const std::uint8_t* blocks, std::int64_t lines,
                         std::int32_t* sums) noexcept {
        constexpr int blocks_at_a_time = rows / block_rows;
        const std::int64_t block_bytes = line_bytes * lines;
        __m512i sums_i32x16[Q][blocks_at_a_time] = {};
        for (std::int64_t g = 0; g < lines; ++g) {
            __m512i numbers_u8x64[blocks_at_a_time];
#pragma GCC unroll 4
            for (int b = 0; b < blocks_at_a_time; ++b) {
                numbers_u8x64[b] = _mm512_loadu_si512(blocks + b * block_bytes + line_bytes * g);
            }
#pragma GCC unroll 4
            for (int q = 0; q < Q; ++q) {
                std::int32_t four;
                __builtin_memcpy(&four, queries + q * query_bytes + line_dims * g, sizeof four);
                const __m512i query_i8x64 = _mm512_set1_epi32(four);
#pragma GCC unroll 4
                for (int b = 0; b < blocks_at_a_time; ++b) {
                    sums_i32x16[q][b] =
                        _mm512_dpbusd_epi32(sums_i32x16[q][b], numbers_u8x64[b], query_i8x64);
                }
            }
        }
#pragma GCC unroll 4
        for (int q = 0; q < Q; ++q) {
#pragma GCC unroll 4
            for (int b = 0; b < blocks_at_a_time; ++b) {
                _mm512_store_si512(sums + q * rows + b * block_rows, sums_i32x16[q][b]);
            }
        }
    }
};

/// A line of numbers of W bits as they are stored, spread in registers: for few queries, whose scan
/// would otherwise write and read again what it takes from memory.
template <int W, int Times>
struct StoredLevel : Plain<StoredLevel<W, Times>>, Avx512Values {
    static constexpr int rows = block_rows, queries = 2, parts = 8 / W, query_lines = parts;
    using Plain<StoredLevel>::Plain;
    using Avx512Values::below;

    template <int Q>
    static void products(const std::int8_t* queries, std::int64_t query_bytes,
                         const std::uint8_t* block, std::int64_t lines,
                         std::int32_t* sums) noexcept {
        const __m512i bits = _mm512_set1_epi8(static_cast<char>(((1 << W) - 1) * Times));
        __m512i sums_i32x16[Q][parts] = {};
        for (std::int64_t g = 0; g < lines; ++g) {
            __builtin_prefetch(block + line_bytes * g + prefetch_bytes);
            const __m512i line = _mm512_loadu_si512(block + line_bytes * g);
#pragma GCC unroll 8
            for (int i = 0; i < parts; ++i) {
                const int shift = W * i - (Times - 1);
                const __m512i shifted =
                    shift < 0 ? _mm512_slli_epi16(line, 1) : _mm512_srli_epi16(line, shift);
                const __m512i numbers_u8x64 = _mm512_and_si512(shifted, bits);
#pragma GCC unroll 2
                for (int q = 0; q < Q; ++q) {
                    std::int32_t four;
                    __builtin_memcpy(&four, queries + q * query_bytes + line_dims * (parts * g + i),
                                     sizeof four);
                    sums_i32x16[q][i] = _mm512_dpbusd_epi32(sums_i32x16[q][i], numbers_u8x64,
                                                            _mm512_set1_epi32(four));
                }
            }
        }
#pragma GCC unroll 2
        for (int q = 0; q < Q; ++q) {
            __m512i sum = sums_i32x16[q][0];
#pragma GCC unroll 8
            for (int i = 1; i < parts; ++i) {
                sum = _mm512_add_epi32(sum, sums_i32x16[q][i]);
            }
            _mm512_store_si512(sums + q * rows, sum);
        }
    }
};

inline PanelBelow below_stored(int n_bits) noexcept {
    switch (held_bits(n_bits)) {
        case 1: return &below<StoredLevel<1, 2>, Factored>;
        case 2: return &below<StoredLevel<2, 2>, Factored>;
        case 4: return &below<StoredLevel<4, 2>, Factored>;
        default:
            return n_bits < max_bits ? &below<StoredLevel<8, 2>, Factored>
                                     : &below<StoredLevel<8, 1>, Factored>;
    }
}

/// A line of sign codes: 32 dimensions of 16 codes, and the query's signs of these dimensions.
/// Products of signs are what agrees less what differs: sum = -2 * differing bits.
struct SignLevel : Plain<SignLevel>, Avx512Values {
    static constexpr int rows = block_rows, queries = 8;
    using Avx512Values::below;
    using Plain::Plain;

    template <int Q>
    static void products(const std::int8_t* queries, std::int64_t query_bytes,
                         const std::uint8_t* block, std::int64_t lines,
                         std::int32_t* sums) noexcept {
        __m512i differing_i32x16[Q] = {};
        for (std::int64_t g = 0; g < lines; ++g) {
            __builtin_prefetch(block + line_bytes * g + prefetch_bytes);
            const __m512i signs = _mm512_loadu_si512(block + line_bytes * g);
#pragma GCC unroll 8
            for (int q = 0; q < Q; ++q) {
                std::int32_t four;
                __builtin_memcpy(&four, queries + q * query_bytes + line_dims * g, sizeof four);
                differing_i32x16[q] = _mm512_add_epi32(
                    differing_i32x16[q],
                    _mm512_popcnt_epi32(_mm512_xor_si512(signs, _mm512_set1_epi32(four))));
            }
        }
#pragma GCC unroll 8
        for (int q = 0; q < Q; ++q) {
            _mm512_store_si512(sums + q * rows,
                               _mm512_sub_epi32(_mm512_setzero_si512(),
                                                _mm512_slli_epi32(differing_i32x16[q], 1)));
        }
    }
};

/// With what scans codes as they are stored.
constexpr Kernels with_stored(Kernels kernels) noexcept {
    kernels.below_stored = &below_stored;
    kernels.below_signs = &below<SignLevel, Factored>;
    return kernels;
}

}  // namespace
}  // namespace tersevec::symdist
