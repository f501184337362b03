// SPDX-License-Identifier: Apache-2.0
// MaxSim of int8 tokens, NEON dot products.
//   step       4 dimensions of 6 tokens, each times 16 query tokens
//   registers  24 of 32: sums; 4 of query tokens, a token's 4 bytes
//   tail       4 tokens, then single ones
//   why not    matrix products (i8mm): another CPU level
#include "maxsim/maxsim_int8.h"
#include "simd/neon.h"

namespace tersevec::maxsim::neondot {
namespace {

struct Dot {
    using Rows = PlainRows<1>;
    using Number = std::int8_t;
    using i32 = Vector<4>::i32;
    static constexpr int group = 4;
    static constexpr std::int32_t start = 0;

    static i32 add(i32 sums, const Number* lanes, std::int32_t four) noexcept {
        return (i32)vdotq_s32((int32x4_t)sums, vld1q_s8(lanes),
                              vreinterpretq_s8_s32(vdupq_n_s32(four)));
    }
};

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels{.isa = Isa::neondot, .int8 = &Dots<Neon, Dot>::way};

}  // namespace tersevec::maxsim::neondot
