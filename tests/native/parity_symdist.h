// SPDX-License-Identifier: Apache-2.0
/// Products of small whole numbers against products added one by one.
#pragma once

#include <limits>

#include "core/kernel_table.h"
#include "core/packed.h"
#include "parity_check.h"
#include "symdist/symdist.h"
#include "symdist/symdist_ways.h"

namespace tersevec::parity {

inline float minus_similarity(std::uint32_t bits) {
    return from_ordered_bits(bits);
}

enum class Products { usual, signs, largest };

struct SymdistCase {
    std::int64_t n, n_queries, m;
    int n_bits;
    std::string shape;
    Bytes numbers, codes, blocks, mask;
    std::vector<std::int8_t> queries;
    Floats scales, factors, distances;  // distances: similarities, negated

    SymdistCase(Random& random, std::int64_t n, std::int64_t n_queries, std::int64_t m, int n_bits,
                Products kind)
        : n(n),
          n_queries(n_queries),
          m(m),
          n_bits(n_bits),
          shape(std::to_string(n_queries) + " x " + std::to_string(n) + " codes of " +
                std::to_string(m) + " x " + std::to_string(n_bits) + " bits"),
          numbers(random.bytes(n * m, 1u << n_bits)),
          codes(1 + n * packed_bytes_of(m, n_bits)),
          mask(random.bytes((n + 7) / 8)) {
        const int limit = n_bits == symdist::max_bits ? 63 : 127;
        for (std::int64_t i = 0; i < n_queries * m; ++i) {
            const int number = kind == Products::largest ? limit
                               : kind == Products::signs
                                   ? 2 * static_cast<int>(random.below(2)) - 1
                                   : static_cast<int>(random.below(2 * limit + 1)) - limit;
            queries.push_back(static_cast<std::int8_t>(number));
        }
        if (kind == Products::largest) {
            std::fill(numbers.begin(), numbers.end(), static_cast<std::uint8_t>((1 << n_bits) - 1));
        }
        for (std::int64_t q = 0; q < n_queries; ++q) {
            scales.push_back(q % 5 == 4 ? 0.0f : 0.125f + static_cast<float>(random.below(3)));
        }
        for (std::int64_t i = 0; i < n; ++i) {  // few factors make ties
            factors.push_back(0.5f * static_cast<float>(random.below(4)));
        }
        join_numbers(numbers.data(), n, m, n_bits, codes.data() + 1);
        blocks.resize((n + symdist::block_rows - 1) / symdist::block_rows * symdist::line_bytes *
                      symdist::block_lines(m, n_bits));
        symdist::pack(rows().rows, blocks.data(), m, n_bits, 0);
        for (std::int64_t q = 0; q < n_queries; ++q) {
            for (std::int64_t i = 0; i < n; ++i) {
                std::int64_t product = 0;
                for (std::int64_t j = 0; j < m; ++j) {
                    product += queries[q * m + j] * (2 * numbers[i * m + j] - ((1 << n_bits) - 1));
                }
                volatile float scaled = static_cast<float>(product) * scales[q];
                distances.push_back(0.0f - scaled * factors[i]);
            }
        }
    }

