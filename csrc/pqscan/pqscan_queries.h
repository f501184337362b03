// SPDX-License-Identifier: Apache-2.0
/// The queries of one part of a scan: their tables, quantised, and the walk over the part's codes.
#pragma once

#include "pqscan/pqscan_part.h"
#include "pqscan/pqscan_query.h"

namespace tersevec::pqscan {

/// The grains that scan codes of this width: coarsest first, the last one exact. A level offers
/// coarse ones where they are faster.
template <class Layout>
std::vector<const Grain*> grains_for(const Kernels& row, int n_bits) {
    std::vector<const Grain*> found;
    for (const Grain& grain : grains<Layout>) {
        const bool finest = grain.bits >= n_bits;
        // Of more than four entries the least says little.
        if (finest || (grain.bits >= n_bits - 2 && row.*grain.below != nullptr)) {
            found.push_back(&grain);
        }
        if (finest) {
            break;
        }
    }
    return found;
}

template <class Layout>
class TableQueries {
public:
    using Query = pqscan::Query<Layout>;
    static constexpr int block_codes = Layout::block_codes;

    TableQueries(const Tables& tables, const Codes& codes, const Part& part, Sums sums, Isa at_most)
        : part_(part),
          codes_(codes),
          sums_(sums),
          row_(fastest_row(rows(), grains<Layout>[std::size(grains<Layout>) - 1].below, at_most)),
          kernels_(*pick(rows(), &Kernels::tables, at_most)),
          grains_(grains_for<Layout>(row_, codes.n_bits)),
          query_bytes_((grains_.back()->table_bytes(codes.m) + line - 1) / line * line),
          quantised_(part.n_queries * query_bytes_ / line) {
        const std::int64_t entries = codes.m * codes.centroids();
        const float* mine = tables_of_part(tables, codes, part, kernels_, made_);
        for (std::int64_t q = 0; q < part.n_queries; ++q) {
            queries_.emplace_back(mine + q * entries, codes);
        }
        for (const Tile& tile : cut_tiles(part.n_queries, tile_queries)) {
            tiles_.push_back(tile);
            const std::size_t finest = grains_.size() - 1;
            const std::size_t first =
                sums == Sums::bound ? std::min<std::size_t>(1, finest) : finest;
            quantise(tile, first);
            if (!tight(tile, first_looseness)) {
                quantise(tile, finest);
            }
        }
    }

    const Query& operator[](std::int64_t q) const noexcept { return queries_[q]; }

    /// Hands the part's rows below `bound(q, bias)` to `take(q, bias, keys, count)`, of which k are
    /// wanted.
    template <class GetBound, class Take>
    void scan(const Filter& filter, std::int64_t k, GetBound bound, Take take) {
        Runs runs(blocked<Layout>(codes_), part_, filter.segments);
        const auto bias = [&](std::int64_t q) {
            return bias_of(filter, part_.first_query + q, runs.segment());
        };
        GrainOfTile* current = nullptr;
        scan_below<std::int32_t>(
            runs, Scan{.m = codes_.m, .mask = filter.mask}, tiles_,
            [&](const Scan& scan, const std::int32_t* bounds, Key* const* hits,
                std::int64_t* n_hits) {
                (row_.*grains_[current->grain]->below)(scan, bounds, hits, n_hits);
                current->rows += scan.n_rows;
                for (int q = 0; q < scan.n_queries; ++q) {
                    current->hits += n_hits[q];
                }
            },
            [&](Scan& scan, const Tile& tile) {
                current = &grain_of_tile_[tile.first];
                const std::size_t wanted = current->next(tile.width, k, grains_.size());
                const bool changes = wanted != current->grain;
                if (changes) {
                    const std::size_t before = current->grain;
                    quantise(tile, wanted);
                    if (wanted < before && !tight(tile, most_looseness)) {
                        quantise(tile, before);
                    }
                }
                scan.tables = tables_of(tile);
                scan.table_bytes = grains_[current->grain]->table_bytes(codes_.m);
                scan.n_queries = tile.width;
                scan.skipped_rows = runs.skipped_rows();
                scan.mask = filter.mask.from_query(part_.first_query + tile.first);
                return changes;
            },
            [&](std::int64_t q) { return bound(q, bias(q)); },
            [&](std::int64_t q, const Key* keys, std::int64_t count) {
                take(q, bias(q), keys, count);
            });
    }

private:
    static constexpr std::int64_t line = 64;
    struct alignas(line) Line {  // look-ups read whole lines
        std::uint8_t bytes[line];
    };

    /// What a tile scans at. It starts one from the coarsest, tries that when the bound has
    /// fallen, and goes back, or on to finer ones for good, where hits are many: a hit costs what
    /// a finer grain costs for `hit_rows` rows.
    struct GrainOfTile {
        std::size_t grain = 0;
        bool tried_coarsest = false;
        std::int64_t rows = 0;  // since it scans at this grain
        std::int64_t hits = 0;

        std::size_t next(int width, std::int64_t k, std::size_t n_grains) const noexcept {
            const auto seen = static_cast<double>(rows);
            double usual = first_rows + seen / hit_rows;
            if (!tried_coarsest && rows > first_rows) {  // fewer and fewer, while the bound falls
                usual += static_cast<double>(2 * k + first_rows / 2) * std::log2(seen / first_rows);
            }
            if (rows >= 4 * first_rows && static_cast<double>(hits) > width * usual) {
                return std::min(grain + 1, n_grains - 1);
            }
            return rows >= settled_rows && grain == 1 && !tried_coarsest ? 0 : grain;
        }
        static constexpr std::int64_t first_rows = 64, hit_rows = 256, settled_rows = 1 << 14;
    };

    // Where coarse tables lose more, too many rows pass: before there is a bound, and at all.
    static constexpr double first_looseness = 1.5, most_looseness = 3.2;

    /// Whether the tile's tables lose little; not so where nothing can be said.
    bool tight(const Tile& tile, double limit) const noexcept {
        double sum = 0.0;
        for (int q = 0; q < tile.width; ++q) {
            sum += queries_[tile.first + q].looseness();
        }
        return sum <= limit * tile.width;
    }

    std::uint8_t* tables_of(const Tile& tile) noexcept {
        return quantised_.data()->bytes + tile.first * query_bytes_;
    }

    void quantise(const Tile& tile, std::size_t grain) {
        std::fill_n(tables_of(tile), tile.width * query_bytes_, std::uint8_t{0});
        const std::int64_t table_bytes = grains_[grain]->table_bytes(codes_.m);
        for (int q = 0; q < tile.width; ++q) {
            queries_[tile.first + q].quantise(*grains_[grain], sums_, kernels_,
                                              tables_of(tile) + q * table_bytes);
        }
        grain_of_tile_.resize(part_.n_queries);
        grain_of_tile_[tile.first] = {
            .grain = grain,
            .tried_coarsest = grain == 0 || grain_of_tile_[tile.first].tried_coarsest};
    }

    Part part_;
    Codes codes_;
    Sums sums_;
    const Kernels& row_;
    const TableKernels& kernels_;
    std::vector<const Grain*> grains_;
    std::int64_t query_bytes_;  // of one query's quantised tables, whatever their grain
    std::unique_ptr<float[]> made_;
    std::vector<Line> quantised_;
    std::vector<Query> queries_;
    std::vector<Tile> tiles_;
    std::vector<GrainOfTile> grain_of_tile_;  // at each tile's first query
};

}  // namespace tersevec::pqscan
