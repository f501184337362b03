// SPDX-License-Identifier: Apache-2.0
// Products of small whole numbers, AVX-512 with VNNI.
//   step       a line: 4 dimensions of 16 rows times 4 bytes of a query, broadcast, one vpdpbusd
//   registers  16 sums for 4 queries and 64 rows, 4 lines, 1 query
//   tail       none here: panels are whole groups of 64 rows, lines are whole
//   why not    more queries at a time: the sums are stored once for all lines, so little is left
#include "symdist/symdist_avx512_values.h"

namespace tersevec::symdist::avx512icl {
namespace {

struct Level : Plain<Level>, Avx512Values {
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

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels = kernels_of<Level>(Isa::avx512icl, 1.25f);

}  // namespace tersevec::symdist::avx512icl
