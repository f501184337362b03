// SPDX-License-Identifier: Apache-2.0
// PQ scan, AVX-512 without VBMI (Skylake-X, Cascade Lake); 4 bits, wider ones by pqscan_shuffle.h.
//   step       8 sub-spaces and 16 codes: two vpshufb, one byte add, two 16-bit adds
//   registers  16 sums for 4 queries, 4 indices, 1 constant; tables come from memory
//   tail       missing sub-spaces are loaded as code 0; their tables are zeros
//   why not    widening each look-up: the byte add halves the 16-bit adds, since entries are at
//              most 127
//
// A register holds 4 sub-spaces x 16 codes, one sub-space in each 128-bit lane, as its table does.
// Bytes of even and odd codes share 16-bit lanes: `mixed` adds them as they are, `odd` adds the
// upper bytes alone, even = mixed - (odd << 8).
#include <immintrin.h>

#include "pqscan/pqscan_decode.h"
#include "pqscan/pqscan_shuffle.h"
#include "pqscan/pqscan_tables_loop.h"

namespace tersevec::pqscan::avx512 {
namespace {

constexpr int line_bytes = Nibbles::line_bytes, block_codes = Nibbles::block_codes;
constexpr std::int64_t group_subspaces = 4;  // in a register

std::uint64_t sign_bits(const std::int32_t* sums, int count) noexcept {
    std::uint64_t bits = 0;
    for (int c = 0; c < count; c += 16) {
        bits |= std::uint64_t{_mm512_movepi32_mask(_mm512_loadu_si512(sums + c))} << c;
    }
    return bits;
}

struct NibbleAdder {
    using Grain = By<Nibbles, 4>;
    static constexpr int tile = 4;
    struct Sums {
        __m512i lanes_u16;  // codes 0 2 .. 14 | 1 3 .. 15 | 16 18 .. 30 | 17 19 .. 31
    };
    struct Running {
        __m512i mixed, odd;
        void add(__m512i bytes) noexcept {
            mixed = _mm512_add_epi16(mixed, bytes);
            odd = _mm512_add_epi16(odd, _mm512_srli_epi16(bytes, 8));
        }
        __m512i even() const noexcept { return _mm512_sub_epi16(mixed, _mm512_slli_epi16(odd, 8)); }
    };

    static __m512i load(const std::uint8_t* block, std::int64_t subspaces) noexcept {
        if (subspaces >= group_subspaces) {
            return _mm512_loadu_si512(block);
        }
        const __mmask64 there = subspaces <= 0 ? 0 : (__mmask64{1} << (subspaces * line_bytes)) - 1;
        return _mm512_maskz_loadu_epi8(there, block);
    }

    /// Sums of the four lanes of a and b: a's in lanes 0 and 1, b's in lanes 2 and 3.
    static __m512i fold(__m512i a, __m512i b) noexcept {
        return _mm512_add_epi16(_mm512_shuffle_i64x2(a, b, 0x44), _mm512_shuffle_i64x2(a, b, 0xee));
    }

    /// 8 sub-spaces, from the tables' and the codes' places.
    template <int Q>
    static void step(const std::uint8_t* tables, std::int64_t table_bytes, __m512i codes0,
                     __m512i codes1, Running* low, Running* high) noexcept {
        const __m512i nibble = _mm512_set1_epi8(15);
        const __m512i low0 = _mm512_and_si512(codes0, nibble);
        const __m512i low1 = _mm512_and_si512(codes1, nibble);
        const __m512i high0 = _mm512_and_si512(_mm512_srli_epi16(codes0, 4), nibble);
        const __m512i high1 = _mm512_and_si512(_mm512_srli_epi16(codes1, 4), nibble);
#pragma GCC unroll 4
        for (int q = 0; q < Q; ++q) {
            const std::uint8_t* table = tables + q * table_bytes;
            const __m512i table0 = _mm512_loadu_si512(table);
            const __m512i table1 = _mm512_loadu_si512(table + 64);
            low[q].add(_mm512_add_epi8(_mm512_shuffle_epi8(table0, low0),
                                       _mm512_shuffle_epi8(table1, low1)));
            high[q].add(_mm512_add_epi8(_mm512_shuffle_epi8(table0, high0),
                                        _mm512_shuffle_epi8(table1, high1)));
        }
    }

