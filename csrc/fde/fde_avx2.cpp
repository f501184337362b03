// SPDX-License-Identifier: Apache-2.0
// Fixed-dimensional encodings, AVX2.
//   step       a dimension: 4 numbers of tokens, each times 16 columns; 12 times the last 8
//   registers  8 or 12 of 16: sums; 2 columns, a number
//   tail       half registers, then quarters, then single columns; fewer rows
//   why not    6 tokens times 16 columns: more of them are left over, and 4 hide the latency
#include "fde/fde_loop.h"
#include "simd/avx2.h"

namespace tersevec::fde::avx2 {

extern const Kernels kernels;
constinit const Kernels kernels = kernels_of<Avx2>(Isa::avx2);

}  // namespace tersevec::fde::avx2
