// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>
#include <mutex>

#include "core/kernel_table.h"
#include "pqscan/pqscan_query.h"

namespace tersevec::pqscan {
namespace {

/// Exact top-k of one query: hits wait until they are worth sorting, the most promising are
/// re-scored first, and what their distances rule out is never re-scored.
class ExactTopk {
public:
    ExactTopk(const Query& query, std::int64_t k)
        : query_(query),
          k_(k),
          best_(k),
          bound_(query.bound(std::numeric_limits<float>::infinity())) {}

    std::int32_t bound() const noexcept { return bound_; }

    void lower_bound(float theta) noexcept { bound_ = std::min(bound_, query_.bound(theta)); }

    void push(const Key* hits, std::int64_t count) {
        waiting_.insert(waiting_.end(), hits, hits + count);
        if (static_cast<std::int64_t>(waiting_.size()) >=
            std::clamp<std::int64_t>(2 * k_, 32, waiting_limit)) {
            settle();
        }
    }

    const std::vector<Key>& finish() {
        settle();
        return best_.finish();
    }

    static std::int64_t state_bytes(std::int64_t k) noexcept {
        return ReservoirTopk::state_bytes(k) + 16 * std::min(2 * k + 4096, 2 * waiting_limit);
    }

private:
    static constexpr std::int64_t waiting_limit = 16384;

    void settle() {
        const auto n = static_cast<std::int64_t>(waiting_.size());
        const std::int64_t first = std::min(n, k_);
        if (first < n) {
            std::nth_element(waiting_.begin(), waiting_.begin() + first, waiting_.end());
        }
        take(0, first);
        const auto left = std::remove_if(waiting_.begin() + first, waiting_.end(), [&](Key hit) {
            return static_cast<std::int32_t>(key_value(hit)) >= bound_;
        });
        take(first, left - waiting_.begin());
        waiting_.clear();
    }

    void take(std::int64_t first, std::int64_t last) {
        scored_.resize(last - first);
        query_.rescore(waiting_.data() + first, last - first, scored_.data());
        for (const Key key : scored_) {
            best_.push(key);
        }
        best_.tighten();
        if (best_.bound() != no_hit) {
            lower_bound(from_ordered_bits(key_value(best_.bound())));
        }
    }

    const Query& query_;
    std::int64_t k_;
    ReservoirTopk best_;
    std::int32_t bound_;
    std::vector<Key> waiting_;
    std::vector<Key> scored_;
};

/// A part's queries with their quantised tables.
class Queries {
public:
    Queries(const Tables& tables, const Codes& codes, const Part& part)
        : tiles_(cut_tiles(part.n_queries)),
          table_bytes_(table_bytes_of(codes.m)),
          quantised_(part.n_queries * table_bytes_ / sizeof(Line)) {
        const std::int64_t entries = codes.m * centroids;
        const float* mine = tables.given + part.first_query * entries;
        if (tables.given == nullptr) {
            made_.resize(part.n_queries * entries);
            make(tables, codes.m, part);
            mine = made_.data();
        }
        for (std::int64_t q = 0; q < part.n_queries; ++q) {
            queries_.emplace_back(mine + q * entries, codes, tables_of(q));
        }
    }

    const Query& operator[](std::int64_t q) const noexcept { return queries_[q]; }

    /// Hands the part's rows below `bound(q)` to `take(q, keys, count)`.
    template <class GetBound, class Take>
    void scan(const Part& part, const Codes& codes, Mask mask, Isa at_most, GetBound bound,
              Take take) const {
        Runs runs(blocked(codes), part);
        scan_below<std::int32_t>(
            runs, Scan{.table_bytes = table_bytes_, .m = codes.m, .mask = mask}, tiles_,
            pick(rows(), &Kernels::below, at_most),
            [&](Scan& scan, const Tile& tile) {
                scan.tables = tables_of(tile.first);
                scan.n_queries = tile.width;
            },
            bound, take);
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

    void make(const Tables& tables, std::int64_t m, const Part& part) noexcept {
        const std::int64_t dims = tables.queries.width / m;
        for (std::int64_t q = 0; q < part.n_queries; ++q) {
            fill_table(tables.queries[part.first_query + q], tables.columns, m, dims, centroids,
                       tables.metric, made_.data() + q * m * centroids);
        }
        if (tables.metric == Metric::ip) {
            for (float& entry : made_) {
                entry = -entry;
            }
        }
    }

    std::vector<Tile> tiles_;
    std::int64_t table_bytes_;
    std::vector<float> made_;
    std::vector<Line> quantised_;
    std::vector<Query> queries_;
};

Split split_queries(std::int64_t n_queries, const Codes& codes, std::int64_t state_bytes,
                    int threads) noexcept {
    const auto base = blocked(codes);
    const std::int64_t table_bytes = table_bytes_of(codes.m) + codes.m * centroids * 4;
    return split_scan(n_queries, base.n_blocks(), base.block_bytes(), state_bytes + table_bytes,
                      threads);
}

}  // namespace

void topk(const Tables& tables, Codes codes, std::int64_t k, Mask mask, int threads, Isa at_most,
          Key* keys) {
    TopkMerger merger(keys, tables.n_queries, k);
    const std::int64_t reachable = std::min(k, codes.n);
    const Split split =
        split_queries(tables.n_queries, codes, ExactTopk::state_bytes(reachable), threads);
    split.for_each([&](const Part& part) {
        const Queries queries(tables, codes, part);
        std::vector<ExactTopk> best;
        for (std::int64_t q = 0; q < part.n_queries; ++q) {
            best.emplace_back(queries[q], reachable);
            // Where another range of rows is done, a row beyond its k-th distance cannot enter.
            const Key kth = merger.kth(part.first_query + q);
            if (kth != no_hit) {
                best.back().lower_bound(from_ordered_bits(key_value(kth)));
            }
        }
        queries.scan(
            part, codes, mask, at_most, [&](std::int64_t q) { return best[q].bound(); },
            [&](std::int64_t q, const Key* hits, std::int64_t count) {
                best[q].push(hits, count);
            });
        for (std::int64_t q = 0; q < part.n_queries; ++q) {
            merger.merge(part.first_query + q, best[q].finish());
        }
    });
}

std::vector<std::vector<Key>> range_search(const Tables& tables, Codes codes, float radius,
                                           Mask mask, int threads, Isa at_most) {
    std::vector<std::vector<Key>> found(tables.n_queries);
    std::mutex lock;
    const Key limit =
        make_key(ordered_bits(radius + 0.0f), std::numeric_limits<std::uint32_t>::max());
    split_queries(tables.n_queries, codes, 1, threads).for_each([&](const Part& part) {
        const Queries queries(tables, codes, part);
        std::vector<Key> scored;
        queries.scan(
            part, codes, mask, at_most, [&](std::int64_t q) { return queries[q].bound(radius); },
            [&](std::int64_t q, const Key* hits, std::int64_t count) {
                scored.resize(count);
                queries[q].rescore(hits, count, scored.data());
                std::erase_if(scored, [&](Key key) { return key > limit; });
                const std::lock_guard guard(lock);
                auto& mine = found[part.first_query + q];
                mine.insert(mine.end(), scored.begin(), scored.end());
            });
    });
    parallel_for(threads, tables.n_queries,
                 [&](std::int64_t q) { std::sort(found[q].begin(), found[q].end()); });
    return found;
}

}  // namespace tersevec::pqscan
