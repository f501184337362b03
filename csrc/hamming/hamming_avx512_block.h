// SPDX-License-Identifier: Apache-2.0
/// One block of 8 codes in one register, for both AVX-512 levels. `Counter` says how bits are
/// counted:
///   template <int Q> static void add(queries, block, n_words, sums): sums[q] += distances of the 8
///   codes to query q
#pragma once

#include <immintrin.h>

#include "hamming/hamming_loop.h"

namespace tersevec::hamming {
namespace {

template <class Counter>
struct Avx512Block {
    static unsigned signs(const std::int64_t* sums) noexcept {
        return _mm512_movepi64_mask(_mm512_loadu_si512(sums));
    }

    template <int Q>
    static bool sums(const std::uint64_t* queries, const std::uint64_t* block, std::int64_t n_words,
                     const std::int64_t* start, std::int64_t* out) noexcept {
        __m512i sums[Q];
#pragma GCC unroll 8
        for (int q = 0; q < Q; ++q) {
            sums[q] = _mm512_set1_epi64(start[q]);
        }
        Counter::template add<Q>(queries, block, n_words, sums);
        __m512i any = sums[0];
#pragma GCC unroll 8
        for (int q = 1; q < Q; ++q) {
            any = _mm512_or_si512(any, sums[q]);
        }
        if (_mm512_movepi64_mask(any) == 0) [[likely]] {
            return false;
        }
#pragma GCC unroll 8
        for (int q = 0; q < Q; ++q) {
            _mm512_storeu_si512(out + q * block_codes, sums[q]);
        }
        return true;
    }
};

}  // namespace
}  // namespace tersevec::hamming
