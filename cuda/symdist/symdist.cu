// SPDX-License-Identifier: Apache-2.0
/// Exact inner products of codes of 1 to 8 bits a dimension and queries of 8.
///
/// Codes lie in blocks of 16, as csrc/symdist/symdist.h draws them: a line has a 32-bit word of
/// each code, whose bytes hold 8 / w quads of numbers of w bits. A lane holds the words of four
/// codes, 16 bytes, so that a warp takes 128 codes of 8 adjacent blocks, and multiplies each quad
/// with those of four queries, which all lanes read at once. A number c of u bits stands for
/// 2c - (2^u - 1): the products are 2 sum(q c) + offset sum(q), with c - 128 for c where u is 8, so
/// that bytes have a sign. Blocks have up to 256 threads: with at most 128 registers two of them
/// share a multiprocessor.
/// Floor: one query reads every code once, at the speed of memory; many take a dp4a for 4
/// dimensions beside a shift and a mask, which four queries share. Popcounts of the 8 planes of a
/// query, at a quarter of dp4a's rate, would be slower even for signs.
#include "core/topk.cuh"

using namespace tersevec::cuda;

namespace {

constexpr int block_codes = 16;
constexpr int lane_codes = 4;
constexpr int warp_codes = warp_lanes * lane_codes;
constexpr int tile_queries = 4;

struct Codes {
    const u32* blocks;  // (blocks, lines, 16)
    i64 lines;
    i64 n;
    i32 n_bits;
    const float* factors;
};

struct Queries {
    const i32* quads;  // (tiles, quads of dimensions, 4): four bytes of each of a tile's queries
    const i32* sums;   // (n,)
    const float* scales;
    i64 n;
};

TERSEVEC_DEVICE i64 first_code(i64 step) {
    return step * warp_codes + threadIdx.x % warp_lanes * lane_codes;
}

/// sums[q][c] = sum of q c for numbers in `held` bits.
template <int held>
TERSEVEC_DEVICE void multiply(const int4* quads, const uint4* words, i64 lines, u32 number_mask,
                              u32 flip, i32 (&sums)[tile_queries][lane_codes]) {
    for (i64 line = 0; line < lines; ++line) {
        const uint4 word = words[line * (block_codes / lane_codes)];
#pragma unroll
        for (int i = 0; i < 8 / held; ++i) {
            const int4 query = quads[line * (8 / held) + i];
            const i32 numbers[lane_codes] = {
                static_cast<i32>((word.x >> i * held & number_mask) ^ flip),
                static_cast<i32>((word.y >> i * held & number_mask) ^ flip),
                static_cast<i32>((word.z >> i * held & number_mask) ^ flip),
                static_cast<i32>((word.w >> i * held & number_mask) ^ flip)};
#pragma unroll
            for (int c = 0; c < lane_codes; ++c) {
                sums[0][c] = __dp4a(query.x, numbers[c], sums[0][c]);
                sums[1][c] = __dp4a(query.y, numbers[c], sums[1][c]);
                sums[2][c] = __dp4a(query.z, numbers[c], sums[2][c]);
                sums[3][c] = __dp4a(query.w, numbers[c], sums[3][c]);
            }
        }
    }
}

/// ordinals[q][c]: of the negated similarity of the tile's query q and this lane's code c.
TERSEVEC_DEVICE void similarities(Queries queries, Codes codes, i64 tile, i64 code,
                                  u32 (&ordinals)[tile_queries][lane_codes]) {
    i32 sums[tile_queries][lane_codes] = {};
    if (code < codes.n) {
        const int held = codes.n_bits <= 2 ? codes.n_bits : codes.n_bits <= 4 ? 4 : 8;
        const i64 quads = codes.lines * (8 / held);
        const int4* const query = reinterpret_cast<const int4*>(queries.quads) + tile * quads;
        const uint4* const words = reinterpret_cast<const uint4*>(
            codes.blocks + code / block_codes * codes.lines * block_codes + code % block_codes);
        const u32 mask = ((1u << codes.n_bits) - 1) * 0x01010101u;
        const u32 flip = codes.n_bits == 8 ? 0x80808080u : 0;
        switch (held) {
            case 1: multiply<1>(query, words, codes.lines, mask, flip, sums); break;
            case 2: multiply<2>(query, words, codes.lines, mask, flip, sums); break;
            case 4: multiply<4>(query, words, codes.lines, mask, flip, sums); break;
            default: multiply<8>(query, words, codes.lines, mask, flip, sums); break;
        }
    }
    const i32 offset = codes.n_bits == 8 ? 1 : 1 - (1 << codes.n_bits);
#pragma unroll
    for (int q = 0; q < tile_queries; ++q) {
        const i64 query = tile * tile_queries + q;
#pragma unroll
        for (int c = 0; c < lane_codes; ++c) {
            ordinals[q][c] = no_ordinal;
            if (query < queries.n && code + c < codes.n) {
                const i32 product = 2 * sums[q][c] + offset * queries.sums[query];
                const float similarity =
                    static_cast<float>(product) * queries.scales[query] * codes.factors[code + c];
                ordinals[q][c] = ordered_bits(0.0f - similarity);
            }
        }
    }
}

}  // namespace

