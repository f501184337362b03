// SPDX-License-Identifier: Apache-2.0
/// MaxSim of bags of tokens, as csrc/maxsim/maxsim.h defines it: scores, and which tokens match.
///
/// A block has a query and a document. It multiplies 32 query tokens by 64 of the document at a
/// time, 32 words of both staged in shared memory, a word being a number widened to float32, or
/// four bytes; a lane has 4 x 4 products, 16 lanes the same query tokens, whose largest products
/// stay in registers until the document ends. Products are chains over the dimensions, ascending,
/// so that scores of float32, float16 and int8 equal the CPU's. No score matrix is ever in memory.
/// Blocks of 128 threads and 13 KiB: at most 66 registers let seven share a multiprocessor.
/// Floor: a fused multiply-add (int8: a dp4a for four dimensions) for each pair of tokens and
/// dimension, beside two reads of 16 bytes of shared memory for 16 of them; documents are read once
/// for every 32 tokens of a query.
#include "maxsim/maxsim_tokens.cuh"

using namespace tersevec::cuda;

namespace {

constexpr int tile_queries = 32, tile_tokens = 64, tile_words = 32, own = 4, pad = 4;
constexpr int token_lanes = tile_tokens / own;

struct Bags {
    Tokens queries, documents;
    const i64* query_offsets;
    const i64* offsets;
};

/// The best product of a query token, and its place in the document.
struct Best {
    float value;
    i32 at;

