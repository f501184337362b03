// SPDX-License-Identifier: Apache-2.0
// MaxSim, AVX2.
//   step       a dimension: 6 numbers of tokens, each times 16 query tokens; 4 of int8: their
//              magnitudes times query tokens with their signs, pairs added in 16 bits
//   registers  12 of 16: sums; 2 of query tokens, a number; maxima wait in memory
//   tail       4 tokens, some of them once more; of int8 single tokens
//   why not    32 query tokens: sums of fewer tokens, and as many loads
#include "maxsim/maxsim_int8.h"
#include "simd/avx2.h"

namespace tersevec::maxsim::avx2 {
namespace {

struct Dot {
    using Number = std::int8_t;
    using i32 = Vector<8>::i32;
    static constexpr std::int32_t start = 0;

    /// Magnitudes of a token's numbers, at most 128, times the lanes' with their signs, at most
    /// 127: pairs stay below 2^15.
    static i32 add(i32 sums, const Number* lanes, std::int32_t four) noexcept {
        const __m256i lanes_i8x32 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(lanes));
        const __m256i token_i8x32 = _mm256_set1_epi32(four);
        const __m256i pairs_i16x16 = _mm256_maddubs_epi16(
            _mm256_abs_epi8(token_i8x32), _mm256_sign_epi8(lanes_i8x32, token_i8x32));
        return sums + (i32)_mm256_madd_epi16(pairs_i16x16, _mm256_set1_epi16(1));
    }
};

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels = kernels_of<Avx2>(Isa::avx2, &Dots<Avx2, Dot>::way);

}  // namespace tersevec::maxsim::avx2
