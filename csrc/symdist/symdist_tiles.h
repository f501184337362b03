// SPDX-License-Identifier: Apache-2.0
/// Queries as the product kernels read them: bytes padded to whole lines, cut into tiles.
#pragma once

#include <vector>

#include "core/scan.h"
#include "symdist/symdist_panel.h"

namespace tersevec::symdist {

/// Of a run: few queries are done with a panel before it has left the L1 cache, many take so long
/// that it may lie in the L2 cache.
inline std::int64_t panel_bytes_for(std::int64_t n_queries) noexcept {
    return n_queries < 4 ? 16 << 10 : 96 << 10;
}

class QueryTiles {
public:
    QueryTiles(std::int64_t n, std::int64_t lines, int widest = tile_queries)
        : query_bytes_(line_dims * lines),
          tiles_(cut_tiles(n, widest)),
          numbers_(n * query_bytes_),
          starts_(n),
          scales_(n) {}

    /// A query's bytes, zero where not written.
    std::int8_t* numbers(std::int64_t q) noexcept { return numbers_.data() + q * query_bytes_; }

    void set_value(std::int64_t q, std::int32_t start, float scale) noexcept {
        starts_[q] = start;
        scales_[q] = scale;
    }

    const std::vector<Tile>& tiles() const noexcept { return tiles_; }

    /// Points a scan at a tile; `mask` is that from its first query on.
    void aim(PanelScan& scan, const Tile& tile, Mask mask) const noexcept {
        scan.queries = numbers_.data() + tile.first * query_bytes_;
        scan.starts = starts_.data() + tile.first;
        scan.scales = scales_.data() + tile.first;
        scan.n_queries = tile.width;
        scan.mask = mask;
    }

private:
    std::int64_t query_bytes_;
    std::vector<Tile> tiles_;
    std::vector<std::int8_t> numbers_;
    std::vector<std::int32_t> starts_;
    std::vector<float> scales_;
};

}  // namespace tersevec::symdist
