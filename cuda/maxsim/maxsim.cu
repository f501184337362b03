// SPDX-License-Identifier: Apache-2.0
/// MaxSim of bags of tokens, as csrc/maxsim/maxsim.h defines it: scores, and which tokens match.
///
/// A block has a query and a document. It multiplies 32 query tokens by 64 of the document at a
/// time, 32 words of both staged in shared memory, a word being a number widened to float32, or
/// four bytes. A warp has all the query tokens and 16 of the document's, so that short documents
/// keep few warps at work; a lane has 4 x 4 products, and the largest of each query token stays in
/// registers until the document ends. Products are chains over the dimensions, ascending, so that
/// scores of float32, float16 and int8 equal the CPU's. No score matrix is ever in memory.
/// Blocks of 128 threads and 14 KiB: 96 registers let five share a multiprocessor.
/// Floor: a fused multiply-add (int8: a dp4a for four dimensions) for each pair of tokens and
/// dimension, beside two reads of 16 bytes of shared memory for 16 of them; documents are read once
/// for every 32 tokens of a query.
#include "maxsim/maxsim_tokens.cuh"

using namespace tersevec::cuda;

namespace {

constexpr int tile_queries = 32, tile_tokens = 64, tile_words = 32, own = 4, pad = 4;
constexpr int warp_tokens = 16, token_lanes = warp_tokens / own;
constexpr int tile_warps = tile_tokens / warp_tokens;

struct Bags {
    Tokens queries, documents;
    const i64* query_offsets;
    const i64* offsets;
};

/// What a block shares.
template <class Word>
struct Tile {
    Word queries[tile_words][tile_queries + pad];
    Word tokens[tile_words][tile_tokens + pad];
    Key best[tile_warps][tile_queries];
};

/// The words of the rows from `first` on that exist, transposed; zeros beyond their ends. A thread
/// has four words of every 16th row: what a warp stores at once lies in 32 banks.
template <int kind, int columns, class Word>
TERSEVEC_DEVICE void stage(Tokens from, i64 first, i64 count, i64 word,
                           Word (&to)[tile_words][columns]) {
    constexpr int some = 16, runs = (columns - pad) / some;
    const int row = threadIdx.x % some, w = threadIdx.x / some * 4;
    if (!in_fours<kind>(from)) {
#pragma unroll 1
        for (int i = 0; i < 4 * runs; ++i) {
            const int at = row + i / 4 * some;
            if (at < count) {
                to[w + i % 4][at] = read_one<kind, Word>(from, first + at, word + w + i % 4);
            }
        }
        return;
    }
    Word fours[runs][4] = {};
#pragma unroll
    for (int run = 0; run < runs; ++run) {
        if (row + run * some < count && word + w < words_of<kind>(from.dim)) {
            read_four<kind>(from, first + row + run * some, word + w, fours[run]);
        }
    }
#pragma unroll
    for (int run = 0; run < runs; ++run) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            to[w + i][row + run * some] = fours[run][i];
        }
    }
}

template <class Word>
TERSEVEC_DEVICE void multiply(const Tile<Word>& tile, int query, int token,
                              Word (&sums)[own][own]) {
#pragma unroll 8
    for (int w = 0; w < tile_words; ++w) {
        Word a[own], b[own];
        load_four(&tile.queries[w][query], a);
        load_four(&tile.tokens[w][token], b);
#pragma unroll
        for (int q = 0; q < own; ++q) {
#pragma unroll
            for (int t = 0; t < own; ++t) {
                sums[q][t] = multiplied(a[q], b[t], sums[q][t]);
            }
        }
    }
}

