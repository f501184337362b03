// SPDX-License-Identifier: Apache-2.0
/// The three layouts of blocks, and the grains at which tables are looked up in them.
///
/// A layout says
///   block_codes        codes of a block
///   lines(m)           lines of `line_bytes` in a block
///   get, put           one code's number of a sub-space
///   read               one code's numbers of sub-spaces j .. j + count - 1, j a multiple of 4
///   read_subspace      a sub-space's numbers of all codes of a block
/// A grain is a layout and how many of a number's lower bits look up: `slots` entries a table.
/// Fewer than the number has make a coarse table, each entry the least of those that share these
/// bits: its sums still bound from below, and cost a half or a quarter of the look-ups.
#pragma once

#include "pqscan/pqscan.h"

namespace tersevec::pqscan {

/// 4 bits: one line of 16 bytes a sub-space, two codes a byte.
///   byte 16 j + t = code(t, j) | code(t + 16, j) << 4        t = 0..15
struct Nibbles {
    static constexpr int block_codes = 32, line_bytes = 16;

    static std::int64_t lines(std::int64_t m) noexcept { return m; }
    static int get(const std::uint8_t* block, std::int64_t j, int c) noexcept {
        return block[16 * j + c % 16] >> (c < 16 ? 0 : 4) & 15;
    }
    static void read(const std::uint8_t* block, std::int64_t j, int count, int c,
                     std::uint8_t* out) noexcept {
        for (int i = 0; i < count; ++i) {
            out[i] = static_cast<std::uint8_t>(get(block, j + i, c));
        }
    }
    static void read_subspace(const std::uint8_t* block, std::int64_t j,
                              std::uint8_t* out) noexcept {
        for (int t = 0; t < 16; ++t) {
            out[t] = block[16 * j + t] & 15;
            out[t + 16] = block[16 * j + t] >> 4;
        }
    }
    static void put(std::uint8_t* block, std::int64_t j, int c, int number) noexcept {
        std::uint8_t& byte = block[16 * j + c % 16];
        const int shift = c < 16 ? 0 : 4;
        byte = static_cast<std::uint8_t>((byte & 0xf0 >> shift) | number << shift);
    }
};

/// 5 and 6 bits: four sub-spaces share three lines of 64 bytes, one byte a code.
///   byte 64 (3 g + i) + t = code(t, 4 g + i) | (code(t, 4 g + 3) >> 2 i & 3) << 6        i = 0..2
/// m % 4 sub-spaces that are left over have a line each.
struct Sextets {
    static constexpr int block_codes = 64, line_bytes = 64;

    static std::int64_t lines(std::int64_t m) noexcept { return m / 4 * 3 + m % 4; }
    static int get(const std::uint8_t* block, std::int64_t j, int c) noexcept {
        const std::uint8_t* bytes = block + j / 4 * 192 + c;
        return j % 4 < 3 ? bytes[j % 4 * 64] & 63
                         : bytes[0] >> 6 | bytes[64] >> 6 << 2 | bytes[128] >> 6 << 4;
    }
    static void read(const std::uint8_t* block, std::int64_t j, int count, int c,
                     std::uint8_t* out) noexcept {
        const std::uint8_t* bytes = block + j / 4 * 192 + c;
        int i = 0;
        for (; i + 4 <= count; i += 4, bytes += 192) {
            const int first = bytes[0], second = bytes[64], third = bytes[128];
            out[i] = static_cast<std::uint8_t>(first & 63);
            out[i + 1] = static_cast<std::uint8_t>(second & 63);
            out[i + 2] = static_cast<std::uint8_t>(third & 63);
            out[i + 3] = static_cast<std::uint8_t>(first >> 6 | second >> 6 << 2 | third >> 6 << 4);
        }
        for (; i < count; ++i, bytes += 64) {
            out[i] = static_cast<std::uint8_t>(*bytes & 63);
        }
    }
    static void read_subspace(const std::uint8_t* block, std::int64_t j,
                              std::uint8_t* out) noexcept {
        for (int c = 0; c < block_codes; ++c) {
            out[c] = static_cast<std::uint8_t>(get(block, j, c));
        }
    }
    static void put(std::uint8_t* block, std::int64_t j, int c, int number) noexcept {
        std::uint8_t* bytes = block + j / 4 * 192 + c;
        if (j % 4 < 3) {
            std::uint8_t& byte = bytes[j % 4 * 64];
            byte = static_cast<std::uint8_t>((byte & 0xc0) | number);
            return;
        }
        for (int i = 0; i < 3; ++i) {
            std::uint8_t& byte = bytes[64 * i];
            byte = static_cast<std::uint8_t>((byte & 63) | (number >> 2 * i & 3) << 6);
        }
    }
};

/// 7 and 8 bits: one line of 64 bytes a sub-space, one byte a code.
///   byte 64 j + t = code(t, j)
struct Octets {
    static constexpr int block_codes = 64, line_bytes = 64;

