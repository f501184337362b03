// SPDX-License-Identifier: Apache-2.0
// Products of small whole numbers, SSE4.2.
//   step       a line of small numbers: pairs of byte products, pairs of these, for each query;
//              of larger ones even and odd bytes as 16-bit numbers
//   registers  8 sums for 2 queries and 16 rows, 2 numbers, 4 queries
//   tail       none here: panels are whole groups of 64 rows, lines are whole
//   why not    bytes alone: pairs of large products saturate
#include <immintrin.h>

#include "symdist/symdist_widened.h"

namespace tersevec::symdist::sse4 {
namespace {

struct V {
    static constexpr int bytes = 16;
    using i32 [[gnu::vector_size(bytes)]] = std::int32_t;

    static i32 pairs(i32 a, i32 b) noexcept { return (i32)_mm_madd_epi16((__m128i)a, (__m128i)b); }
    static i32 byte_pairs(i32 a, i32 b) noexcept {
        return (i32)_mm_maddubs_epi16((__m128i)a, (__m128i)b);
    }
};

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels = kernels_of<WidenedLevel<V, 16, 2>>(Isa::sse4, 13.0f);

}  // namespace tersevec::symdist::sse4
