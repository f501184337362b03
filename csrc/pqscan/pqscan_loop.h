// SPDX-License-Identifier: Apache-2.0
/// The loop over blocks, once for every level. `Block` does one block against Q queries:
///   static constexpr int tile: the most queries it takes at a time
///   template <int Q> static bool sums(tables, table_bytes, block, m, start, sums):
///       sum = start[q] + quantised sum for each of the Q * 32 pairs; whether any is negative; then
///       `sums` (Q, 32) holds them all. start[q] <= 0.
///   static std::uint32_t signs(sums): bit c = whether the c-th of 32 sums is negative
/// Starting at -bound makes the sign bit the hit.
/// Whole blocks only: the loop leaves out padding and rows that the mask forbids.
#pragma once

#include "pqscan/pqscan.h"

namespace tersevec::pqscan {
namespace {

/// How far a block's bytes ask for bytes to come: hardware prefetchers stay too close behind a scan
/// that computes. One request beside each load: a block's worth at once would clog the buffers.
constexpr std::int64_t prefetch_bytes = 4096;

template <class Block, int Q>
void below_tile(const Scan& scan, const std::uint8_t* tables, const std::int32_t* bounds,
                Key* const* hits, std::int64_t* n_hits) noexcept {
    std::int32_t start[Q];
    for (int q = 0; q < Q; ++q) {
        start[q] = -bounds[q];
    }
    std::int32_t sums[Q * block_codes];
    const std::uint8_t* block = scan.blocks;
    for (std::int64_t row = 0; row < scan.n_rows; row += block_codes, block += scan.m * centroids) {
        const std::int64_t left = scan.n_rows - row;
        const std::uint32_t allowed = scan.mask.word(
            scan.first_row + row, left < block_codes ? static_cast<int>(left) : block_codes);
        if (allowed == 0) {
            continue;
        }
        if (!Block::template sums<Q>(tables, scan.table_bytes, block, scan.m, start, sums))
            [[likely]] {
            continue;
        }
        for (int q = 0; q < Q; ++q) {
            std::uint32_t found = Block::signs(sums + q * block_codes) & allowed;
            for (; found != 0; found &= found - 1) {
                const int c = __builtin_ctz(found);
                const std::int32_t sum = sums[q * block_codes + c] + bounds[q];
                hits[q][n_hits[q]++] =
                    make_key(static_cast<std::uint32_t>(sum), scan.first_row + row + c);
            }
        }
    }
}

/// A tile wider than the level's registers hold goes through in parts.
template <class Block, int Q = Block::tile>
void below(const Scan& scan, const std::int32_t* bounds, Key* const* hits,
           std::int64_t* n_hits) noexcept {
    if constexpr (Q > 1) {
        if (scan.n_queries < Q) {
            return below<Block, Q / 2>(scan, bounds, hits, n_hits);
        }
    }
    for (int q = 0; q < scan.n_queries; q += Q) {
        below_tile<Block, Q>(scan, scan.tables + q * scan.table_bytes, bounds + q, hits + q,
                             n_hits + q);
    }
}

}  // namespace
}  // namespace tersevec::pqscan
