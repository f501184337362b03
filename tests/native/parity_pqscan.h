// SPDX-License-Identifier: Apache-2.0
/// Product quantisation kernels against sums and scores added one by one.
#pragma once

#include <iterator>
#include <limits>

#include "parity_check.h"
#include "pqscan/pqscan.h"

namespace tersevec::parity {

enum class Tables { numbers, ties, constant, spread, negative, tiny, grid, ramp };

inline Floats make_tables(Random& random, Tables kind, std::int64_t n_queries, std::int64_t m) {
    Floats tables = random.numbers(n_queries * m * pqscan::centroids);
    for (std::size_t i = 0; i < tables.size(); ++i) {
        const auto subspace = static_cast<std::int64_t>(i) / pqscan::centroids % m;
        float& entry = tables[i];
        switch (kind) {
            case Tables::numbers: break;
            case Tables::ties: entry = static_cast<float>(random.below(3)); break;
            case Tables::constant: entry = 1.25f; break;
            case Tables::spread: entry *= subspace % 7 == 3 ? 1e6f : 1e-3f; break;
            case Tables::negative: entry = -1000.0f - entry; break;
            case Tables::tiny: entry *= 1e-40f; break;
            // Already multiples of a 127th: nothing is rounded but the float sums, and those much.
            case Tables::grid:
                entry = 0x1p22f + 0.5f * static_cast<float>(random.below(128));
                break;
            case Tables::ramp: entry = static_cast<float>(i % pqscan::centroids); break;
        }
    }
    return tables;
}

struct PqscanCase {
    std::int64_t n, n_queries, m;
    std::string shape;
    Bytes codes, mask, blocks;
    Floats tables, distances;

    PqscanCase(Random& random, std::int64_t n, std::int64_t n_queries, std::int64_t m, Tables kind)
        : n(n),
          n_queries(n_queries),
          m(m),
          shape(std::to_string(n_queries) + " x " + std::to_string(n) + " codes of " +
                std::to_string(m) + " sub-spaces, tables " +
                std::to_string(static_cast<int>(kind))),
          codes(random.bytes(1 + n * pqscan::code_bytes_of(m))),
          mask(random.bytes((n + 7) / 8)),
          blocks((n + 31) / 32 * m * 16),
          tables(make_tables(random, kind, n_queries, m)) {
        if (kind == Tables::ramp) {  // the largest sum that there is, in the first row
            std::fill_n(codes.begin() + 1, pqscan::code_bytes_of(m), std::uint8_t{255});
        }
        for (std::int64_t i = 0; m % 2 != 0 && i < n; ++i) {
            codes[(i + 1) * pqscan::code_bytes_of(m)] &= 15;
        }
        for (std::int64_t q = 0; q < n_queries; ++q) {
            for (std::int64_t i = 0; i < n; ++i) {
                float sum = 0.0f;
                for (std::int64_t j = 0; j < m; ++j) {
                    sum += tables[(q * m + j) * 16 + code(i, j)];
                }
                distances.push_back(sum);
            }
        }
        pqscan::pack(rows().rows, blocks.data(), m * 16, 0);
    }

