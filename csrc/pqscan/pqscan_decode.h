// SPDX-License-Identifier: Apache-2.0
/// Codes decoded to bytes, so that queries multiply them: the way for many queries, where a product
/// of bytes costs less than a look-up.
///
/// Coordinate i of a decoded row is about centre[i] + step * (u - zero), u a byte from a table of
/// the coordinate's centroids. A squared distance is about
///   |q - centre|^2 - 2 step (q - centre) (u - zero) + step^2 |u - zero|^2
/// which is a product of bytes and an offset of the row; of inner products only the product.
///
/// Here a panel's line of a row, four bytes, is the sum of a word for each sub-space that has
/// coordinates in it. Few groups take turns at a line, so that its words stay in the first cache
/// while the codes come in order. Two coordinates a sub-space: five operations for four bytes.
#pragma once

#include <type_traits>

#include "pqscan/pqscan_layout.h"
#include "simd/lanes.h"
#include "symdist/symdist_panel.h"

namespace tersevec::pqscan {
namespace {

constexpr int group_codes = symdist::group_rows;
constexpr std::int64_t turn_codes = 4 * group_codes;

/// A sub-space's numbers of 64 codes, of a second block only if there is one: in `room`, unless
/// they lie so in the blocks. Those of codes that are not there are anything below n_centroids.
template <class Layout>
const std::uint8_t* numbers_of(const std::uint8_t* blocks, bool second_block, std::int64_t m,
                               std::int64_t j, std::int64_t n_centroids,
                               std::uint8_t* room) noexcept {
    if constexpr (std::is_same_v<Layout, Octets>) {
        if (n_centroids == 256) {
            return blocks + Octets::line_bytes * j;
        }
    }
    for (int first = 0; first < group_codes; first += Layout::block_codes) {
        const bool second = second_block && first > 0;
        Layout::read_subspace(blocks + (second ? block_bytes_of<Layout>(m) : 0), j, room + first);
    }
    const auto mask = static_cast<std::uint8_t>(n_centroids - 1);
    for (int c = 0; c < group_codes; ++c) {
        room[c] &= mask;
    }
    return room;
}

/// A line of a group, from each sub-space's words and numbers.
template <int Subspaces>
void put_line(const std::uint32_t* words, std::int64_t n_centroids,
              const std::uint8_t* const (&numbers)[symdist::line_dims], std::uint32_t zeros,
              std::int64_t block_bytes, std::uint8_t* line) noexcept {
    const std::uint8_t* next[] = {numbers[0], numbers[1], numbers[2], numbers[3]};
    for (int block = 0; block < group_codes / symdist::block_rows; ++block, line += block_bytes) {
        for (int r = 0; r < symdist::block_rows; ++r) {
            std::uint32_t word = Subspaces == 0 ? zeros : 0;
#pragma GCC unroll 4
            for (int s = 0; s < Subspaces; ++s) {
                word |= words[s * n_centroids + *next[s]++];
            }
            store(line + symdist::line_dims * r, word);
        }
    }
}

/// squares[r] = the sum of (byte - zero)^2 of a group's rows; two of them fit 16 bits.
template <int Lanes>
void add_squares(const std::uint8_t* group, std::int64_t lines, int zero,
                 std::int32_t* squares) noexcept {
    using i32 = typename Vector<Lanes>::i32;
    using i16 = typename Vector<2 * Lanes>::i16;
    using u16 = typename Vector<2 * Lanes>::u16;
    const auto of_zero = static_cast<std::int16_t>(zero);
    for (int r = 0; r < group_codes; r += Lanes) {
        const std::uint8_t* bytes = group + r / symdist::block_rows * symdist::line_bytes * lines +
                                    r % symdist::block_rows * symdist::line_dims;
        i32 sums = {};
        for (std::int64_t g = 0; g < lines; ++g, bytes += symdist::line_bytes) {
            const auto line = load<u16>(bytes);
            const i16 even = (i16)(line & 0xff) - of_zero, odd = (i16)(line >> 8) - of_zero;
            const auto pairs = (i32)(even * even + odd * odd);
            sums += (pairs & 0xffff) + (pairs >> 16);
        }
        store(squares + r, sums);
    }
}

/// Line g of the panels of some groups; returns how many sub-spaces have coordinates in it.
template <class Layout>
std::int64_t decode_line(const Decode& decode, std::int64_t g, const std::uint32_t* words,
                         const std::uint8_t* blocks, std::int64_t n_codes,
                         std::uint8_t* panel) noexcept {
    using namespace symdist;
    static constexpr decltype(&put_line<1>) put[] = {&put_line<0>, &put_line<1>, &put_line<2>,
                                                     &put_line<3>, &put_line<4>};
    const std::int64_t coordinates = decode.m * decode.dims, n = decode.n_centroids;
    const std::int64_t first = line_dims * g, j = first / decode.dims;
    const std::int64_t end = first + line_dims < coordinates ? first + line_dims : coordinates;
    const std::int64_t n_subspaces =
        first < coordinates ? (end + decode.dims - 1) / decode.dims - j : 0;
    const std::int64_t block_bytes = line_bytes * decode.lines;
    const std::uint32_t zeros = 0x01010101u * static_cast<std::uint32_t>(decode.zero);
    panel += line_bytes * g;
    for (; n_codes > 0; n_codes -= group_codes) {
        const bool second_block = n_codes > Layout::block_codes;
        std::uint8_t room[line_dims][group_codes];
        const std::uint8_t* numbers[line_dims] = {};
        for (std::int64_t s = 0; s < n_subspaces; ++s) {
            numbers[s] = numbers_of<Layout>(blocks, second_block, decode.m, j + s, n, room[s]);
        }
        put[n_subspaces](words, n, numbers, zeros, block_bytes, panel);
        blocks += group_codes / Layout::block_codes * block_bytes_of<Layout>(decode.m);
        panel += group_codes / block_rows * block_bytes;
    }
    return n_subspaces;
}

template <class Layout, int Lanes>
void decode_codes(const Decode& decode, const std::uint8_t* blocks, std::int64_t n_codes,
                  std::uint8_t* panel, std::int32_t* squares) noexcept {
    const std::int64_t row_bytes = symdist::line_dims * decode.lines;
    for (std::int64_t c = 0; c < n_codes; c += turn_codes) {
        const std::int64_t count = n_codes - c < turn_codes ? n_codes - c : turn_codes;
        const std::uint32_t* words = decode.words;
        for (std::int64_t g = 0; g < decode.lines; ++g) {
            words += decode.n_centroids *
                     decode_line<Layout>(decode, g, words, blocks, count, panel + c * row_bytes);
        }
        for (std::int64_t r = c; r < c + count; r += group_codes) {
            add_squares<Lanes>(panel + r * row_bytes, decode.lines, decode.zero, squares + r);
        }
        blocks += turn_codes / Layout::block_codes * block_bytes_of<Layout>(decode.m);
    }
}

}  // namespace
}  // namespace tersevec::pqscan
