// SPDX-License-Identifier: Apache-2.0
/// How queries and codes of this family go into a scan.
#pragma once

#include <array>
#include <bit>
#include <cstring>
#include <vector>

#include "core/kernel_table.h"
#include "core/scan.h"
#include "hamming/hamming.h"

namespace tersevec::hamming {

/// A part's queries, tile by tile: the words of a tile's queries together, or their tables.
class TiledQueries {
public:
    TiledQueries(Rows<std::uint8_t> queries, std::int64_t n_words, bool tables)
        : tiles_(cut_tiles(queries.n, tile_queries)),
          stride_(tables ? places_of(n_words) : n_words),
          words_((queries.n + 1) / 2 * 2 * stride_) {
        std::vector<std::uint64_t> query(n_words);
        for (const Tile& tile : tiles_) {
            for (int q = 0; q < tile.width; ++q) {
                query.back() = 0;
                std::memcpy(query.data(), queries[tile.first + q], queries.width);
                if (tables) {
                    add_tables(query, tile.first + q);
                    continue;
                }
                for (std::int64_t w = 0; w < n_words; ++w) {
                    words_[tile.first * n_words + w * tile.width + q] = query[w];
                }
            }
        }
    }

    const std::vector<Tile>& tiles() const noexcept { return tiles_; }

    /// Whether bounds change: never.
    bool aim(Scan& scan, const Tile& tile) const noexcept {
        scan.queries = words_.data() + tile.first * stride_;
        scan.n_queries = tile.width;
        return false;
    }

private:
    /// Bits in which the 16 nibbles, a byte each, differ from this one.
    static constexpr std::array<std::uint64_t, 2> differences(unsigned nibble) noexcept {
        std::array<std::uint64_t, 2> table{};
        for (unsigned other = 0; other < nibble_values; ++other) {
            const auto bits = static_cast<std::uint64_t>(std::popcount(nibble ^ other));
            table[other / 8] |= bits << other % 8 * 8;
        }
        return table;
    }

    /// A query's half of its pair's tables.
    void add_tables(const std::vector<std::uint64_t>& query, std::int64_t q) noexcept {
        static constexpr auto all = [] {
            std::array<std::array<std::uint64_t, 2>, nibble_values> tables{};
            for (unsigned nibble = 0; nibble < nibble_values; ++nibble) {
                tables[nibble] = differences(nibble);
            }
            return tables;
        }();
        std::uint64_t* table = words_.data() + q / 2 * 2 * stride_;
        for (std::uint64_t word : query) {
            for (int i = 0; i < word_nibbles; ++i, word >>= 4) {
                for (const std::uint64_t half : all[word & 15]) {
                    *table++ |= half << q % 2 * 4;
                }
            }
        }
    }

    std::vector<Tile> tiles_;
    std::int64_t stride_;  // words of a query; a place takes two of a pair
    std::vector<std::uint64_t> words_;
};

/// Blocks as they are, or made of rows.
inline Blocked<std::uint64_t> blocked(const Codes& codes) {
    const std::int64_t block_words = codes.n_words * block_codes;
    return {codes.blocks, codes.n, block_words, block_codes,
            [codes, block_words](std::int64_t row, std::int64_t count, std::uint64_t* blocks) {
                pack(codes.rows.slice(row, count), blocks, block_words, 0);
            }};
}

/// Groups, made as a scan comes to them.
inline Blocked<std::uint64_t> grouped(const Codes& codes, const Lookup& lookup) {
    const std::int64_t group_words = places_of(codes.n_words) * group_codes / 8;
    const std::int64_t block_words = codes.n_words * block_codes;
    const auto make = [=](std::int64_t row, std::int64_t count, std::uint64_t* groups) {
        for (; count > 0; row += group_codes, count -= group_codes, groups += group_words) {
            std::uint64_t copy[lookup_words * group_codes];
            const std::int64_t n = std::min<std::int64_t>(count, group_codes);
            const std::uint64_t* blocks = copy;
            if (n < group_codes) {
                std::fill_n(copy, codes.n_words * group_codes, std::uint64_t{0});
            }
            if (codes.blocks == nullptr) {
                pack(codes.rows.slice(row, n), copy, block_words, 0);
            } else if (n == group_codes) {
                blocks = codes.blocks + row / block_codes * block_words;
            } else {
                std::copy_n(codes.blocks + row / block_codes * block_words,
                            (n + block_codes - 1) / block_codes * block_words, copy);
            }
            lookup.group(blocks, codes.n_words, groups);
        }
    };
    return {nullptr, codes.n, group_words, group_codes, make};
}

/// How queries scan codes on this CPU.
struct Way {
    const Kernels& kernels;
    const Lookup* lookup;
    Blocked<std::uint64_t> codes;

    Way(std::int64_t n_queries, const Codes& given, Isa at_most)
        : kernels(fastest_row(rows(), &Kernels::below, at_most)),
          lookup(n_queries >= lookup_queries && given.n >= group_codes &&
                         given.n_words <= lookup_words
                     ? kernels.lookup
                     : nullptr),
          codes(lookup == nullptr ? blocked(given) : grouped(given, *lookup)) {}

    auto below() const noexcept { return lookup == nullptr ? kernels.below : lookup->below; }
    auto distances() const noexcept {
        return lookup == nullptr ? kernels.distances : lookup->distances;
    }
    Split split(std::int64_t n_queries, std::int64_t state_bytes, int threads) const noexcept {
        return split_scan(n_queries, codes.n_blocks(), codes.block_bytes(), state_bytes, threads);
    }
    TiledQueries tiled(Rows<std::uint8_t> queries, const Codes& of) const {
        return {queries, of.n_words, lookup != nullptr};
    }
};

}  // namespace tersevec::hamming
