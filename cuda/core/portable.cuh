// SPDX-License-Identifier: Apache-2.0
/// The words that kernel files use, for every compiler that reads them: nvcc, NVRTC, and g++ where
/// tests run device code on a CPU. No toolkit header is needed, so NVRTC compiles without paths.
///
/// Kernels keep three rules, so that they mean the same everywhere: every lane of a warp reaches
/// every *_sync with the full mask, blocks have a multiple of 32 threads in x alone, and products
/// are fused only where `fused` says so (modules are compiled with --fmad=false).
#pragma once

#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
#define TERSEVEC_DEVICE __device__ __forceinline__
/// The block's dynamic shared memory, as many bytes as the launch asks for, 16-byte aligned.
#define TERSEVEC_DYNAMIC_SHARED(name) extern __shared__ __align__(16) unsigned char name[]
#else
#include <cmath>
#include <cstring>
#define TERSEVEC_DEVICE inline
#endif

namespace tersevec::cuda {

using i8 = signed char;
using u8 = unsigned char;
using u16 = unsigned short;
using i32 = int;
using u32 = unsigned int;
using i64 = long long;
using u64 = unsigned long long;
static_assert(sizeof(u16) == 2 && sizeof(u32) == 4 && sizeof(u64) == 8,
              "CUDA's and the host's integers differ");

constexpr int warp_lanes = 32;
constexpr u32 all_lanes = 0xffffffffu;

TERSEVEC_DEVICE u32 bits_of(float value) {
#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
    return __float_as_uint(value);
#else
    u32 bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
#endif
}

TERSEVEC_DEVICE float from_bits(u32 bits) {
#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
    return __uint_as_float(bits);
#else
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
#endif
}

/// a * b + c, rounded once.
TERSEVEC_DEVICE float fused(float a, float b, float c) {
#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
    return __fmaf_rn(a, b, c);
#else
    return std::fma(a, b, c);
#endif
}

/// a / b and sqrt(a), rounded to the nearest whatever the compiler's flags.
TERSEVEC_DEVICE float divided(float a, float b) {
#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
    return __fdiv_rn(a, b);
#else
    return a / b;
#endif
}
TERSEVEC_DEVICE float square_root(float a) {
#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
    return __fsqrt_rn(a);
#else
    return std::sqrt(a);
#endif
}

/// The nearest whole number, ties to even.
TERSEVEC_DEVICE float nearest_whole(float a) {
#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
    return ::rintf(a);
#else
    return std::rint(a);
#endif
}
TERSEVEC_DEVICE float magnitude(float a) {
    return from_bits(bits_of(a) & 0x7fffffffu);
}

TERSEVEC_DEVICE bool allowed(const u8* mask, i64 row) {
    return mask == nullptr || (mask[row >> 3] >> (row & 7) & 1);
}

}  // namespace tersevec::cuda
