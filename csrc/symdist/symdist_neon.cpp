// SPDX-License-Identifier: Apache-2.0
// Products of small whole numbers, NEON.
//   step       a line: 4 bytes of a row, widened to 16 bits, times 4 of a query
//              nibbles of 1 and 2 bits: a line turned as it is loaded, 8 look-ups for each query
//   registers  a query's 4 bytes twice, 16 sums for 16 rows, 4 lanes each; numbers
//              look-ups: 4 sums of bytes, 8 wider ones, 8 nibbles; tables come from memory
//   tail       none here: panels are whole groups of 64 rows, lines are whole
//   why not    vmull_u8: queries have signs
#include <arm_neon.h>

#include "symdist/symdist_nibbles.h"

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

struct V {
    static constexpr int bytes = 16;
    using i32 [[gnu::vector_size(bytes)]] = std::int32_t;
    using f32 [[gnu::vector_size(bytes)]] = float;
    using u8 [[gnu::vector_size(bytes)]] = std::uint8_t;
    using u16 [[gnu::vector_size(bytes)]] = std::uint16_t;

    static unsigned signs(i32 lanes) noexcept {
        const i32 bits = {1, 2, 4, 8};
        return vaddvq_u32((uint32x4_t)(lanes & bits));
    }
    static u8 look_up(u8 table, u8 index) noexcept {
        return (u8)vqtbl1q_u8((uint8x16_t)table, (uint8x16_t)index);
    }
    static void turn(const std::uint8_t* line, u8* parts) noexcept {
        const uint8x16x4_t by_t = vld4q_u8(line);
        for (int t = 0; t < line_dims; ++t) {
            parts[t] = (u8)by_t.val[t];
        }
    }
    static void widen(u16 even, u16 odd, std::int32_t* sums) noexcept {
        const uint16x8x2_t rows = vzipq_u16((uint16x8_t)even, (uint16x8_t)odd);
        for (int half = 0; half < 2; ++half, sums += 8) {
            vst1q_s32(sums, (int32x4_t)vshll_n_u16(vget_low_u16(rows.val[half]), 1));
            vst1q_s32(sums + 4, (int32x4_t)vshll_n_u16(vget_high_u16(rows.val[half]), 1));
        }
    }
};

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels = with_nibbles<V>(kernels_of<Level>(Isa::neon, 25.0f));

}  // namespace tersevec::symdist::neon
