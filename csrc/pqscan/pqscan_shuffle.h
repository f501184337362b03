// SPDX-License-Identifier: Apache-2.0
/// Look-ups in tables of 64 and 256 bytes with shuffles that look up in 16: for sixteenth h of the
/// table, x - 16 h plus 0x70, saturating, is the index where x lies in h; elsewhere it has the top
/// bit set, and the shuffle gives 0. So the sixteenths add up, and queries share the indices.
/// `R` is the level's register: load(), static u8 table(p): 16 bytes in every 128-bit lane, static
/// u8 shuffle(table, index), adds(a, b).
#pragma once

#include "pqscan/pqscan_wide.h"

namespace tersevec::pqscan {
namespace {

template <class R>
struct Shuffled : R {
    using u8 = typename R::u8;

    template <class Grain, int Q>
    static void step(const std::uint8_t* tables, std::int64_t table_bytes,
                     const std::uint8_t* lines, int subspaces, Running<Shuffled>* sums) noexcept {
        u8 bytes[Q] = {};
#pragma GCC unroll 1
        for (int s = 0; s < subspaces; ++s, tables += Grain::slots) {
            const u8 x = numbers<R>(Grain{}, lines, s, subspaces == Grain::together) &
                         static_cast<std::uint8_t>(Grain::slots - 1);
#pragma GCC unroll 4
            for (int h = 0; h < Grain::slots / 16; ++h) {
                const u8 index = R::adds(x - static_cast<std::uint8_t>(16 * h), u8{} + 0x70);
#pragma GCC unroll 4
                for (int q = 0; q < Q; ++q) {
                    bytes[q] += R::shuffle(R::table(tables + q * table_bytes + 16 * h), index);
                }
            }
        }
#pragma GCC unroll 4
        for (int q = 0; q < Q; ++q) {
            sums[q].add(bytes[q]);
        }
    }
};

}  // namespace
}  // namespace tersevec::pqscan
