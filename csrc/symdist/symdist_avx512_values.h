// SPDX-License-Identifier: Apache-2.0
/// What the AVX-512 levels share: the values of 16 sums held against a bound.
#pragma once

#include <immintrin.h>

#include "symdist/symdist_loop.h"

namespace tersevec::symdist {
namespace {

struct Avx512Values {
    template <class Value, int Stride>
    static bool below(const std::int32_t* sums, const float* terms, const Valued* of, int count,
                      std::uint16_t* found) noexcept {
        const __m512 terms_f32x16 = _mm512_loadu_ps(terms);
        unsigned any = 0;
        for (int q = 0; q < count; ++q, sums += Stride) {
            found[q] = compare<Value>(_mm512_load_si512(sums), terms_f32x16, of[q]);
            any |= found[q];
        }
        return any != 0;
    }

private:
    template <class Value>
    static __mmask16 compare(__m512i sums, __m512 terms, const Valued& of) noexcept {
        const __m512i whole = _mm512_add_epi32(sums, _mm512_set1_epi32(of.start));
        const __m512 scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(whole), _mm512_set1_ps(of.scale));
        return _mm512_cmp_ps_mask(with_term(Value{}, scaled, terms), _mm512_set1_ps(of.bound),
                                  _CMP_LT_OQ);
    }
    static __m512 with_term(Factored, __m512 scaled, __m512 factors) noexcept {
        return _mm512_mul_ps(scaled, factors);
    }
    static __m512 with_term(Offset, __m512 scaled, __m512 offsets) noexcept {
        return _mm512_add_ps(scaled, offsets);
    }
};

}  // namespace
}  // namespace tersevec::symdist
