// SPDX-License-Identifier: Apache-2.0
// MaxSim, SSE4.
//   step       a dimension: 2 numbers of tokens, each times 16 query tokens, in doubles; 4 of int8:
//              their magnitudes times query tokens with their signs, pairs added in 16 bits
//   registers  8 of 16: sums; what doubles need beside them goes through memory
//   tail       2 tokens, one of them once more; of int8 single tokens
//   why not    products and sums that round apart: scores would not be those of other levels
#include "maxsim/maxsim_int8.h"
#include "simd/sse4.h"

namespace tersevec::maxsim::sse4 {
namespace {

struct Dot {
    using Number = std::int8_t;
    using i32 = Vector<4>::i32;
    static constexpr std::int32_t start = 0;

    /// Magnitudes of a token's numbers, at most 128, times the lanes' with their signs, at most
    /// 127: pairs stay below 2^15.
    static i32 add(i32 sums, const Number* lanes, std::int32_t four) noexcept {
        const __m128i lanes_i8x16 = _mm_loadu_si128(reinterpret_cast<const __m128i*>(lanes));
        const __m128i token_i8x16 = _mm_set1_epi32(four);
        const __m128i pairs_i16x8 =
            _mm_maddubs_epi16(_mm_abs_epi8(token_i8x16), _mm_sign_epi8(lanes_i8x16, token_i8x16));
        return sums + (i32)_mm_madd_epi16(pairs_i16x8, _mm_set1_epi16(1));
    }
};

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels = kernels_of<Sse4>(Isa::sse4, &Dots<Sse4, Dot>::way);

}  // namespace tersevec::maxsim::sse4
