// SPDX-License-Identifier: Apache-2.0
/// The words that kernel files use, for every compiler that reads them: nvcc, NVRTC, and g++ where
/// tests run device code on a CPU. No toolkit header is needed, so NVRTC compiles without paths.
#pragma once

#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
#define TERSEVEC_DEVICE __device__ __forceinline__
#else
#include <cstring>
#define TERSEVEC_DEVICE inline
#endif

namespace tersevec::cuda {

using u32 = unsigned int;
using u64 = unsigned long long;
static_assert(sizeof(u32) == 4 && sizeof(u64) == 8, "CUDA's and the host's integers differ");

TERSEVEC_DEVICE u32 bits_of(float value) {
#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
    return __float_as_uint(value);
#else
    u32 bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
#endif
}

}  // namespace tersevec::cuda
