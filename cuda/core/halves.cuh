// SPDX-License-Identifier: Apache-2.0
/// Half and bfloat16 numbers as their bits, to float32 and back, without the toolkit's headers.
#pragma once

#include "portable.cuh"

namespace tersevec::cuda {

TERSEVEC_DEVICE float from_half(u16 half) {
#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(half));
    return value;
#else
    const u32 sign = static_cast<u32>(half & 0x8000u) << 16;
    const u32 exponent = half >> 10 & 31u, fraction = half & 0x3ffu;
    if (exponent == 0) {  // zero, or a multiple of 2^-24
        const float size = static_cast<float>(fraction) * from_bits(0x33800000u);
        return from_bits(bits_of(size) | sign);
    }
    return from_bits(sign | (exponent == 31 ? 255u : exponent + 112) << 23 | fraction << 13);
#endif
}

/// The nearest half, ties to even; too large numbers become infinities.
TERSEVEC_DEVICE u16 to_half(float value) {
#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
    u16 half;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half) : "f"(value));
    return half;
#else
    const u32 bits = bits_of(value), sign = bits >> 16 & 0x8000u, size = bits & 0x7fffffffu;
    if (size > 0x7f800000u) {
        return static_cast<u16>(sign | 0x7fffu);  // what the instruction makes of every NaN
    }
    if (size < 0x38800000u) {  // below 2^-14: adding 0.5 rounds to a multiple of 2^-24
        return static_cast<u16>(sign | (bits_of(from_bits(size) + 0.5f) - 0x3f000000u));
    }
    const u32 rounded = size + 0xfffu + (size >> 13 & 1u);
    return static_cast<u16>(sign |
                            (rounded >= 0x47800000u ? 0x7c00u : (rounded - 0x38000000u) >> 13));
#endif
}

TERSEVEC_DEVICE float from_bfloat16(u16 bits) {
    return from_bits(static_cast<u32>(bits) << 16);
}

/// The nearest bfloat16, ties to even; for finite numbers.
TERSEVEC_DEVICE u16 to_bfloat16(float value) {
    const u32 bits = bits_of(value);
    return static_cast<u16>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

}  // namespace tersevec::cuda
