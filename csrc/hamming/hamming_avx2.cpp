// SPDX-License-Identifier: Apache-2.0
// Hamming scan, AVX2, of few queries; many look nibbles up.
//   step       one word of 4 codes and one query: xor, two nibble look-ups by vpshufb, two byte
//              adds
//   registers  2 byte counts and 2 sums for each query; counts go to the sums by vpsadbw before a
//              byte can overflow
//   tail       none here; the loop hands us whole blocks
//   why not    carry-save adders over words: they serve one query with long codes, not a tile of
//              queries
#include "hamming/hamming_avx2_lookup.h"

namespace tersevec::hamming::avx2 {
namespace {

constexpr std::int64_t flush_words = 31;  // a byte gains at most 8 a word: 31 * 8 = 248 < 256

struct Block {
    static __m256i byte_counts(__m256i bits) noexcept {
        const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                               0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
        const __m256i nibble = _mm256_set1_epi8(15);
        const __m256i low = _mm256_shuffle_epi8(table, _mm256_and_si256(bits, nibble));
        const __m256i high =
            _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(bits, 4), nibble));
        return _mm256_add_epi8(low, high);
    }

    /// sums[q] += distance of 4 of the block's codes (half 0 or 1) to query q.
    template <int Q>
    static void add(const std::uint64_t* queries, const std::uint64_t* block, int half,
                    std::int64_t n_words, __m256i* sums) noexcept {
        for (std::int64_t first = 0; first < n_words; first += flush_words) {
            const std::int64_t last = first + flush_words < n_words ? first + flush_words : n_words;
            __m256i counts_u8[Q] = {};
            for (std::int64_t w = first; w < last; ++w) {
                const __m256i word = _mm256_loadu_si256(
                    reinterpret_cast<const __m256i*>(block + w * block_codes + half * 4));
                __builtin_prefetch(block + w * block_codes + prefetch_words);
#pragma GCC unroll 8
                for (int q = 0; q < Q; ++q) {
                    const __m256i query =
                        _mm256_set1_epi64x(static_cast<long long>(queries[w * Q + q]));
                    counts_u8[q] =
                        _mm256_add_epi8(counts_u8[q], byte_counts(_mm256_xor_si256(word, query)));
                }
            }
#pragma GCC unroll 8
            for (int q = 0; q < Q; ++q) {
                sums[q] = _mm256_add_epi64(sums[q],
                                           _mm256_sad_epu8(counts_u8[q], _mm256_setzero_si256()));
            }
        }
    }

    static unsigned signs(const std::int64_t* sums) noexcept {
        const auto* lanes = reinterpret_cast<const double*>(sums);
        return static_cast<unsigned>(_mm256_movemask_pd(_mm256_loadu_pd(lanes)) |
                                     _mm256_movemask_pd(_mm256_loadu_pd(lanes + 4)) << 4);
    }

    template <int Q>
    static bool sums(const std::uint64_t* queries, const std::uint64_t* block, std::int64_t n_words,
                     const std::int64_t* start, std::int64_t* out) noexcept {
        __m256i any = _mm256_setzero_si256();
        for (int half = 0; half < 2; ++half) {
            __m256i sums[Q];
#pragma GCC unroll 8
            for (int q = 0; q < Q; ++q) {
                sums[q] = _mm256_set1_epi64x(start[q]);
            }
            add<Q>(queries, block, half, n_words, sums);
#pragma GCC unroll 8
            for (int q = 0; q < Q; ++q) {
                any = _mm256_or_si256(any, sums[q]);
                _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + q * block_codes + half * 4),
                                    sums[q]);
            }
        }
        return _mm256_movemask_pd(_mm256_castsi256_pd(any)) != 0;
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
