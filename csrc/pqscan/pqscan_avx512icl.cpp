// SPDX-License-Identifier: Apache-2.0
// PQ scan, AVX-512 with VBMI and VNNI; 4 bits, and at the end 5 to 8.
//   step       a group of 4 sub-spaces and 16 codes: vpermb looks up in 4 tables at once, vpdpbusd
//              adds each code's 4 bytes
//   registers  16 sums for 8 queries (codes 0..15 and 16..31), 2 indices, 3 constants; tables come
//              from memory
//   tail       the last group's missing sub-spaces are loaded as code 0; their tables are zeros
//   why not    vpshufb and 16-bit sums: more instructions for the same ports, and sums overflow
//              past 512 sub-spaces
//
// 4 bits: 64 bytes of a block = 4 sub-spaces x 16 bytes, each byte two codes. One vpermb puts the 4
// sub-spaces of a code together:
//   byte 16 s + c  ->  byte 4 c + s        s = 0..3 sub-space, c = 0..15 code
// and 16 s above the nibble picks table s of the 64-byte register.
#include <immintrin.h>

#include "pqscan/pqscan_decode_vbmi.h"

namespace tersevec::pqscan::avx512icl {
namespace {

constexpr int line_bytes = Nibbles::line_bytes;
constexpr std::int64_t group_subspaces = 4;  // in a register

struct NibbleBlock {
    using Grain = By<Nibbles, 4>;
    static constexpr int tile = 8;

    /// 64 bytes -> indices of codes 0..15 and of codes 16..31.
    static void indices(__m512i codes, __m512i* low, __m512i* high) noexcept {
        const __m512i together =
            _mm512_set_epi8(63, 47, 31, 15, 62, 46, 30, 14, 61, 45, 29, 13, 60, 44, 28, 12,  //
                            59, 43, 27, 11, 58, 42, 26, 10, 57, 41, 25, 9, 56, 40, 24, 8,    //
                            55, 39, 23, 7, 54, 38, 22, 6, 53, 37, 21, 5, 52, 36, 20, 4,      //
                            51, 35, 19, 3, 50, 34, 18, 2, 49, 33, 17, 1, 48, 32, 16, 0);
        const __m512i nibble = _mm512_set1_epi8(15);
        const __m512i table = _mm512_set1_epi32(0x30201000);
        codes = _mm512_permutexvar_epi8(together, codes);
        *low = _mm512_ternarylogic_epi64(codes, nibble, table, 0xea);  // (codes & nibble) | table
        *high = _mm512_ternarylogic_epi64(_mm512_srli_epi16(codes, 4), nibble, table, 0xea);
    }

    template <int Q>
    static void add(const std::uint8_t* tables, std::int64_t table_bytes, __m512i codes,
                    __m512i* sums) noexcept {
        __m512i low, high;
        indices(codes, &low, &high);
        const __m512i ones = _mm512_set1_epi8(1);
#pragma GCC unroll 8
        for (int q = 0; q < Q; ++q) {
            const __m512i table = _mm512_loadu_si512(tables + q * table_bytes);
            sums[2 * q] =
                _mm512_dpbusd_epi32(sums[2 * q], _mm512_permutexvar_epi8(low, table), ones);
            sums[2 * q + 1] =
                _mm512_dpbusd_epi32(sums[2 * q + 1], _mm512_permutexvar_epi8(high, table), ones);
        }
    }

    static std::uint64_t signs(const std::int32_t* sums) noexcept {
        return sign_bits(sums, Grain::block_codes);
    }

    template <int Q>
    static unsigned sums(const std::uint8_t* tables, std::int64_t table_bytes,
                         const std::uint8_t* block, std::int64_t m, const std::int32_t* start,
                         std::int32_t* out) noexcept {
        __m512i sums[2 * Q];
#pragma GCC unroll 8
        for (int q = 0; q < Q; ++q) {
            sums[2 * q] = sums[2 * q + 1] = _mm512_set1_epi32(start[q]);
        }
        const std::int64_t whole = m / group_subspaces * group_subspaces;
        if (whole < m) {
            const __mmask64 there = (__mmask64{1} << ((m - whole) * line_bytes)) - 1;
            add<Q>(tables + line_bytes * whole, table_bytes,
                   _mm512_maskz_loadu_epi8(there, block + line_bytes * whole), sums);
        }
        for (std::int64_t j = 0; j < whole; j += group_subspaces) {
            __builtin_prefetch(block + line_bytes * j + prefetch_bytes);
            add<Q>(tables + line_bytes * j, table_bytes, _mm512_loadu_si512(block + line_bytes * j),
                   sums);
        }
        __m512i any = sums[0];
#pragma GCC unroll 16
        for (int i = 1; i < 2 * Q; ++i) {
            any = _mm512_or_si512(any, sums[i]);
        }
        if (_mm512_movepi32_mask(any) == 0) [[likely]] {
            return 0;
        }
        unsigned hit = 0;
#pragma GCC unroll 8
        for (int q = 0; q < Q; ++q) {
            const __m512i low = sums[2 * q], high = sums[2 * q + 1];
            if (_mm512_movepi32_mask(_mm512_or_si512(low, high)) != 0) {
                hit |= 1u << q;
                _mm512_storeu_si512(out + 32 * q, low);
                _mm512_storeu_si512(out + 32 * q + 16, high);
            }
        }
        return hit;
    }
};

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels{
    .isa = Isa::avx512icl,
    .costs = {0.045f, 0.065f, 0.18f, 0.4f, 0.5f},
    .below4 = &below<NibbleBlock>,
    .below6 = &below<Sums16Block<WideAdder<V, By<Sextets, 6>, 8>>>,
    .below8 = &below<Sums16Block<WideAdder<V, By<Octets, 8>, 2>>>,
    .below8by6 = &below<Sums16Block<WideAdder<V, By<Octets, 6>, 8>>>,
    .below8by7 = &below<Sums16Block<WideAdder<V, By<Octets, 7>, 4>>>,
    .decode4 = &decode_groups<Nibbles, By<Nibbles, 4>>,
    .decode6 = &decode_groups<Sextets, By<Sextets, 6>>,
    .decode8 = &decode_octets,
    .decodes_words = false,
};

}  // namespace tersevec::pqscan::avx512icl
