// SPDX-License-Identifier: Apache-2.0
/// Blocks for levels that add bytes into 16-bit sums. `Adder` is the level's part:
///   Layout, and static constexpr int tile;
///   struct Sums: the sums of one query in registers
///   template <int Q> static void add(tables, table_bytes, block, m, Sums*):
///       m <= Layout::sums16_subspaces
///   static bool any_below(Sums, unsigned bound)
///   static void store(Sums, std::int32_t* out): in the order of codes
///   static std::uint64_t signs(const std::int32_t*): see the loop
/// More sub-spaces than 16 bits can add go through in parts that are added in 32 bits.
#pragma once

#include "pqscan/pqscan_loop.h"

namespace tersevec::pqscan {
namespace {

template <class Adder>
struct Sums16Block {
    using Layout = typename Adder::Layout;
    static constexpr int tile = Adder::tile;

    static std::uint64_t signs(const std::int32_t* sums) noexcept { return Adder::signs(sums); }

    template <int Q>
    static unsigned sums(const std::uint8_t* tables, std::int64_t table_bytes,
                         const std::uint8_t* block, std::int64_t m, const std::int32_t* start,
                         std::int32_t* out) noexcept {
        if (m > Layout::sums16_subspaces) {
            return long_sums<Q>(tables, table_bytes, block, m, start, out);
        }
        typename Adder::Sums sums[Q];
        Adder::template add<Q>(tables, table_bytes, block, m, sums);
        unsigned hit = 0;
#pragma GCC unroll 8
        for (int q = 0; q < Q; ++q) {  // no index but constants: the sums stay in registers
            if (Adder::any_below(sums[q], static_cast<unsigned>(-start[q]))) [[unlikely]] {
                hit |= 1u << q;
                std::int32_t* mine = out + q * Layout::block_codes;
                Adder::store(sums[q], mine);
                for (int c = 0; c < Layout::block_codes; ++c) {
                    mine[c] += start[q];
                }
            }
        }
        return hit;
    }

    template <int Q>
    static unsigned long_sums(const std::uint8_t* tables, std::int64_t table_bytes,
                              const std::uint8_t* block, std::int64_t m, const std::int32_t* start,
                              std::int32_t* out) noexcept {
        for (int i = 0; i < Q * Layout::block_codes; ++i) {
            out[i] = start[i / Layout::block_codes];
        }
        constexpr std::int64_t step = Layout::sums16_subspaces;
        for (std::int64_t j = 0; j < m; j += step) {
            typename Adder::Sums sums[Q];
            Adder::template add<Q>(tables + j * Layout::slots, table_bytes,
                                   block + block_bytes_of<Layout>(j), m - j < step ? m - j : step,
                                   sums);
            std::int32_t added[Layout::block_codes];
            for (int q = 0; q < Q; ++q) {
                Adder::store(sums[q], added);
                for (int c = 0; c < Layout::block_codes; ++c) {
                    out[q * Layout::block_codes + c] += added[c];
                }
            }
        }
        unsigned hit = 0;
        for (int q = 0; q < Q; ++q) {
            hit |= static_cast<unsigned>(signs(out + q * Layout::block_codes) != 0) << q;
        }
        return hit;
    }
};

}  // namespace
}  // namespace tersevec::pqscan
