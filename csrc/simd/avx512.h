// SPDX-License-Identifier: Apache-2.0
/// Floats with AVX-512.
#pragma once

#include <immintrin.h>

#include "simd/lanes.h"

namespace tersevec {
namespace {

struct Avx512 {
    static constexpr int lanes = 16, accumulators = 24, product_registers = 3;
    using f32 = Vector<16>::f32;
    using f32x8 = Vector<8>::f32;
    using f32x4 = Vector<4>::f32;

    static f32 multiply_add(f32 a, f32 b, f32 c) noexcept { return _mm512_fmadd_ps(a, b, c); }
    static f32x8 multiply_add(f32x8 a, f32x8 b, f32x8 c) noexcept {
        return _mm256_fmadd_ps(a, b, c);
    }
    static f32x4 multiply_add(f32x4 a, f32x4 b, f32x4 c) noexcept { return _mm_fmadd_ps(a, b, c); }
    static f32 max(f32 a, f32 b) noexcept { return _mm512_max_ps(a, b); }
    static f32 widen_half(const std::uint16_t* halves) noexcept {
        return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(halves)));
    }
    static void narrow_half(f32 numbers, std::uint16_t* halves) noexcept {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(halves),
                            _mm512_cvtps_ph(numbers, _MM_FROUND_TO_NEAREST_INT));
    }
    static unsigned positive(f32 numbers) noexcept {
        return _mm512_cmp_ps_mask(numbers, _mm512_setzero_ps(), _CMP_GT_OQ);
    }
};

}  // namespace
}  // namespace tersevec
