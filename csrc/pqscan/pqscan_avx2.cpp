// SPDX-License-Identifier: Apache-2.0
// PQ scan, AVX2; 4 bits, wider ones by pqscan_shuffle.h.
//   step       4 sub-spaces and 16 codes: two vpshufb, one byte add, two 16-bit adds
//   registers  8 sums for 2 queries, 4 indices, 1 constant; tables come from memory
//   tail       missing sub-spaces are loaded as code 0; their tables are zeros
//   why not    widening each look-up: the byte add halves the 16-bit adds, since entries are at
//              most 127
//
// A register holds 2 sub-spaces x 16 codes, one sub-space in each 128-bit lane, as its table does.
// Bytes of even and odd codes share 16-bit lanes: `mixed` adds them as they are, `odd` adds the
// upper bytes alone, even = mixed - (odd << 8).
#include <immintrin.h>

#include "pqscan/pqscan_decode.h"
#include "pqscan/pqscan_shuffle.h"
#include "pqscan/pqscan_tables_loop.h"

namespace tersevec::pqscan::avx2 {
namespace {

constexpr int line_bytes = Nibbles::line_bytes, block_codes = Nibbles::block_codes;
constexpr std::int64_t group_subspaces = 4;  // in a register

std::uint64_t sign_bits(const std::int32_t* sums, int count) noexcept {
    std::uint64_t bits = 0;
    for (int c = 0; c < count; c += 8) {
        const __m256 lanes = _mm256_loadu_ps(reinterpret_cast<const float*>(sums + c));
        bits |= std::uint64_t{static_cast<unsigned>(_mm256_movemask_ps(lanes))} << c;
    }
    return bits;
}

struct NibbleAdder {
    using Grain = By<Nibbles, 4>;
    static constexpr int tile = 2;
    struct Sums {
        __m256i front_u16;  // codes 0 .. 7 | 16 .. 23
        __m256i back_u16;   // codes 8 .. 15 | 24 .. 31
    };
    struct Running {
        __m256i mixed, odd;
        void add(__m256i bytes) noexcept {
            mixed = _mm256_add_epi16(mixed, bytes);
            odd = _mm256_add_epi16(odd, _mm256_srli_epi16(bytes, 8));
        }
        __m256i even() const noexcept { return _mm256_sub_epi16(mixed, _mm256_slli_epi16(odd, 8)); }
    };

    static __m256i load(const std::uint8_t* block, std::int64_t subspaces) noexcept {
        if (subspaces >= 2) {
            return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block));
        }
        return subspaces == 1 ? _mm256_zextsi128_si256(
                                    _mm_loadu_si128(reinterpret_cast<const __m128i*>(block)))
                              : _mm256_setzero_si256();
    }

    /// Sums of the two lanes of a and b: a's in lane 0, b's in lane 1.
    static __m256i fold(__m256i a, __m256i b) noexcept {
        return _mm256_add_epi16(_mm256_permute2x128_si256(a, b, 0x20),
                                _mm256_permute2x128_si256(a, b, 0x31));
    }

    /// 4 sub-spaces, from the tables' and the codes' places.
    template <int Q>
    static void step(const std::uint8_t* tables, std::int64_t table_bytes, __m256i codes0,
                     __m256i codes1, Running* low, Running* high) noexcept {
        const __m256i nibble = _mm256_set1_epi8(15);
        const __m256i low0 = _mm256_and_si256(codes0, nibble);
        const __m256i low1 = _mm256_and_si256(codes1, nibble);
        const __m256i high0 = _mm256_and_si256(_mm256_srli_epi16(codes0, 4), nibble);
        const __m256i high1 = _mm256_and_si256(_mm256_srli_epi16(codes1, 4), nibble);
#pragma GCC unroll 2
        for (int q = 0; q < Q; ++q) {
            const auto* table = reinterpret_cast<const __m256i*>(tables + q * table_bytes);
            const __m256i table0 = _mm256_loadu_si256(table);
            const __m256i table1 = _mm256_loadu_si256(table + 1);
            low[q].add(_mm256_add_epi8(_mm256_shuffle_epi8(table0, low0),
                                       _mm256_shuffle_epi8(table1, low1)));
            high[q].add(_mm256_add_epi8(_mm256_shuffle_epi8(table0, high0),
                                        _mm256_shuffle_epi8(table1, high1)));
        }
    }

