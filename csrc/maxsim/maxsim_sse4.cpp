// SPDX-License-Identifier: Apache-2.0
// MaxSim, SSE4.
//   step       a dimension: 2 numbers of tokens, each times 16 query tokens, in doubles; of int8 a
//              pair of dimensions, tokens and query tokens widened to 16 bits
//   registers  8 of 16: sums; what doubles need beside them goes through memory
//   tail       2 tokens, one of them once more; of int8 single tokens
//   why not    products and sums that round apart: scores would not be those of other levels
#include "maxsim/maxsim_int8.h"
#include "simd/sse4.h"

namespace tersevec::maxsim::sse4 {
namespace {

struct Dot {
    using Rows = WidenedRows;
    using Number = std::int16_t;
    using i32 = Vector<4>::i32;
    static constexpr int group = 2;
    static constexpr std::int32_t start = 0;

    static i32 add(i32 sums, const Number* lanes, std::int32_t pair) noexcept {
        return sums + (i32)_mm_madd_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(lanes)),
                                          _mm_set1_epi32(pair));
    }
};

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels = kernels_of<Sse4>(Isa::sse4, &Dots<Sse4, Dot>::way);

}  // namespace tersevec::maxsim::sse4
