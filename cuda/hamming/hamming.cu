// SPDX-License-Identifier: Apache-2.0
/// Hamming distances between binary codes: all pairs, top-k, and the layout they are read in.
///
/// Codes lie in blocks of 8, word by word, as csrc/hamming/hamming.h draws them; queries are rows
/// of 64-bit words, zero-padded. A lane holds two codes, read 16 bytes at a time, so that a warp
/// takes 64 codes of 8 adjacent blocks, whole sectors of each; all lanes read a query's word at
/// once. Blocks have up to 256 threads: 95 registers on sm_75, fewer later, let two of them share a
/// multiprocessor, and their queues take at most 32 KiB of shared memory.
/// Floor: one query reads every code once, at the speed of memory; many are bound by the 4
/// popcounts that a word of two codes costs for each query.
#include "core/topk.cuh"

using namespace tersevec::cuda;

namespace {

constexpr int block_codes = 8;
constexpr int lane_codes = 2;
constexpr int warp_codes = warp_lanes * lane_codes;
constexpr int tile_queries = 4;

struct Codes {
    const u64* blocks;
    i64 n_words;
    i64 n;
};

/// The first of the two codes that this lane has in a warp's step.
TERSEVEC_DEVICE i64 first_code(i64 step) {
    return step * warp_codes + threadIdx.x % warp_lanes * lane_codes;
}

/// sums[q][c]: differing bits of the tile's query q and this lane's code c.
TERSEVEC_DEVICE void count_bits(const u64* queries, int n_queries, Codes codes, i64 code,
                                u32 (&sums)[tile_queries][lane_codes]) {
#pragma unroll
    for (int q = 0; q < tile_queries; ++q) {
        sums[q][0] = sums[q][1] = 0;
    }
    if (code >= codes.n) {
        return;
    }
    const u64* const block =
        codes.blocks + code / block_codes * codes.n_words * block_codes + code % block_codes;
    for (i64 word = 0; word < codes.n_words; ++word) {
        const ulonglong2 pair = *reinterpret_cast<const ulonglong2*>(block + word * block_codes);
#pragma unroll
        for (int q = 0; q < tile_queries; ++q) {
            if (q < n_queries) {
                const u64 query = queries[q * codes.n_words + word];
                sums[q][0] += __popcll(query ^ pair.x);
                sums[q][1] += __popcll(query ^ pair.y);
            }
        }
    }
}

struct Tile {
    const u64* queries;
    int n_queries;
    i64 first;
};

TERSEVEC_DEVICE Tile tile_of(const u64* queries, i64 n_queries, i64 n_words) {
    const i64 first = static_cast<i64>(blockIdx.y) * tile_queries;
    const i64 left = n_queries - first;
    return {queries + first * n_words, static_cast<int>(left < tile_queries ? left : tile_queries),
            first};
}

}  // namespace

/// lists (n_queries, gridDim.x * warps, k): the k nearest codes that each warp saw, by key.
/// Blocks in y are tiles of queries.
extern "C" __global__ void hamming_topk(const u64* queries, i64 n_queries, const u64* blocks,
                                        i64 n_words, i64 n, const u8* mask, i32 k, i32 capacity,
                                        u64* lists) {
    TERSEVEC_DYNAMIC_SHARED(shared);  // warps * tile_queries * capacity keys
    const int warps = blockDim.x / warp_lanes, warp = threadIdx.x / warp_lanes;
    Key* const mine = reinterpret_cast<Key*>(shared) + warp * tile_queries * capacity;
    const Tile tile = tile_of(queries, n_queries, n_words);
    WarpQueue queues[tile_queries] = {{mine, k, capacity},
                                      {mine + capacity, k, capacity},
                                      {mine + 2 * capacity, k, capacity},
                                      {mine + 3 * capacity, k, capacity}};
    const i64 list = static_cast<i64>(blockIdx.x) * warps + warp;
    const i64 n_lists = static_cast<i64>(gridDim.x) * warps;
    const i64 steps = (n + warp_codes - 1) / warp_codes;
    u32 sums[tile_queries][lane_codes];
    for (i64 step = list; step < steps; step += n_lists) {
        const i64 code = first_code(step);
        count_bits(tile.queries, tile.n_queries, {blocks, n_words, n}, code, sums);
#pragma unroll
        for (int c = 0; c < lane_codes; ++c) {
            const i64 row = code + c;
            const bool found = code + c < n && allowed(mask, row);
#pragma unroll
            for (int q = 0; q < tile_queries; ++q) {
                if (q < tile.n_queries) {
                    queues[q].push(found ? make_key(sums[q][c], static_cast<u32>(row)) : no_hit);
                }
            }
        }
    }
#pragma unroll
    for (int q = 0; q < tile_queries; ++q) {
        if (q < tile.n_queries) {
            queues[q].finish(lists + ((tile.first + q) * n_lists + list) * k);
        }
    }
}

