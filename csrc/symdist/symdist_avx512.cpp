// SPDX-License-Identifier: Apache-2.0
// Products of small whole numbers, AVX-512.
//   step       a line of small numbers: pairs of byte products, pairs of these, for each query;
//              of larger ones even and odd bytes as 16-bit numbers
//              nibbles of 1 and 2 bits: a line turned in its register, 2 look-ups for each query
//   registers  16 sums for 4 queries and 64 rows, 2 numbers, 8 queries
//              look-ups: 4 sums of bytes, 8 wider ones, 2 nibbles; tables come from memory
//   tail       none here: panels are whole groups of 64 rows, lines are whole
//   why not    bytes alone: pairs of large products saturate; nibbles of 4 bits: one product each
#include <immintrin.h>

#include "symdist/symdist_nibbles.h"
#include "symdist/symdist_widened.h"

namespace tersevec::symdist::avx512 {
namespace {

struct V {
    static constexpr int bytes = 64;
    using i32 [[gnu::vector_size(bytes)]] = std::int32_t;

    using f32 [[gnu::vector_size(bytes)]] = float;
    using u8 [[gnu::vector_size(bytes)]] = std::uint8_t;
    using u16 [[gnu::vector_size(bytes)]] = std::uint16_t;

    static i32 pairs(i32 a, i32 b) noexcept {
        return (i32)_mm512_madd_epi16((__m512i)a, (__m512i)b);
    }
    static i32 byte_pairs(i32 a, i32 b) noexcept {
        return (i32)_mm512_maddubs_epi16((__m512i)a, (__m512i)b);
    }
    static unsigned signs(i32 lanes) noexcept { return _mm512_movepi32_mask((__m512i)lanes); }

    static u8 look_up(u8 table, u8 index) noexcept {
        return (u8)_mm512_shuffle_epi8((__m512i)table, (__m512i)index);
    }
    // Bytes t = 0..3 of 4 rows, a dword for each t, in each quarter; then quarters for each t.
    static void turn(const std::uint8_t* line, u8* parts) noexcept {
        const __m512i by_t = _mm512_broadcast_i32x4(
            _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
        const __m512i quarters =
            _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        const __m512i rows = _mm512_shuffle_epi8(_mm512_loadu_si512(line), by_t);
        parts[0] = (u8)_mm512_permutexvar_epi32(quarters, rows);
    }
    static void widen(u16 even, u16 odd, std::int32_t* sums) noexcept {
        const auto added = [](u16 quarters) {
            const __m256i halves =
                _mm256_add_epi16(_mm512_castsi512_si256((__m512i)quarters),
                                 _mm512_extracti64x4_epi64((__m512i)quarters, 1));
            return _mm_add_epi16(_mm256_castsi256_si128(halves),
                                 _mm256_extracti128_si256(halves, 1));
        };
        const __m128i evens = added(even), odds = added(odd);
        const __m256i all =
            _mm256_set_m128i(_mm_unpackhi_epi16(evens, odds), _mm_unpacklo_epi16(evens, odds));
        _mm512_store_si512(sums, _mm512_slli_epi32(_mm512_cvtepu16_epi32(all), 1));
    }
};

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels =
    with_nibbles<V>(kernels_of<WidenedLevel<V, 64, 4>>(Isa::avx512, 3.4f, 127));

}  // namespace tersevec::symdist::avx512
