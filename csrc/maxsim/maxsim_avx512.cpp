// SPDX-License-Identifier: Apache-2.0
// MaxSim, AVX-512.
//   step       a dimension: 12 numbers of tokens, each times 32 query tokens
//   registers  24 of 32: sums; 2 of query tokens, a number, 2 of maxima
//   tail       4 tokens, some of them once more
//   why not    int8 here: without VNNI bytes need signs of lanes, which only 32 bytes have
#include "maxsim/maxsim_loop.h"
#include "simd/avx512.h"

namespace tersevec::maxsim::avx512 {

extern const Kernels kernels;
constinit const Kernels kernels = kernels_of<Avx512>(Isa::avx512, nullptr);

}  // namespace tersevec::maxsim::avx512
