// SPDX-License-Identifier: Apache-2.0
/// Product quantisation kernels against sums and scores added one by one.
#pragma once

#include <iterator>
#include <limits>

#include "core/kernel_table.h"
#include "core/packed.h"
#include "parity_check.h"
#include "pqscan/pqscan.h"
#include "pqscan/pqscan_bytes.h"
#include "pqscan/pqscan_layout.h"
#include "symdist/symdist_panel.h"

namespace tersevec::parity {

enum class Tables { numbers, ties, constant, spread, negative, tiny, grid, ramp };

inline Floats make_tables(Random& random, Tables kind, std::int64_t n_queries, std::int64_t m,
                          std::int64_t n_centroids) {
    Floats tables = random.numbers(n_queries * m * n_centroids);
    for (std::size_t i = 0; i < tables.size(); ++i) {
        const auto subspace = static_cast<std::int64_t>(i) / n_centroids % m;
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
            case Tables::ramp: entry = static_cast<float>(i % n_centroids); break;
        }
    }
    return tables;
}

struct PqscanCase {
    std::int64_t n, n_queries, m;
    int n_bits;
    std::int64_t width, n_centroids;
    std::string shape;
    Bytes numbers, codes, blocks;
    Floats tables, distances;

    PqscanCase(Random& random, std::int64_t n, std::int64_t n_queries, std::int64_t m, int n_bits,
               Tables kind)
        : n(n),
          n_queries(n_queries),
          m(m),
          n_bits(n_bits),
          width((m * n_bits + 7) / 8),
          n_centroids(std::int64_t{1} << n_bits),
          shape(std::to_string(n_queries) + " x " + std::to_string(n) + " codes of " +
                std::to_string(m) + " x " + std::to_string(n_bits) + " bits, tables " +
                std::to_string(static_cast<int>(kind))),
          numbers(random.bytes(n * m, static_cast<std::uint32_t>(n_centroids))),
          codes(1 + n * width),
          tables(make_tables(random, kind, n_queries, m, n_centroids)) {
        if (kind == Tables::ramp) {  // the largest sum that there is, in the first row
            std::fill_n(numbers.begin(), m, static_cast<std::uint8_t>(n_centroids - 1));
        }
        for (std::int64_t i = 0; i < n; ++i) {  // bit by bit
            for (std::int64_t bit = 0; bit < m * n_bits; ++bit) {
                const int set = numbers[i * m + bit / n_bits] >> bit % n_bits & 1;
                codes[1 + i * width + bit / 8] |= static_cast<std::uint8_t>(set << bit % 8);
            }
        }
        for (std::int64_t q = 0; q < n_queries; ++q) {
            for (std::int64_t i = 0; i < n; ++i) {
                float sum = 0.0f;
                for (std::int64_t j = 0; j < m; ++j) {
                    sum += tables[(q * m + j) * n_centroids + numbers[i * m + j]];
                }
                distances.push_back(sum);
            }
        }
        const auto block = pqscan::block_shape(m, n_bits);
        blocks.resize((n + block.codes - 1) / block.codes * block.bytes());
        pqscan::pack(rows().rows, blocks.data(), m, n_bits, 0);
    }

    /// Rows one byte off any alignment.
    pqscan::Codes rows() const {
        return {nullptr, {codes.data() + 1, n, width, width}, n, m, n_bits};
    }
    pqscan::Codes blocked() const { return {blocks.data(), {}, n, m, n_bits}; }
    pqscan::Tables given() const { return {.n_queries = n_queries, .given = tables.data()}; }
};

