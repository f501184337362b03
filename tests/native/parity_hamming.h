// SPDX-License-Identifier: Apache-2.0
/// Hamming kernels against bits counted one by one.
#pragma once

#include <limits>

#include "hamming/hamming.h"
#include "parity_check.h"

namespace tersevec::parity {

inline float integer(std::uint32_t value) {
    return static_cast<float>(value);
}

struct HammingCase {
    std::int64_t n, n_queries, n_bytes;
    std::uint32_t limit;  // bytes are below it: few values make ties
    std::string shape;
    Bytes codes, queries, mask;
    std::vector<std::uint64_t> blocks;
    Floats distances;

    HammingCase(Random& random, std::int64_t n, std::int64_t n_queries, std::int64_t n_bytes,
                std::uint32_t limit)
        : n(n),
          n_queries(n_queries),
          n_bytes(n_bytes),
          limit(limit),
          shape(std::to_string(n_queries) + " x " + std::to_string(n) + " codes of " +
                std::to_string(n_bytes) + " bytes"),
          codes(random.bytes(1 + n * n_bytes, limit)),
          queries(random.bytes(n_queries * n_bytes, limit)),
          mask(random.bytes((n + 7) / 8)),
          blocks((n + 7) / 8 * hamming::words_of(n_bytes) * 8) {
        if (limit == 1) {  // all bits differ: the largest distance
            std::fill(codes.begin(), codes.end(), std::uint8_t{255});
        }
        for (std::int64_t q = 0; q < n_queries; ++q) {
            for (std::int64_t i = 0; i < n; ++i) {
                int bits = 0;
                for (std::int64_t b = 0; b < n_bytes; ++b) {
                    unsigned differ = codes[1 + i * n_bytes + b] ^ queries[q * n_bytes + b];
                    for (; differ != 0; differ &= differ - 1) {
                        ++bits;
                    }
                }
                distances.push_back(static_cast<float>(bits));
            }
        }
        hamming::pack(rows().rows, blocks.data(), hamming::words_of(n_bytes) * 8, 0);
    }

    Rows<std::uint8_t> wanted() const { return {queries.data(), n_queries, n_bytes, n_bytes}; }
    /// Rows one byte off any alignment.
    hamming::Codes rows() const {
        return {nullptr, {codes.data() + 1, n, n_bytes, n_bytes}, n, hamming::words_of(n_bytes)};
    }
    hamming::Codes blocked() const { return {blocks.data(), {}, n, hamming::words_of(n_bytes)}; }
};

inline void check_layout(const HammingCase& c) {
    Bytes back(c.n * c.n_bytes);
    hamming::unpack(c.blocks.data(), c.n, c.n_bytes, back.data());
    expect(std::equal(back.begin(), back.end(), c.codes.begin() + 1), "hamming unpack", Isa::scalar,
           c.shape);
    std::vector<std::uint64_t> pieces(c.blocks.size());
    const std::int64_t words = hamming::words_of(c.n_bytes) * 8;
    for (std::int64_t first = 0; first < c.n; first += 5) {
        const auto rows = c.rows().rows.slice(first, std::min<std::int64_t>(5, c.n - first));
        hamming::pack(rows, pieces.data(), words, first);
    }
    expect(pieces == c.blocks, "hamming pack", Isa::scalar, c.shape);
}

inline void check_scans(const HammingCase& c, Isa isa, int threads) {
    const std::string shape = c.shape + ", " + std::to_string(threads) + " threads";
    std::vector<std::int32_t> all(c.n_queries * c.n);
    hamming::distances(c.wanted(), c.rows(), threads, isa, all.data());
    expect(std::equal(all.begin(), all.end(), c.distances.begin()), "hamming distances", isa,
           shape);
    for (const auto& codes : {c.rows(), c.blocked()}) {
        for (const Bytes* mask : {static_cast<const Bytes*>(nullptr), &c.mask}) {
            for (const std::int64_t k : result_counts(c.n)) {
                std::vector<Key> keys(c.n_queries * k);
                hamming::topk(c.wanted(), codes, k, view(mask), threads, isa, keys.data());
                expect(same_topk(keys, c.distances, c.n_queries, c.n, k, mask, &integer),
                       "hamming topk", isa, shape + ", k " + std::to_string(k));
            }
            for (const std::int64_t radius :
                 {std::int64_t{0}, 4 * c.n_bytes, std::int64_t{1} << 40}) {
                const auto found =
                    hamming::range_search(c.wanted(), codes, radius, view(mask), threads, isa);
                expect(
                    same_range(found, c.distances, c.n, static_cast<float>(radius), mask, &integer),
                    "hamming range_search", isa, shape + ", radius " + std::to_string(radius));
            }
        }
    }
}

inline void check_pack_bits(Random& random, Isa isa) {
    for (const std::int64_t dim : {1, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100}) {
        constexpr std::int64_t n = 3;
        Floats x = random.numbers(n * dim);
        x[0] = 0.0f;
        x[dim] = -0.0f;
        x[2 * dim] = std::numeric_limits<float>::denorm_min();
        const std::int64_t n_bytes = (dim + 7) / 8;
        Bytes want(n * n_bytes), got(n * n_bytes);
        for (std::int64_t i = 0; i < n * dim; ++i) {
            const std::int64_t t = i % dim;
            want[i / dim * n_bytes + t / 8] |= static_cast<std::uint8_t>((x[i] > 0) << (7 - t % 8));
        }
        hamming::pack_bits({x.data(), n, dim, dim * 4}, 2, isa, got.data());
        expect(want == got, "hamming pack_bits", isa, std::to_string(dim) + " numbers");
    }
}

inline void check_hamming() {
    Random random;
    const auto levels = levels_of(hamming::rows());
    for (const std::int64_t n_bytes : {1, 3, 8, 9, 31, 32, 33, 248, 257, 504, 1024, 1025}) {
        for (const std::int64_t n : {0, 1, 7, 8, 9, 65, 130}) {
            const std::int64_t n_queries = n % 2 == 0 ? 11 : 5;
            const std::uint32_t limit = n == 9 || n == 65 ? 1 : n_bytes < 32 ? 4 : 256;
            const HammingCase c(random, n, n_queries, n_bytes, limit);
            check_layout(c);
            for (const Isa isa : levels) {
                check_scans(c, isa, 1);
            }
        }
    }
    // Enough work for several threads: many queries, then one.
    const HammingCase many(random, 600, 70, 64, 3);
    const HammingCase one(random, 16400, 1, 130, 3);
    for (const Isa isa : levels) {
        for (const int threads : {1, 2, 5}) {
            check_scans(many, isa, threads);
            check_scans(one, isa, threads);
        }
        check_pack_bits(random, isa);
    }
}

}  // namespace tersevec::parity
