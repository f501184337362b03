// SPDX-License-Identifier: Apache-2.0
// Products of small whole numbers, AVX-512.
//   step       a line of small numbers: pairs of byte products, pairs of these, for each query;
//              of larger ones even and odd bytes as 16-bit numbers
//   registers  16 sums for 4 queries and 64 rows, 2 numbers, 8 queries
//   tail       none here: panels are whole groups of 64 rows, lines are whole
//   why not    bytes alone: pairs of large products saturate
#include <immintrin.h>

#include "symdist/symdist_widened.h"

namespace tersevec::symdist::avx512 {
namespace {

struct V {
    static constexpr int bytes = 64;
    using i32 [[gnu::vector_size(bytes)]] = std::int32_t;

    static i32 pairs(i32 a, i32 b) noexcept {
        return (i32)_mm512_madd_epi16((__m512i)a, (__m512i)b);
    }
    static i32 byte_pairs(i32 a, i32 b) noexcept {
        return (i32)_mm512_maddubs_epi16((__m512i)a, (__m512i)b);
    }
};

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels = kernels_of<WidenedLevel<V, 64, 4>>(Isa::avx512, 5.5f);

}  // namespace tersevec::symdist::avx512