inline void check_layout(const PqscanCase& c) {
    Bytes back(c.n * c.width);
    pqscan::unpack(c.blocks.data(), c.n, c.m, c.n_bits, back.data());
    expect(std::equal(back.begin(), back.end(), c.codes.begin() + 1), "pqscan unpack", Isa::scalar,
           c.shape);
    Bytes pieces(c.blocks.size());
    for (std::int64_t first = 0; first < c.n; first += 13) {
        const auto rows = c.rows().rows.slice(first, std::min<std::int64_t>(13, c.n - first));
        pqscan::pack(rows, pieces.data(), c.m, c.n_bits, first);
    }
    expect(pieces == c.blocks, "pqscan pack", Isa::scalar, c.shape);
    Bytes joined(c.n * c.width), split(c.n * c.m);
    join_numbers(c.numbers.data(), c.n, c.m, c.n_bits, joined.data());
    split_numbers(c.rows().rows, c.m, c.n_bits, split.data());
    expect(joined == back && split == c.numbers, "pqscan join, split", Isa::scalar, c.shape);
}

/// What a filter lets pass, by definition: for each query a mask, and distances with the bias.
struct Allowed {
    std::vector<Bytes> masks;
    Floats distances;
};

struct FilterCase {
    std::string name;
    Bytes mask;
    std::vector<Segment> segments;
    Floats bias;
    pqscan::Filter view;

    Allowed allowed(const PqscanCase& c) const {
        Allowed result{std::vector<Bytes>(c.n_queries, Bytes((c.n + 7) / 8)), c.distances};
        for (std::int64_t q = 0; q < c.n_queries; ++q) {
            for (std::int64_t row = 0; row < c.n; ++row) {
                const Mask mine = view.mask.from_query(q);
                bool pass = mine.bits == nullptr || (mine.bits[row / 8] >> (row % 8) & 1) != 0;
                bool inside = segments.empty();
                for (std::size_t s = 0; s < segments.size(); ++s) {
                    if (segments[s].first_row <= row && row < segments[s].end_row) {
                        inside = true;
                        result.distances[q * c.n + row] +=
                            bias.empty() ? 0.0f : bias[q * segments.size() + s];
                    }
                }
                pass = pass && inside;
                result.masks[q][row / 8] |= static_cast<std::uint8_t>(int{pass} << row % 8);
            }
        }
        return result;
    }
};

inline std::vector<FilterCase> filters(Random& random, const PqscanCase& c) {
    std::vector<FilterCase> cases(5);
    cases[0].name = "all rows";
    cases[1].name = "one mask";
    cases[1].mask = random.bytes((c.n + 7) / 8);
    cases[1].view.mask = {cases[1].mask.data()};
    cases[2].name = "a mask for each query";
    cases[2].mask = random.bytes(c.n_queries * ((c.n + 7) / 8));
    cases[2].view.mask = {cases[2].mask.data(), (c.n + 7) / 8};
    const std::int64_t third = c.n / 3;
    for (FilterCase* segmented : {&cases[3], &cases[4]}) {  // the last rows first, a gap of one row
        segmented->segments = {
            {2 * third, c.n}, {third, third}, {std::min<std::int64_t>(1, third), third}};
    }
    cases[3].name = "segments";
    cases[4].name = "segments with biases and masks";
    cases[4].mask = cases[2].mask;
    cases[4].view.mask = {cases[4].mask.data(), (c.n + 7) / 8};
    cases[4].bias = random.numbers(3 * c.n_queries);
    for (FilterCase& one : cases) {
        one.view.segments = one.segments;
        one.view.bias = one.bias.empty() ? nullptr : one.bias.data();
    }
    return cases;
}