/// ordinals (n_queries, n): all distances, no_ordinal where the mask forbids a row.
extern "C" __global__ void hamming_ordinals(const u64* queries, i64 n_queries, const u64* blocks,
                                            i64 n_words, i64 n, const u8* mask, u32* ordinals) {
    const Tile tile = tile_of(queries, n_queries, n_words);
    const i64 warp = (static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x) / warp_lanes;
    const i64 code = first_code(warp);
    u32 sums[tile_queries][lane_codes];
    count_bits(tile.queries, tile.n_queries, {blocks, n_words, n}, code, sums);
#pragma unroll
    for (int q = 0; q < tile_queries; ++q) {
#pragma unroll
        for (int c = 0; c < lane_codes; ++c) {
            if (q < tile.n_queries && code + c < n) {
                ordinals[(tile.first + q) * n + code + c] =
                    allowed(mask, code + c) ? sums[q][c] : no_ordinal;
            }
        }
    }
}

/// Writes codes, rows of n_bytes, into blocks as codes start, start + 1, ...; a thread a word.
extern "C" __global__ void hamming_pack(const u8* codes, i64 n, i64 n_bytes, i64 n_words, i64 start,
                                        u64* blocks) {
    const i64 item = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (item >= n * n_words) {
        return;
    }
    const i64 row = item / n_words, word = item % n_words;
    const i64 left = n_bytes - 8 * word;
    u64 bits = 0;
    for (int i = 0; i < (left < 8 ? left : 8); ++i) {
        bits |= static_cast<u64>(codes[row * n_bytes + 8 * word + i]) << 8 * i;
    }
    const i64 code = start + row;
    blocks[(code / block_codes * n_words + word) * block_codes + code % block_codes] = bits;
}

/// codes (n, n_bytes): what `hamming_pack` wrote; a thread for each byte.
extern "C" __global__ void hamming_unpack(const u64* blocks, i64 n, i64 n_bytes, i64 n_words,
                                          u8* codes) {
    const i64 item = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (item >= n * n_bytes) {
        return;
    }
    const i64 row = item / n_bytes, byte = item % n_bytes;
    const u64 word =
        blocks[(row / block_codes * n_words + byte / 8) * block_codes + row % block_codes];
    codes[item] = static_cast<u8>(word >> 8 * (byte % 8));
}

/// bits (n, ceil(dim / 8)): a bit set where a number is above 0, the first one highest; a thread
/// for each byte.
extern "C" __global__ void hamming_pack_bits(const float* x, i64 n, i64 dim, u8* bits) {
    const i64 n_bytes = (dim + 7) / 8;
    const i64 item = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (item >= n * n_bytes) {
        return;
    }
    const i64 row = item / n_bytes, first = item % n_bytes * 8;
    u32 byte = 0;
    for (int i = 0; i < 8; ++i) {
        byte |= (first + i < dim && x[row * dim + first + i] > 0.0f ? 0x80u : 0u) >> i;
    }
    bits[item] = static_cast<u8>(byte);
}