    int code(std::int64_t i, std::int64_t j) const {
        const int byte = codes[1 + i * pqscan::code_bytes_of(m) + j / 2];
        return j % 2 == 0 ? byte % 16 : byte / 16;
    }
    /// Rows one byte off any alignment.
    pqscan::Codes rows() const {
        const std::int64_t width = pqscan::code_bytes_of(m);
        return {nullptr, {codes.data() + 1, n, width, width}, n, m};
    }
    pqscan::Codes blocked() const { return {blocks.data(), {}, n, m}; }
};

inline void check_layout(const PqscanCase& c) {
    Bytes back(c.n * pqscan::code_bytes_of(c.m));
    pqscan::unpack(c.blocks.data(), c.n, c.m, back.data());
    expect(std::equal(back.begin(), back.end(), c.codes.begin() + 1), "pqscan unpack", Isa::scalar,
           c.shape);
    Bytes pieces(c.blocks.size());
    for (std::int64_t first = 0; first < c.n; first += 13) {
        const auto rows = c.rows().rows.slice(first, std::min<std::int64_t>(13, c.n - first));
        pqscan::pack(rows, pieces.data(), c.m * 16, first);
    }
    expect(pieces == c.blocks, "pqscan pack", Isa::scalar, c.shape);
}

inline void check_scans(const PqscanCase& c, Isa isa, int threads) {
    const std::string shape = c.shape + ", " + std::to_string(threads) + " threads";
    const float infinity = std::numeric_limits<float>::infinity();
    const float middle = c.distances[c.distances.size() / 2];
    for (const auto& codes : {c.rows(), c.blocked()}) {
        Floats all(c.n_queries * c.n);
        pqscan::distances(c.tables.data(), c.n_queries, codes, threads, isa, all.data());
        expect(all == c.distances, "pqscan distances", isa, shape);
        for (const Bytes* mask : {static_cast<const Bytes*>(nullptr), &c.mask}) {
            for (const std::int64_t k : result_counts(c.n)) {
                std::vector<Key> keys(c.n_queries * k);
                pqscan::topk({c.n_queries, c.tables.data()}, codes, k, view(mask), threads, isa,
                             keys.data());
                expect(same_topk(keys, c.distances, c.n_queries, c.n, k, mask, &from_ordered_bits),
                       "pqscan topk", isa, shape + ", k " + std::to_string(k));
            }
            for (const float radius : {-infinity, middle, infinity}) {
                const auto found = pqscan::range_search({c.n_queries, c.tables.data()}, codes,
                                                        radius, view(mask), threads, isa);
                expect(same_range(found, c.distances, c.n, radius, mask, &from_ordered_bits),
                       "pqscan range_search", isa, shape + ", radius " + std::to_string(radius));
            }
        }
    }
}

/// The nearest centroid by the header's definition; `volatile` keeps each product rounded.
inline int nearest(const float* x, const float* codebook, std::int64_t n_centroids,
                   std::int64_t dims) {
    int best = 0;
    float lowest = 0.0f;
    for (std::int64_t k = 0; k < n_centroids; ++k) {
        const float* centroid = codebook + k * dims;
        float norm = 0.0f;
        for (std::int64_t t = 0; t < dims; ++t) {
            volatile float square = centroid[t] * centroid[t];
            norm = norm + square;
        }
        float score = 0.5f * norm;
        for (std::int64_t t = 0; t < dims; ++t) {
            volatile float product = x[t] * centroid[t];
            score = score - product;
        }
        if (k == 0 || score < lowest) {
            lowest = score;
            best = static_cast<int>(k);
        }
    }
    return best;
}

inline void check_assign(Random& random, Isa isa, std::int64_t m, std::int64_t n_centroids,
                         std::int64_t dims) {
    for (const std::int64_t n : {1, 15, 16, 33, 530}) {
        const Floats x = random.numbers(n * m * dims);
        Floats codebooks = random.numbers(m * n_centroids * dims);
        for (std::int64_t t = 0; t < dims; ++t) {  // equal centroids: a tie
            codebooks[codebooks.size() - dims + t] = codebooks[t];
        }
        Bytes want(n * m), got(n * m);
        for (std::int64_t i = 0; i < n; ++i) {
            for (std::int64_t j = 0; j < m; ++j) {
                want[i * m + j] = static_cast<std::uint8_t>(
                    nearest(x.data() + (i * m + j) * dims,
                            codebooks.data() + j * n_centroids * dims, n_centroids, dims));
            }
        }
        pqscan::assign({{x.data(), n, m * dims, m * dims * 4},
                        codebooks.data(),
                        nullptr,
                        m,
                        n_centroids,
                        dims},
                       2, isa, got.data());
        expect(want == got, "pqscan assign", isa,
               std::to_string(n) + " rows, m " + std::to_string(m) + ", " +
                   std::to_string(n_centroids) + " centroids of " + std::to_string(dims));
    }
}

inline void check_tables(Random& random) {
    constexpr std::int64_t n = 19, m = 3, n_centroids = 16, dims = 5;
    const Floats queries = random.numbers(n * m * dims);
    const Floats codebooks = random.numbers(m * n_centroids * dims);
    for (const auto metric : {pqscan::Metric::l2, pqscan::Metric::ip}) {
        Floats want, got(n * m * n_centroids);
        for (std::int64_t cell = 0; cell < n * m * n_centroids; ++cell) {
            const float* x = queries.data() + cell / n_centroids * dims;
            const float* centroid = codebooks.data() + cell % (m * n_centroids) * dims;
            float sum = 0.0f;
            for (std::int64_t t = 0; t < dims; ++t) {
                const float apart = x[t] - centroid[t];
                volatile float term =
                    metric == pqscan::Metric::l2 ? apart * apart : x[t] * centroid[t];
                sum = sum + term;
            }
            want.push_back(sum);
        }
        pqscan::lookup_tables({queries.data(), n, m * dims, m * dims * 4}, codebooks.data(), m,
                              n_centroids, metric, 2, got.data());
        expect(want == got, "pqscan lookup_tables", Isa::scalar, "19 queries");
    }
    const Bytes assigned = random.bytes(n * m, 15);
    std::vector<double> sums(m * n_centroids * dims), want_sums(sums.size());
    std::vector<std::int64_t> counts(m * n_centroids), want_counts(counts.size());
    for (std::int64_t cell = 0; cell < n * m; ++cell) {
        const std::int64_t centroid = cell % m * n_centroids + assigned[cell];
        ++want_counts[centroid];
        for (std::int64_t t = 0; t < dims; ++t) {
            want_sums[centroid * dims + t] += queries[cell * dims + t];
        }
    }
    pqscan::centroid_sums({queries.data(), n, m * dims, m * dims * 4}, assigned.data(), m,
                          n_centroids, 2, sums.data(), counts.data());
    expect(sums == want_sums && counts == want_counts, "pqscan centroid_sums", Isa::scalar,
           "19 rows");
}

inline void check_pqscan() {
    Random random;
    const auto levels = levels_of(pqscan::rows());
    constexpr Tables kinds[] = {Tables::numbers,  Tables::ties, Tables::constant, Tables::spread,
                                Tables::negative, Tables::tiny, Tables::grid,     Tables::ramp};
    int turn = 0;
    for (const std::int64_t m : {1, 2, 3, 4, 5, 7, 8, 9, 16, 33, 64, 255, 512, 513, 1030}) {
        for (const std::int64_t n : {1, 31, 32, 33, 100}) {
            const std::int64_t n_queries = n % 2 == 0 ? 5 : 11;
            const PqscanCase c(random, n, n_queries, m, kinds[turn++ % std::size(kinds)]);
            check_layout(c);
            for (const Isa isa : levels) {
                check_scans(c, isa, 1);
            }
        }
    }
    const PqscanCase exact(random, 900, 5, 40, Tables::grid);
    const PqscanCase largest(random, 33, 3, 520, Tables::ramp);
    const PqscanCase many(random, 1100, 70, 64, Tables::numbers);
    const PqscanCase one(random, 16400, 1, 260, Tables::ties);
    for (const Isa isa : levels) {
        check_scans(exact, isa, 1);
        check_scans(largest, isa, 1);
        for (const int threads : {1, 2, 5}) {
            check_scans(many, isa, threads);
            check_scans(one, isa, threads);
        }
        for (const std::int64_t dims : {1, 2, 3, 4, 8, 9, 256, 257}) {
            check_assign(random, isa, dims > 9 ? 1 : 3, 16, dims);
        }
        check_assign(random, isa, 2, 1, 3);
        check_assign(random, isa, 2, 256, 3);
    }
    check_tables(random);
}

}  // namespace tersevec::parity