inline void check_scans(Random& random, const PqscanCase& c, Isa isa, int threads) {
    const float infinity = std::numeric_limits<float>::infinity();
    const float middle = c.distances[c.distances.size() / 2];
    const auto cases = filters(random, c);
    for (const auto& codes : {c.rows(), c.blocked()}) {
        Floats all(c.n_queries * c.n);
        pqscan::distances(c.tables.data(), c.n_queries, codes, threads, isa, all.data());
        expect(all == c.distances, "pqscan distances", isa, c.shape);
        for (const FilterCase& filter : cases) {
            const Allowed allowed = filter.allowed(c);
            const std::string shape =
                c.shape + ", " + filter.name + ", " + std::to_string(threads) + " threads";
            const bool plain = &filter == &cases[0];
            for (const std::int64_t k :
                 plain ? result_counts(c.n) : std::vector<std::int64_t>{c.n / 3 + 1}) {
                std::vector<Key> keys(c.n_queries * k);
                pqscan::topk(c.given(), codes, k, filter.view, threads, isa, keys.data());
                for (std::int64_t q = 0; q < c.n_queries; ++q) {
                    const std::vector<Key> mine(keys.begin() + q * k, keys.begin() + (q + 1) * k);
                    const Floats distances(allowed.distances.begin() + q * c.n,
                                           allowed.distances.begin() + (q + 1) * c.n);
                    expect(same_topk(mine, distances, 1, c.n, k, &allowed.masks[q],
                                     &from_ordered_bits),
                           "pqscan topk", isa, shape + ", k " + std::to_string(k));
                }
            }
            for (const float radius :
                 plain ? Floats{-infinity, middle, infinity} : Floats{middle}) {
                const auto found =
                    pqscan::range_search(c.given(), codes, radius, filter.view, threads, isa);
                for (std::int64_t q = 0; q < c.n_queries; ++q) {
                    const Floats distances(allowed.distances.begin() + q * c.n,
                                           allowed.distances.begin() + (q + 1) * c.n);
                    expect(same_range({found[q]}, distances, c.n, radius, &allowed.masks[q],
                                      &from_ordered_bits),
                           "pqscan range_search", isa,
                           shape + ", radius " + std::to_string(radius));
                }
            }
        }
        std::vector<Key> keys(c.n_queries * c.n);
        Floats lower(keys.size()), upper(keys.size());
        pqscan::quantised_topk(c.given(), codes, c.n, {}, threads, isa, keys.data(), lower.data(),
                               upper.data());
        bool right = true;
        for (std::size_t i = 0; i < keys.size(); ++i) {
            const std::int64_t q = static_cast<std::int64_t>(i) / c.n;
            const float distance = c.distances[q * c.n + key_row(keys[i])];
            right = right && lower[i] <= distance && distance <= upper[i] &&
                    (i % c.n == 0 || keys[i - 1] < keys[i]);
        }
        expect(right, "pqscan quantised_topk", isa, c.shape);
    }
}

/// Scans of tables that are gathered from pairs of centroids.
inline void check_symmetric(Random& random, Isa isa, int n_bits) {
    const PqscanCase c(random, 70, 0, 5, n_bits, Tables::numbers);
    const std::int64_t k = c.n_centroids;
    const Floats pairs = random.numbers(k * c.m * k);
    Floats tables;
    for (std::int64_t q = 0; q < c.n; ++q) {
        for (std::int64_t j = 0; j < c.m; ++j) {
            const auto from = pairs.begin() + (c.numbers[q * c.m + j] * c.m + j) * k;
            tables.insert(tables.end(), from, from + k);
        }
    }
    const pqscan::Tables by_codes{.n_queries = c.n, .pairs = pairs.data(), .codes = c.rows().rows};
    const pqscan::Tables given{.n_queries = c.n, .given = tables.data()};
    std::vector<Key> got(c.n * 9), want(c.n * 9);
    pqscan::topk(by_codes, c.blocked(), 9, {}, 1, isa, got.data());
    pqscan::topk(given, c.blocked(), 9, {}, 1, Isa::scalar, want.data());
    expect(got == want, "pqscan symmetric topk", isa, c.shape);
}

inline void check_tables(Random& random, Isa isa) {
    constexpr std::int64_t n = 19, m = 3, n_centroids = 64, dims = 5;
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
                              n_centroids, metric, 2, isa, got.data());
        expect(want == got, "pqscan lookup_tables", isa, "19 queries");
    }
}

