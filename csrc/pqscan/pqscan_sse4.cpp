// SPDX-License-Identifier: Apache-2.0
// PQ scan, SSE4; 4 bits, wider ones by pqscan_shuffle.h.
//   step       2 sub-spaces and 16 codes: two pshufb, one byte add, two 16-bit adds
//   registers  8 sums for 2 queries, 4 indices, 1 constant; tables come from memory
//   tail       an odd last sub-space pairs with code 0 of a table of zeros
//   why not    widening each look-up: the byte add halves the 16-bit adds, since entries are at
//              most 127
//
// Bytes of even and odd codes share 16-bit lanes: `mixed` adds them as they are, `odd` adds the
// upper bytes alone, even = mixed - (odd << 8).
#include <nmmintrin.h>

#include "pqscan/pqscan_decode.h"
#include "pqscan/pqscan_shuffle.h"
#include "pqscan/pqscan_tables_loop.h"

namespace tersevec::pqscan::sse4 {
namespace {

constexpr int line_bytes = Nibbles::line_bytes, block_codes = Nibbles::block_codes;

std::uint64_t sign_bits(const std::int32_t* sums, int count) noexcept {
    std::uint64_t bits = 0;
    for (int c = 0; c < count; c += 4) {
        const __m128 lanes = _mm_loadu_ps(reinterpret_cast<const float*>(sums + c));
        bits |= std::uint64_t{static_cast<unsigned>(_mm_movemask_ps(lanes))} << c;
    }
    return bits;
}

__m128i load(const std::uint8_t* bytes) noexcept {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
}

struct NibbleAdder {
    using Grain = By<Nibbles, 4>;
    static constexpr int tile = 2;
    struct Sums {
        __m128i u16x8[4];  // codes 0 .. 7, 8 .. 15, 16 .. 23, 24 .. 31
    };
    struct Running {
        __m128i mixed, odd;
        void add(__m128i bytes) noexcept {
            mixed = _mm_add_epi16(mixed, bytes);
            odd = _mm_add_epi16(odd, _mm_srli_epi16(bytes, 8));
        }
        __m128i even() const noexcept { return _mm_sub_epi16(mixed, _mm_slli_epi16(odd, 8)); }
    };

    /// 2 sub-spaces, from the tables' and the codes' places.
    template <int Q>
    static void step(const std::uint8_t* tables, std::int64_t table_bytes, __m128i codes0,
                     __m128i codes1, Running* low, Running* high) noexcept {
        const __m128i nibble = _mm_set1_epi8(15);
        const __m128i low0 = _mm_and_si128(codes0, nibble);
        const __m128i low1 = _mm_and_si128(codes1, nibble);
        const __m128i high0 = _mm_and_si128(_mm_srli_epi16(codes0, 4), nibble);
        const __m128i high1 = _mm_and_si128(_mm_srli_epi16(codes1, 4), nibble);
#pragma GCC unroll 2
        for (int q = 0; q < Q; ++q) {
            const __m128i table0 = load(tables + q * table_bytes);
            const __m128i table1 = load(tables + q * table_bytes + line_bytes);
            low[q].add(
                _mm_add_epi8(_mm_shuffle_epi8(table0, low0), _mm_shuffle_epi8(table1, low1)));
            high[q].add(
                _mm_add_epi8(_mm_shuffle_epi8(table0, high0), _mm_shuffle_epi8(table1, high1)));
        }
    }

    template <int Q>
    static void add(const std::uint8_t* tables, std::int64_t table_bytes, const std::uint8_t* block,
                    std::int64_t m, Sums* sums) noexcept {
        Running low[Q] = {}, high[Q] = {};
        if (m % 2 != 0) {
            const std::int64_t last = line_bytes * (m - 1);
            step<Q>(tables + last, table_bytes, load(block + last), _mm_setzero_si128(), low, high);
        }
        for (std::int64_t j = 0; j + 1 < m; j += 2) {
            const std::uint8_t* codes = block + line_bytes * j;
            __builtin_prefetch(codes + prefetch_bytes);
            step<Q>(tables + line_bytes * j, table_bytes, load(codes), load(codes + line_bytes),
                    low, high);
        }
#pragma GCC unroll 2
        for (int q = 0; q < Q; ++q) {
            sums[q].u16x8[0] = _mm_unpacklo_epi16(low[q].even(), low[q].odd);
            sums[q].u16x8[1] = _mm_unpackhi_epi16(low[q].even(), low[q].odd);
            sums[q].u16x8[2] = _mm_unpacklo_epi16(high[q].even(), high[q].odd);
            sums[q].u16x8[3] = _mm_unpackhi_epi16(high[q].even(), high[q].odd);
        }
    }

    static std::uint64_t signs(const std::int32_t* sums) noexcept {
        return sign_bits(sums, block_codes);
    }

    static bool any_below(const Sums& sums, unsigned bound) noexcept {
        const __m128i lowest = _mm_min_epu16(_mm_min_epu16(sums.u16x8[0], sums.u16x8[1]),
                                             _mm_min_epu16(sums.u16x8[2], sums.u16x8[3]));
        const __m128i under = _mm_subs_epu16(_mm_set1_epi16(static_cast<short>(bound)), lowest);
        return _mm_testz_si128(under, under) == 0;
    }

    static void store(const Sums& sums, std::int32_t* out) noexcept {
        for (int part = 0; part < 4; ++part) {
            const __m128i part_u16 = sums.u16x8[part];
            auto* to = reinterpret_cast<__m128i*>(out + 8 * part);
            _mm_storeu_si128(to, _mm_cvtepu16_epi32(part_u16));
            _mm_storeu_si128(to + 1, _mm_cvtepu16_epi32(_mm_srli_si128(part_u16, 8)));
        }
    }
};

struct R : Register<16> {
    static u8 table(const std::uint8_t* from) noexcept { return Register::load(from); }
    static u8 shuffle(u8 table, u8 index) noexcept {
        return (u8)_mm_shuffle_epi8((__m128i)table, (__m128i)index);
    }
    static u8 adds(u8 a, u8 b) noexcept { return (u8)_mm_adds_epu8((__m128i)a, (__m128i)b); }
    static bool any(u16 lanes) noexcept {
        return _mm_testz_si128((__m128i)lanes, (__m128i)lanes) == 0;
    }
    static std::uint64_t signs(const std::int32_t* sums, int count) noexcept {
        return sign_bits(sums, count);
    }
};

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels{
    .isa = Isa::sse4,
    .costs = {0.14f, 0.5f, 2.3f, 3.0f, 7.0f},
    .below4 = &below<Sums16Block<NibbleAdder>>,
    .below6 = &below<Sums16Block<WideAdder<Shuffled<R>, By<Sextets, 6>, 2>>>,
    .below8 = &below<Sums16Block<WideAdder<Shuffled<R>, By<Octets, 8>, 2>>>,
    .below6by4 = &below<Sums16Block<WideAdder<Shuffled<R>, By<Sextets, 4>, 2>>>,
    .below8by6 = &below<Sums16Block<WideAdder<Shuffled<R>, By<Octets, 6>, 2>>>,
    .below8by7 = &below<Sums16Block<WideAdder<Shuffled<R>, By<Octets, 7>, 2>>>,
    .tables = &table_kernels<4>,
    .decode4 = &decode_codes<Nibbles, 4>,
    .decode6 = &decode_codes<Sextets, 4>,
    .decode8 = &decode_codes<Octets, 4>,
};

}  // namespace tersevec::pqscan::sse4
