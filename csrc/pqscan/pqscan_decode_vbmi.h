// SPDX-License-Identifier: Apache-2.0
/// Codes decoded to bytes, AVX-512 with VBMI and VNNI: 64 codes of a coordinate at a time, four
/// coordinates interleaved to a line of each of the panel's four blocks.
///
/// Unpacking interleaves within 128-bit lanes: four vectors of bytes a, b, c, d become, for each
/// lane L, codes 4 v .. 4 v + 3 of it in vector v. So numbers are transposed first, as a 4 x 4
/// matrix of four codes each: then vector v is block v of the panel.
#pragma once

#include "pqscan/pqscan_vbmi.h"
#include "symdist/symdist_panel.h"

namespace tersevec::pqscan {
namespace {

inline __m512i transposed(__m512i numbers) noexcept {
    return _mm512_permutexvar_epi32(
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), numbers);
}

inline __m512i zeros(const Decode& decode) noexcept {
    return _mm512_set1_epi8(static_cast<char>(decode.zero));
}

/// Numbers of sub-space j of 64 codes. 4 bits: two blocks, low and high nibbles of each.
inline __m512i numbers_of(Nibbles, const std::uint8_t* blocks, bool second_block, std::int64_t m,
                          std::int64_t j) noexcept {
    const auto load = [&](const std::uint8_t* line) {
        return _mm_loadu_si128(reinterpret_cast<const __m128i*>(line));
    };
    const std::uint8_t* line = blocks + Nibbles::line_bytes * j;
    const __m512i first = _mm512_broadcast_i32x4(load(line));
    const __m512i both = _mm512_mask_broadcast_i32x4(
        first, 0xff00, load(second_block ? line + block_bytes_of<Nibbles>(m) : line));
    const __m512i shifts = _mm512_setr_epi64(0, 0, 4, 4, 0, 0, 4, 4);
    return _mm512_and_si512(_mm512_srlv_epi64(both, shifts), _mm512_set1_epi8(15));
}
inline __m512i numbers_of(Sextets, const std::uint8_t* block, std::int64_t m,
                          std::int64_t j) noexcept {
    return (__m512i)numbers<V>(Sextets{}, block + j / 4 * 192, static_cast<int>(j % 4),
                               j / 4 * 4 + 4 <= m);
}

/// The coordinates of 64 codes, one after the other; `zero` past the last.
template <class Layout, class Grain>
class Coordinates {
public:
    Coordinates(const Decode& decode, const std::uint8_t* blocks, bool second_block) noexcept
        : decode_(decode),
          blocks_(blocks),
          second_block_(second_block),
          bytes_(decode.bytes),
          end_(decode.bytes + decode.m * decode.dims * decode.n_centroids) {}

    __m512i next() noexcept {
        if (bytes_ == end_) {
            return zeros(decode_);
        }
        if (left_ == 0) {
            numbers_ = Numbers(transposed_numbers());
            ++j_;
            left_ = decode_.dims;
        }
        --left_;
        const auto found = V::look_up<Grain>(bytes_, numbers_);
        bytes_ += decode_.n_centroids;
        return (__m512i)found;
    }

private:
    using Numbers = V::Numbers<Grain>;

    V::u8 transposed_numbers() const noexcept {
        if constexpr (Layout::block_codes < 64) {
            return (V::u8)transposed(numbers_of(Layout{}, blocks_, second_block_, decode_.m, j_));
        } else if constexpr (Grain::bits <= 6) {
            return (V::u8)transposed(numbers_of(Layout{}, blocks_, decode_.m, j_));
        } else {
            return (V::u8)transposed(_mm512_loadu_si512(blocks_ + 64 * j_));
        }
    }

    const Decode& decode_;
    const std::uint8_t* blocks_;
    bool second_block_;
    const std::uint8_t* bytes_;
    const std::uint8_t* end_;
    std::int64_t j_ = 0, left_ = 0;
    Numbers numbers_;
};

/// 64 codes.
template <class Layout, class Grain>
void decode_group(const Decode& decode, const std::uint8_t* blocks, bool second_block,
                  std::uint8_t* panel, std::int32_t* squares) noexcept {
    Coordinates<Layout, Grain> coordinates(decode, blocks, second_block);
    const std::int64_t block_bytes = symdist::line_bytes * decode.lines;
    __m512i squares_i32x16[4] = {};
    for (std::int64_t g = 0; g < decode.lines; ++g, panel += symdist::line_bytes) {
        const __m512i a = coordinates.next(), b = coordinates.next();
        const __m512i c = coordinates.next(), d = coordinates.next();
        const __m512i ab_low = _mm512_unpacklo_epi8(a, b), ab_high = _mm512_unpackhi_epi8(a, b);
        const __m512i cd_low = _mm512_unpacklo_epi8(c, d), cd_high = _mm512_unpackhi_epi8(c, d);
        const __m512i lines[4] = {
            _mm512_unpacklo_epi16(ab_low, cd_low), _mm512_unpackhi_epi16(ab_low, cd_low),
            _mm512_unpacklo_epi16(ab_high, cd_high), _mm512_unpackhi_epi16(ab_high, cd_high)};
#pragma GCC unroll 4
        for (int v = 0; v < 4; ++v) {
            _mm512_storeu_si512(panel + v * block_bytes, lines[v]);
            const __m512i apart = _mm512_abs_epi8(_mm512_sub_epi8(lines[v], zeros(decode)));
            squares_i32x16[v] = _mm512_dpbusd_epi32(squares_i32x16[v], apart, apart);
        }
    }
    for (int v = 0; v < 4; ++v) {
        _mm512_storeu_si512(squares + 16 * v, squares_i32x16[v]);
    }
}

template <class Layout, class Grain>
void decode_groups(const Decode& decode, const std::uint8_t* blocks, std::int64_t n_codes,
                   std::uint8_t* panel, std::int32_t* squares) noexcept {
    constexpr int blocks_of_group = symdist::group_rows / Layout::block_codes;
    for (std::int64_t c = 0; c < n_codes; c += symdist::group_rows) {
        decode_group<Layout, Grain>(decode, blocks, n_codes - c > Layout::block_codes,
                                    panel + c * symdist::line_dims * decode.lines, squares + c);
        blocks += blocks_of_group * block_bytes_of<Layout>(decode.m);
    }
}

/// 7 bits look up in half of what 8 do.
inline void decode_octets(const Decode& decode, const std::uint8_t* blocks, std::int64_t n_codes,
                          std::uint8_t* panel, std::int32_t* squares) noexcept {
    if (decode.n_centroids <= 128) {
        return decode_groups<Octets, By<Octets, 7>>(decode, blocks, n_codes, panel, squares);
    }
    decode_groups<Octets, By<Octets, 8>>(decode, blocks, n_codes, panel, squares);
}

}  // namespace
}  // namespace tersevec::pqscan