/// Panels of decoded codes, byte by byte.
inline void check_decode(Random& random, const PqscanCase& c, std::int64_t dims, Isa isa) {
    const std::int64_t coordinates = c.m * dims, lines = symdist::panel_lines(coordinates) + 1;
    const Floats columns = random.numbers(coordinates * c.n_centroids);
    const pqscan::Tables tables{.n_queries = 1,
                                .columns = columns.data(),
                                .queries = {columns.data(), 1, coordinates, coordinates * 4},
                                .metric = pqscan::Metric::l2};
    const pqscan::ByteCentroids centroids(tables, c.blocked(), isa);
    const int zero = centroids.zero;
    const pqscan::Decode decode{.bytes = centroids.bytes.data(),
                                .words = centroids.words.data(),
                                .m = c.m,
                                .dims = dims,
                                .n_centroids = c.n_centroids,
                                .lines = lines,
                                .zero = zero};
    const std::int64_t groups = (c.n + symdist::group_rows - 1) / symdist::group_rows;
    Bytes panel(groups * symdist::group_rows * symdist::line_dims * lines);
    std::vector<std::int32_t> squares(groups * symdist::group_rows);
    pqscan::with_layout(c.n_bits, [&]<class Layout>(Layout) {
        pick(pqscan::rows(), pqscan::decoder<Layout>, isa)(decode, c.blocks.data(), c.n,
                                                           panel.data(), squares.data());
    });
    bool right = true;
    for (std::int64_t r = 0; r < c.n; ++r) {
        const std::uint8_t* block =
            panel.data() + r / symdist::block_rows * symdist::line_bytes * lines;
        std::int32_t sum = 0;
        for (std::int64_t i = 0; i < symdist::line_dims * lines; ++i) {
            const int u =
                block[i / symdist::line_dims * symdist::line_bytes +
                      r % symdist::block_rows * symdist::line_dims + i % symdist::line_dims];
            const int want =
                i < coordinates ? centroids.bytes[i * c.n_centroids + c.numbers[r * c.m + i / dims]]
                                : zero;
            right &= u == want;
            sum += (want - zero) * (want - zero);
        }
        right &= squares[r] == sum;
    }
    expect(right, "pqscan decode", isa, c.shape + ", dims " + std::to_string(dims));
}

inline void check_pqscan() {
    Random random;
    const auto levels = levels_of(pqscan::rows());
    constexpr Tables kinds[] = {Tables::numbers,  Tables::ties, Tables::constant, Tables::spread,
                                Tables::negative, Tables::tiny, Tables::grid,     Tables::ramp};
    int turn = 0;
    for (const int n_bits : {4, 5, 6, 7, 8}) {
        for (const std::int64_t m : {1, 4, 7, 34}) {
            for (const std::int64_t n : {1, 33, 100}) {
                const std::int64_t n_queries = n % 2 == 0 ? 5 : 11;
                const PqscanCase c(random, n, n_queries, m, n_bits,
                                   kinds[turn++ % std::size(kinds)]);
                check_layout(c);
                for (const Isa isa : levels) {
                    check_scans(random, c, isa, 1);
                    for (const std::int64_t dims : {1, 2, 3, 4, 5, 8}) {
                        check_decode(random, c, dims, isa);
                    }
                }
            }
        }
        const PqscanCase exact(random, 150, 2, 40, n_bits, Tables::grid);
        const PqscanCase largest(random, 5, 3, n_bits == 6 ? 1030 : 520, n_bits, Tables::ramp);
        const PqscanCase long_code(random, 70, 3, 1026, n_bits, Tables::numbers);
        const PqscanCase many(random, 150, 20, 16, n_bits, Tables::numbers);
        const PqscanCase one(random, 2100, 1, 36, n_bits, Tables::ties);
        for (const Isa isa : levels) {
            check_scans(random, exact, isa, 1);
            check_decode(random, exact, 2, isa);
            check_scans(random, largest, isa, 1);
            check_scans(random, long_code, isa, 1);
            for (const int threads : {1, 5}) {
                check_scans(random, many, isa, threads);
                check_scans(random, one, isa, threads);
            }
            check_symmetric(random, isa, n_bits);
        }
    }
    for (const Isa isa : levels) {
        check_tables(random, isa);
    }
}

}  // namespace tersevec::parity