/// lists (n_queries, gridDim.x * warps, k): the k most similar codes that each warp saw, by key.
/// Blocks in y are tiles of queries.
extern "C" __global__ void symdist_topk(const i32* quads, const i32* query_sums,
                                        const float* scales, i64 n_queries, const u32* blocks,
                                        i64 lines, i64 n, i32 n_bits, const float* factors,
                                        const u8* mask, i32 k, i32 capacity, u64* lists) {
    TERSEVEC_DYNAMIC_SHARED(shared);  // warps * tile_queries * capacity keys
    const int warps = blockDim.x / warp_lanes, warp = threadIdx.x / warp_lanes;
    Key* const mine = reinterpret_cast<Key*>(shared) + warp * tile_queries * capacity;
    WarpQueue queues[tile_queries] = {{mine, k, capacity},
                                      {mine + capacity, k, capacity},
                                      {mine + 2 * capacity, k, capacity},
                                      {mine + 3 * capacity, k, capacity}};
    const i64 list = static_cast<i64>(blockIdx.x) * warps + warp;
    const i64 n_lists = static_cast<i64>(gridDim.x) * warps;
    const i64 steps = (n + warp_codes - 1) / warp_codes;
    u32 ordinals[tile_queries][lane_codes];
    for (i64 step = list; step < steps; step += n_lists) {
        const i64 code = first_code(step);
        similarities({quads, query_sums, scales, n_queries}, {blocks, lines, n, n_bits, factors},
                     blockIdx.y, code, ordinals);
#pragma unroll
        for (int c = 0; c < lane_codes; ++c) {
            const bool found = code + c < n && allowed(mask, code + c);
#pragma unroll
            for (int q = 0; q < tile_queries; ++q) {
                queues[q].push(found && ordinals[q][c] != no_ordinal
                                   ? make_key(ordinals[q][c], static_cast<u32>(code + c))
                                   : no_hit);
            }
        }
    }
#pragma unroll
    for (int q = 0; q < tile_queries; ++q) {
        const i64 query = static_cast<i64>(blockIdx.y) * tile_queries + q;
        if (query < n_queries) {
            queues[q].finish(lists + (query * n_lists + list) * k);
        }
    }
}

/// ordinals (n_queries, n): of all negated similarities, no_ordinal where the mask forbids a row.
extern "C" __global__ void symdist_ordinals(const i32* quads, const i32* query_sums,
                                            const float* scales, i64 n_queries, const u32* blocks,
                                            i64 lines, i64 n, i32 n_bits, const float* factors,
                                            const u8* mask, u32* ordinals) {
    const i64 warp = (static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x) / warp_lanes;
    const i64 code = first_code(warp);
    u32 found[tile_queries][lane_codes];
    similarities({quads, query_sums, scales, n_queries}, {blocks, lines, n, n_bits, factors},
                 blockIdx.y, code, found);
#pragma unroll
    for (int q = 0; q < tile_queries; ++q) {
        const i64 query = static_cast<i64>(blockIdx.y) * tile_queries + q;
#pragma unroll
        for (int c = 0; c < lane_codes; ++c) {
            if (query < n_queries && code + c < n) {
                ordinals[query * n + code + c] = allowed(mask, code + c) ? found[q][c] : no_ordinal;
            }
        }
    }
}

/// Writes numbers (n, m) into blocks as codes start, start + 1, ...; a thread for each word.
extern "C" __global__ void symdist_pack(const u8* numbers, i64 n, i64 m, i64 lines, i32 held,
                                        i64 start, u32* blocks) {
    const i64 item = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (item >= n * lines) {
        return;
    }
    const i64 row = item / lines, line = item % lines;
    u32 word = 0;
    for (int i = 0; i < 8 / held; ++i) {
        for (int t = 0; t < 4; ++t) {
            const i64 dim = 4 * (line * (8 / held) + i) + t;
            word |= dim < m ? static_cast<u32>(numbers[row * m + dim]) << (8 * t + i * held) : 0;
        }
    }
    const i64 code = start + row;
    blocks[(code / block_codes * lines + line) * block_codes + code % block_codes] = word;
}

/// numbers (n, m): what `symdist_pack` wrote; a thread for each number.
extern "C" __global__ void symdist_unpack(const u32* blocks, i64 n, i64 m, i64 lines, i32 held,
                                          i32 n_bits, u8* numbers) {
    const i64 item = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (item >= n * m) {
        return;
    }
    const i64 row = item / m, dim = item % m, quad = dim / 4;
    const i64 line = quad / (8 / held), i = quad % (8 / held);
    const u32 word = blocks[(row / block_codes * lines + line) * block_codes + row % block_codes];
    numbers[item] = static_cast<u8>(word >> (8 * (dim % 4) + i * held) & ((1u << n_bits) - 1));
}
