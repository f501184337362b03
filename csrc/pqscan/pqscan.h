// SPDX-License-Identifier: Apache-2.0
/// Product quantisation: exact table scans of codes of 4 to 8 bits.
///
/// distance(query, row) = sum over j < m of table[j][code(row, j)], added in float32, one sub-space
/// after the other from j = 0: this order is the meaning of the result, to the last bit, on every
/// level. Lower is better.
/// Rows of bytes: m numbers of n_bits each, dense, least significant bit first.
/// Blocks: 32 codes for 4 bits, 64 for more; `pqscan_layout.h` draws the three layouts. The last
/// block is padded; padding is never reported.
/// Scan: tables are rounded down to small integers whose sum bounds the float distance from below;
/// rows whose bound does not rule them out are added again in float32. `pqscan_query.h` has the
/// argument.
/// Limits: 1 <= m <= 65536, n < 2^31, tables whose sums are finite. No alignment needed; 64 bytes
/// are fastest.
/// Floor: for 64 look-ups of 4 or 6 bits one byte shuffle, on its one port, and one accumulating
/// instruction beside it; four shuffles for 8 bits. One query reads every code once, at the speed
/// of memory.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/isa.h"
#include "core/scan.h"
#include "core/topk.h"
#include "core/views.h"

namespace tersevec::pqscan {

/// Codes to scan: blocks, or rows of bytes where `blocks` is null.
struct Codes {
    const std::uint8_t* blocks;
    Rows<std::uint8_t> rows;
    std::int64_t n;
    std::int64_t m;
    int n_bits;

    std::int64_t centroids() const noexcept { return std::int64_t{1} << n_bits; }
};

/// Queries that a kernel takes at a time, at most.
inline constexpr int tile_queries = 8;

/// One run of blocks against a tile of queries.
struct Scan {
    const std::uint8_t* tables = nullptr;  // (n_queries, table_bytes): quantised, zero padded
    std::int64_t table_bytes = 0;
    int n_queries = 0;  // 1, 2, 4 or 8
    const std::uint8_t* blocks = nullptr;
    std::int64_t m = 0;
    std::int64_t first_row = 0;  // of the run, the first of its block
    std::int64_t n_rows = 0;     // of the run; the last block may be part full
    int skipped_rows = 0;        // of the first block
    Mask mask = {};              // of the whole base, from the tile's first query on
};

/// Appends every allowed row whose quantised sum for query q is below bounds[q] to hits[q], rows
/// ascending.
using Below = void (*)(const Scan&, const std::int32_t* bounds, Key* const* hits,
                       std::int64_t* n_hits) noexcept;

enum class Metric : std::uint8_t { l2, ip };

struct Range {
    float least, most, mean, variance;
};

struct Differences {
    float least, most;
};

/// A query's tables before a scan: (m, n) entries, n a multiple of 16; quantised, m times `slots`
/// bytes. Equal on every level.
struct TableKernels {
    /// From columns (m, dims, n): squared distances or inner products, term by term in float32.
    void (*fill)(const float* query, const float* columns, std::int64_t m, std::int64_t dims,
                 std::int64_t n, Metric metric, float* table) noexcept;
    void (*ranges)(const float* tables, std::int64_t m, std::int64_t n, Range* out) noexcept;
    /// (entry - least) * scale, rounded down and at most `limit`.
    void (*quantise)(const float* tables, std::int64_t m, std::int64_t n, const Range* ranges,
                     float scale, int limit, int slots, std::uint8_t* out) noexcept;
    /// Coarse tables (m, slots): out[k] = the least of entries k, k + slots, and so on.
    void (*fold)(const float* tables, std::int64_t m, std::int64_t n, int slots,
                 float* out) noexcept;
    /// Sum over sub-spaces of the largest entry - least - level * step, in float64.
    double (*error)(const float* tables, std::int64_t m, std::int64_t n, const Range* ranges,
                    double step, int slots, const std::uint8_t* quantised) noexcept;
    /// Of one sub-space: entry - (scale * product + offset), over its n centroids. `bytes`
    /// (dims, n); product = sum of number * byte.
    Differences (*differences)(const float* table, const std::int8_t* numbers,
                               const std::uint8_t* bytes, const float* offsets, std::int64_t dims,
                               std::int64_t n, float scale) noexcept;
};

/// Bytes of centroids, for codes that are multiplied and not looked up: see pqscan_decode.h.
struct Decode {
    const std::uint8_t* bytes;  // (m * dims, n_centroids): of each centroid's coordinates
    /// For each line of the panel that has coordinates, for each sub-space that has some in it
    /// (n_centroids,): their bytes, in their places; null where the level decodes by `bytes`.
    const std::uint32_t* words;
    std::int64_t m;
    std::int64_t dims;  // of a sub-space
    std::int64_t n_centroids;
    std::int64_t lines;  // of the panel
    int zero;            // the byte that stands for 0
};

/// Groups of 64 codes, in blocks as pqscan_layout.h draws them, to a panel as symdist_panel.h does.
/// squares[r] = sum over coordinates of (byte - zero)^2. Of the last group only codes that exist
/// are read, whole blocks of them; the others' bytes are anything. Bytes past the coordinates are
/// `zero`.
using DecodeGroups = void (*)(const Decode&, const std::uint8_t* blocks, std::int64_t n_codes,
                              std::uint8_t* panel, std::int32_t* squares) noexcept;

/// Roughly what it costs to look up a number of each width, to decode a coordinate, or a word of
/// some, and to hold a product against its bound; in the time of 64 byte products with VNNI. It
/// chooses between ways to a result, and changes none.
struct Costs {
    float look_up4, look_up6, look_up8, decode, compare;
};

struct Kernels {
    Isa isa;
    Costs costs = {};
    Below below4 = nullptr;     ///< codes of 4 bits
    Below below6 = nullptr;     ///< of 5 and 6
    Below below8 = nullptr;     ///< of 7 and 8
    Below below6by4 = nullptr;  ///< at coarser grains: see pqscan_layout.h; null where not faster
    Below below8by6 = nullptr;
    Below below8by7 = nullptr;
    /// out[r] = float distance of the 4-bit block's code r, all 32 of them. `tables` (m, 16).
    void (*distances4)(const float* tables, const std::uint8_t* block, std::int64_t m,
                       float* out) noexcept = nullptr;
    const TableKernels* tables = nullptr;
    DecodeGroups decode4 = nullptr;
    DecodeGroups decode6 = nullptr;
    DecodeGroups decode8 = nullptr;
    bool decodes_words = true;  ///< not by bytes
};
std::span<const Kernels* const> rows() noexcept;

struct BlockShape {
    int codes;           ///< in a block
    std::int64_t lines;  ///< of a block
    int line_bytes;

