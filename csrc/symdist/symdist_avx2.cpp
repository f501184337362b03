// SPDX-License-Identifier: Apache-2.0
// Products of small whole numbers, AVX2.
//   step       a line of small numbers: pairs of byte products, pairs of these, for each query;
//              of larger ones even and odd bytes as 16-bit numbers
//              nibbles of 1 and 2 bits: a line turned to 2 registers, 4 look-ups for each query
//   registers  8 sums for 4 queries and 16 rows, 2 numbers; queries come from memory
//              look-ups: 4 sums of bytes, 4 nibbles; tables and wider sums are in memory
//   tail       none here: panels are whole groups of 64 rows, lines are whole
//   why not    bytes alone: pairs of large products saturate; nibbles of 4 bits: one product each
#include <immintrin.h>

#include "symdist/symdist_nibbles.h"
#include "symdist/symdist_widened.h"

namespace tersevec::symdist::avx2 {
namespace {

struct V {
    static constexpr int bytes = 32;
    using i32 [[gnu::vector_size(bytes)]] = std::int32_t;
    using f32 [[gnu::vector_size(bytes)]] = float;
    using u8 [[gnu::vector_size(bytes)]] = std::uint8_t;
    using u16 [[gnu::vector_size(bytes)]] = std::uint16_t;

    static i32 pairs(i32 a, i32 b) noexcept {
        return (i32)_mm256_madd_epi16((__m256i)a, (__m256i)b);
    }
    static i32 byte_pairs(i32 a, i32 b) noexcept {
        return (i32)_mm256_maddubs_epi16((__m256i)a, (__m256i)b);
    }

    static unsigned signs(i32 lanes) noexcept {
        return static_cast<unsigned>(_mm256_movemask_ps((__m256)lanes));
    }

    static u8 look_up(u8 table, u8 index) noexcept {
        return (u8)_mm256_shuffle_epi8((__m256i)table, (__m256i)index);
    }
    // Rows of 4 bytes t = 0..3 in each half, then in each quarter; 4 rows to a dword:
    //   rows 0-3 | 4-7, 8-11 | 12-15  ->  t = 0: rows 0-3 8-11 4-7 12-15 | t = 1: the same
    static void turn(const std::uint8_t* line, u8* parts) noexcept {
        const __m256i by_t = _mm256_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15,
                                              0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        const auto* from = reinterpret_cast<const __m256i*>(line);
        const __m256i first = _mm256_shuffle_epi8(_mm256_loadu_si256(from), by_t);
        const __m256i second = _mm256_shuffle_epi8(_mm256_loadu_si256(from + 1), by_t);
        parts[0] = (u8)_mm256_permute4x64_epi64(_mm256_unpacklo_epi32(first, second), 0xd8);
        parts[1] = (u8)_mm256_permute4x64_epi64(_mm256_unpackhi_epi32(first, second), 0xd8);
    }
    static void widen(u16 even, u16 odd, std::int32_t* sums) noexcept {
        const auto both = [](u16 halves) {
            return _mm_add_epi16(_mm256_castsi256_si128((__m256i)halves),
                                 _mm256_extracti128_si256((__m256i)halves, 1));
        };
        const auto twice = [](__m128i eight) {
            return _mm256_slli_epi32(_mm256_cvtepu16_epi32(eight), 1);
        };
        const __m256i low = twice(_mm_unpacklo_epi16(both((even)), both(odd)));
        const __m256i high = twice(_mm_unpackhi_epi16(both(even), both(odd)));
        auto* out = reinterpret_cast<__m256i*>(sums);
        _mm256_store_si256(out, _mm256_permute2x128_si256(low, high, 0x20));
        _mm256_store_si256(out + 1, _mm256_permute2x128_si256(low, high, 0x31));
    }
};

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels =
    with_nibbles<V>(kernels_of<WidenedLevel<V, 16, 4>>(Isa::avx2, 5.0f, 127));

}  // namespace tersevec::symdist::avx2
