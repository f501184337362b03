// SPDX-License-Identifier: Apache-2.0
/// The queries of one part of a scan: their tables, quantised, and the walk over the part's codes.
#pragma once

#include <cstring>
#include <vector>

#include "core/kernel_table.h"
#include "core/scan.h"
#include "pqscan/pqscan_query.h"

namespace tersevec::pqscan {

template <class Layout>
class Queries {
public:
    Queries(const Tables& tables, const Codes& codes, const Part& part, Sums sums, Isa at_most)
        : part_(part),
          codes_(codes),
          at_most_(at_most),
          kernels_(*pick(rows(), &Kernels::tables, at_most)),
          tiles_(cut_tiles(part.n_queries)),
          table_bytes_(table_bytes_of<Layout>(codes.m)),
          quantised_(part.n_queries * table_bytes_ / static_cast<std::int64_t>(sizeof(Line))) {
        const std::int64_t entries = codes.m * codes.centroids();
        const float* mine = tables.given + part.first_query * entries;
        if (tables.given == nullptr) {
            made_.resize(part.n_queries * entries);
            make(tables);
            mine = made_.data();
        }
        for (std::int64_t q = 0; q < part.n_queries; ++q) {
            queries_.emplace_back(mine + q * entries, codes, sums, kernels_, tables_of(q));
        }
    }

    const Query<Layout>& operator[](std::int64_t q) const noexcept { return queries_[q]; }

    /// Hands the part's rows below `bound(q, bias)` to `take(q, bias, keys, count)`.
    template <class GetBound, class Take>
    void scan(const Filter& filter, GetBound bound, Take take) const {
        Runs runs(blocked<Layout>(codes_), part_, filter.segments);
        const auto n_segments = static_cast<std::int64_t>(filter.segments.size());
        const auto bias = [&](std::int64_t q) {
            return filter.bias == nullptr
                       ? 0.0f
                       : filter.bias[(part_.first_query + q) * n_segments + runs.segment()];
        };
        scan_below<std::int32_t>(
            runs, Scan{.table_bytes = table_bytes_, .m = codes_.m, .mask = filter.mask}, tiles_,
            pick(rows(), Layout::below, at_most_),
            [&](Scan& scan, const Tile& tile) {
                scan.tables = tables_of(tile.first);
                scan.n_queries = tile.width;
                scan.skipped_rows = runs.skipped_rows();
                scan.mask = filter.mask.from_query(part_.first_query + tile.first);
            },
            [&](std::int64_t q) { return bound(q, bias(q)); },
            [&](std::int64_t q, const Key* keys, std::int64_t count) {
                take(q, bias(q), keys, count);
            });
    }

private:
    struct alignas(64) Line {  // look-ups read whole lines
        std::uint8_t bytes[64];
    };

    const std::uint8_t* tables_of(std::int64_t q) const noexcept {
        return quantised_.data()->bytes + q * table_bytes_;
    }
    std::uint8_t* tables_of(std::int64_t q) noexcept {
        return quantised_.data()->bytes + q * table_bytes_;
    }

    void make(const Tables& tables) noexcept {
        const std::int64_t m = codes_.m, n = codes_.centroids();
        for (std::int64_t q = 0; q < part_.n_queries; ++q) {
            float* table = made_.data() + q * m * n;
            if (tables.pairs != nullptr) {
                const PackedCode code(tables.codes[part_.first_query + q], codes_.n_bits);
                for (std::int64_t j = 0; j < m; ++j) {
                    std::memcpy(table + j * n, tables.pairs + (code[j] * m + j) * n,
                                n * sizeof(float));
                }
            } else {
                kernels_.fill(tables.queries[part_.first_query + q], tables.columns, m,
                              tables.queries.width / m, n, tables.metric, table);
            }
        }
        if (tables.columns != nullptr && tables.metric == Metric::ip) {
            for (float& entry : made_) {
                entry = -entry;
            }
        }
    }

    Part part_;
    Codes codes_;
    Isa at_most_;
    const TableKernels& kernels_;
    std::vector<Tile> tiles_;
    std::int64_t table_bytes_;
    std::vector<float> made_;
    std::vector<Line> quantised_;
    std::vector<Query<Layout>> queries_;
};

/// `state_bytes` is what is held for a query beside its tables.
template <class Layout>
Split split_queries(std::int64_t n_queries, const Codes& codes, const Filter& filter,
                    std::int64_t state_bytes, int threads) {
    std::int64_t n_blocks = 0;
    for (const Segment& segment : filter.segments) {
        n_blocks += segment.n_blocks(Layout::block_codes);
    }
    if (filter.segments.empty()) {
        n_blocks = Segment{0, codes.n}.n_blocks(Layout::block_codes);
    }
    const std::int64_t table_bytes =
        table_bytes_of<Layout>(codes.m) + codes.m * codes.centroids() * 4;
    return split_scan(n_queries, n_blocks, block_bytes_of<Layout>(codes.m),
                      state_bytes + table_bytes, threads);
}

}  // namespace tersevec::pqscan
