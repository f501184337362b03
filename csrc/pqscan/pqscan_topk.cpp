// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>
#include <mutex>

#include "pqscan/pqscan_queries.h"

namespace tersevec::pqscan {
namespace {

/// Exact top-k of one query: hits wait until they are worth sorting, the most promising are
/// re-scored first, and what their distances rule out is never re-scored.
template <class Layout>
class ExactTopk {
public:
    ExactTopk(const Query<Layout>& query, std::int64_t k) : query_(query), k_(k), best_(k) {
        lower_bound(std::numeric_limits<float>::infinity());
    }

    /// For rows of this bias.
    std::int32_t bound(float bias) {
        if (bias != bias_) {  // sums under another bias are not comparable
            settle();
            bias_ = bias;
            bound_ = query_.bound(theta_, bias_);
        }
        return bound_;
    }

    void lower_bound(float theta) noexcept {
        theta_ = std::min(theta_, theta);
        bound_ = query_.bound(theta_, bias_);
    }

    /// Hits under the bias that `bound` was asked for last.
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
        query_.rescore(waiting_.data() + first, last - first, bias_, scored_.data());
        for (const Key key : scored_) {
            best_.push(key);
        }
        best_.tighten();
        if (best_.bound() != no_hit) {
            lower_bound(from_ordered_bits(key_value(best_.bound())));
        }
    }

    const Query<Layout>& query_;
    std::int64_t k_;
    ReservoirTopk best_;
    float theta_ = std::numeric_limits<float>::infinity();
    float bias_ = 0.0f;
    std::int32_t bound_ = 0;
    std::vector<Key> waiting_;
    std::vector<Key> scored_;
};

template <class Layout>
void topk_of(const Tables& tables, const Codes& codes, std::int64_t k, const Filter& filter,
             int threads, Isa at_most, Key* keys) {
    TopkMerger merger(keys, tables.n_queries, k);
    const std::int64_t reachable = std::min(k, codes.n);
    const Split split = split_queries<Layout>(tables.n_queries, codes, filter,
                                              ExactTopk<Layout>::state_bytes(reachable), threads);
    split.for_each([&](const Part& part) {
        const Queries<Layout> queries(tables, codes, part, Sums::bound, at_most);
        std::vector<ExactTopk<Layout>> best;
        for (std::int64_t q = 0; q < part.n_queries; ++q) {
            best.emplace_back(queries[q], reachable);
            // Where another range of rows is done, a row beyond its k-th distance cannot enter.
            const Key kth = merger.kth(part.first_query + q);
            if (kth != no_hit) {
                best.back().lower_bound(from_ordered_bits(key_value(kth)));
            }
        }
        queries.scan(
            filter, [&](std::int64_t q, float bias) { return best[q].bound(bias); },
            [&](std::int64_t q, float, const Key* hits, std::int64_t count) {
                best[q].push(hits, count);
            });
        for (std::int64_t q = 0; q < part.n_queries; ++q) {
            merger.merge(part.first_query + q, best[q].finish());
        }
    });
}

template <class Layout>
std::vector<std::vector<Key>> range_of(const Tables& tables, const Codes& codes, float radius,
                                       const Filter& filter, int threads, Isa at_most) {
    std::vector<std::vector<Key>> found(tables.n_queries);
    std::mutex lock;
    const Key limit =
        make_key(ordered_bits(radius + 0.0f), std::numeric_limits<std::uint32_t>::max());
    const Split split = split_queries<Layout>(tables.n_queries, codes, filter, 1, threads);
    split.for_each([&](const Part& part) {
        const Queries<Layout> queries(tables, codes, part, Sums::bound, at_most);
        std::vector<Key> scored;
        queries.scan(
            filter, [&](std::int64_t q, float bias) { return queries[q].bound(radius, bias); },
            [&](std::int64_t q, float bias, const Key* hits, std::int64_t count) {
                scored.resize(count);
                queries[q].rescore(hits, count, bias, scored.data());
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

template <class Layout>
void quantised_of(const Tables& tables, const Codes& codes, std::int64_t k, const Filter& filter,
                  int threads, Isa at_most, Key* keys, float* lower, float* upper) {
    constexpr float infinity = Bounds::infinity;
    TopkMerger merger(keys, tables.n_queries, k);
    std::vector<Bounds> bounds(tables.n_queries);
    const std::int64_t reachable = std::min(k, codes.n);
    const auto max_sum = static_cast<std::uint32_t>(codes.m * Layout::limit);
    const Split split = split_queries<Layout>(
        tables.n_queries, codes, filter, UncountedTopk::state_bytes(reachable, max_sum), threads);
    split.for_each([&](const Part& part) {
        const Queries<Layout> queries(tables, codes, part, Sums::rank, at_most);
        std::vector<UncountedTopk> best;
        for (std::int64_t q = 0; q < part.n_queries; ++q) {
            best.emplace_back(reachable, max_sum);
            if (part.first_block == 0) {  // one of the parts with this query
                bounds[part.first_query + q] = queries[q].bounds();
            }
            const Key kth = merger.kth(part.first_query + q);
            if (kth != no_hit) {
                best.back().lower_bound(key_value(kth) + 1);
            }
        }
        queries.scan(
            filter, [&](std::int64_t q, float) { return best[q].bound(); },
            [&](std::int64_t q, float, const Key* hits, std::int64_t count) {
                best[q].push(hits, count);
            });
        for (std::int64_t q = 0; q < part.n_queries; ++q) {
            merger.merge(part.first_query + q, best[q].finish());
        }
    });
    for (std::int64_t i = 0; i < tables.n_queries * k; ++i) {
        const Bounds& mine = bounds[i / k];
        lower[i] = keys[i] == no_hit ? infinity : mine.lower(key_value(keys[i]));
        upper[i] = keys[i] == no_hit ? infinity : mine.upper(key_value(keys[i]));
    }
}

}  // namespace

void topk(const Tables& tables, Codes codes, std::int64_t k, const Filter& filter, int threads,
          Isa at_most, Key* keys) {
    with_layout(codes.n_bits, [&]<class Layout>(Layout) {
        topk_of<Layout>(tables, codes, k, filter, threads, at_most, keys);
    });
}

std::vector<std::vector<Key>> range_search(const Tables& tables, Codes codes, float radius,
                                           const Filter& filter, int threads, Isa at_most) {
    return with_layout(codes.n_bits, [&]<class Layout>(Layout) {
        return range_of<Layout>(tables, codes, radius, filter, threads, at_most);
    });
}

void quantised_topk(const Tables& tables, Codes codes, std::int64_t k, const Filter& filter,
                    int threads, Isa at_most, Key* keys, float* lower, float* upper) {
    with_layout(codes.n_bits, [&]<class Layout>(Layout) {
        quantised_of<Layout>(tables, codes, k, filter, threads, at_most, keys, lower, upper);
    });
}

}  // namespace tersevec::pqscan
