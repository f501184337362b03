// SPDX-License-Identifier: Apache-2.0
/// Floats with SSE4, which has no fused multiply-add: doubles stand for it.
#pragma once

#include <smmintrin.h>

#include "simd/plain.h"

namespace tersevec {
namespace {

struct Sse4 : Plain {
    static constexpr int accumulators = 8, product_registers = 2;

    /// a * b + c, rounded once. Products of floats are whole doubles. Rounding their sum to a
    /// double and then to a float is wrong only where the double lies between two floats, or the
    /// float is below the normal ones: such sums, of which there are few, go the long way.
    static f32 multiply_add(f32 a, f32 b, f32 c) noexcept {
        const __m128d low =
            _mm_add_pd(_mm_mul_pd(_mm_cvtps_pd(a), _mm_cvtps_pd(b)), _mm_cvtps_pd(c));
        const __m128d high = _mm_add_pd(_mm_mul_pd(upper(a), upper(b)), upper(c));
        const __m128 sums = _mm_movelh_ps(_mm_cvtpd_ps(low), _mm_cvtpd_ps(high));
        // The 29 bits that a float has no room for, with 3 others shifted out: just the first is 1.
        const __m128i rest_i32x4 = _mm_slli_epi32(
            _mm_castps_si128(_mm_shuffle_ps(_mm_castpd_ps(low), _mm_castpd_ps(high), 0x88)), 3);
        const __m128i between = _mm_cmpeq_epi32(rest_i32x4, _mm_set1_epi32(INT32_MIN));
        // Magnitudes from 1 to 2^23, in steps of the smallest float, as the smallest integers.
        const __m128i sizes_i32x4 =
            _mm_and_si128(_mm_castps_si128(sums), _mm_set1_epi32(INT32_MAX));
        const __m128i small =
            _mm_cmpgt_epi32(_mm_set1_epi32(INT32_MIN + (1 << 23)),
                            _mm_add_epi32(sizes_i32x4, _mm_set1_epi32(INT32_MAX)));
        if (_mm_movemask_ps(_mm_castsi128_ps(_mm_or_si128(between, small))) != 0) [[unlikely]] {
            return Plain::multiply_add(a, b, c);
        }
        return sums;
    }
    static f32 max(f32 a, f32 b) noexcept { return _mm_max_ps(a, b); }
    /// As `from_half`.
    static f32 widen_half(const std::uint16_t* halves) noexcept {
        const __m128i all_i32x4 =
            _mm_cvtepu16_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(halves)));
        const __m128i sizes_i32x4 = _mm_and_si128(all_i32x4, _mm_set1_epi32(0x7fff));
        const __m128 sizes =
            _mm_mul_ps(_mm_castsi128_ps(_mm_slli_epi32(sizes_i32x4, 13)), _mm_set1_ps(0x1p112f));
        const __m128i beyond = _mm_and_si128(_mm_cmpgt_epi32(sizes_i32x4, _mm_set1_epi32(0x7bff)),
                                             _mm_set1_epi32(0x7f800000));
        const __m128i signs = _mm_slli_epi32(_mm_and_si128(all_i32x4, _mm_set1_epi32(0x8000)), 16);
        return _mm_or_ps(sizes, _mm_castsi128_ps(_mm_or_si128(beyond, signs)));
    }
    /// As `to_half`.
    static void narrow_half(f32 numbers, std::uint16_t* halves) noexcept {
        const __m128i all_i32x4 = _mm_castps_si128(numbers);
        const __m128i sizes_i32x4 = _mm_and_si128(all_i32x4, _mm_set1_epi32(INT32_MAX));
        const __m128i odd = _mm_and_si128(_mm_srli_epi32(sizes_i32x4, 13), _mm_set1_epi32(1));
        const __m128i normal = _mm_srli_epi32(
            _mm_add_epi32(_mm_sub_epi32(sizes_i32x4, _mm_set1_epi32(0x38000000 - 0xfff)), odd), 13);
        const __m128 half = _mm_set1_ps(0.5f);
        const __m128i steps =
            _mm_sub_epi32(_mm_castps_si128(_mm_add_ps(_mm_castsi128_ps(sizes_i32x4), half)),
                          _mm_castps_si128(half));
        const __m128i small = _mm_cmplt_epi32(sizes_i32x4, _mm_set1_epi32(0x38800000));
        const __m128i large = _mm_cmpgt_epi32(sizes_i32x4, _mm_set1_epi32(0x477fefff));
        const __m128i finite = _mm_blendv_epi8(normal, steps, small);
        const __m128i nearest = _mm_blendv_epi8(finite, _mm_set1_epi32(0x7c00), large);
        const __m128i signs = _mm_and_si128(_mm_srli_epi32(all_i32x4, 16), _mm_set1_epi32(0x8000));
        const __m128i halves_i32x4 = _mm_or_si128(nearest, signs);
        _mm_storel_epi64(reinterpret_cast<__m128i*>(halves),
                         _mm_packus_epi32(halves_i32x4, halves_i32x4));
    }
    static unsigned positive(f32 numbers) noexcept {
        return static_cast<unsigned>(_mm_movemask_ps(_mm_cmpgt_ps(numbers, _mm_setzero_ps())));
    }

private:
    static __m128d upper(f32 numbers) noexcept {
        return _mm_cvtps_pd(_mm_movehl_ps(numbers, numbers));
    }
};

}  // namespace
}  // namespace tersevec
