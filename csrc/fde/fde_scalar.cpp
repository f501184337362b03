// SPDX-License-Identifier: Apache-2.0
// Fixed-dimensional encodings, plain C++: the reference.
#include "fde/fde_loop.h"
#include "simd/plain.h"

namespace tersevec::fde::scalar {

extern const Kernels kernels;
constinit const Kernels kernels = kernels_of<Plain>(Isa::scalar);

}  // namespace tersevec::fde::scalar