    symdist::Queries wanted() const { return {queries.data(), scales.data(), n_queries}; }
    /// Rows one byte off any alignment.
    symdist::Codes rows() const {
        const std::int64_t width = packed_bytes_of(m, n_bits);
        return {nullptr, {codes.data() + 1, n, width, width}, n, m, n_bits, factors.data()};
    }
    symdist::Codes blocked() const { return {blocks.data(), {}, n, m, n_bits, factors.data()}; }
};

inline void check_layout(const SymdistCase& c) {
    Bytes back(c.codes.size() - 1), pieces(c.blocks.size());
    symdist::unpack(c.blocks.data(), c.n, c.m, c.n_bits, back.data());
    expect(std::equal(back.begin(), back.end(), c.codes.begin() + 1), "symdist unpack", Isa::scalar,
           c.shape);
    for (std::int64_t first = 0; first < c.n; first += 7) {
        const auto rows = c.rows().rows.slice(first, std::min<std::int64_t>(7, c.n - first));
        symdist::pack(rows, pieces.data(), c.m, c.n_bits, first);
    }
    expect(pieces == c.blocks, "symdist pack", Isa::scalar, c.shape);
}

inline void check_scans(const SymdistCase& c, Isa isa, int threads) {
    const std::string shape = c.shape + ", " + std::to_string(threads) + " threads";
    const float middle = c.distances.empty() ? 0.0f : c.distances[c.distances.size() / 2];
    const float infinity = std::numeric_limits<float>::infinity();
    for (const auto& codes : {c.rows(), c.blocked()}) {
        Floats all(c.distances.size());
        symdist::scores(c.wanted(), codes, threads, isa, all.data());
        for (float& similarity : all) {
            similarity = 0.0f - similarity;
        }
        expect(all == c.distances, "symdist scores", isa, shape);
        for (const Bytes* mask : {static_cast<const Bytes*>(nullptr), &c.mask}) {
            for (const std::int64_t k : result_counts(c.n)) {
                std::vector<Key> keys(c.n_queries * k);
                symdist::topk(c.wanted(), codes, k, view(mask), threads, isa, keys.data());
                expect(same_topk(keys, c.distances, c.n_queries, c.n, k, mask, &minus_similarity),
                       "symdist topk", isa, shape + ", k " + std::to_string(k));
            }
            for (const float farthest : {-infinity, middle, infinity}) {
                const auto found = symdist::range_search(c.wanted(), codes, 0.0f - farthest,
                                                         view(mask), threads, isa);
                expect(same_range(found, c.distances, c.n, farthest, mask, &minus_similarity),
                       "symdist range_search", isa, shape + ", from " + std::to_string(farthest));
            }
        }
    }
}

/// Large bases of 1 and 2 bits are looked up where a level can, in tables of one digit or of two,
/// unless 16 bits cannot hold their sums, or many queries of two digits meet 2 bits.
inline void check_nibbles(Random& random, const std::vector<Isa>& levels) {
    struct Expected {
        int n_bits;
        std::int64_t m, n_queries;
        Products kind;
        int digits;
    };
    constexpr Expected all[] = {
        {1, 33, 1, Products::signs, 1},    {1, 481, 9, Products::signs, 1},
        {1, 100, 6, Products::usual, 2},   {1, 516, 2, Products::largest, 2},
        {1, 517, 2, Products::largest, 0}, {2, 50, 9, Products::signs, 1},
        {2, 33, 3, Products::usual, 2},    {2, 33, 4, Products::usual, 0},
        {2, 172, 1, Products::largest, 2}, {2, 173, 1, Products::largest, 0},
    };
    for (const Expected& one : all) {
        const SymdistCase c(random, 4203, one.n_queries, one.m, one.n_bits, one.kind);
        const Part whole{0, one.n_queries, 0,
                         (c.n + symdist::group_rows - 1) / symdist::group_rows};
        for (const Isa isa : levels) {
            const symdist::Kernels& kernels =
                fastest_row(symdist::rows(), &symdist::Kernels::below_factor, isa);
            if (kernels.below_nibbles[0] != nullptr) {
                const auto way = symdist::way_of(c.wanted(), c.blocked(), whole, kernels);
                expect(way.below == (one.digits == 0 ? kernels.below_factor
                                                     : kernels.below_nibbles[one.digits - 1]),
                       "symdist way_of", isa, c.shape);
            }
            check_scans(c, isa, 1);
        }
    }
}

inline void check_symdist() {
    Random random;
    const auto levels = levels_of(symdist::rows());
    check_nibbles(random, levels);
    for (int n_bits = 1; n_bits <= symdist::max_bits; ++n_bits) {
        std::vector<SymdistCase> cases;
        for (const std::int64_t m : {1, 5, 33, 100}) {
            for (const std::int64_t n : {0, 1, 17, 64, 130}) {
                const std::int64_t n_queries = n % 2 == 0 ? 35 : 3;
                cases.emplace_back(random, n, n_queries, m, n_bits,
                                   n == 64 ? Products::signs : Products::usual);
            }
        }
        cases.emplace_back(random, 65, 17, 700, n_bits, Products::usual);
        cases.emplace_back(random, 65, 1, 700, n_bits, Products::signs);
        if (n_bits >= 7) {  // the largest products that there are
            cases.emplace_back(random, 17, 1, 65536, n_bits, Products::largest);
            cases.emplace_back(random, 17, 5, 65536, n_bits, Products::largest);
        }
        for (const SymdistCase& c : cases) {
            check_layout(c);
            for (const Isa isa : levels) {
                check_scans(c, isa, 1);
            }
        }
        // Enough work for several threads: many queries, then one.
        const SymdistCase many(random, 300, 70, 64, n_bits, Products::usual);
        const SymdistCase one(random, 5000, 1, 130, n_bits, Products::usual);
        for (const Isa isa : levels) {
            check_scans(many, isa, 5);
            check_scans(one, isa, 5);
        }
    }
}

}  // namespace tersevec::parity
