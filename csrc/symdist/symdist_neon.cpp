// SPDX-License-Identifier: Apache-2.0
// Products of small whole numbers, NEON.
//   step       a line: 4 bytes of a row, widened to 16 bits, times 4 of a query
//   registers  a query's 4 bytes twice, 16 sums for 16 rows, 4 lanes each; numbers
//   tail       none here: panels are whole groups of 64 rows, lines are whole
//   why not    vmull_u8: queries have signs
#include <arm_neon.h>

#include "symdist/symdist_loop.h"

namespace tersevec::symdist::neon {
namespace {

struct Level : Plain<Level> {
    static constexpr int rows = block_rows, queries = 1;
    using Plain::Plain;

    template <int Q>
    static void products(const std::int8_t* query, std::int64_t, const std::uint8_t* block,
                         std::int64_t lines, std::int32_t* sums) noexcept {
        static_assert(Q == 1);
        int32x4_t sums_i32x4[rows] = {};  // of a row, its dimensions mod 4
        for (std::int64_t g = 0; g < lines; ++g, block += line_bytes) {
            std::int32_t four;
            __builtin_memcpy(&four, query + line_dims * g, sizeof four);
            const int16x8_t query_i16x8 = vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(four)));
            const int16x4_t query_i16x4 = vget_low_s16(query_i16x8);
#pragma GCC unroll 8
            for (int r = 0; r < rows; r += 2) {
                const int16x8_t two_rows =
                    vreinterpretq_s16_u16(vmovl_u8(vld1_u8(block + line_dims * r)));
                sums_i32x4[r] = vmlal_s16(sums_i32x4[r], vget_low_s16(two_rows), query_i16x4);
                sums_i32x4[r + 1] =
                    vmlal_s16(sums_i32x4[r + 1], vget_high_s16(two_rows), query_i16x4);
            }
        }
        for (int r = 0; r < rows; ++r) {
            sums[r] = vaddvq_s32(sums_i32x4[r]);
        }
    }
};

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels = kernels_of<Level>(Isa::neon, 25.0f);

}  // namespace tersevec::symdist::neon
