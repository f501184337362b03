// SPDX-License-Identifier: Apache-2.0
/// Floats with AVX2, FMA and F16C.
#pragma once

#include <immintrin.h>

#include "simd/lanes.h"

namespace tersevec {
namespace {

struct Avx2 {
    static constexpr int lanes = 8, accumulators = 12, product_registers = 2;
    using f32 = Vector<8>::f32;
    using f32x4 = Vector<4>::f32;

    static f32 multiply_add(f32 a, f32 b, f32 c) noexcept { return _mm256_fmadd_ps(a, b, c); }
    static f32x4 multiply_add(f32x4 a, f32x4 b, f32x4 c) noexcept { return _mm_fmadd_ps(a, b, c); }
    static f32 max(f32 a, f32 b) noexcept { return _mm256_max_ps(a, b); }
    static f32 widen_half(const std::uint16_t* halves) noexcept {
        return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(halves)));
    }
    static void narrow_half(f32 numbers, std::uint16_t* halves) noexcept {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(halves),
                         _mm256_cvtps_ph(numbers, _MM_FROUND_TO_NEAREST_INT));
    }
    static unsigned positive(f32 numbers) noexcept {
        return static_cast<unsigned>(
            _mm256_movemask_ps(_mm256_cmp_ps(numbers, _mm256_setzero_ps(), _CMP_GT_OQ)));
    }
};

}  // namespace
}  // namespace tersevec
