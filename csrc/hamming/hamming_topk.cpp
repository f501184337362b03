// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <mutex>

#include "core/kernel_table.h"
#include "hamming/hamming_queries.h"

namespace tersevec::hamming {
namespace {

/// Hands every part's rows below `bound(q)` to `take(q, keys, count)`; q counts within the part.
template <class GetBound, class Take>
void scan_part(const Way& way, const Part& part, Rows<std::uint8_t> queries, const Codes& codes,
               Mask mask, GetBound bound, Take take) {
    const auto tiled = way.tiled(queries.slice(part.first_query, part.n_queries), codes);
    Runs runs(way.codes, part);
    scan_below<std::int64_t>(
        runs, Scan{.n_words = codes.n_words, .mask = mask}, tiled.tiles(), way.below(),
        [&](Scan& scan, const Tile& tile) { return tiled.aim(scan, tile); }, bound, take);
}

template <class Topk>
void topk_by(Rows<std::uint8_t> queries, const Codes& codes, std::int64_t k, Mask mask, int threads,
             Isa at_most, Key* keys) {
    TopkMerger merger(keys, queries.n, k);
    const std::int64_t reachable = std::min(k, codes.n);
    const auto max_distance = static_cast<std::uint32_t>(64 * codes.n_words);
    const std::int64_t state_bytes = Topk::state_bytes(reachable, max_distance);
    const Way way(queries.n, codes, at_most);
    way.split(queries.n, state_bytes, threads).for_each([&](const Part& part) {
        std::vector<Topk> best;
        for (std::int64_t q = 0; q < part.n_queries; ++q) {
            best.emplace_back(reachable, max_distance);
            // Where another range of rows is done, a row beyond its k-th value cannot enter.
            const Key kth = merger.kth(part.first_query + q);
            if (kth != no_hit) {
                best.back().lower_bound(key_value(kth) + 1);
            }
        }
        scan_part(
            way, part, queries, codes, mask, [&](std::int64_t q) { return best[q].bound(); },
            [&](std::int64_t q, const Key* hits, std::int64_t count) {
                best[q].push(hits, count);
            });
        for (std::int64_t q = 0; q < part.n_queries; ++q) {
            merger.merge(part.first_query + q, best[q].finish());
        }
    });
}

}  // namespace

void topk(Rows<std::uint8_t> queries, Codes codes, std::int64_t k, Mask mask, int threads,
          Isa at_most, Key* keys) {
    if (64 * codes.n_words <= counted_limit) {
        topk_by<CountingTopk>(queries, codes, k, mask, threads, at_most, keys);
    } else {
        topk_by<UncountedTopk>(queries, codes, k, mask, threads, at_most, keys);
    }
}

std::vector<std::vector<Key>> range_search(Rows<std::uint8_t> queries, Codes codes,
                                           std::int64_t radius, Mask mask, int threads,
                                           Isa at_most) {
    std::vector<std::vector<Key>> found(queries.n);
    std::mutex lock;
    const std::int64_t bound = std::min(radius, 64 * codes.n_words) + 1;
    const Way way(queries.n, codes, at_most);
    way.split(queries.n, 1, threads).for_each([&](const Part& part) {
        scan_part(
            way, part, queries, codes, mask, [&](std::int64_t) { return bound; },
            [&](std::int64_t q, const Key* hits, std::int64_t count) {
                const std::lock_guard guard(lock);
                found[part.first_query + q].insert(found[part.first_query + q].end(), hits,
                                                   hits + count);
            });
    });
    parallel_for(threads, queries.n,
                 [&](std::int64_t q) { std::sort(found[q].begin(), found[q].end()); });
    return found;
}

}  // namespace tersevec::hamming
