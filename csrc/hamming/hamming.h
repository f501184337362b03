// SPDX-License-Identifier: Apache-2.0
/// Hamming distances between binary codes: all pairs, top-k, range.
///
/// distance(a, b) = number of bits that differ. A code is any number of bytes; both sides are
/// padded with zero bits to 64-bit words, which changes no distance.
/// Layout: blocks of 8 codes, word w of the 8 codes together; lanes are codes, no sum crosses them:
///   word (block * n_words + w) * 8 + c = bytes 8w .. 8w + 7 of code 8 * block + c, little-endian
/// The last block is padded; padding is never reported. Rows of bytes are scanned too, through the
/// same blocks, a cache-sized run at a time.
/// Exact: every level returns the same integers.
/// Limits: n < 2^31 rows, codes below 2^28 bytes. No alignment needed; 64 bytes are fastest.
/// Floor: an xor, a popcount and an add for each query and word, three operations on two vector
/// ports; where vectors cannot count bits, look-ups (`Lookup`). One query reads every code once, at
/// the speed of memory.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/isa.h"
#include "core/topk.h"
#include "core/views.h"

namespace tersevec::hamming {

inline constexpr int block_codes = 8;

inline std::int64_t words_of(std::int64_t n_bytes) noexcept {
    return (n_bytes + 7) / 8;
}

/// Codes to scan: blocks, or rows of bytes where `blocks` is null.
struct Codes {
    const std::uint64_t* blocks;
    Rows<std::uint8_t> rows;
    std::int64_t n;
    std::int64_t n_words;
};

/// Queries that a kernel takes at a time, at most.
inline constexpr int tile_queries = 8;

/// One run of blocks against a tile of queries.
struct Scan {
    const std::uint64_t* queries =
        nullptr;        // (n_words, n_queries): word w of the tile's queries together
    int n_queries = 0;  // 1, 2, 4 or 8
    const std::uint64_t* blocks = nullptr;
    std::int64_t n_words = 0;
    std::int64_t first_row = 0;  // of the run, a multiple of 8
    std::int64_t n_rows = 0;     // of the run; the last block may have fewer than 8
    Mask mask = {};              // of the whole base
};

/// Another way to scan, for tiles of queries: nibbles are looked up, for two queries at once.
///   a group  64 codes: of every place the codes' nibbles, a byte each, side by side
///   a table  of a place and a pair of queries: for each nibble the bits in which it differs from
///            the first query's in the lower half of a byte, from the second's in the upper half
/// Places are the nibbles of all words from the lowest on, and as many without any difference as
/// make threes of them.
struct Lookup {
    /// Makes a group of 8 blocks.
    void (*group)(const std::uint64_t* blocks, std::int64_t n_words,
                  std::uint64_t* group) noexcept = nullptr;
    /// As those of `Kernels`, where a scan's blocks are groups and its queries the tables of pairs.
    void (*below)(const Scan&, const std::int64_t* bounds, Key* const* hits,
                  std::int64_t* n_hits) noexcept = nullptr;
    void (*distances)(const Scan&, std::int32_t* out, std::int64_t out_stride) noexcept = nullptr;
};
inline constexpr int group_codes = 64, word_nibbles = 16, nibble_values = 16;
inline constexpr std::int64_t lookup_words =
    128;  // of codes, at most: copies of a group lie on the stack
inline constexpr std::int64_t lookup_queries = 5;  // at least: groups have to be made

inline std::int64_t places_of(std::int64_t n_words) noexcept {
    return (n_words * word_nibbles + 2) / 3 * 3;
}

struct Kernels {
    Isa isa;
    /// Appends every allowed row whose distance to query q is below bounds[q] to hits[q], rows
    /// ascending.
    void (*below)(const Scan&, const std::int64_t* bounds, Key* const* hits,
                  std::int64_t* n_hits) noexcept = nullptr;
    /// out[q * out_stride + r] = distance of query q and the run's row r.
    void (*distances)(const Scan&, std::int32_t* out, std::int64_t out_stride) noexcept = nullptr;
    /// Sign bits of one row of floats, most significant bit first: bit i = (x[i] > 0), zero padded.
    void (*pack_bits)(const float* x, std::int64_t dim, std::uint8_t* bits) noexcept = nullptr;
    const Lookup* lookup = nullptr;  // null: blocks are as fast
};
std::span<const Kernels* const> rows() noexcept;

/// Writes codes into blocks of `block_words` = 8 * n_words from row `start` on; rows before it
/// stay.
void pack(Rows<std::uint8_t> codes, std::uint64_t* blocks, std::int64_t block_words,
          std::int64_t start) noexcept;
void unpack(const std::uint64_t* blocks, std::int64_t n, std::int64_t n_bytes,
            std::uint8_t* codes) noexcept;

void pack_bits(Rows<float> x, int threads, Isa at_most, std::uint8_t* bits);

/// out (queries.n, codes.n).
void distances(Rows<std::uint8_t> queries, Codes codes, int threads, Isa at_most,
               std::int32_t* out);

/// keys (queries.n, k), each query's best first, padded with no_hit.
void topk(Rows<std::uint8_t> queries, Codes codes, std::int64_t k, Mask mask, int threads,
          Isa at_most, Key* keys);

/// Every allowed row at distance <= radius; for each query best first.
std::vector<std::vector<Key>> range_search(Rows<std::uint8_t> queries, Codes codes,
                                           std::int64_t radius, Mask mask, int threads,
                                           Isa at_most);

}  // namespace tersevec::hamming
