// SPDX-License-Identifier: Apache-2.0
// Hamming scan, AVX-512 without vector popcounts (Skylake-X, Cascade Lake).
//   step       one word of 8 codes and one query: xor, two nibble look-ups by vpshufb, two byte
//              adds
//   registers  byte counts and sums for each query; counts go to the sums by vpsadbw before a byte
//              can overflow
//   tail       none here; the loop hands us whole blocks
//   why not    popcnt in general registers: one a cycle, against 64 bytes in about six
#include <immintrin.h>

#include "hamming/hamming_avx512_block.h"
#include "hamming/hamming_loop.h"

namespace tersevec::hamming::avx512 {
namespace {

constexpr std::int64_t flush_words = 31;  // a byte gains at most 8 a word: 31 * 8 = 248 < 256

struct NibbleCounts {
    static __m512i byte_counts(__m512i bits) noexcept {
        const __m512i table =
            _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
        const __m512i nibble = _mm512_set1_epi8(15);
        const __m512i low = _mm512_shuffle_epi8(table, _mm512_and_si512(bits, nibble));
        const __m512i high =
            _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(bits, 4), nibble));
        return _mm512_add_epi8(low, high);
    }

    template <int Q>
    static void add(const std::uint64_t* queries, const std::uint64_t* block, std::int64_t n_words,
                    __m512i* sums) noexcept {
        for (std::int64_t first = 0; first < n_words; first += flush_words) {
            const std::int64_t last = first + flush_words < n_words ? first + flush_words : n_words;
            __m512i counts_u8[Q] = {};
            for (std::int64_t w = first; w < last; ++w) {
                const __m512i word = _mm512_loadu_si512(block + w * block_codes);
                __builtin_prefetch(block + w * block_codes + prefetch_words);
#pragma GCC unroll 8
                for (int q = 0; q < Q; ++q) {
                    const __m512i query =
                        _mm512_set1_epi64(static_cast<long long>(queries[w * Q + q]));
                    counts_u8[q] =
                        _mm512_add_epi8(counts_u8[q], byte_counts(_mm512_xor_si512(word, query)));
                }
            }
#pragma GCC unroll 8
            for (int q = 0; q < Q; ++q) {
                sums[q] = _mm512_add_epi64(sums[q],
                                           _mm512_sad_epu8(counts_u8[q], _mm512_setzero_si512()));
            }
        }
    }
};
using Block = Avx512Block<NibbleCounts>;

void pack_bits(const float* x, std::int64_t dim, std::uint8_t* bits) noexcept {
    const __m512i last_first =
        _mm512_setr_epi32(7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8);
    for (std::int64_t i = 0; i < dim; i += 16) {
        const std::int64_t left = dim - i;
        const auto lanes = static_cast<__mmask16>(left < 16 ? (1u << left) - 1 : 0xffffu);
        const __m512 values =
            _mm512_permutexvar_ps(last_first, _mm512_maskz_loadu_ps(lanes, x + i));
        const unsigned positive = _mm512_cmp_ps_mask(values, _mm512_setzero_ps(), _CMP_GT_OQ);
        bits[i / 8] = static_cast<std::uint8_t>(positive);
        if (left > 8) {
            bits[i / 8 + 1] = static_cast<std::uint8_t>(positive >> 8);
        }
    }
}

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels{.isa = Isa::avx512,
                                .below = &below<Block>,
                                .distances = &distances<Block>,
                                .pack_bits = &pack_bits};

}  // namespace tersevec::hamming::avx512
