// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>
#include <mutex>

#include "pqscan/pqscan_exact.h"
#include "pqscan/pqscan_products.h"
#include "pqscan/pqscan_queries.h"

namespace tersevec::pqscan {
namespace {

/// A search by sums of rounded tables.
template <class Layout>
struct BySums {
    using Queries = TableQueries<Layout>;

    const Tables& tables;
    const Codes& codes;
    Isa at_most;

    Queries operator()(const Part& part) const {
        return Queries(tables, codes, part, Sums::bound, at_most);
    }
};

/// `queries_of(part)` makes what scans a part.
template <class Layout, class QueriesOf>
void topk_of(const QueriesOf& queries_of, std::int64_t k, const Filter& filter, int threads,
             Key* keys) {
    using Best = ExactTopk<typename QueriesOf::Queries::Query>;
    const std::int64_t n_queries = queries_of.tables.n_queries;
    TopkMerger merger(keys, n_queries, k);
    const std::int64_t reachable = std::min(k, queries_of.codes.n);
    const Split split =
        split_queries<Layout>(n_queries, queries_of.codes, filter, QueriesOf::Queries::block_codes,
                              Best::state_bytes(reachable), threads);
    split.for_each([&](const Part& part) {
        auto queries = queries_of(part);
        std::vector<Best> best;
        for (std::int64_t q = 0; q < part.n_queries; ++q) {
            best.emplace_back(queries[q], reachable);
            // Where another range of rows is done, a row beyond its k-th distance cannot enter.
            const Key kth = merger.kth(part.first_query + q);
            if (kth != no_hit) {
                best.back().lower_bound(from_ordered_bits(key_value(kth)));
            }
        }
        queries.scan(
            filter, reachable, [&](std::int64_t q, float bias) { return best[q].bound(bias); },
            [&](std::int64_t q, float, const Key* hits, std::int64_t count) {
                best[q].push(hits, count);
            });
        for (std::int64_t q = 0; q < part.n_queries; ++q) {
            merger.merge(part.first_query + q, best[q].finish());
        }
    });
}

template <class Layout, class QueriesOf>
std::vector<std::vector<Key>> range_of(const QueriesOf& queries_of, float radius,
                                       const Filter& filter, int threads) {
    const std::int64_t n_queries = queries_of.tables.n_queries;
    std::vector<std::vector<Key>> found(n_queries);
    std::mutex lock;
    const Key limit =
        make_key(ordered_bits(radius + 0.0f), std::numeric_limits<std::uint32_t>::max());
    const Split split = split_queries<Layout>(n_queries, queries_of.codes, filter,
                                              QueriesOf::Queries::block_codes, 1, threads);
    split.for_each([&](const Part& part) {
        auto queries = queries_of(part);
        std::vector<Key> scored;
        queries.scan(
            filter, 0, [&](std::int64_t q, float bias) { return queries[q].bound(radius, bias); },
            [&](std::int64_t q, float bias, const Key* hits, std::int64_t count) {
                scored.resize(count);
                queries[q].rescore(hits, count, bias, scored.data());
                std::erase_if(scored, [&](Key key) { return key > limit; });
                const std::lock_guard guard(lock);
                auto& mine = found[part.first_query + q];
                mine.insert(mine.end(), scored.begin(), scored.end());
            });
    });
    parallel_for(threads, n_queries,
                 [&](std::int64_t q) { std::sort(found[q].begin(), found[q].end()); });
    return found;
}

template <class Layout>
void quantised_of(const Tables& tables, const Codes& codes, std::int64_t k, const Filter& filter,
                  int threads, Isa at_most, Key* keys, float* lower, float* upper) {
    constexpr float infinity = Bounds::infinity;
    TopkMerger merger(keys, tables.n_queries, k);
    std::vector<Bounds> bounds(tables.n_queries);
    // Collectors of integers expect rows in ascending order.
    std::vector<Segment> segments(filter.segments.begin(), filter.segments.end());
    std::sort(segments.begin(), segments.end(),
              [](Segment a, Segment b) { return a.first_row < b.first_row; });
    const Filter ascending{.mask = filter.mask, .segments = segments};
    const std::int64_t reachable = std::min(k, codes.n);
    const auto max_sum =
        static_cast<std::uint32_t>(codes.m * grains<Layout>[std::size(grains<Layout>) - 1].limit);
    const Split split =
        split_queries<Layout>(tables.n_queries, codes, filter, Layout::block_codes,
                              UncountedTopk::state_bytes(reachable, max_sum), threads);
    split.for_each([&](const Part& part) {
        TableQueries<Layout> queries(tables, codes, part, Sums::rank, at_most);
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
            ascending, 0, [&](std::int64_t q, float) { return best[q].bound(); },
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
        if (products_pay(tables, codes, at_most)) {
            topk_of<Layout>(ByProducts<Layout>(tables, codes, at_most), k, filter, threads, keys);
        } else {
            topk_of<Layout>(BySums<Layout>{tables, codes, at_most}, k, filter, threads, keys);
        }
    });
}

std::vector<std::vector<Key>> range_search(const Tables& tables, Codes codes, float radius,
                                           const Filter& filter, int threads, Isa at_most) {
    return with_layout(codes.n_bits, [&]<class Layout>(Layout) {
        return products_pay(tables, codes, at_most)
                   ? range_of<Layout>(ByProducts<Layout>(tables, codes, at_most), radius, filter,
                                      threads)
                   : range_of<Layout>(BySums<Layout>{tables, codes, at_most}, radius, filter,
                                      threads);
    });
}

void quantised_topk(const Tables& tables, Codes codes, std::int64_t k, const Filter& filter,
                    int threads, Isa at_most, Key* keys, float* lower, float* upper) {
    with_layout(codes.n_bits, [&]<class Layout>(Layout) {
        quantised_of<Layout>(tables, codes, k, filter, threads, at_most, keys, lower, upper);
    });
}

}  // namespace tersevec::pqscan