/// The best products of up to 32 query tokens, from `first_query` on, with a document that has
/// tokens, as keys: that of the first one in lane 0 of each warp, and so on.
template <int kind>
TERSEVEC_DEVICE Key best_products(const Bags& bags, unsigned char* shared, i64 first_query,
                                  i64 n_queries, i64 first_token, i64 n_tokens) {
    using Word = WordOf<kind>;
    auto& tile = *reinterpret_cast<Tile<Word>*>(shared);
    const int lane = threadIdx.x % warp_lanes, warp = threadIdx.x / warp_lanes;
    const int query = lane / token_lanes * own;
    const int token = warp * warp_tokens + lane % token_lanes * own;
    Key best[own];
    float query_scales[own];
#pragma unroll
    for (int q = 0; q < own; ++q) {
        best[q] = no_hit;
        const i64 known = query + q < n_queries ? first_query + query + q : first_query;
        query_scales[q] = scale_of<kind>(bags.queries, known);
    }
    for (i64 begin = 0; begin < n_tokens; begin += tile_tokens) {
        const bool any = begin + warp * warp_tokens < n_tokens;
        Word sums[own][own] = {};
        for (i64 word = 0; word < words_of<kind>(bags.documents.dim); word += tile_words) {
            __syncthreads();
            stage<query_kind<kind>>(bags.queries, first_query, n_queries, word, tile.queries);
            stage<kind>(bags.documents, first_token + begin, n_tokens - begin, word, tile.tokens);
            __syncthreads();
            if (any) {
                multiply(tile, query, token, sums);
            }
        }
#pragma unroll
        for (int t = 0; t < own; ++t) {
            const i64 place = begin + token + t;
            if (place < n_tokens) {
                const float scale = scale_of<kind>(bags.documents, first_token + place);
#pragma unroll
                for (int q = 0; q < own; ++q) {
                    best[q] = better(best[q], product_key<kind>(sums[q][t], query_scales[q], scale,
                                                                static_cast<u32>(place)));
                }
            }
        }
    }
#pragma unroll
    for (int q = 0; q < own; ++q) {
#pragma unroll
        for (int lanes = 1; lanes < token_lanes; lanes *= 2) {
            best[q] = better(best[q], __shfl_xor_sync(all_lanes, best[q], lanes));
        }
        if (lane % token_lanes == 0) {
            tile.best[warp][query + q] = best[q];
        }
    }
    __syncthreads();
    Key found = no_hit;
#pragma unroll
    for (int from = 0; from < tile_warps; ++from) {
        found = better(found, tile.best[from][lane]);
    }
    return found;
}

/// The score of the block's query and document; in the first warp.
template <int kind>
TERSEVEC_DEVICE float score_of(const Bags& bags, unsigned char* shared, i64 query, i64 document,
                               const float* weights) {
    const i64 first_token = bags.offsets[document], end = bags.query_offsets[query + 1];
    const i64 n_tokens = bags.offsets[document + 1] - first_token;
    float score = 0.0f;
    if (n_tokens == 0) {
        return score;
    }
    for (i64 first = bags.query_offsets[query]; first < end; first += tile_queries) {
        const int count = static_cast<int>(end - first < tile_queries ? end - first : tile_queries);
        float value =
            product_of(best_products<kind>(bags, shared, first, count, first_token, n_tokens));
        if (threadIdx.x < warp_lanes) {
            if (weights != nullptr && threadIdx.x < count) {
                value *= weights[first + threadIdx.x];
            }
            for (int q = 0; q < count; ++q) {
                score += __shfl_sync(all_lanes, value, q);
            }
        }
    }
    return score;
}

/// The places of the best products with a document that has tokens, for `out`: `count` apart.
template <int kind>
TERSEVEC_DEVICE void matches_of(const Bags& bags, unsigned char* shared, i64 query, i64 document,
                                i64 count, i32* out) {
    const i64 first_token = bags.offsets[document], end = bags.query_offsets[query + 1];
    const i64 n_tokens = bags.offsets[document + 1] - first_token;
    for (i64 first = bags.query_offsets[query]; first < end && n_tokens > 0;
         first += tile_queries) {
        const i64 n = end - first < tile_queries ? end - first : tile_queries;
        const Key best = best_products<kind>(bags, shared, first, n, first_token, n_tokens);
        if (threadIdx.x < n) {
            out[(first + threadIdx.x) * count] = static_cast<i32>(key_row(best));
        }
    }
}

}  // namespace

