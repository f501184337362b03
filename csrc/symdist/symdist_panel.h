// SPDX-License-Identifier: Apache-2.0
/// Panels: rows of bytes as the product kernels read them, for whoever has numbers to multiply.
///
///   sum(query, row) = start of the query + sum over i of query[i] * number(row, i)
/// with queries int8 and numbers uint8, exact in int32. A float value of each sum is held against a
/// bound of its query.
/// A panel is groups of 64 rows, four blocks of 16; a block has `lines` lines of 64 bytes:
///   byte 4 r + t of line g = number of row r in dimension 4 g + t        r = 0..15, t = 0..3
/// Past the dimensions there are zeros, on one side at least; past the rows anything: it is never
/// reported.
#pragma once

#include <cstdint>

#include "core/topk.h"
#include "core/views.h"

namespace tersevec::symdist {

inline constexpr int block_rows = 16, group_rows = 64, line_bytes = 64, line_dims = 4;
inline constexpr int tile_queries = 32;

/// Lines of a block of a panel: as many as fill AMX tiles of equal height, at most 16 lines each.
inline std::int64_t panel_lines(std::int64_t dims) noexcept {
    const std::int64_t lines = (dims + line_dims - 1) / line_dims, tiles = (lines + 15) / 16;
    return (lines + tiles - 1) / tiles * tiles;
}

/// One panel against a tile of queries.
struct PanelScan {
    const std::int8_t* queries = nullptr;  // (n_queries, 4 * lines)
    const std::int32_t* starts = nullptr;  // of the queries
    const float* scales = nullptr;
    int n_queries = 0;                     // 1 to tile_queries
    const std::uint8_t* blocks = nullptr;  // of the panel
    std::int64_t lines = 0;
    int largest_number = 255;      // that the panel may hold; of tables, in a digit
    const float* terms = nullptr;  // of the panel's rows: factors or offsets, of whole groups
    std::int64_t first_row = 0;    // of the base, a multiple of 8
    std::int64_t n_rows = 0;
    int skipped_rows = 0;  // of the first group
    Mask mask = {};        // of the whole base, from the tile's first query on
};

/// Appends every allowed row whose value for query q is below bounds[q] to hits[q], keys of
/// ordered_bits(value), rows ascending.
using PanelBelow = void (*)(const PanelScan&, const float* bounds, Key* const* hits,
                            std::int64_t* n_hits) noexcept;

}  // namespace tersevec::symdist