    /// Larger values first, then lower places; what is not finite stays.
    TERSEVEC_DEVICE void take(float other, i32 place) {
        const bool better = other > value || (other == value && place < at) || at < 0;
        if (place >= 0 && value == value && (better || !(other == other))) {
            value = other;
            at = place;
        }
    }
};

template <class Word>
struct Tile {
    Word queries[tile_words][tile_queries + pad];
    Word tokens[tile_words][tile_tokens + pad];
};

/// rows x tile_words words from `first` row and word on, transposed; zeros beyond both.
template <int kind, int rows, class Word>
TERSEVEC_DEVICE void stage(Tokens from, i64 first, i64 count, i64 word,
                           Word (&to)[tile_words][rows + pad]) {
    for (int i = threadIdx.x; i < rows * tile_words; i += blockDim.x) {
        const int row = i / tile_words, w = i % tile_words;
        to[w][row] = row < count ? word_of<kind, Word>(from, first + row, word + w) : Word{0};
    }
}

/// The best products of 32 query tokens, from `first_query` on, with a document: those of this
/// lane's four, complete in every lane.
template <int kind>
TERSEVEC_DEVICE void best_products(const Bags& bags, Tile<WordOf<kind>>& tile, i64 first_query,
                                   i64 n_queries, i64 first_token, i64 n_tokens,
                                   Best (&best)[own]) {
    using Word = WordOf<kind>;
    const int query = threadIdx.x / token_lanes * own, token = threadIdx.x % token_lanes * own;
    const i64 words = words_of<kind>(bags.documents.dim);
    for (int q = 0; q < own; ++q) {
        best[q] = {-from_bits(0x7f800000u), -1};
    }
    for (i64 begin = 0; begin < n_tokens; begin += tile_tokens) {
        Word sums[own][own] = {};
        for (i64 word = 0; word < words; word += tile_words) {
            __syncthreads();
            stage<query_kind<kind>, tile_queries>(bags.queries, first_query, n_queries, word,
                                                  tile.queries);
            stage<kind, tile_tokens>(bags.documents, first_token + begin, n_tokens - begin, word,
                                     tile.tokens);
            __syncthreads();
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
#pragma unroll
        for (int q = 0; q < own; ++q) {
#pragma unroll
            for (int t = 0; t < own; ++t) {
                const i64 place = begin + token + t;
                if (place < n_tokens && query + q < n_queries) {
                    best[q].take(value_of<kind>(sums[q][t], bags.queries, first_query + query + q,
                                                bags.documents, first_token + place),
                                 static_cast<i32>(place));
                }
            }
        }
    }
#pragma unroll
    for (int q = 0; q < own; ++q) {
        for (int lanes = 1; lanes < token_lanes; lanes *= 2) {
            const float value = __shfl_xor_sync(all_lanes, best[q].value, lanes);
            const i32 at = __shfl_xor_sync(all_lanes, best[q].at, lanes);
            best[q].take(value, at);
        }
    }
}

/// The score of the block's query and document; in thread 0.
template <int kind>
TERSEVEC_DEVICE float score_of(const Bags& bags, unsigned char* shared, i64 query, i64 document,
                               const float* weights) {
    __shared__ float largest[tile_queries];
    auto& tile = *reinterpret_cast<Tile<WordOf<kind>>*>(shared);
    const i64 first_token = bags.offsets[document], end = bags.query_offsets[query + 1];
    const i64 n_tokens = bags.offsets[document + 1] - first_token;
    float score = 0.0f;
    if (n_tokens == 0) {
        return score;
    }
    for (i64 first = bags.query_offsets[query]; first < end; first += tile_queries) {
        const i64 count = end - first < tile_queries ? end - first : tile_queries;
        Best best[own];
        best_products<kind>(bags, tile, first, count, first_token, n_tokens, best);
        if (threadIdx.x % token_lanes == 0) {
            for (int q = 0; q < own; ++q) {
                largest[threadIdx.x / token_lanes * own + q] = best[q].value;
            }
        }
        __syncthreads();
        if (threadIdx.x == 0) {
            for (i64 q = 0; q < count; ++q) {
                score += weights == nullptr ? largest[q] : largest[q] * weights[first + q];
            }
        }
    }
    return score;
}

}  // namespace

/// out (n_queries, count): scores of documents 0, 1, ..., or of the candidates (n_queries, count),
/// -inf for candidate -1. With `ordinals` they go there instead, as values whose order is from the
/// best to the worst, no_ordinal where the mask forbids a document. Blocks in x are documents.
extern "C" __global__ void maxsim_scores(const void* queries, const float* query_scales,
                                         const i64* query_offsets, const void* documents,
                                         const float* scales, i32 kind, i64 dim, const i64* offsets,
                                         const float* weights, const i64* candidates,
                                         const u8* mask, i64 count, float* out, u32* ordinals) {
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

/// at (query tokens, count): the place in each candidate of the token that matches best, or -1.
extern "C" __global__ void maxsim_matches(const void* queries, const float* query_scales,
                                          const i64* query_offsets, const void* documents,
                                          const float* scales, i32 kind, i64 dim,
                                          const i64* offsets, const i64* candidates, i64 count,
                                          i32* at) {
    TERSEVEC_DYNAMIC_SHARED(shared);
    const Bags bags{{queries, query_scales, dim}, {documents, scales, dim}, query_offsets, offsets};
    const i64 document = candidates[static_cast<i64>(blockIdx.y) * count + blockIdx.x];
    const i64 token = document < 0 ? 0 : offsets[document];
    const i64 n_tokens = document < 0 ? 0 : offsets[document + 1] - token;
    const i64 end = query_offsets[blockIdx.y + 1];
    for (i64 first = query_offsets[blockIdx.y]; first < end; first += tile_queries) {
        const i64 n = end - first < tile_queries ? end - first : tile_queries;
        Best best[own];
        switch (kind) {
            case kind_f32:
                best_products<kind_f32>(bags, *reinterpret_cast<Tile<float>*>(shared), first, n,
                                        token, n_tokens, best);
                break;
            case kind_f16:
                best_products<kind_f16>(bags, *reinterpret_cast<Tile<float>*>(shared), first, n,
                                        token, n_tokens, best);
                break;
            case kind_bf16:
                best_products<kind_bf16>(bags, *reinterpret_cast<Tile<float>*>(shared), first, n,
                                         token, n_tokens, best);
                break;
            default:
                best_products<kind_i8>(bags, *reinterpret_cast<Tile<i32>*>(shared), first, n, token,
                                       n_tokens, best);
        }
        for (int q = 0; q < own; ++q) {
            const i64 query = threadIdx.x / token_lanes * own + q;
            if (threadIdx.x % token_lanes == 0 && query < n) {
                at[(first + query) * count + blockIdx.x] = best[q].at;
            }
        }
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
