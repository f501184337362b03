// SPDX-License-Identifier: Apache-2.0
/// Blocks of 64 codes with a byte each (5 to 8 bits), for every level. `V` is the level's register:
///   bytes, u8, u16, load(): from Register
///   template <class Layout, int Q> static void look_up(tables, table_bytes, u8 numbers, u8* bytes):
///       bytes[q] += entry of query q's table for each number
///   static bool any(u16): whether a lane is not zero
///   static std::uint64_t signs(sums, count): bit c = whether the c-th sum is negative
///
/// The look-ups of `together` sub-spaces add up in a byte. Bytes of even and odd codes share 16-bit
/// lanes: `mixed` adds them as they are, `odd` adds the upper bytes alone,
/// even = mixed - (odd << 8).
#pragma once

#include "pqscan/pqscan_sums16.h"

namespace tersevec::pqscan {
namespace {

template <int Bytes>
struct Register {
    static constexpr int bytes = Bytes;
    using u8 [[gnu::vector_size(Bytes)]] = std::uint8_t;
    using u16 [[gnu::vector_size(Bytes)]] = std::uint16_t;

    static u8 load(const std::uint8_t* from) noexcept {
        u8 vector;
        __builtin_memcpy(&vector, from, sizeof vector);
        return vector;
    }
    /// The numbers of a line of Sextets.
    static u8 lower_six(u8 line) noexcept { return line & 63; }
    /// The numbers that three lines of Sextets share.
    static u8 upper_twos(u8 first, u8 second, u8 third) noexcept {
        return (u8)(((u16)first >> 6 & 0x0303) | ((u16)second >> 4 & 0x0c0c) |
                    ((u16)third >> 2 & 0x3030));
    }
};

/// Numbers of sub-space `s` of a group; `lines` is where the group's lines hold these codes, `whole`
/// whether it has all its sub-spaces.
template <class V>
typename V::u8 numbers(Sextets, const std::uint8_t* lines, int s, bool whole) noexcept {
    return whole && s == 3
               ? V::upper_twos(V::load(lines), V::load(lines + 64), V::load(lines + 128))
               : V::lower_six(V::load(lines + 64 * s));
}
template <class V>
typename V::u8 numbers(Octets, const std::uint8_t* lines, int s, bool) noexcept {
    return V::load(lines + 64 * s);
}

template <class V, class L, int Tile>
struct WideAdder {
    using Layout = L;
    using u8 = typename V::u8;
    using u16 = typename V::u16;
    static constexpr int tile = Tile;
    static constexpr int parts = Layout::block_codes / V::bytes;

    struct Sums {
        u16 even[parts], odd[parts];
    };
    struct Running {
        u16 mixed, odd;
    };

    /// A group of sub-spaces; `lines` is where its lines hold these codes.
    template <int Q>
    static void step(const std::uint8_t* tables, std::int64_t table_bytes,
                     const std::uint8_t* lines, int subspaces, Running* sums) noexcept {
        u8 bytes[Q] = {};
#pragma GCC unroll 4
        for (int s = 0; s < subspaces; ++s) {
            const u8 x = numbers<V>(Layout{}, lines, s, subspaces == Layout::together);
            V::template look_up<Layout, Q>(tables + s * Layout::slots, table_bytes, x, bytes);
        }
#pragma GCC unroll 8
        for (int q = 0; q < Q; ++q) {
            sums[q].mixed += (u16)bytes[q];
            sums[q].odd += (u16)bytes[q] >> 8;
        }
    }

    template <int Q>
    static void add(const std::uint8_t* tables, std::int64_t table_bytes, const std::uint8_t* block,
                    std::int64_t m, Sums* sums) noexcept {
        constexpr int group = Layout::together;
        const std::int64_t group_bytes = block_bytes_of<Layout>(group);
        const std::int64_t whole = m / group * group;
#pragma GCC unroll 1
        for (int part = 0; part < parts; ++part) {
            Running running[Q] = {};
            const std::uint8_t* lines = block + part * V::bytes;
            if (whole < m) {
                const std::uint8_t* last = lines + whole / group * group_bytes;
#pragma GCC unroll 1
                for (std::int64_t j = whole; j < m; ++j, last += Layout::line_bytes) {
                    step<Q>(tables + j * Layout::slots, table_bytes, last, 1, running);
                }
            }
            for (std::int64_t j = 0; j < whole; j += group, lines += group_bytes) {
#pragma GCC unroll 3
                for (int line = 0; line < group_bytes; line += 64) {
                    __builtin_prefetch(lines + prefetch_bytes + line);
                }
                step<Q>(tables + j * Layout::slots, table_bytes, lines, group, running);
            }
#pragma GCC unroll 8
            for (int q = 0; q < Q; ++q) {
                sums[q].even[part] = running[q].mixed - (running[q].odd << 8);
                sums[q].odd[part] = running[q].odd;
            }
        }
    }

    static bool any_below(const Sums& sums, unsigned bound) noexcept {
        const u16 bounds = u16{} + static_cast<std::uint16_t>(bound);
        u16 below = {};
#pragma GCC unroll 4
        for (int part = 0; part < parts; ++part) {
            below |= (u16)(sums.even[part] < bounds) | (u16)(sums.odd[part] < bounds);
        }
        return V::any(below);
    }

    static void store(const Sums& sums, std::int32_t* out) noexcept {
        for (int part = 0; part < parts; ++part) {
            for (int i = 0; i < V::bytes / 2; ++i) {
                *out++ = sums.even[part][i];
                *out++ = sums.odd[part][i];
            }
        }
    }

    static std::uint64_t signs(const std::int32_t* sums) noexcept {
        return V::signs(sums, Layout::block_codes);
    }
};

}  // namespace
}  // namespace tersevec::pqscan
