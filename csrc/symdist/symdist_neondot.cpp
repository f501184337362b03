// SPDX-License-Identifier: Apache-2.0
// Products of small whole numbers, NEON with dot products.
//   step       a quarter of a line: 4 dimensions of 4 rows times 4 bytes of a query, one sdot
//   registers  16 sums for 4 queries and 16 rows, 4 numbers, 4 queries
//   tail       none here: panels are whole groups of 64 rows, lines are whole
//   why not    usdot: it needs a later extension; numbers less 128 have signs, and 128 times the
//              query's sum makes up for it
#include <arm_neon.h>

#include "symdist/symdist_loop.h"

namespace tersevec::symdist::neondot {
namespace {

struct Level : Plain<Level> {
    static constexpr int rows = block_rows, queries = 4;
    using Plain::Plain;

    template <int Q>
    static void products(const std::int8_t* queries, std::int64_t query_bytes,
                         const std::uint8_t* block, std::int64_t lines,
                         std::int32_t* sums) noexcept {
        int32x4_t sums_i32x4[Q][4] = {}, query_sums[Q] = {};
        for (std::int64_t g = 0; g < lines; ++g, block += line_bytes) {
            int8x16_t numbers[4];
#pragma GCC unroll 4
            for (int part = 0; part < 4; ++part) {
                numbers[part] =
                    vreinterpretq_s8_u8(veorq_u8(vld1q_u8(block + 16 * part), vdupq_n_u8(128)));
            }
#pragma GCC unroll 4
            for (int q = 0; q < Q; ++q) {
                std::int32_t four;
                __builtin_memcpy(&four, queries + q * query_bytes + line_dims * g, sizeof four);
                const int8x16_t query = vreinterpretq_s8_s32(vdupq_n_s32(four));
                query_sums[q] = vdotq_s32(query_sums[q], query, vdupq_n_s8(64));
#pragma GCC unroll 4
                for (int part = 0; part < 4; ++part) {
                    sums_i32x4[q][part] = vdotq_s32(sums_i32x4[q][part], numbers[part], query);
                }
            }
        }
#pragma GCC unroll 4
        for (int q = 0; q < Q; ++q) {
            const int32x4_t twice_64 = vaddq_s32(query_sums[q], query_sums[q]);
#pragma GCC unroll 4
            for (int part = 0; part < 4; ++part) {
                vst1q_s32(sums + q * rows + 4 * part, vaddq_s32(sums_i32x4[q][part], twice_64));
            }
        }
    }
};

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels = kernels_of<Level>(Isa::neondot, 4.0f);

}  // namespace tersevec::symdist::neondot