    template <int Q>
    static void add(const std::uint8_t* tables, std::int64_t table_bytes, const std::uint8_t* block,
                    std::int64_t m, Sums* sums) noexcept {
        Running low[Q] = {}, high[Q] = {};
        const std::int64_t whole = m / group_subspaces * group_subspaces;
        if (whole < m) {
            const std::uint8_t* last = block + line_bytes * whole;
            step<Q>(tables + line_bytes * whole, table_bytes, load(last, m - whole),
                    load(last + 2 * line_bytes, m - whole - 2), low, high);
        }
        for (std::int64_t j = 0; j < whole; j += group_subspaces) {
            const auto* codes = reinterpret_cast<const __m256i*>(block + line_bytes * j);
            __builtin_prefetch(block + line_bytes * j + prefetch_bytes);
            step<Q>(tables + line_bytes * j, table_bytes, _mm256_loadu_si256(codes),
                    _mm256_loadu_si256(codes + 1), low, high);
        }
#pragma GCC unroll 2
        for (int q = 0; q < Q; ++q) {
            const __m256i even = fold(low[q].even(), high[q].even());
            const __m256i odd = fold(low[q].odd, high[q].odd);
            sums[q].front_u16 = _mm256_unpacklo_epi16(even, odd);
            sums[q].back_u16 = _mm256_unpackhi_epi16(even, odd);
        }
    }

    static std::uint64_t signs(const std::int32_t* sums) noexcept {
        return sign_bits(sums, block_codes);
    }

    static bool any_below(Sums sums, unsigned bound) noexcept {
        const __m256i bounds = _mm256_set1_epi16(static_cast<short>(bound));
        const __m256i lowest = _mm256_min_epu16(sums.front_u16, sums.back_u16);
        const __m256i under = _mm256_subs_epu16(bounds, lowest);  // not zero where a sum is below
        return _mm256_testz_si256(under, under) == 0;
    }

    static void store(Sums sums, std::int32_t* out) noexcept {
        const auto widen = [](std::int32_t* to, __m128i sums_u16x8) {
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_cvtepu16_epi32(sums_u16x8));
        };
        widen(out, _mm256_castsi256_si128(sums.front_u16));
        widen(out + 8, _mm256_castsi256_si128(sums.back_u16));
        widen(out + 16, _mm256_extracti128_si256(sums.front_u16, 1));
        widen(out + 24, _mm256_extracti128_si256(sums.back_u16, 1));
    }
};

struct R : Register<32> {
    static u8 table(const std::uint8_t* from) noexcept {
        return (u8)_mm256_broadcastsi128_si256(
            _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
    }
    static u8 shuffle(u8 table, u8 index) noexcept {
        return (u8)_mm256_shuffle_epi8((__m256i)table, (__m256i)index);
    }
    static u8 adds(u8 a, u8 b) noexcept { return (u8)_mm256_adds_epu8((__m256i)a, (__m256i)b); }
    static bool any(u16 lanes) noexcept {
        return _mm256_testz_si256((__m256i)lanes, (__m256i)lanes) == 0;
    }
    static std::uint64_t signs(const std::int32_t* sums, int count) noexcept {
        return sign_bits(sums, count);
    }
};

/// 8 codes in one register: vpermps looks up in each half of the table, bit 3 of the code chooses.
void distances(const float* tables, const std::uint8_t* block, std::int64_t m,
               float* out) noexcept {
    __m256 sums[4] = {};
    for (std::int64_t j = 0; j < m; ++j) {
        const __m256 front = _mm256_loadu_ps(tables + line_bytes * j);
        const __m256 back = _mm256_loadu_ps(tables + line_bytes * j + 8);
#pragma GCC unroll 4
        for (int part = 0; part < 4; ++part) {
            const std::uint8_t* bytes = block + line_bytes * j + part % 2 * 8;
            __m256i codes =
                _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes)));
            codes = part < 2 ? codes : _mm256_srli_epi32(codes, 4);
            const __m256 upper =
                _mm256_castsi256_ps(_mm256_slli_epi32(codes, 28));  // bit 3 to the sign
            sums[part] = _mm256_add_ps(
                sums[part], _mm256_blendv_ps(_mm256_permutevar8x32_ps(front, codes),
                                             _mm256_permutevar8x32_ps(back, codes), upper));
        }
    }
    for (int part = 0; part < 4; ++part) {
        _mm256_storeu_ps(out + 8 * part, sums[part]);
    }
}

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels{
    .isa = Isa::avx2,
    .costs = {0.1f, 0.34f, 1.0f, 3.0f, 5.0f},
    .below4 = &below<Sums16Block<NibbleAdder>>,
    .below6 = &below<Sums16Block<WideAdder<Shuffled<R>, By<Sextets, 6>, 4>>>,
    .below8 = &below<Sums16Block<WideAdder<Shuffled<R>, By<Octets, 8>, 4>>>,
    .below6by4 = &below<Sums16Block<WideAdder<Shuffled<R>, By<Sextets, 4>, 4>>>,
    .below8by6 = &below<Sums16Block<WideAdder<Shuffled<R>, By<Octets, 6>, 4>>>,
    .below8by7 = &below<Sums16Block<WideAdder<Shuffled<R>, By<Octets, 7>, 4>>>,
    .distances4 = &distances,
    .tables = &table_kernels<8>,
    .decode4 = &decode_codes<Nibbles, 8>,
    .decode6 = &decode_codes<Sextets, 8>,
    .decode8 = &decode_codes<Octets, 8>,
};

}  // namespace tersevec::pqscan::avx2
