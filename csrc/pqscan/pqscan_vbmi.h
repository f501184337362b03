// SPDX-License-Identifier: Apache-2.0
/// Registers with VBMI: look-ups in tables of 64 to 256 bytes.
#pragma once

#include <immintrin.h>

#include "pqscan/pqscan_wide.h"

namespace tersevec::pqscan {
namespace {

inline std::uint64_t sign_bits(const std::int32_t* sums, int count) noexcept {
    std::uint64_t bits = 0;
    for (int c = 0; c < count; c += 16) {
        bits |= std::uint64_t{_mm512_movepi32_mask(_mm512_loadu_si512(sums + c))} << c;
    }
    return bits;
}

/// 5 to 8 bits: vpermb looks up in 64 bytes and reads 6 bits of an index.
struct V : Register<64> {
    static u8 lower_six(u8 line) noexcept { return line; }
    static u8 upper_twos(u8 first, u8 second, u8 third) noexcept {
        const __m512i two = _mm512_set1_epi8(3), four = _mm512_set1_epi8(15);
        const __m512i low = _mm512_srli_epi16((__m512i)first, 6);
        const __m512i middle = _mm512_srli_epi16((__m512i)second, 4);
        const __m512i high = _mm512_srli_epi16((__m512i)third, 2);
        // 0xe4: the third's bits choose the first where set, the second elsewhere
        return (u8)_mm512_ternarylogic_epi64(_mm512_ternarylogic_epi64(low, middle, two, 0xe4),
                                             high, four, 0xe4);
    }

    template <class Grain>
    struct Numbers {
        __m512i x;
        Numbers() = default;
        explicit Numbers(u8 numbers) noexcept : x((__m512i)numbers) {}
    };
    template <class Grain>
    static u8 look_up(const std::uint8_t* table, const Numbers<Grain>& numbers) noexcept {
        return (u8)_mm512_permutexvar_epi8(numbers.x, _mm512_loadu_si512(table));
    }

    template <class Grain, int Q>
    static void step(const std::uint8_t* tables, std::int64_t table_bytes,
                     const std::uint8_t* lines, int subspaces, Running<V>* sums) noexcept {
        step_by_query<V, Grain, Q>(tables, table_bytes, lines, subspaces, sums);
    }

    static bool any(u16 lanes) noexcept {
        return _mm512_test_epi64_mask((__m512i)lanes, (__m512i)lanes) != 0;
    }
    static std::uint64_t signs(const std::int32_t* sums, int count) noexcept {
        return sign_bits(sums, count);
    }
};

/// Four quarters of the table, the later ones where the number's upper bits say so. vpermi2b looks
/// up in two quarters, but takes three operations.
template <>
struct V::Numbers<By<Octets, 8>> {
    __m512i x;
    __mmask64 bit6, bit7, both;
    Numbers() = default;
    explicit Numbers(u8 numbers) noexcept : x((__m512i)numbers) {
        bit7 = _mm512_movepi8_mask(x);
        bit6 = _mm512_movepi8_mask(_mm512_add_epi8(x, x));
        both = bit6 & bit7;
    }
};
template <>
V::u8 V::look_up<By<Octets, 8>>(const std::uint8_t* table,
                                const Numbers<By<Octets, 8>>& numbers) noexcept {
    const __m512i x = numbers.x;
    __m512i found = _mm512_permutexvar_epi8(x, _mm512_loadu_si512(table));
    found = _mm512_mask_permutexvar_epi8(found, numbers.bit6, x, _mm512_loadu_si512(table + 64));
    found = _mm512_mask_permutexvar_epi8(found, numbers.bit7, x, _mm512_loadu_si512(table + 128));
    return (u8)_mm512_mask_permutexvar_epi8(found, numbers.both, x,
                                            _mm512_loadu_si512(table + 192));
}

/// Two halves.
template <>
struct V::Numbers<By<Octets, 7>> {
    __m512i x;
    __mmask64 bit6;
    Numbers() = default;
    explicit Numbers(u8 numbers) noexcept : x((__m512i)numbers) {
        bit6 = _mm512_movepi8_mask(_mm512_add_epi8(x, x));
    }
};
template <>
V::u8 V::look_up<By<Octets, 7>>(const std::uint8_t* table,
                                const Numbers<By<Octets, 7>>& numbers) noexcept {
    const __m512i x = numbers.x;
    const __m512i found = _mm512_permutexvar_epi8(x, _mm512_loadu_si512(table));
    return (u8)_mm512_mask_permutexvar_epi8(found, numbers.bit6, x, _mm512_loadu_si512(table + 64));
}

}  // namespace
}  // namespace tersevec::pqscan
