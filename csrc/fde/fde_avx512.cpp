// SPDX-License-Identifier: Apache-2.0
// Fixed-dimensional encodings, AVX-512.
//   step       a dimension: 8 numbers of tokens, each times 48 columns
//   registers  24 of 32: sums; 3 columns, a number
//   tail       half registers, then quarters, then single columns; fewer rows
//   why not    all repetitions' projections at once: adding tokens first leaves fewer rows
#include "fde/fde_loop.h"
#include "simd/avx512.h"

namespace tersevec::fde::avx512 {

extern const Kernels kernels;
constinit const Kernels kernels = kernels_of<Avx512>(Isa::avx512);

}  // namespace tersevec::fde::avx512
