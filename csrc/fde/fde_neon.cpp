// SPDX-License-Identifier: Apache-2.0
// Fixed-dimensional encodings, NEON.
//   step       a dimension: 8 numbers of tokens, each times 12 columns
//   registers  24 of 32: sums; 3 columns, a number
//   tail       half registers, then quarters, then single columns; fewer rows
//   why not    bfloat16 products: signs of small numbers would be others
#include "fde/fde_loop.h"
#include "simd/neon.h"

namespace tersevec::fde::neon {

extern const Kernels kernels;
constinit const Kernels kernels = kernels_of<Neon>(Isa::neon);

}  // namespace tersevec::fde::neon