    std::int64_t bytes() const noexcept { return lines * line_bytes; }
};
BlockShape block_shape(std::int64_t m, int n_bits) noexcept;

/// Writes codes into blocks from row `start` on; every other row stays.
void pack(Rows<std::uint8_t> codes, std::uint8_t* blocks, std::int64_t m, int n_bits,
          std::int64_t start) noexcept;
void unpack(const std::uint8_t* blocks, std::int64_t n, std::int64_t m, int n_bits,
            std::uint8_t* codes) noexcept;

/// tables (queries.n, m, n_centroids): squared distances or inner products of sub-vectors, term by
/// term in float32.
void lookup_tables(Rows<float> queries, const float* codebooks, std::int64_t m,
                   std::int64_t n_centroids, Metric metric, int threads, Isa at_most,
                   float* tables);

/// The tables of a search, K entries for each of m sub-spaces: given, or made a group of queries at
/// a time from queries and centroids, or from codes and the tables of every pair of centroids.
struct Tables {
    std::int64_t n_queries;
    const float* given = nullptr;    // (n_queries, m, K)
    const float* columns = nullptr;  // (m, dims, K): coordinate t of a sub-space's centroids
    Rows<float> queries = {};        // (n_queries, m * dims), with columns
    Metric metric = Metric::l2;      // with columns; of inner products tables hold the negatives
    const float* pairs = nullptr;    // (K, m, K): entry of two centroids of a sub-space
    Rows<std::uint8_t> codes = {};   // (n_queries, code bytes), with pairs
};

/// What of the base a search may find.
struct Filter {
    Mask mask = {};
    std::span<const Segment> segments = {};  ///< not overlapping; empty: the whole base
    const float* bias = nullptr;  ///< (n_queries, segments): added to a segment's distances, last
};

/// out (n_queries, codes.n). `tables` (n_queries, m, K).
void distances(const float* tables, std::int64_t n_queries, Codes codes, int threads, Isa at_most,
               float* out);

/// keys (n_queries, k) of ordered_bits(distance), each query's best first, padded with no_hit.
void topk(const Tables& tables, Codes codes, std::int64_t k, const Filter& filter, int threads,
          Isa at_most, Key* keys);

/// Every allowed row at distance <= radius; for each query best first.
std::vector<std::vector<Key>> range_search(const Tables& tables, Codes codes, float radius,
                                           const Filter& filter, int threads, Isa at_most);

/// Rows by quantised sums alone: keys (n_queries, k) of sums, with bounds of each one's distance,
/// lower and upper (n_queries, k), infinite for padding. `filter` has no bias.
void quantised_topk(const Tables& tables, Codes codes, std::int64_t k, const Filter& filter,
                    int threads, Isa at_most, Key* keys, float* lower, float* upper);

}  // namespace tersevec::pqscan
