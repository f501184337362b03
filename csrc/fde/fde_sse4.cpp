// SPDX-License-Identifier: Apache-2.0
// Fixed-dimensional encodings, SSE4.
//   step       a dimension: 4 numbers of tokens, each times 8 columns, in doubles
//   registers  8 of 16: sums; what doubles need beside them goes through memory
//   tail       single registers of columns, then single columns; fewer rows
//   why not    products and sums that round apart: encodings would not be those of other levels
#include "fde/fde_loop.h"
#include "simd/sse4.h"

namespace tersevec::fde::sse4 {

extern const Kernels kernels;
constinit const Kernels kernels = kernels_of<Sse4>(Isa::sse4);

}  // namespace tersevec::fde::sse4
