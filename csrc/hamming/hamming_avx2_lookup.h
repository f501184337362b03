// SPDX-License-Identifier: Apache-2.0
/// Groups of codes and tables of queries, AVX2: see `Lookup`.
/// Floor: 10 operations for 32 codes, 3 places and 2 queries, 3 of them shuffles: for 256 bits 3.4
/// a code and query, where to xor and to count bits takes 8.
#pragma once

#include <immintrin.h>

#include "hamming/hamming_loop.h"

namespace tersevec::hamming::avx2 {
namespace {

constexpr std::int64_t chunk_places = 63;  // 63 * 4 < 256

/// Both nibbles of a byte of 32 codes.
inline void put(__m256i bytes, __m256i* places) noexcept {
    const __m256i low = _mm256_set1_epi8(15);
    places[0] = _mm256_and_si256(bytes, low);
    places[2] = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), low);
}

/// One word of 4 blocks, whose bytes are transposed: pairs of codes, fours, eights, sixteens.
inline void group_word(const std::uint64_t* word, std::int64_t block_words,
                       __m256i* places) noexcept {
    const __m256i byte_by_byte = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15));
    for (int block = 0; block < 4; ++block) {
        __builtin_prefetch(word + block * block_words + prefetch_words);
    }
    __m256i twos[8], fours[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {  // codes 2i, 2i + 1 and those 16 later
        const std::uint64_t* two = word + i / 4 * block_words + i % 4 * 2;
        const auto* low = reinterpret_cast<const __m128i*>(two);
        const auto* high = reinterpret_cast<const __m128i*>(two + 2 * block_words);
        twos[i] = _mm256_shuffle_epi8(
            _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(low)),
                                    _mm_loadu_si128(high), 1),
            byte_by_byte);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {  // bytes 0 to 3, then 4 to 7
        fours[i] = _mm256_unpacklo_epi16(twos[2 * i], twos[2 * i + 1]);
        fours[4 + i] = _mm256_unpackhi_epi16(twos[2 * i], twos[2 * i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
        const __m256i* four = fours + i;
        const __m256i low01 = _mm256_unpacklo_epi32(four[0], four[1]);
        const __m256i low23 = _mm256_unpackhi_epi32(four[0], four[1]);
        const __m256i high01 = _mm256_unpacklo_epi32(four[2], four[3]);
        const __m256i high23 = _mm256_unpackhi_epi32(four[2], four[3]);
        put(_mm256_unpacklo_epi64(low01, high01), places + 4 * i);
        put(_mm256_unpackhi_epi64(low01, high01), places + 4 * i + 4);
        put(_mm256_unpacklo_epi64(low23, high23), places + 4 * i + 8);
        put(_mm256_unpackhi_epi64(low23, high23), places + 4 * i + 12);
    }
}
inline void group(const std::uint64_t* blocks, std::int64_t n_words,
                  std::uint64_t* group) noexcept {
    auto* places = reinterpret_cast<__m256i*>(group);
    const std::int64_t block_words = n_words * block_codes;
    for (std::int64_t w = 0; w < n_words; ++w, places += 2 * word_nibbles) {
        group_word(blocks + w * block_codes, block_words, places);
        group_word(blocks + w * block_codes + 4 * block_words, block_words, places + 1);
    }
    for (std::int64_t i = n_words * word_nibbles; i < places_of(n_words); ++i, places += 2) {
        places[0] = places[1] = _mm256_setzero_si256();
    }
}

/// Distances of 64 codes to one query: those of even and of odd codes, 32 after 32.
struct Distances {
    __m256i even[2], odd[2];

    void add(const __m256i (&bytes)[2]) noexcept {
#pragma GCC unroll 2
        for (int half = 0; half < 2; ++half) {
            even[half] =
                _mm256_add_epi16(even[half], _mm256_and_si256(bytes[half], _mm256_set1_epi16(255)));
            odd[half] = _mm256_add_epi16(odd[half], _mm256_srli_epi16(bytes[half], 8));
        }
    }
    /// Bit c: whether code c is nearer than `bound`.
    std::uint64_t below(int bound) const noexcept {
        const __m256i bounds = _mm256_set1_epi16(static_cast<std::int16_t>(bound));
        std::uint64_t found = 0;
#pragma GCC unroll 2
        for (int half = 0; half < 2; ++half) {
            const __m256i hits = _mm256_blendv_epi8(
                _mm256_cmpgt_epi16(bounds, even[half]), _mm256_cmpgt_epi16(bounds, odd[half]),
                _mm256_set1_epi16(static_cast<std::int16_t>(0xff00)));
            const auto bits = static_cast<std::uint32_t>(_mm256_movemask_epi8(hits));
            found |= std::uint64_t{bits} << 32 * half;
        }
        return found;
    }
    void store(std::uint16_t* distances) const noexcept {
        auto* out = reinterpret_cast<__m256i*>(distances);
        for (int half = 0; half < 2; ++half) {
            const __m256i low = _mm256_unpacklo_epi16(even[half], odd[half]);
            const __m256i high = _mm256_unpackhi_epi16(even[half], odd[half]);
            _mm256_storeu_si256(out + 2 * half, _mm256_permute2x128_si256(low, high, 0x20));
            _mm256_storeu_si256(out + 2 * half + 1, _mm256_permute2x128_si256(low, high, 0x31));
        }
    }
};

/// Bits in which `n` places differ, of a group and a pair of queries. A call of its own, or GCC
/// keeps distances in registers that these want.
[[gnu::noinline]] inline void look_up(const __m256i* group, const __m128i* tables, std::int64_t n,
                                      __m256i (&bytes)[2][2]) noexcept {
    const __m256i low = _mm256_set1_epi8(15);
    __m256i counts[2][2] = {};
    for (std::int64_t i = 0; i < n; i += 3, group += 6, tables += 3) {
        const __m256i table[] = {_mm256_broadcastsi128_si256(_mm_loadu_si128(tables)),
                                 _mm256_broadcastsi128_si256(_mm_loadu_si128(tables + 1)),
                                 _mm256_broadcastsi128_si256(_mm_loadu_si128(tables + 2))};
#pragma GCC unroll 2
        for (int half = 0; half < 2; ++half) {
            const __m256i both =
                _mm256_add_epi8(_mm256_add_epi8(_mm256_shuffle_epi8(table[0], group[half]),
                                                _mm256_shuffle_epi8(table[1], group[2 + half])),
                                _mm256_shuffle_epi8(table[2], group[4 + half]));
            counts[0][half] = _mm256_add_epi8(counts[0][half], _mm256_and_si256(both, low));
            counts[1][half] =
                _mm256_add_epi8(counts[1][half], _mm256_and_si256(_mm256_srli_epi16(both, 4), low));
        }
    }
    for (int q = 0; q < 2; ++q) {
        for (int half = 0; half < 2; ++half) {
            bytes[q][half] = counts[q][half];
        }
    }
}

/// Distances of a group to the two queries of a pair.
inline void measure(const __m256i* group, const __m128i* tables, std::int64_t n_places,
                    Distances (&distances)[2]) noexcept {
    distances[0] = distances[1] = {};
    for (std::int64_t first = 0; first < n_places; first += chunk_places) {
        __m256i bytes[2][2];
        const std::int64_t left = n_places - first;
        look_up(group + 2 * first, tables + first, left < chunk_places ? left : chunk_places,
                bytes);
        distances[0].add(bytes[0]);
        distances[1].add(bytes[1]);
    }
}

/// Calls `see(row, q, distances)` for each group that is `wanted(row, rows)` and each query.
template <class Wanted, class See>
void for_groups(const Scan& scan, const Wanted& wanted, const See& see) noexcept {
    const std::int64_t n_places = places_of(scan.n_words);
    const auto* group = reinterpret_cast<const __m256i*>(scan.blocks);
    for (std::int64_t row = 0; row < scan.n_rows; row += group_codes, group += 2 * n_places) {
        const std::int64_t left = scan.n_rows - row;
        if (!wanted(row, left < group_codes ? static_cast<int>(left) : group_codes)) {
            continue;
        }
        const auto* tables = reinterpret_cast<const __m128i*>(scan.queries);
        for (int q = 0; q < scan.n_queries; q += 2, tables += n_places) {
            Distances distances[2];
            measure(group, tables, n_places, distances);
            see(row, q, distances[0]);
            if (q + 1 < scan.n_queries) {
                see(row, q + 1, distances[1]);
            }
        }
    }
}

inline void below_of_groups(const Scan& scan, const std::int64_t* bounds, Key* const* hits,
                            std::int64_t* n_hits) noexcept {
    std::uint64_t allowed = 0;
    const auto wanted = [&](std::int64_t row, int count) {
        allowed = scan.mask.word(scan.first_row + row, count);
        return allowed != 0;
    };
    for_groups(scan, wanted, [&](std::int64_t row, int q, const Distances& distances) {
        constexpr std::int64_t most = 64 * lookup_words + 1;
        const std::int64_t bound = bounds[q] < most ? bounds[q] : most;
        std::uint64_t found = distances.below(static_cast<int>(bound)) & allowed;
        if (found == 0) [[likely]] {
            return;
        }
        std::uint16_t each[group_codes];
        distances.store(each);
        for (; found != 0; found &= found - 1) {
            const int c = __builtin_ctzll(found);
            hits[q][n_hits[q]++] = make_key(each[c], scan.first_row + row + c);
        }
    });
}

inline void distances_of_groups(const Scan& scan, std::int32_t* out,
                                std::int64_t out_stride) noexcept {
    int n = 0;
    const auto every = [&](std::int64_t, int count) {
        n = count;
        return true;
    };
    for_groups(scan, every, [&](std::int64_t row, int q, const Distances& distances) {
        std::uint16_t each[group_codes];
        distances.store(each);
        for (int c = 0; c < n; ++c) {
            out[q * out_stride + row + c] = each[c];
        }
    });
}

constexpr Lookup lookup{
    .group = &group, .below = &below_of_groups, .distances = &distances_of_groups};

}  // namespace
}  // namespace tersevec::hamming::avx2
