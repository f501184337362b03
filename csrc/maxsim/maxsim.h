// SPDX-License-Identifier: Apache-2.0
/// MaxSim of bags of tokens (Chamfer similarity), by late interaction models.
///
/// score(query, document) = sum over the query's tokens, in order, of [weight *] the largest inner
/// product with a token of the document; 0 for an empty query or document.
///   float32, float16   chains of fused multiply-adds over the dimensions, ascending; halves are
///                      widened: the same on every level
///   bfloat16           query tokens are rounded to it; products are added in float32, in a level's
///                      own order: within 2^-16 of the sum of magnitudes. Where a level
///                      multiplies bfloat16 itself, magnitudes below 2^-126 may count as 0
///   int8               query tokens are quantised like documents; exact int32 products, value =
///                      (float(product) * scale of the query token) * scale of the token: the same
///                      on every level
/// A score depends on its own query and document alone. If a product is not finite it is NaN, and
/// counts as the best: callers look for NaN and infinities in tokens only then.
/// Query tokens are lanes: a panel of 16 or 32 of them is multiplied by one token after the other,
/// so that running maxima stay in registers, and documents lie as they are.
/// Floor: a fused multiply-add for each pair of tokens and dimension; documents are read once for
/// every panel group, from L2.
#pragma once

#include <cstdint>
#include <span>

#include "core/isa.h"
#include "core/tokens.h"
#include "core/topk.h"
#include "core/views.h"

namespace tersevec::maxsim {

inline constexpr int half_panel = 16, whole_panel = 32;

struct Documents {
    Ragged batch;
    const std::int32_t* sums;  // of the numbers of int8 tokens
};

/// Documents ids[i], or first + i without ids, for i < count.
struct Run {
    const Documents* documents;
    const std::int64_t* ids;
    std::int64_t first, count;
    float* scratch;  // scratch_floats(dims), for rows that are padded or widened

    std::int64_t id(std::int64_t i) const noexcept { return ids == nullptr ? first + i : ids[i]; }
};
inline std::int64_t scratch_floats(std::int64_t dims) noexcept {
    return 16 * (dims + 32);  // two tiles of AMX: 32 rows of 2 bytes a number, and 64
}

/// How tokens of one type are multiplied. `width` is half_panel or whole_panel query tokens.
struct Way {
    int widest;                                                          // panels that it takes
    std::int64_t (*panel_bytes)(std::int64_t dims, int width) noexcept;  // a multiple of 64
    /// Makes a panel, at a multiple of 64 bytes, of n <= width query tokens.
    void (*pack)(const float* tokens, std::int64_t n, std::int64_t dims, int width,
                 void* panel) noexcept;
    /// best[i * stride + lane] of document i: the largest value, -inf of none, NaN if one of them
    /// is not finite.
    void (*maxima)(const Run&, const void* panel, int width, float* best,
                   std::int64_t stride) noexcept;
    /// at[i * stride + lane]: the first token of the document that has it, -1 for none.
    void (*positions)(const Run&, const void* panel, int width, std::int32_t* at,
                      std::int64_t stride) noexcept;
};

struct Kernels {
    Isa isa;
    const Way* float32 = nullptr;
    const Way* float16 = nullptr;
    const Way* bfloat16 = nullptr;
    const Way* int8 = nullptr;
};
std::span<const Kernels* const> rows() noexcept;

/// `n` tokens of any other type as int8, the factors of their rows, and the sums of their numbers.
void pack_int8(const Tokens& tokens, std::int64_t n, std::int8_t* numbers, float* scales,
               std::int32_t* sums);

/// Query tokens offsets[i] to offsets[i + 1] are the i-th query's.
struct Queries {
    const float* tokens;
    const std::int64_t* offsets;
    std::int64_t n;
    const float* weights;  // of the tokens, or null
};

/// out (queries.n, documents.n)
void scores(const Queries& queries, const Documents& documents, int threads, Isa at_most,
            float* out);

/// out (queries.n, per_query): scores of the documents `candidates`, -inf for -1.
void candidates(const Queries& queries, const Documents& documents, const std::int64_t* candidates,
                std::int64_t per_query, int threads, Isa at_most, float* out);

/// keys (queries.n, k) of ordered_bits(-score), best first, padded with no_hit.
void topk(const Queries& queries, const Documents& documents, std::int64_t k, Mask mask,
          int threads, Isa at_most, Key* keys);

/// at (query tokens, per_query): each query token's best match inside its query's candidates.
void matches(const Queries& queries, const Documents& documents, const std::int64_t* candidates,
             std::int64_t per_query, int threads, Isa at_most, std::int32_t* at);

}  // namespace tersevec::maxsim
