// SPDX-License-Identifier: Apache-2.0
/// Exact inner products of small whole numbers: codes of 1 to 8 bits a dimension, queries of 8.
///
/// A number c of u bits stands for v = 2c - (2^u - 1). product(query, row) = sum over i < m of
/// query[i] * v(row, i), an exact int32; similarity = (float32(product) * scale of the query) *
/// factor of the row, each rounded to float32 on its own: equal to the last bit on every level.
/// Rows of bytes: m numbers of u bits, dense, least significant bit first.
/// Blocks: 16 codes, lines of 64 bytes; numbers are held in w = 1, 2, 4 or 8 bits, the fewest that
/// serve.
///   byte 4 c + t of line g, bits i w to (i + 1) w  =  number of code c in dimension
///   4 (8 / w g + i) + t        c = 0..15, t = 0..3
/// Scan: a run of blocks is spread into a panel, a byte for each number, that all queries multiply
/// while it lies in cache. `symdist_panel.h` says what a panel is: other families that have
/// numbers to multiply make panels of their own. Nibbles of 1 and 2 bits may be looked up instead,
/// in tables of the queries' exact products.
/// Limits: 1 <= m <= 65536, n < 2^31; |query| <= 127, of codes of 8 bits 63. No alignment needed;
/// 64 bytes are fastest.
/// Floor: a byte product for each dimension: 64 of them an instruction with VNNI, 1024 a cycle with
/// AMX, beside 32 numbers a cycle to spread. One query reads every code once, at the speed of
/// memory.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/isa.h"
#include "core/topk.h"
#include "core/views.h"
#include "symdist/symdist_panel.h"

namespace tersevec::symdist {

inline constexpr int max_bits = 8;

/// Bits that hold a number of n_bits in blocks.
inline int held_bits(int n_bits) noexcept {
    return n_bits <= 2 ? n_bits : n_bits <= 4 ? 4 : 8;
}

/// Lines of a block of codes.
inline std::int64_t block_lines(std::int64_t m, int n_bits) noexcept {
    const int dims = 4 * 8 / held_bits(n_bits);
    return (m + dims - 1) / dims;
}

/// Of a query's tables: bytes for a stored line, bits of a digit; and how many queries' tables are
/// looked into together. `symdist_tables.h` says what they hold.
inline constexpr int table_bytes = 128, digit_bits = 5, table_queries = 4;

/// Codes to scan: blocks, or rows of bytes where `blocks` is null.
struct Codes {
    const std::uint8_t* blocks;
    Rows<std::uint8_t> rows;
    std::int64_t n;
    std::int64_t m;
    int n_bits;
    const float* factors;  // of the n rows
};

struct Queries {
    const std::int8_t* numbers;  // (n, m)
    const float* scales;         // of the queries
    std::int64_t n;
};

struct Kernels {
    Isa isa;
    PanelBelow below_factor = nullptr;  ///< value = (float(sum) * scale) * factor of the row
    PanelBelow below_offset = nullptr;  ///< value = float(sum) * scale + offset
    /// below_factor of blocks as they are stored, lines as those have them; null where a panel is
    /// as fast. Few queries: 4 bytes for each number a byte of the block holds. Signs, codes of 1
    /// bit and queries of -1 and 1: a query's signs as numbers of such a code, 4 bytes a line.
    PanelBelow (*below_stored)(int n_bits) noexcept = nullptr;
    PanelBelow below_signs = nullptr;
    /// below_factor of stored codes of 1 and 2 bits, queries being tables of one digit or of two;
    /// null where products are as fast.
    PanelBelow below_nibbles[2] = {};
    /// values[q] = the factored values of query q and the panel's rows, whole groups of them.
    void (*values)(const PanelScan&, float* const* values) noexcept = nullptr;
    /// Blocks (count, stored lines, 64) to a panel: 2 c, of codes of 8 bits c.
    void (*spread)(const std::uint8_t* blocks, std::int64_t count, std::int64_t stored_lines,
                   int n_bits, std::int64_t lines, std::uint8_t* panel) noexcept = nullptr;
    /// Roughly what a product of numbers up to `quick_number` costs, in 64ths of what 64 products
    /// do with VNNI. It chooses between ways to a result, and changes none.
    float cost = 0.0f;
    int quick_number = 255;
};
std::span<const Kernels* const> rows() noexcept;

/// Writes codes into blocks from row `start` on; every other row stays.
void pack(Rows<std::uint8_t> codes, std::uint8_t* blocks, std::int64_t m, int n_bits,
          std::int64_t start) noexcept;
void unpack(const std::uint8_t* blocks, std::int64_t n, std::int64_t m, int n_bits,
            std::uint8_t* codes) noexcept;

/// out (queries.n, codes.n): similarities.
void scores(const Queries& queries, const Codes& codes, int threads, Isa at_most, float* out);

/// keys (queries.n, k) of ordered_bits(-similarity), each query's best first, padded with no_hit.
void topk(const Queries& queries, const Codes& codes, std::int64_t k, Mask mask, int threads,
          Isa at_most, Key* keys);

/// Every allowed row of at least this similarity; for each query best first.
std::vector<std::vector<Key>> range_search(const Queries& queries, const Codes& codes, float least,
                                           Mask mask, int threads, Isa at_most);

}  // namespace tersevec::symdist
