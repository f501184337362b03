// SPDX-License-Identifier: Apache-2.0
// Hamming scan, AVX-512 with VPOPCNTDQ.
//   step       one word of 8 codes and one query: vpxorq with a broadcast, vpopcntq, vpaddq
//   registers  9 of 32 for 8 queries: 8 sums, the block's word
//   tail       none here; the loop hands us whole blocks
//   why not    carry-save adders: a 3:2 step costs the popcount and the add that it saves
#include <immintrin.h>

#include "hamming/hamming_avx512_block.h"
#include "hamming/hamming_loop.h"

namespace tersevec::hamming::avx512icl {
namespace {

struct Popcount {
    template <int Q>
    static void add(const std::uint64_t* queries, const std::uint64_t* block, std::int64_t n_words,
                    __m512i* sums) noexcept {
        for (std::int64_t w = 0; w < n_words; ++w) {
            const __m512i word = _mm512_loadu_si512(block + w * block_codes);
            __builtin_prefetch(block + w * block_codes + prefetch_words);
#pragma GCC unroll 8
            for (int q = 0; q < Q; ++q) {
                const __m512i query = _mm512_set1_epi64(static_cast<long long>(queries[w * Q + q]));
                sums[q] =
                    _mm512_add_epi64(sums[q], _mm512_popcnt_epi64(_mm512_xor_si512(word, query)));
            }
        }
    }
};
using Block = Avx512Block<Popcount>;

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels{
    .isa = Isa::avx512icl, .below = &below<Block>, .distances = &distances<Block>};

}  // namespace tersevec::hamming::avx512icl