/// out (n_queries, count): scores of documents 0, 1, ..., or of the candidates (n_queries, count),
/// -inf for candidate -1. With `ordinals` they go there instead, as values whose order is from the
/// best to the worst, no_ordinal where the mask forbids a document. Blocks in x are documents.
extern "C" __global__ void __launch_bounds__(128, 5)
    maxsim_scores(const void* queries, const float* query_scales, const i64* query_offsets,
                  const void* documents, const float* scales, i32 kind, i64 dim, const i64* offsets,
                  const float* weights, const i64* candidates, const u8* mask, i64 count,
                  float* out, u32* ordinals) {
    TERSEVEC_DYNAMIC_SHARED(shared);
    const Bags bags{{queries, query_scales, dim}, {documents, scales, dim}, query_offsets, offsets};
    const i64 place = static_cast<i64>(blockIdx.y) * count + blockIdx.x;
    const i64 document = candidates == nullptr ? blockIdx.x : candidates[place];
    if (document < 0 || !allowed(mask, document)) {
        if (threadIdx.x == 0 && out != nullptr) {
            out[place] = -from_bits(0x7f800000u);
        } else if (threadIdx.x == 0) {
            ordinals[place] = no_ordinal;
        }
        return;
    }
    float score = 0.0f;
    switch (kind) {
        case kind_f32:
            score = score_of<kind_f32>(bags, shared, blockIdx.y, document, weights);
            break;
        case kind_f16:
            score = score_of<kind_f16>(bags, shared, blockIdx.y, document, weights);
            break;
        case kind_bf16:
            score = score_of<kind_bf16>(bags, shared, blockIdx.y, document, weights);
            break;
        default: score = score_of<kind_i8>(bags, shared, blockIdx.y, document, weights);
    }
    if (threadIdx.x == 0 && out != nullptr) {
        out[place] = score;
    } else if (threadIdx.x == 0) {
        ordinals[place] = ordered_bits(score == score ? 0.0f - score : -from_bits(0x7f800000u));
    }
}

/// at (query tokens, count), filled with -1: the place in each candidate of the token that matches
/// best. Blocks in x are candidates.
extern "C" __global__ void __launch_bounds__(128, 5)
    maxsim_matches(const void* queries, const float* query_scales, const i64* query_offsets,
                   const void* documents, const float* scales, i32 kind, i64 dim,
                   const i64* offsets, const i64* candidates, i64 count, i32* at) {
    TERSEVEC_DYNAMIC_SHARED(shared);
    const Bags bags{{queries, query_scales, dim}, {documents, scales, dim}, query_offsets, offsets};
    const i64 query = blockIdx.y, document = candidates[query * count + blockIdx.x];
    i32* const out = at + blockIdx.x;
    if (document < 0) {
        return;
    }
    switch (kind) {
        case kind_f32: matches_of<kind_f32>(bags, shared, query, document, count, out); break;
        case kind_f16: matches_of<kind_f16>(bags, shared, query, document, count, out); break;
        case kind_bf16: matches_of<kind_bf16>(bags, shared, query, document, count, out); break;
        default: matches_of<kind_i8>(bags, shared, query, document, count, out);
    }
}

/// Tokens of another type as int8 from -127 to 127, what each is multiplied with, and its sum; a
/// warp for each token.
extern "C" __global__ void maxsim_pack_int8(const void* tokens, i32 kind, i64 n, i64 dim,
                                            i8* packed, float* scales, i32* sums) {
    const i64 row = (static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x) / warp_lanes;
    const int lane = threadIdx.x % warp_lanes;
    if (row >= n) {
        return;
    }
    float most = 0.0f;
    for (i64 i = lane; i < dim; i += warp_lanes) {
        const float size = magnitude(number_of(tokens, kind, row * dim + i));
        most = size > most ? size : most;
    }
    for (int lanes = warp_lanes / 2; lanes > 0; lanes /= 2) {
        const float other = __shfl_xor_sync(all_lanes, most, lanes);
        most = other > most ? other : most;
    }
    const float scale = divided(most, 127.0f);
    i32 sum = 0;
    for (i64 i = lane; i < dim; i += warp_lanes) {
        const float number = number_of(tokens, kind, row * dim + i);
        const float whole = nearest_whole(divided(number, scale > 0.0f ? scale : 1.0f));
        const float clipped = whole > 127.0f ? 127.0f : whole < -127.0f ? -127.0f : whole;
        packed[row * dim + i] = static_cast<i8>(static_cast<i32>(clipped));
        sum += static_cast<i32>(clipped);
    }
    for (int lanes = warp_lanes / 2; lanes > 0; lanes /= 2) {
        sum += __shfl_xor_sync(all_lanes, sum, lanes);
    }
    if (lane == 0) {
        scales[row] = scale;
        sums[row] = sum;
    }
}
