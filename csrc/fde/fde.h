// SPDX-License-Identifier: Apache-2.0
/// Fixed-dimensional encodings of bags of tokens (MUVERA): one row for each bag, whose inner
/// products with other rows approximate the sum of best matches.
///
/// For each of R repetitions a token lies in one of 2^k cells. Bit i of its pattern, i < k, is
/// whether the product with hyperplane i is above 0; the cell is the pattern's place in the
/// reflected Gray sequence, bit 0 its most significant digit.
///   block (r, c) = the tokens of cell c, added in order and projected by the repetition's matrix,
///                  times 1 / their number for documents; few tokens are projected, then added:
///                  `projects_first`
///   an empty cell is 0; with `fill`, of documents that have tokens, it is the projection of the
///   token whose pattern differs in the fewest bits from the cell's: the first of these
/// A row is the blocks, repetition after repetition, or, with buckets, their count sketch: number
/// i is added, times its sign, to place buckets[i], in the order of i.
/// A row depends on its own tokens alone. Products are chains of fused multiply-adds over the
/// dimensions in ascending order, so every level gives the same numbers.
/// Limits: k <= 30; 2^27 tokens a document.
/// Floor: tokens x dims x R k fused multiply-adds for cells, and occupied cells x dims x p for each
/// repetition: tokens are added before they are projected. Adding reads a token once a repetition,
/// from L1 or L2. Then the row is written.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>

#include "core/isa.h"
#include "core/tokens.h"
#include "core/views.h"

namespace tersevec::fde {

inline constexpr int max_bits = 30;
inline constexpr std::int64_t max_tokens = (1 << 27) - 1;  // of a document

struct Encoder {
    Rows<float> hashes;  // (dims, R k): column r k + i is hyperplane i of repetition r
    Rows<float>
        projections;  // (dims, R p), of repetition r from column r p on; null: none, p = dims
    std::int64_t n_repetitions;
    int n_bits;           // k
    std::int64_t n_dims;  // p
    bool documents, fill;
    const std::int32_t* buckets;  // (R 2^k p,), null for none
    const std::int8_t* signs;
    std::int64_t width;  // of an encoding

    std::int64_t n_cells() const noexcept { return std::int64_t{1} << n_bits; }
    std::int64_t block_width() const noexcept { return n_cells() * n_dims; }
};

/// Whether a bag of n tokens is projected before it is added: where that is less work than to add
/// whole tokens (as much as 5 / 2 products) and to project the cells that then have any.
inline bool projects_first(const Encoder& encoder, std::int64_t n) noexcept {
    const auto cells = static_cast<double>(encoder.n_cells()), tokens = static_cast<double>(n);
    const double occupied = std::min(tokens, tokens * cells / (tokens + 0.6 * cells));
    const auto p = static_cast<double>(encoder.n_dims);
    const double lanes = 16.0 * std::ceil(p / 16.0);
    return encoder.projections.data != nullptr && tokens * p <= occupied * lanes + 2.5 * tokens;
}

/// What is added: rows of tokens, or of one repetition's projections of them.
struct Items {
    const float* data;
    std::int64_t stride, width;
    bool projected;

    const float* operator[](std::int64_t t) const noexcept { return data + t * stride; }
};

/// Where encodings go: float32, float16 or int8, whose scales are the largest magnitude / 127.
struct Output {
    void* data;  // (n, width)
    TokenType type;
    float* scales;
};

/// What one document of n tokens needs while it is encoded; s = min(n, cells) + n + 1 slots.
struct Workspace {
    float* hashes;              // hash_rows x padded R k
    std::uint8_t* bits;         // padded R k / 8 + 8
    std::int32_t* slots;        // of patterns; 0 is the slot of zeros
    std::uint32_t* nearest;     // token to a pattern: distance << 27 | token
    std::int32_t* token_slots;  // of tokens that fill cells, all 0 between repetitions
    std::int32_t* slot_tokens;  // s: the first token
    std::int32_t* counts;       // s: tokens of slots
    std::int32_t* order;        // tokens slot by slot
    std::int32_t* ends;         // s: where slots end there
    float* sums;                // (s + 3) x dims
    float* projected;           // (s + 3) x p, the first row zeros
    const std::uint32_t* patterns_of_cells;
};
inline constexpr std::int64_t hash_rows = 64;

/// R k, padded for whole registers.
inline std::int64_t padded_hashes(const Encoder& encoder) noexcept {
    return (encoder.n_repetitions * encoder.n_bits + 15) / 16 * 16;
}

struct Kernels {
    Isa isa;
    void (*widen)(const Tokens&, std::int64_t first, std::int64_t n, float* out) noexcept = nullptr;
    /// patterns[r * n + t] of token t, bit i its side of hyperplane i.
    void (*patterns)(const float* tokens, std::int64_t n, const Encoder&, const Workspace&,
                     std::uint32_t* patterns) noexcept = nullptr;
    /// out (n, R p): all repetitions' projections.
    void (*project)(const float* tokens, std::int64_t n, const Encoder&,
                    float* out) noexcept = nullptr;
    /// Blocks of repetition r, of n >= 1 tokens with these patterns.
    void (*blocks)(const Items&, std::int64_t n, const Encoder&, std::int64_t r,
                   const std::uint32_t* patterns, const Workspace&,
                   float* blocks) noexcept = nullptr;
    void (*narrow)(const float* row, std::int64_t width, const Output&,
                   std::int64_t i) noexcept = nullptr;
};
std::span<const Kernels* const> rows() noexcept;

void encode(const Ragged& batch, const Encoder& encoder, const Output& out, int threads,
            Isa at_most);

}  // namespace tersevec::fde
