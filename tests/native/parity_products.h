// SPDX-License-Identifier: Apache-2.0
/// Product codes that are multiplied: the results of float tables, whatever the data.
#pragma once

#include "parity_pqscan.h"
#include "pqscan/pqscan_bytes.h"
#include "symdist/symdist.h"

namespace tersevec::parity {

enum class Vectors { usual, far, huge, tiny, constant, duplicates, zeros };

struct ProductsCase {
    PqscanCase codes;
    std::int64_t dims, n_queries;
    Floats columns, queries;

    /// Distances of the codes are those of the queries to centroids at `columns`.
    ProductsCase(Random& random, std::int64_t n, std::int64_t n_queries, std::int64_t m,
                 std::int64_t dims, int n_bits, Vectors kind)
        : codes(random, n, 0, m, n_bits, Tables::numbers),
          dims(dims),
          n_queries(n_queries),
          columns(random.numbers(m * dims * codes.n_centroids)),
          queries(random.numbers(n_queries * m * dims)) {
        codes.shape += ", " + std::to_string(n_queries) + " queries of " +
                       std::to_string(m * dims) + " dimensions, vectors " +
                       std::to_string(static_cast<int>(kind));
        for (Floats* numbers : {&columns, &queries}) {
            for (float& number : *numbers) {
                switch (kind) {
                    case Vectors::far: number = 1e4f + number; break;
                    case Vectors::huge: number *= 1e15f; break;
                    case Vectors::tiny: number *= 1e-25f; break;
                    case Vectors::constant: number = 0.75f; break;
                    case Vectors::zeros: number = 0.0f; break;
                    default: break;
                }
            }
        }
        if (kind == Vectors::duplicates) {  // more of them than hits may wait
            for (std::int64_t i = 1; i < n; ++i) {
                std::copy_n(codes.codes.begin() + 1, codes.width,
                            codes.codes.begin() + 1 + i * codes.width);
            }
            pqscan::pack(codes.rows().rows, codes.blocks.data(), m, n_bits, 0);
        }
    }
};

/// A product search against one of its own float tables.
inline void check_products(Random& random, const ProductsCase& c, pqscan::Metric metric,
                           const std::vector<Isa>& levels) {
    const std::int64_t m = c.codes.m, n_centroids = c.codes.n_centroids, d = m * c.dims;
    const Rows<float> queries{c.queries.data(), c.n_queries, d, d * 4};
    Floats codebooks(c.columns.size()), tables(c.n_queries * m * n_centroids);
    for (std::int64_t cell = 0; cell < m * n_centroids * c.dims; ++cell) {
        const std::int64_t j = cell / (n_centroids * c.dims), k = cell / c.dims % n_centroids;
        codebooks[cell] = c.columns[(j * c.dims + cell % c.dims) * n_centroids + k];
    }
    pqscan::lookup_tables(queries, codebooks.data(), m, n_centroids, metric, 1, Isa::scalar,
                          tables.data());
    if (metric == pqscan::Metric::ip) {
        for (float& entry : tables) {
            entry = -entry;
        }
    }
    const pqscan::Tables given{.n_queries = c.n_queries, .given = tables.data()};
    const pqscan::Tables made{.n_queries = c.n_queries,
                              .columns = c.columns.data(),
                              .queries = queries,
                              .metric = metric};
    PqscanCase shape = c.codes;  // filters for as many queries
    shape.n_queries = c.n_queries;
    for (const auto& filter : filters(random, shape)) {
        const std::string what = c.codes.shape + ", " + filter.name;
        const std::int64_t k = filter.segments.empty() ? 10 : c.codes.n + 3;
        const float radius = metric == pqscan::Metric::l2 ? 3.0f : 0.0f;
        std::vector<Key> got(c.n_queries * k), want(c.n_queries * k);
        pqscan::topk(given, c.codes.blocked(), k, filter.view, 1, Isa::scalar, want.data());
        const auto within =
            pqscan::range_search(given, c.codes.blocked(), radius, filter.view, 1, Isa::scalar);
        for (const Isa isa : levels) {
            const auto codes = isa == levels.front() ? c.codes.rows() : c.codes.blocked();
            pqscan::topk(made, codes, k, filter.view, 1, isa, got.data());
            expect(got == want, "pqscan topk by products", isa, what);
            expect(pqscan::range_search(made, codes, radius, filter.view, 3, isa) == within,
                   "pqscan range_search by products", isa, what);
        }
    }
}

/// Codes are worth decoding for many queries of one dimension a number, and not for one of two: so
/// the cases below go both ways on every level.
inline void check_ways(Random& random, const std::vector<Isa>& levels) {
    for (const bool many : {false, true}) {
        const ProductsCase c(random, 3, many ? 120 : 1, 19, many ? 1 : 2, 8, Vectors::usual);
        const std::int64_t d = c.codes.m * c.dims;
        const pqscan::Tables tables{.n_queries = c.n_queries,
                                    .columns = c.columns.data(),
                                    .queries = {c.queries.data(), c.n_queries, d, d * 4}};
        for (const Isa isa : levels) {
            expect(pqscan::products_pay(tables, c.codes.rows(), isa) == many, "pqscan products_pay",
                   isa, c.codes.shape);
        }
    }
}

inline void check_products() {
    Random random;
    const auto levels = levels_of(symdist::rows());
    check_ways(random, levels);
    int turn = 0;
    constexpr Vectors kinds[] = {Vectors::usual, Vectors::far,      Vectors::huge,
                                 Vectors::tiny,  Vectors::constant, Vectors::zeros};
    for (const int n_bits : {4, 5, 6, 7, 8}) {
        std::vector<ProductsCase> cases;
        for (const std::int64_t dims : {1, 2, 7}) {
            for (const std::int64_t n : {1, 40, 129}) {
                const std::int64_t m = n == 40 ? 16 : 19;
                cases.emplace_back(random, n, n == 1 ? 65 : 33, m, dims, n_bits,
                                   kinds[turn++ % std::size(kinds)]);
            }
        }
        cases.emplace_back(random, 70, 120, 19, 1, n_bits, kinds[turn++ % std::size(kinds)]);
        cases.emplace_back(random, 1300, 64, 40, 2, n_bits, Vectors::usual);  // two panels
        for (const ProductsCase& c : cases) {
            check_products(random, c, turn++ % 2 == 0 ? pqscan::Metric::l2 : pqscan::Metric::ip,
                           levels);
        }
    }
    const ProductsCase equal(random, 20000, 33, 16, 1, 8, Vectors::duplicates);
    for (const Isa isa : {levels.front(), levels.back()}) {
        std::vector<Key> keys(33 * 10);
        const pqscan::Tables made{.n_queries = 33,
                                  .columns = equal.columns.data(),
                                  .queries = {equal.queries.data(), 33, 16, 64}};
        pqscan::topk(made, equal.codes.blocked(), 10, {}, 3, isa, keys.data());
        bool first_rows = true;
        for (std::int64_t i = 0; i < 330; ++i) {
            first_rows = first_rows && key_row(keys[i]) == i % 10;
        }
        expect(first_rows, "pqscan topk by products of equal codes", isa, equal.codes.shape);
    }
}

}  // namespace tersevec::parity
