// SPDX-License-Identifier: Apache-2.0
/// Product quantisation with 4-bit codes: assignment, tables, exact table scans.
///
/// distance(query, row) = sum over j < m of table[j][code(row, j)], added in float32, one sub-space
/// after the other from j = 0: this order is the meaning of the result, to the last bit, on every
/// level. Lower is better.
/// Rows of bytes: sub-space j is nibble j, low nibble first; an odd m leaves the last nibble 0.
/// Layout: blocks of 32 codes, 16 * m bytes each:
///   byte 16 * j + t of a block = code(t, j) | code(t + 16, j) << 4        t = 0..15
/// The last block is padded; padding is never reported.
/// Scan: tables are rounded down to bytes of at most 127 (two look-ups add up in a byte), so that
/// an integer sum bounds the float distance from below; rows whose bound does not rule them out
/// are added again in float32. `pqscan_query.h` has the argument.
/// Limits: 1 <= m <= 65536, n < 2^31, tables whose sums are finite. No alignment needed; 64 bytes
/// are fastest.
/// Floor: for 64 look-ups one byte shuffle, on its one port, and one accumulating instruction
/// beside it; one query reads every code once, at the speed of memory.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/isa.h"
#include "core/topk.h"
#include "core/views.h"

namespace tersevec::pqscan {

inline constexpr int block_codes = 32;
inline constexpr int centroids = 16;
/// Largest entry of a quantised table.
inline constexpr int table_limit = 127;
/// Sub-spaces whose tables fill 64 bytes; quantised tables are zero padded to pairs of groups.
inline constexpr int group_subspaces = 4;
/// What 16-bit sums hold before they are widened: 512 * 127 < 2^16.
inline constexpr int sums16_subspaces = 512;
/// Longest sub-vector that the vector levels assign; the reference takes all.
inline constexpr std::int64_t assign_dims = 256;

inline std::int64_t code_bytes_of(std::int64_t m) noexcept {
    return (m + 1) / 2;
}
inline std::int64_t table_bytes_of(std::int64_t m) noexcept {
    return (m + 2 * group_subspaces - 1) / (2 * group_subspaces) * (2 * group_subspaces) *
           centroids;
}

/// Codes to scan: blocks, or rows of bytes where `blocks` is null.
struct Codes {
    const std::uint8_t* blocks;
    Rows<std::uint8_t> rows;
    std::int64_t n;
    std::int64_t m;
};

/// One run of blocks against a tile of queries.
struct Scan {
    const std::uint8_t* tables = nullptr;  // (n_queries, table_bytes): quantised, zero padded
    std::int64_t table_bytes = 0;
    int n_queries = 0;  // 1, 2, 4 or 8
    const std::uint8_t* blocks = nullptr;
    std::int64_t m = 0;
    std::int64_t first_row = 0;  // of the run, a multiple of 32
    std::int64_t n_rows = 0;     // of the run; the last block may have fewer than 32
    Mask mask = {};              // of the whole base
};

/// Training rows and centroids for assignment, both with the sub-spaces side by side.
struct Assign {
    Rows<float> x;            // (n, m * dims)
    const float* codebooks;   // (m, n_centroids, dims)
    const float* half_norms;  // (m, n_centroids): 0.5 * |c|^2, float32, summed in order
    std::int64_t m;
    std::int64_t n_centroids;  // at most 256
    std::int64_t dims;
};

struct Kernels {
    Isa isa;
    /// Appends every allowed row whose quantised sum for query q is below bounds[q] to hits[q],
    /// rows ascending.
    void (*below)(const Scan&, const std::int32_t* bounds, Key* const* hits,
                  std::int64_t* n_hits) noexcept = nullptr;
    /// out[r] = float distance of the block's code r, all 32 of them. `tables` (m, 16) as they are.
    void (*distances)(const float* tables, const std::uint8_t* block, std::int64_t m,
                      float* out) noexcept = nullptr;
    /// out[i * m + j] = the centroid with the lowest score 0.5 |c|^2 - <x, c>; the product is taken
    /// off term by term, each operation rounded to float32, so that every level agrees. Ties: lower
    /// centroid.
    void (*assign)(const Assign&, std::int64_t first_row, std::int64_t n_rows,
                   std::uint8_t* out) noexcept = nullptr;
};
std::span<const Kernels* const> rows() noexcept;

/// Writes codes into blocks of `block_bytes` = 16 * m from row `start` on; rows before it stay.
void pack(Rows<std::uint8_t> codes, std::uint8_t* blocks, std::int64_t block_bytes,
          std::int64_t start) noexcept;
void unpack(const std::uint8_t* blocks, std::int64_t n, std::int64_t m,
            std::uint8_t* codes) noexcept;

/// out (n, m), see Kernels::assign. `half_norms` of `task` is filled in here.
void assign(Assign task, int threads, Isa at_most, std::uint8_t* out);

/// sums (m, n_centroids, dims) and counts (m, n_centroids) of the rows assigned to each centroid:
/// float64, in row order.
void centroid_sums(Rows<float> x, const std::uint8_t* assigned, std::int64_t m,
                   std::int64_t n_centroids, int threads, double* sums, std::int64_t* counts);

enum class Metric : std::uint8_t { l2, ip };

/// tables (queries.n, m, n_centroids): squared distances or inner products of sub-vectors, term by
/// term in float32.
void lookup_tables(Rows<float> queries, const float* codebooks, std::int64_t m,
                   std::int64_t n_centroids, Metric metric, int threads, float* tables);

/// The tables of a search: given, or made from queries and centroids a group of queries at a time.
struct Tables {
    std::int64_t n_queries;
    const float* given = nullptr;    // (n_queries, m, 16)
    Rows<float> queries = {};        // (n_queries, m * dims), where no tables are given
    const float* columns = nullptr;  // (m, dims, 16): coordinate t of a sub-space's centroids
    Metric metric = Metric::l2;      // of inner products the tables hold the negatives
};

/// out (n_queries, codes.n). `tables` (n_queries, m, 16).
void distances(const float* tables, std::int64_t n_queries, Codes codes, int threads, Isa at_most,
               float* out);

/// One query's table (m, n_centroids) from columns (m, dims, n_centroids).
void fill_table(const float* query, const float* columns, std::int64_t m, std::int64_t dims,
                std::int64_t n_centroids, Metric metric, float* table) noexcept;

/// keys (n_queries, k) of ordered_bits(distance), each query's best first, padded with no_hit.
void topk(const Tables& tables, Codes codes, std::int64_t k, Mask mask, int threads, Isa at_most,
          Key* keys);

/// Every allowed row at distance <= radius; for each query best first.
std::vector<std::vector<Key>> range_search(const Tables& tables, Codes codes, float radius,
                                           Mask mask, int threads, Isa at_most);

}  // namespace tersevec::pqscan
