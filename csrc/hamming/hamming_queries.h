// SPDX-License-Identifier: Apache-2.0
/// How queries and codes of this family go into a scan.
#pragma once

#include <cstring>
#include <vector>

#include "core/scan.h"
#include "hamming/hamming.h"

namespace tersevec::hamming {

/// A part's queries, the words of a tile's queries together.
class TiledQueries {
public:
    TiledQueries(Rows<std::uint8_t> queries, std::int64_t n_words)
        : tiles_(cut_tiles(queries.n, tile_queries)),
          n_words_(n_words),
          words_(queries.n * n_words) {
        std::vector<std::uint64_t> query(n_words);
        for (const Tile& tile : tiles_) {
            for (int q = 0; q < tile.width; ++q) {
                query.back() = 0;
                std::memcpy(query.data(), queries[tile.first + q], queries.width);
                for (std::int64_t w = 0; w < n_words; ++w) {
                    words_[tile.first * n_words + w * tile.width + q] = query[w];
                }
            }
        }
    }

    const std::vector<Tile>& tiles() const noexcept { return tiles_; }

    /// Whether bounds change: never.
    bool aim(Scan& scan, const Tile& tile) const noexcept {
        scan.queries = words_.data() + tile.first * n_words_;
        scan.n_queries = tile.width;
        return false;
    }

private:
    std::vector<Tile> tiles_;
    std::int64_t n_words_;
    std::vector<std::uint64_t> words_;
};

inline Blocked<std::uint64_t> blocked(const Codes& codes) {
    const std::int64_t block_words = codes.n_words * block_codes;
    return {codes.blocks, codes.n, block_words, block_codes,
            [codes, block_words](std::int64_t row, std::int64_t count, std::uint64_t* blocks) {
                pack(codes.rows.slice(row, count), blocks, block_words, 0);
            }};
}

inline Split split_codes(Rows<std::uint8_t> queries, const Codes& codes, std::int64_t state_bytes,
                         int threads) noexcept {
    const auto base = blocked(codes);
    return split_scan(queries.n, base.n_blocks(), base.block_bytes(), state_bytes, threads);
}

}  // namespace tersevec::hamming
