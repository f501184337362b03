// SPDX-License-Identifier: Apache-2.0
// MaxSim, AVX2.
//   step       a dimension: 6 numbers of tokens, each times 16 query tokens; of int8 a pair of
//              dimensions, tokens and query tokens widened to 16 bits
//   registers  12 of 16: sums; 2 of query tokens, a number; maxima wait in memory
//   tail       4 tokens, some of them once more; of int8 single tokens
//   why not    32 query tokens: sums of fewer tokens, and as many loads. Bytes four at a time,
//              magnitudes times query tokens with signs: twice as many products as the sums need
#include "maxsim/maxsim_int8.h"
#include "simd/avx2.h"

namespace tersevec::maxsim::avx2 {
namespace {

struct Dot {
    using Rows = WidenedRows;
    using Number = std::int16_t;
    using i32 = Vector<8>::i32;
    static constexpr int group = 2;
    static constexpr std::int32_t start = 0;

    static i32 add(i32 sums, const Number* lanes, std::int32_t pair) noexcept {
        return sums +
               (i32)_mm256_madd_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(lanes)),
                                      _mm256_set1_epi32(pair));
    }
};

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels = kernels_of<Avx2>(Isa::avx2, &Dots<Avx2, Dot>::way);

}  // namespace tersevec::maxsim::avx2
