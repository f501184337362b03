// SPDX-License-Identifier: Apache-2.0
/// What every way to scan a part of a search needs.
#pragma once

#include <cstring>
#include <iterator>
#include <memory>
#include <vector>

#include "core/kernel_table.h"
#include "core/scan.h"
#include "pqscan/pqscan_codes.h"

namespace tersevec::pqscan {

/// The float tables of a part's queries: given, or made in `made`.
inline const float* tables_of_part(const Tables& tables, const Codes& codes, const Part& part,
                                   const TableKernels& kernels, std::unique_ptr<float[]>& made) {
    const std::int64_t m = codes.m, n = codes.centroids();
    if (tables.given != nullptr) {
        return tables.given + part.first_query * m * n;
    }
    made = std::make_unique_for_overwrite<float[]>(part.n_queries * m * n);
    for (std::int64_t q = 0; q < part.n_queries; ++q) {
        float* table = made.get() + q * m * n;
        if (tables.pairs != nullptr) {
            const PackedCode code(tables.codes[part.first_query + q], codes.n_bits);
            for (std::int64_t j = 0; j < m; ++j) {
                std::memcpy(table + j * n, tables.pairs + (code[j] * m + j) * n, n * sizeof(float));
            }
        } else {
            kernels.fill(tables.queries[part.first_query + q], tables.columns, m,
                         tables.queries.width / m, n, tables.metric, table);
        }
    }
    if (tables.columns != nullptr && tables.metric == Metric::ip) {
        for (std::int64_t i = 0; i < part.n_queries * m * n; ++i) {
            made[i] = -made[i];
        }
    }
    return made.get();
}

/// The bias of the run at hand for query q of a part.
inline float bias_of(const Filter& filter, std::int64_t query, std::int64_t segment) noexcept {
    const auto n_segments = static_cast<std::int64_t>(filter.segments.size());
    return filter.bias == nullptr ? 0.0f : filter.bias[query * n_segments + segment];
}

/// `block_codes` of what is scanned; `state_bytes` is what is held for a query beside its tables.
template <class Layout>
Split split_queries(std::int64_t n_queries, const Codes& codes, const Filter& filter,
                    int block_codes, std::int64_t state_bytes, int threads) {
    std::int64_t n_blocks = 0;
    for (const Segment& segment : filter.segments) {
        n_blocks += segment.n_blocks(block_codes);
    }
    if (filter.segments.empty()) {
        n_blocks = Segment{0, codes.n}.n_blocks(block_codes);
    }
    const std::int64_t table_bytes =
        grains<Layout>[std::size(grains<Layout>) - 1].table_bytes(codes.m) +
        codes.m * codes.centroids() * 4;
    const std::int64_t block_bytes =
        block_codes / Layout::block_codes * block_bytes_of<Layout>(codes.m);
    return split_scan(n_queries, n_blocks, block_bytes, state_bytes + table_bytes, threads);
}

}  // namespace tersevec::pqscan