    static std::int64_t lines(std::int64_t m) noexcept { return m; }
    static int get(const std::uint8_t* block, std::int64_t j, int c) noexcept {
        return block[64 * j + c];
    }
    static void read(const std::uint8_t* block, std::int64_t j, int count, int c,
                     std::uint8_t* out) noexcept {
        for (int i = 0; i < count; ++i) {
            out[i] = static_cast<std::uint8_t>(get(block, j + i, c));
        }
    }
    static void read_subspace(const std::uint8_t* block, std::int64_t j,
                              std::uint8_t* out) noexcept {
        for (int c = 0; c < block_codes; ++c) {
            out[c] = static_cast<std::uint8_t>(get(block, j, c));
        }
    }
    static void put(std::uint8_t* block, std::int64_t j, int c, int number) noexcept {
        block[64 * j + c] = static_cast<std::uint8_t>(number);
    }
};

template <class Layout>
std::int64_t block_bytes_of(std::int64_t m) noexcept {
    return Layout::lines(m) * Layout::line_bytes;
}

/// Entries of at most `limit`: `together` of them add up in a byte, those of `sums16_subspaces` in
/// 16 bits. Quantised tables are zero padded to a multiple of `padding` sub-spaces.
template <class Layout, int Bits>
struct By : Layout {
    static constexpr int bits = Bits, slots = 1 << Bits;
    static constexpr int limit = 63, together = 4, padding = 4, sums16_subspaces = 1024;
};
template <int Bits>
    requires(Bits > 6)
struct By<Octets, Bits> : Octets {
    static constexpr int bits = Bits, slots = 1 << Bits;
    static constexpr int limit = 127, together = 2, padding = 2, sums16_subspaces = 512;
};
template <>
struct By<Nibbles, 4> : Nibbles {
    static constexpr int bits = 4, slots = 16;
    static constexpr int limit = 127, together = 2, padding = 8, sums16_subspaces = 512;
};

/// What the scan knows of a grain.
struct Grain {
    int bits, slots, limit, padding;
    Below Kernels::* below;

    /// Of one query's quantised tables.
    std::int64_t table_bytes(std::int64_t m) const noexcept {
        return (m + padding - 1) / padding * padding * slots;
    }
};
template <class G>
constexpr Grain grain(Below Kernels::* below) noexcept {
    return {G::bits, G::slots, G::limit, G::padding, below};
}

/// Of a layout, coarsest first.
template <class Layout>
inline constexpr Grain grains[1] = {};
template <>
inline constexpr Grain grains<Nibbles>[] = {grain<By<Nibbles, 4>>(&Kernels::below4)};
template <>
inline constexpr Grain grains<Sextets>[] = {grain<By<Sextets, 4>>(&Kernels::below6by4),
                                            grain<By<Sextets, 6>>(&Kernels::below6)};
template <>
inline constexpr Grain grains<Octets>[] = {grain<By<Octets, 6>>(&Kernels::below8by6),
                                           grain<By<Octets, 7>>(&Kernels::below8by7),
                                           grain<By<Octets, 8>>(&Kernels::below8)};

/// What decodes a layout.
template <class Layout>
inline constexpr DecodeGroups Kernels::* decoder = &Kernels::decode8;
template <>
inline constexpr DecodeGroups Kernels::* decoder<Nibbles> = &Kernels::decode4;
template <>
inline constexpr DecodeGroups Kernels::* decoder<Sextets> = &Kernels::decode6;

/// Calls task(layout) for codes of this width.
template <class Task>
auto with_layout(int n_bits, Task task) {
    return n_bits == 4 ? task(Nibbles{}) : n_bits <= 6 ? task(Sextets{}) : task(Octets{});
}

}  // namespace tersevec::pqscan
