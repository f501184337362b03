// SPDX-License-Identifier: Apache-2.0
// Products of small whole numbers, AVX2.
//   step       a line of small numbers: pairs of byte products, pairs of these, for each query;
//              of larger ones even and odd bytes as 16-bit numbers
//   registers  8 sums for 4 queries and 16 rows, 2 numbers; queries come from memory
//   tail       none here: panels are whole groups of 64 rows, lines are whole
//   why not    bytes alone: pairs of large products saturate
#include <immintrin.h>

#include "symdist/symdist_widened.h"

namespace tersevec::symdist::avx2 {
namespace {

struct V {
    static constexpr int bytes = 32;
    using i32 [[gnu::vector_size(bytes)]] = std::int32_t;

    static i32 pairs(i32 a, i32 b) noexcept {
        return (i32)_mm256_madd_epi16((__m256i)a, (__m256i)b);
    }
    static i32 byte_pairs(i32 a, i32 b) noexcept {
        return (i32)_mm256_maddubs_epi16((__m256i)a, (__m256i)b);
    }
};

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels = kernels_of<WidenedLevel<V, 16, 4>>(Isa::avx2, 8.0f);

}  // namespace tersevec::symdist::avx2
