// SPDX-License-Identifier: Apache-2.0
// Products of small whole numbers, SSE4.2.
//   step       a line of small numbers: pairs of byte products, pairs of these, for each query;
//              of larger ones even and odd bytes as 16-bit numbers
//              nibbles of 1 and 2 bits: a line turned to 4 registers, 8 look-ups for each query
//   registers  8 sums for 2 queries and 16 rows, 2 numbers, 4 queries
//              look-ups: 4 sums of bytes, 8 nibbles; tables and wider sums are in memory
//   tail       none here: panels are whole groups of 64 rows, lines are whole
//   why not    bytes alone: pairs of large products saturate; nibbles of 4 bits: one product each
#include <immintrin.h>

#include "symdist/symdist_nibbles.h"
#include "symdist/symdist_widened.h"

namespace tersevec::symdist::sse4 {
namespace {

struct V {
    static constexpr int bytes = 16;
    using i32 [[gnu::vector_size(bytes)]] = std::int32_t;
    using f32 [[gnu::vector_size(bytes)]] = float;
    using u8 [[gnu::vector_size(bytes)]] = std::uint8_t;
    using u16 [[gnu::vector_size(bytes)]] = std::uint16_t;

    static i32 pairs(i32 a, i32 b) noexcept { return (i32)_mm_madd_epi16((__m128i)a, (__m128i)b); }
    static i32 byte_pairs(i32 a, i32 b) noexcept {
        return (i32)_mm_maddubs_epi16((__m128i)a, (__m128i)b);
    }
    static unsigned signs(i32 lanes) noexcept {
        return static_cast<unsigned>(_mm_movemask_ps((__m128)lanes));
    }

    static u8 look_up(u8 table, u8 index) noexcept {
        return (u8)_mm_shuffle_epi8((__m128i)table, (__m128i)index);
    }
    // Bytes t = 0..3 of 4 rows, a dword for each t, then dwords of 16 rows.
    static void turn(const std::uint8_t* line, u8* parts) noexcept {
        const __m128i by_t = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        __m128i rows[4];
        for (int i = 0; i < 4; ++i) {
            rows[i] = _mm_shuffle_epi8(
                _mm_loadu_si128(reinterpret_cast<const __m128i*>(line + bytes * i)), by_t);
        }
        const __m128i low_01 = _mm_unpacklo_epi32(rows[0], rows[1]);
        const __m128i low_23 = _mm_unpacklo_epi32(rows[2], rows[3]);
        const __m128i high_01 = _mm_unpackhi_epi32(rows[0], rows[1]);
        const __m128i high_23 = _mm_unpackhi_epi32(rows[2], rows[3]);
        parts[0] = (u8)_mm_unpacklo_epi64(low_01, low_23);
        parts[1] = (u8)_mm_unpackhi_epi64(low_01, low_23);
        parts[2] = (u8)_mm_unpacklo_epi64(high_01, high_23);
        parts[3] = (u8)_mm_unpackhi_epi64(high_01, high_23);
    }
    static void widen(u16 even, u16 odd, std::int32_t* sums) noexcept {
        const __m128i eights[] = {_mm_unpacklo_epi16((__m128i)even, (__m128i)odd),
                                  _mm_unpackhi_epi16((__m128i)even, (__m128i)odd)};
        auto* out = reinterpret_cast<__m128i*>(sums);
        for (const __m128i eight : eights) {
            _mm_store_si128(out++, _mm_slli_epi32(_mm_cvtepu16_epi32(eight), 1));
            _mm_store_si128(out++, _mm_slli_epi32(_mm_unpackhi_epi16(eight, __m128i{}), 1));
        }
    }
};

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels =
    with_nibbles<V>(kernels_of<WidenedLevel<V, 16, 2>>(Isa::sse4, 10.0f, 127));

}  // namespace tersevec::symdist::sse4