    template <int Q>
    static void add(const std::uint8_t* tables, std::int64_t table_bytes, const std::uint8_t* block,
                    std::int64_t m, Sums* sums) noexcept {
        Running low[Q] = {}, high[Q] = {};
        constexpr std::int64_t pair = 2 * group_subspaces;
        const std::int64_t whole = m / pair * pair;
        if (whole < m) {
            const std::uint8_t* last = block + line_bytes * whole;
            step<Q>(tables + line_bytes * whole, table_bytes, load(last, m - whole),
                    load(last + 64, m - whole - group_subspaces), low, high);
        }
        for (std::int64_t j = 0; j < whole; j += pair) {
            const std::uint8_t* codes = block + line_bytes * j;
            __builtin_prefetch(codes + prefetch_bytes);
            __builtin_prefetch(codes + prefetch_bytes + 64);
            step<Q>(tables + line_bytes * j, table_bytes, _mm512_loadu_si512(codes),
                    _mm512_loadu_si512(codes + 64), low, high);
        }
#pragma GCC unroll 4
        for (int q = 0; q < Q; ++q) {
            const __m512i lows = fold(low[q].even(), low[q].odd);
            const __m512i highs = fold(high[q].even(), high[q].odd);
            sums[q].lanes_u16 = _mm512_add_epi16(_mm512_shuffle_i64x2(lows, highs, 0x88),
                                                 _mm512_shuffle_i64x2(lows, highs, 0xdd));
        }
    }

    static std::uint64_t signs(const std::int32_t* sums) noexcept {
        return sign_bits(sums, block_codes);
    }

    static bool any_below(Sums sums, unsigned bound) noexcept {
        return _mm512_cmplt_epu16_mask(sums.lanes_u16,
                                       _mm512_set1_epi16(static_cast<short>(bound))) != 0;
    }

    static void store(Sums sums, std::int32_t* out) noexcept {
        std::uint16_t lanes[block_codes];
        _mm512_storeu_si512(lanes, sums.lanes_u16);
        for (int c = 0; c < block_codes; ++c) {
            out[c] = lanes[c / 16 * 16 + c % 2 * 8 + c % 16 / 2];
        }
    }
};

struct R : Register<64> {
    static u8 table(const std::uint8_t* from) noexcept {
        return (u8)_mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
    }
    static u8 shuffle(u8 table, u8 index) noexcept {
        return (u8)_mm512_shuffle_epi8((__m512i)table, (__m512i)index);
    }
    static u8 adds(u8 a, u8 b) noexcept { return (u8)_mm512_adds_epu8((__m512i)a, (__m512i)b); }
    static bool any(u16 lanes) noexcept {
        return _mm512_test_epi64_mask((__m512i)lanes, (__m512i)lanes) != 0;
    }
    static std::uint64_t signs(const std::int32_t* sums, int count) noexcept {
        return sign_bits(sums, count);
    }
};

/// 16 codes in one register: vpermps looks up in the whole table.
void distances(const float* tables, const std::uint8_t* block, std::int64_t m,
               float* out) noexcept {
    __m512 low = _mm512_setzero_ps(), high = _mm512_setzero_ps();
    for (std::int64_t j = 0; j < m; ++j) {
        const __m512 table = _mm512_loadu_ps(tables + line_bytes * j);
        const __m512i codes = _mm512_cvtepu8_epi32(
            _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + line_bytes * j)));
        low = _mm512_add_ps(
            low, _mm512_permutexvar_ps(codes, table));  // reads the low 4 bits of an index
        high = _mm512_add_ps(high, _mm512_permutexvar_ps(_mm512_srli_epi32(codes, 4), table));
    }
    _mm512_storeu_ps(out, low);
    _mm512_storeu_ps(out + 16, high);
}

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels{
    .isa = Isa::avx512,
    .costs = {0.075f, 0.18f, 0.65f, 3.0f, 3.0f},
    .below4 = &below<Sums16Block<NibbleAdder>>,
    .below6 = &below<Sums16Block<WideAdder<Shuffled<R>, By<Sextets, 6>, 4>>>,
    .below8 = &below<Sums16Block<WideAdder<Shuffled<R>, By<Octets, 8>, 4>>>,
    .below6by4 = &below<Sums16Block<WideAdder<Shuffled<R>, By<Sextets, 4>, 4>>>,
    .below8by6 = &below<Sums16Block<WideAdder<Shuffled<R>, By<Octets, 6>, 4>>>,
    .below8by7 = &below<Sums16Block<WideAdder<Shuffled<R>, By<Octets, 7>, 4>>>,
    .distances4 = &distances,
    .tables = &table_kernels<16>,
    .decode4 = &decode_codes<Nibbles, 16>,
    .decode6 = &decode_codes<Sextets, 16>,
    .decode8 = &decode_codes<Octets, 16>,
};

}  // namespace tersevec::pqscan::avx512
