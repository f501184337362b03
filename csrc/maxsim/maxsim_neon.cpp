// SPDX-License-Identifier: Apache-2.0
// MaxSim, NEON.
//   step       a dimension: 6 numbers of tokens, each times 16 query tokens; 4 of int8: products
//              of 16 bits, added twice in pairs
//   registers  24 of 32: sums; 4 of query tokens, a number; maxima wait in memory
//   tail       4 tokens, some of them once more; of int8 single tokens
//   why not    32 query tokens: sums of fewer tokens, and as many loads
#include "maxsim/maxsim_int8.h"
#include "simd/neon.h"

namespace tersevec::maxsim::neon {
namespace {

struct Dot {
    using Rows = PlainRows<1>;
    using Number = std::int8_t;
    using i32 = Vector<4>::i32;
    static constexpr int group = 4;
    static constexpr std::int32_t start = 0;

    static i32 add(i32 sums, const Number* lanes, std::int32_t four) noexcept {
        const int8x16_t lanes_i8x16 = vld1q_s8(lanes);
        const int8x8_t token_i8x8 = vreinterpret_s8_s32(vdup_n_s32(four));
        const int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(lanes_i8x16), token_i8x8));
        const int32x4_t high = vpaddlq_s16(vmull_s8(vget_high_s8(lanes_i8x16), token_i8x8));
        return sums + (i32)vpaddq_s32(low, high);
    }
};

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels = kernels_of<Neon>(Isa::neon, &Dots<Neon, Dot>::way);

}  // namespace tersevec::maxsim::neon
