// SPDX-License-Identifier: Apache-2.0
/// One block of 8 codes by POPCNT, word by word, for levels without vectors that count bits.
#pragma once

#include <nmmintrin.h>

#include "hamming/hamming_loop.h"

namespace tersevec::hamming {
namespace {

struct PopcntBlock : SignsOneByOne {
    template <int Q>
    static bool sums(const std::uint64_t* queries, const std::uint64_t* block, std::int64_t n_words,
                     const std::int64_t* start, std::int64_t* out) noexcept {
        std::int64_t any = 0;
        for (int q = 0; q < Q; ++q) {
            std::int64_t sums[block_codes];
            for (int c = 0; c < block_codes; ++c) {
                sums[c] = start[q];
            }
            for (std::int64_t w = 0; w < n_words; ++w) {
                const std::uint64_t query = queries[w * Q + q];
                __builtin_prefetch(block + w * block_codes + prefetch_words);
#pragma GCC unroll 8
                for (int c = 0; c < block_codes; ++c) {
                    sums[c] += _mm_popcnt_u64(query ^ block[w * block_codes + c]);
                }
            }
            for (int c = 0; c < block_codes; ++c) {
                any |= out[q * block_codes + c] = sums[c];
            }
        }
        return any < 0;
    }
};

}  // namespace
}  // namespace tersevec::hamming
