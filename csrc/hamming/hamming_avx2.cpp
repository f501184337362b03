// SPDX-License-Identifier: Apache-2.0
// Hamming scan, AVX2: of few queries and of many, which look nibbles up two queries at once.
//   step       a word of 8 codes and one query: twice xor, two nibble counts by vpshufb, two byte
//              adds; of many queries 3 places of 64 codes and two queries: 6 look-ups by vpshufb,
//              whose sum stays below 16 in each half of a byte
//   registers  2 byte counts for each of few queries, which go to sums by vpsadbw before a byte can
//              overflow; of many 4 byte counts, 3 tables
//   tail       codes that are missing count as zeros; who asks leaves them out
//   why not    POPCNT, word by word: on a Zen 4 it takes twice as long; carry-save adders: 5
//              operations for each bit of 256 codes
#include "hamming/hamming_avx2_lookup.h"
#include "hamming/hamming_loop.h"

namespace tersevec::hamming::avx2 {
namespace {

struct Block {
    template <int Q>
    static bool sums(const std::uint64_t* queries, const std::uint64_t* block, std::int64_t n_words,
                     const std::int64_t* start, std::int64_t* out) noexcept {
        __m256i sums[Q][halves], any = _mm256_setzero_si256();
#pragma GCC unroll 8
        for (int q = 0; q < Q; ++q) {
            sums[q][0] = sums[q][1] = _mm256_set1_epi64x(start[q]);
        }
        for (std::int64_t first = 0; first < n_words; first += flush_words) {
            const std::int64_t left = n_words - first;
            add<Q>(queries + first * Q, block + first * block_codes,
                   left < flush_words ? left : flush_words, sums);
        }
#pragma GCC unroll 8
        for (int q = 0; q < Q; ++q) {
            for (int half = 0; half < halves; ++half, out += block_codes / halves) {
                any = _mm256_or_si256(any, sums[q][half]);
                _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), sums[q][half]);
            }
        }
        return _mm256_movemask_pd(_mm256_castsi256_pd(any)) != 0;
    }

    static unsigned signs(const std::int64_t* sums) noexcept {
        const auto* lanes = reinterpret_cast<const double*>(sums);
        return static_cast<unsigned>(_mm256_movemask_pd(_mm256_loadu_pd(lanes)) |
                                     _mm256_movemask_pd(_mm256_loadu_pd(lanes + 4)) << 4);
    }

private:
    static constexpr int halves = 2;                 // registers of a word of 8 codes
    static constexpr std::int64_t flush_words = 31;  // a byte gains at most 8: 31 * 8 < 256

    /// sums += distances in at most flush_words words.
    template <int Q>
    static void add(const std::uint64_t* queries, const std::uint64_t* block, std::int64_t n_words,
                    __m256i (&sums)[Q][halves]) noexcept {
        __m256i counts_u8[Q][halves] = {};
        for (std::int64_t w = 0; w < n_words; ++w, block += block_codes) {
            const auto* word = reinterpret_cast<const __m256i*>(block);
            const __m256i codes[] = {_mm256_loadu_si256(word), _mm256_loadu_si256(word + 1)};
            __builtin_prefetch(block + prefetch_words);
#pragma GCC unroll 8
            for (int q = 0; q < Q; ++q) {
                const auto query = _mm256_set1_epi64x(static_cast<long long>(queries[w * Q + q]));
#pragma GCC unroll 2
                for (int half = 0; half < halves; ++half) {
                    const __m256i differences = _mm256_xor_si256(codes[half], query);
                    counts_u8[q][half] =
                        _mm256_add_epi8(counts_u8[q][half], byte_counts(differences));
                }
            }
        }
#pragma GCC unroll 8
        for (int q = 0; q < Q; ++q) {
#pragma GCC unroll 2
            for (int half = 0; half < halves; ++half) {
                const __m256i words = _mm256_sad_epu8(counts_u8[q][half], _mm256_setzero_si256());
                sums[q][half] = _mm256_add_epi64(sums[q][half], words);
            }
        }
    }

    static __m256i byte_counts(__m256i bits) noexcept {
        const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                               0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
        const __m256i nibble = _mm256_set1_epi8(15);
        const __m256i low = _mm256_shuffle_epi8(table, _mm256_and_si256(bits, nibble));
        const __m256i high =
            _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(bits, 4), nibble));
        return _mm256_add_epi8(low, high);
    }
};

/// 8 signs at a time, the floats reversed first: the first one belongs in the most significant bit.
void pack_bits(const float* x, std::int64_t dim, std::uint8_t* bits) noexcept {
    const __m256i last_first = _mm256_setr_epi32(7, 6, 5, 4, 3, 2, 1, 0);
    std::int64_t i = 0;
    for (; i + 8 <= dim; i += 8) {
        const __m256 values = _mm256_permutevar8x32_ps(_mm256_loadu_ps(x + i), last_first);
        const __m256 positive = _mm256_cmp_ps(values, _mm256_setzero_ps(), _CMP_GT_OQ);
        bits[i / 8] = static_cast<std::uint8_t>(_mm256_movemask_ps(positive));
    }
    pack_rest(x, i, dim, bits);
}

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels{.isa = Isa::avx2,
                                .below = &below<Block>,
                                .distances = &distances<Block>,
                                .pack_bits = &pack_bits,
                                .lookup = &lookup};

}  // namespace tersevec::hamming::avx2
