// SPDX-License-Identifier: Apache-2.0
// Fixed-dimensional encodings, AVX2.
//   step       a dimension: 12 numbers of tokens, each times 8 columns
//   registers  12 of 16: sums; a column, a number
//   tail       half registers, then quarters, then single columns; fewer rows
//   why not    two columns at a time: not measured to be faster where rows are few
#include "fde/fde_loop.h"
#include "simd/avx2.h"

namespace tersevec::fde::avx2 {

extern const Kernels kernels;
constinit const Kernels kernels = kernels_of<Avx2>(Isa::avx2);

}  // namespace tersevec::fde::avx2
