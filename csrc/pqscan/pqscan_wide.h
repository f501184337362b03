// SPDX-License-Identifier: Apache-2.0
/// Blocks of 64 codes with a byte each (5 to 8 bits), for every level. `V` is the level's register:
///   bytes, u8, u16, load(): from Register
///   template <class Grain, int Q> static void step(tables, table_bytes, lines, subspaces,
///       Running*): adds a group of sub-spaces; `lines` is where its lines hold these codes
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

/// Numbers of sub-space `s` of a group; `lines` is where the group's lines hold these codes,
/// `whole` whether it has all its sub-spaces.
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

/// The running sums of one query and one register of codes.
template <class V>
struct Running {
    typename V::u16 mixed, odd;

    void add(typename V::u8 bytes) noexcept {
        mixed += (typename V::u16)bytes;
        odd += (typename V::u16)bytes >> 8;
    }
};

/// A step for levels where a look-up needs no more than the numbers: query after query, so that
/// only sums stay in registers. `V` has
///   template <class Grain> struct Numbers: made from u8
///   template <class Grain> static u8 look_up(table, Numbers<Grain>)
template <class V, class Grain, int Q>
void step_by_query(const std::uint8_t* tables, std::int64_t table_bytes, const std::uint8_t* lines,
                   int subspaces, Running<V>* sums) noexcept {
    using Numbers = typename V::template Numbers<Grain>;
    Numbers x[Grain::together];
#pragma GCC unroll 4
    for (int s = 0; s < subspaces; ++s) {
        x[s] = Numbers(numbers<V>(Grain{}, lines, s, subspaces == Grain::together));
    }
#pragma GCC unroll 8
    for (int q = 0; q < Q; ++q) {
        typename V::u8 bytes = {};
#pragma GCC unroll 4
        for (int s = 0; s < subspaces; ++s) {
            bytes += V::template look_up<Grain>(tables + q * table_bytes + s * Grain::slots, x[s]);
        }
        sums[q].add(bytes);
    }
}

template <class V, class G, int Tile>
struct WideAdder {
    using Grain = G;
    using u8 = typename V::u8;
    using u16 = typename V::u16;
    static constexpr int tile = Tile;
    static constexpr int parts = Grain::block_codes / V::bytes;

    struct Sums {
        u16 even[parts], odd[parts];
    };
    template <int Q>
    static void add(const std::uint8_t* tables, std::int64_t table_bytes, const std::uint8_t* block,
                    std::int64_t m, Sums* sums) noexcept {
        constexpr int group = Grain::together;
        const std::int64_t group_bytes = block_bytes_of<Grain>(group);
        const std::int64_t whole = m / group * group;
#pragma GCC unroll 1
        for (int part = 0; part < parts; ++part) {
            Running<V> running[Q] = {};
            const std::uint8_t* lines = block + part * V::bytes;
            if (whole < m) {
                const std::uint8_t* last = lines + whole / group * group_bytes;
#pragma GCC unroll 1
                for (std::int64_t j = whole; j < m; ++j, last += Grain::line_bytes) {
                    V::template step<Grain, Q>(tables + j * Grain::slots, table_bytes, last, 1,
                                               running);
                }
            }
            for (std::int64_t j = 0; j < whole; j += group, lines += group_bytes) {
#pragma GCC unroll 3
                for (int line = 0; line < group_bytes; line += 64) {
                    __builtin_prefetch(lines + prefetch_bytes + line);
                }
                V::template step<Grain, Q>(tables + j * Grain::slots, table_bytes, lines, group,
                                           running);
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
        for (int part = 0; part < parts; ++part, out += V::bytes) {
            std::uint16_t even[V::bytes / 2], odd[V::bytes / 2];
            __builtin_memcpy(even, &sums.even[part], sizeof even);
            __builtin_memcpy(odd, &sums.odd[part], sizeof odd);
            for (int i = 0; i < V::bytes / 2; ++i) {
                out[2 * i] = even[i];
                out[2 * i + 1] = odd[i];
            }
        }
    }

    static std::uint64_t signs(const std::int32_t* sums) noexcept {
        return V::signs(sums, Grain::block_codes);
    }
};

}  // namespace
}  // namespace tersevec::pqscan
