// SPDX-License-Identifier: Apache-2.0
// MaxSim of int8 tokens, VNNI.
//   step       4 dimensions of 12 tokens, each times 32 query tokens
//   registers  24 of 32: sums; 2 of query tokens, 2 of maxima, 2 of scales
//   tail       4 tokens, then single ones
//   why not    signed query tokens: the instruction wants one side without signs, so 128 is added
//              to theirs, and 128 times the sum of a token's numbers taken away first
#include "maxsim/maxsim_int8.h"
#include "simd/avx512.h"

namespace tersevec::maxsim::avx512icl {
namespace {

struct Dot {
    using Rows = PlainRows<1>;
    using Number = std::uint8_t;
    using i32 = Vector<16>::i32;
    static constexpr int group = 4;
    static constexpr std::int32_t start = -128;

    static i32 add(i32 sums, const Number* lanes, std::int32_t four) noexcept {
        return (i32)_mm512_dpbusd_epi32((__m512i)sums, _mm512_loadu_si512(lanes),
                                        _mm512_set1_epi32(four));
    }
};

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels{.isa = Isa::avx512icl, .int8 = &Dots<Avx512, Dot>::way};

}  // namespace tersevec::maxsim::avx512icl
