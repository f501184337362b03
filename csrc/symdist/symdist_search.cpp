// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>

#include "core/kernel_table.h"
#include "symdist/symdist_ways.h"

namespace tersevec::symdist {
namespace {

/// Factors of a run's rows, as far as whole groups: in the base's last group, in `padded`.
const float* factors_of(const Codes& codes, std::int64_t row, std::int64_t count,
                        std::vector<float>& padded) {
    if (count % group_rows == 0) {
        return codes.factors + row;
    }
    padded.resize(count / group_rows * group_rows + group_rows);
    std::copy_n(codes.factors + row, count, padded.begin());
    return padded.data();
}

Split split_codes(const Queries& queries, const Codes& codes, std::int64_t state_bytes,
                  int threads) noexcept {
    const std::int64_t n_blocks = (codes.n + group_rows - 1) / group_rows;
    return split_scan(queries.n, n_blocks, group_rows * panel_lines(codes.m) * line_dims,
                      state_bytes + codes.m, threads);
}

/// Hands a part's rows below `bound(q)` to `take(q, keys, count)`; q counts within the part.
template <class GetBound, class Take>
void scan_part(const Part& part, const Queries& queries, const Codes& codes, Mask mask, Isa at_most,
               GetBound bound, Take take) {
    const Kernels& kernels = fastest_row(rows(), &Kernels::below_factor, at_most);
    const Way way = way_of(queries, codes, part, kernels);
    Runs runs(way.codes, part);
    std::vector<float> factors;
    scan_below<float>(
        runs, PanelScan{.lines = way.lines, .largest_number = way.largest_number},
        way.tiles.tiles(), way.below,
        [&](PanelScan& scan, const Tile& tile) {
            way.tiles.aim(scan, tile, mask.from_query(part.first_query + tile.first));
            scan.terms = factors_of(codes, scan.first_row, scan.n_rows, factors);
            return false;
        },
        bound, take);
}

constexpr float infinity = std::numeric_limits<float>::infinity();

}  // namespace

void scores(const Queries& queries, const Codes& codes, int threads, Isa at_most, float* out) {
    split_codes(queries, codes, 1, threads).for_each([&](const Part& part) {
        const Kernels& kernels = fastest_row(rows(), &Kernels::values, at_most);
        const QueryTiles tiles = tiles_of(queries, codes, part, panel_lines(codes.m));
        Runs runs(panels_of(codes, kernels, part.n_queries), part);
        PanelScan scan{.lines = panel_lines(codes.m)};
        std::vector<float> factors, values(tile_queries * runs.max_rows());
        while (runs.next(scan)) {
            scan.terms = factors_of(codes, scan.first_row, scan.n_rows, factors);
            for (const Tile& tile : tiles.tiles()) {
                tiles.aim(scan, tile, {});
                float* of_query[tile_queries];
                for (int q = 0; q < tile.width; ++q) {
                    of_query[q] = values.data() + q * runs.max_rows();
                }
                kernels.values(scan, of_query);
                for (int q = 0; q < tile.width; ++q) {
                    float* mine =
                        out + (part.first_query + tile.first + q) * codes.n + scan.first_row;
                    for (std::int64_t r = 0; r < scan.n_rows; ++r) {
                        mine[r] = 0.0f - of_query[q][r];  // no -0.0
                    }
                }
            }
        }
    });
}

void topk(const Queries& queries, const Codes& codes, std::int64_t k, Mask mask, int threads,
          Isa at_most, Key* keys) {
    TopkMerger merger(keys, queries.n, k);
    const std::int64_t reachable = std::min(k, codes.n);
    const std::int64_t state_bytes = ReservoirTopk::state_bytes(reachable);
    split_codes(queries, codes, state_bytes, threads).for_each([&](const Part& part) {
        std::vector<ReservoirTopk> best(part.n_queries, ReservoirTopk(reachable));
        std::vector<float> known(part.n_queries, infinity);
        for (std::int64_t q = 0; q < part.n_queries; ++q) {
            // Where another range of rows is done, a row beyond its k-th value cannot enter.
            const Key kth = merger.kth(part.first_query + q);
            if (kth != no_hit) {
                known[q] = std::nextafter(from_ordered_bits(key_value(kth)), infinity);
            }
        }
        scan_part(
            part, queries, codes, mask, at_most,
            [&](std::int64_t q) {
                const Key bound = best[q].bound();
                return bound == no_hit ? known[q]
                                       : std::min(known[q], from_ordered_bits(key_value(bound)));
            },
            [&](std::int64_t q, const Key* hits, std::int64_t count) {
                for (std::int64_t i = 0; i < count; ++i) {
                    best[q].push(hits[i]);
                }
            });
        for (std::int64_t q = 0; q < part.n_queries; ++q) {
            merger.merge(part.first_query + q, best[q].finish());
        }
    });
}

std::vector<std::vector<Key>> range_search(const Queries& queries, const Codes& codes, float least,
                                           Mask mask, int threads, Isa at_most) {
    std::vector<std::vector<Key>> found(queries.n);
    std::mutex lock;
    const float bound = std::nextafter(-least, infinity);
    split_codes(queries, codes, 1, threads).for_each([&](const Part& part) {
        scan_part(
            part, queries, codes, mask, at_most, [&](std::int64_t) { return bound; },
            [&](std::int64_t q, const Key* hits, std::int64_t count) {
                const std::lock_guard guard(lock);
                auto& mine = found[part.first_query + q];
                mine.insert(mine.end(), hits, hits + count);
            });
    });
    parallel_for(threads, queries.n,
                 [&](std::int64_t q) { std::sort(found[q].begin(), found[q].end()); });
    return found;
}

}  // namespace tersevec::symdist
