// SPDX-License-Identifier: Apache-2.0
/// Queries as tables of what nibbles of codes of 1 and 2 bits add to a sum: 4 products, or 2.
///
///   byte 64 h + 16 t + c of line g = entry of c in the low (h = 0) or high (h = 1) nibble of the
///   bytes 4 r + t of a stored line g, r = 0..15
/// An entry is the sum of query[i] * number(i) over the nibble's dimensions, less the least that it
/// can be: the query's start has that. Of large entries there are two tables, one after the other:
/// of their low digits, and of their high ones.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "core/parallel.h"
#include "symdist/symdist.h"
#include "symdist/symdist_tiles.h"

namespace tersevec::symdist {

/// What each bit of a nibble adds to a query's sum.
struct NibbleWeights {
    int of_bit[4];

    int least() const noexcept {
        return std::accumulate(of_bit, of_bit + 4, 0,
                               [](int sum, int weight) { return sum + std::min(weight, 0); });
    }
    int largest_entry() const noexcept {
        return std::accumulate(of_bit, of_bit + 4, 0,
                               [](int sum, int weight) { return sum + std::abs(weight); });
    }
    void entries(int* out) const noexcept {
        out[0] = -least();
        for (int bit = 0, count = 1; bit < 4; ++bit, count *= 2) {
            for (int i = 0; i < count; ++i) {
                out[count + i] = out[i] + of_bit[bit];
            }
        }
    }
};

/// Calls visit(weights) in the order of the tables: for each line, half and t.
template <class Visit>
void for_nibbles(const std::int8_t* query, const Codes& codes, Visit visit) {
    const int numbers = 4 / codes.n_bits;  // of a nibble, in dimensions 4 apart
    const std::int64_t halves = 2 * block_lines(codes.m, codes.n_bits);
    for (std::int64_t first = 0; first < halves * numbers * line_dims;
         first += numbers * line_dims) {
        for (int t = 0; t < line_dims; ++t) {
            NibbleWeights weights{};
            for (int bit = 0; bit < 4; ++bit) {
                const std::int64_t i = first + bit / codes.n_bits * line_dims + t;
                weights.of_bit[bit] = i < codes.m ? query[i] * (1 << bit % codes.n_bits) : 0;
            }
            visit(weights);
        }
    }
}

/// How large the numbers of a part's tables are.
struct TableSizes {
    int entry = 1;
    std::int64_t sum = 0;  // of a row's entries

    TableSizes(const Queries& queries, const Codes& codes, const Part& part) {
        for (std::int64_t q = part.first_query; q < part.first_query + part.n_queries; ++q) {
            std::int64_t of_query = 0;
            for_nibbles(queries.numbers + q * codes.m, codes, [&](const NibbleWeights& weights) {
                entry = std::max(entry, weights.largest_entry());
                of_query += weights.largest_entry();
            });
            sum = std::max(sum, of_query);
        }
    }

    /// 0 where 16 bits do not hold a sum.
    int digits() const noexcept { return sum >= 1 << 16 ? 0 : entry < 1 << digit_bits ? 1 : 2; }
    int largest_digit() const noexcept { return std::min(entry, (1 << digit_bits) - 1); }
};

inline QueryTiles tables_of(const Queries& queries, const Codes& codes, const Part& part,
                            int digits) {
    const std::int64_t bytes = table_bytes * block_lines(codes.m, codes.n_bits);
    QueryTiles tiles(part.n_queries, bytes / line_dims * digits, table_queries);
    for (std::int64_t q = 0; q < part.n_queries; ++q) {
        const std::int8_t* query = queries.numbers + (part.first_query + q) * codes.m;
        std::int8_t* table = tiles.numbers(q);
        std::int32_t least = 0;
        for_nibbles(query, codes, [&](const NibbleWeights& weights) {
            int entries[16];
            weights.entries(entries);
            least += weights.least();
            for (int i = 0; i < 16; ++i, ++table) {
                for (int d = 0; d < digits; ++d) {
                    table[d * bytes] = static_cast<std::int8_t>(entries[i] >> digit_bits * d &
                                                                ((1 << digit_bits) - 1));
                }
            }
        });
        const std::int32_t sum = std::accumulate(query, query + codes.m, 0);
        tiles.set_value(q, 2 * least - ((1 << codes.n_bits) - 1) * sum,
                        -queries.scales[part.first_query + q]);
    }
    return tiles;
}

}  // namespace tersevec::symdist
