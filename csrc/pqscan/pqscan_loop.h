// SPDX-License-Identifier: Apache-2.0
/// The loop over blocks, once for every level and layout. `Block` does one block against Q queries:
///   Layout, and static constexpr int tile: the most queries it takes at a time
///   template <int Q> static unsigned sums(tables, table_bytes, block, m, start, sums):
///       sum = start[q] + quantised sum for each query and code of the block; bit q of the result
///       is whether one of query q's is negative; then sums[q * block_codes ...] holds them.
///       start[q] <= 0.
///   static std::uint64_t signs(sums): bit c = whether the c-th sum of a query is negative
/// Starting at -bound makes the sign bit the hit.
/// Whole blocks only: the loop leaves out padding and rows that the mask forbids.
#pragma once

#include "pqscan/pqscan_layout.h"

namespace tersevec::pqscan {
namespace {

/// How far a block's bytes ask for bytes to come: hardware prefetchers stay too close behind a scan
/// that computes. One request beside each load: a block's worth at once would clog the buffers.
constexpr std::int64_t prefetch_bytes = 4096;

/// Rows of the block at `row` that queries q .. q + Q - 1 may find, one or another.
template <int Q>
std::uint64_t allowed_rows(const Scan& scan, int q, std::int64_t row, int count) noexcept {
    if (!scan.mask.of_queries()) {
        return scan.mask.word(scan.first_row + row, count);
    }
    std::uint64_t any = 0;
    for (int i = q; i < q + Q; ++i) {
        any |= scan.mask.from_query(i).word(scan.first_row + row, count);
    }
    return any;
}

/// Queries q .. q + Q - 1.
template <class Block, int Q>
void below_tile(const Scan& scan, int q, const std::int32_t* bounds, Key* const* hits,
                std::int64_t* n_hits) noexcept {
    constexpr int block_codes = Block::Layout::block_codes;
    const std::uint8_t* tables = scan.tables + q * scan.table_bytes;
    std::int32_t start[Q];
    for (int i = 0; i < Q; ++i) {
        start[i] = -bounds[q + i];
    }
    std::int32_t sums[Q * block_codes];
    const std::uint8_t* block = scan.blocks;
    std::uint64_t kept = ~std::uint64_t{0} << scan.skipped_rows;
    for (std::int64_t row = 0; row < scan.n_rows;
         row += block_codes, block += block_bytes_of<typename Block::Layout>(scan.m)) {
        const std::int64_t left = scan.n_rows - row;
        const int count = left < block_codes ? static_cast<int>(left) : block_codes;
        const std::uint64_t allowed = allowed_rows<Q>(scan, q, row, count) & kept;
        kept = ~std::uint64_t{0};
        if (allowed == 0) {
            continue;
        }
        unsigned hit =
            Block::template sums<Q>(tables, scan.table_bytes, block, scan.m, start, sums);
        for (; hit != 0; hit &= hit - 1) {
            const int i = __builtin_ctz(hit);
            std::uint64_t found = Block::signs(sums + i * block_codes) & allowed;
            if (scan.mask.of_queries()) {
                found &= scan.mask.from_query(q + i).word(scan.first_row + row, count);
            }
            for (; found != 0; found &= found - 1) {
                const int c = __builtin_ctzll(found);
                const std::int32_t sum = sums[i * block_codes + c] + bounds[q + i];
                hits[q + i][n_hits[q + i]++] =
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
        below_tile<Block, Q>(scan, q, bounds, hits, n_hits);
    }
}

}  // namespace
}  // namespace tersevec::pqscan
