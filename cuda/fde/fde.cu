// SPDX-License-Identifier: Apache-2.0
/// Fixed-dimensional encodings of bags of tokens, as csrc/fde/fde.h defines them, in three steps.
///
/// `products` multiplies tokens with all hyperplanes and all projections: a block has 64 tokens and
/// 64 columns, 16 dimensions of both at a time in shared memory, a lane 8 x 4 chains of fused
/// multiply-adds over the dimensions in order, so that cells are the CPU's. Blocks that follow each
/// other share tokens, which memory gives once.
/// `blocks`: a block of four warps has a bag, a repetition, and 512 cells whose patterns share the
/// bits above the lowest 9. One warp links the tokens of each cell, from the last to the first; a
/// minimum over one bit after the other gives empty cells the nearest token; then a lane makes one
/// number of the row after the other, adding tokens in order.
/// `sketch` and `store` make a row of the blocks: an owner for each place, which adds in order.
/// Projecting before adding costs more multiplications than what the CPU does with long bags, which
/// a GPU has to spare, and no pass over whole tokens for every repetition.
/// At most 96 registers and 9 KiB in blocks of 128 threads, of which five share a multiprocessor;
/// of `blocks` 64 registers and 2 KiB, and eight.
/// Floor: tokens x dims x (R k + R p) fused multiply-adds, with three reads of 16 bytes of shared
/// memory for 32 of them; then projected tokens are read and rows written once.
#include "fde/fde_products.cuh"

using namespace tersevec::cuda;

namespace {

constexpr int tile_bits = 9;
constexpr u32 token_bits = 27, token_mask = (1u << token_bits) - 1, farther = 1u << token_bits;
constexpr int link_steps = 4;
constexpr u32 nowhere = ~0u;  // what is no pattern
constexpr u32 unreached = 30u << token_bits | token_mask;

/// What is added in a cell: rows of projections, or without them the tokens.
struct Items {
    const float* projected;  // (tokens, stride), the repetition's columns
    i64 stride;
    Tokens tokens;
    i32 kind;

    TERSEVEC_DEVICE float number(i64 token, i64 j) const {
        return projected != nullptr
                   ? projected[token * stride + j]
                   : token_number(tokens, kind, tokens.values, token * tokens.dim + j, token);
    }
};

/// Which of k products are above 0, the first one in the highest bit.
TERSEVEC_DEVICE u32 pattern_of(const float* products, int n_bits) {
    u32 pattern = 0;
    for (int i = 0; i < n_bits; ++i) {
        pattern = pattern << 1 | (products[i] > 0.0f ? 1u : 0u);
    }
    return pattern;
}

/// A bag's tokens by pattern; `products` and `next` begin with its first token.
struct Bag {
    i64 n;
    const float* products;  // of the repetition, rows `stride` apart
    i64 stride;
    i32* next;  // of a token: that of the same pattern which follows it, or 0
};

/// Links a warp's tokens of one step, `begin` and the next ones; all before were of later steps.
/// keys[x], of a tile's patterns, falls to distance << 27 | token, for tokens whose lowest bits are
/// x: the first of those of the pattern itself, or, where `all`, of those that differ least in the
/// bits above, which are `high` in this tile. `equal` has the lanes of the same pattern.
TERSEVEC_DEVICE void link_step(const Bag& bag, i64 begin, u32 pattern, u32 equal, int low_bits,
                               u32 high, bool all, u32* keys) {
    const int lane = threadIdx.x;
    const u32 distance = static_cast<u32>(__popc(pattern >> low_bits ^ high));
    if (pattern == nowhere || (distance != 0 && !all)) {
        return;
    }
    const u32 token = static_cast<u32>(begin) + lane, later = equal >> lane >> 1;
    if (distance == 0 && later != 0) {
        bag.next[token] = static_cast<i32>(token) + __ffs(static_cast<int>(later));
    }
    if (distance != 0 || (equal & ((1u << lane) - 1)) == 0) {
        const u32 x = pattern & ((1u << low_bits) - 1);
        const u32 known = atomicMin(&keys[x], distance << token_bits | token);
        if (distance == 0) {
            const int last = warp_lanes - 1 - __clz(static_cast<int>(equal));
            bag.next[begin + last] = known <= token_mask ? static_cast<i32>(known) : 0;
        }
    }
}

/// All steps of a bag, by one warp.
TERSEVEC_DEVICE void link_tokens(const Bag& bag, int n_bits, int low_bits, u32 high, bool all,
                                 u32* keys) {
    constexpr int batch = link_steps * warp_lanes;
    for (i64 begin = (bag.n - 1) / batch * batch; begin >= 0; begin -= batch) {
        u32 patterns[link_steps], equal[link_steps];
#pragma unroll
        for (int step = 0; step < link_steps; ++step) {
            const i64 t = begin + step * warp_lanes + static_cast<int>(threadIdx.x);
            patterns[step] =
                t < bag.n ? pattern_of(bag.products + t * bag.stride, n_bits) : nowhere;
            equal[step] = __match_any_sync(all_lanes, patterns[step]);
        }
#pragma unroll
        for (int step = link_steps - 1; step >= 0; --step) {
            __syncwarp();
            link_step(bag, begin + step * warp_lanes, patterns[step], equal[step], low_bits, high,
                      all, keys);
        }
    }
}

/// Gives each pattern of the tile the smallest key of all, with 1 more for each bit apart.
TERSEVEC_DEVICE void find_nearest(u32 n_cells, u32* keys) {
    for (u32 bit = 1; bit < n_cells; bit *= 2) {
        __syncthreads();
        for (u32 i = threadIdx.x; i < n_cells / 2; i += blockDim.x) {
            u32 &low = keys[2 * i - (i & (bit - 1))], &high = (&low)[bit];
            const u32 from_low = low + farther, from_high = high + farther;
            low = low < from_high ? low : from_high;
            high = high < from_low ? high : from_low;
        }
    }
}

/// Number j of a cell with this key.
TERSEVEC_DEVICE float cell_number(const Items& items, i64 first, const i32* next, u32 key, i64 j,
                                  bool mean) {
    if (key >= unreached) {
        return 0.0f;
    }
    i32 t = static_cast<i32>(key & token_mask), count = 1;
    float sum = 0.0f + items.number(first + t, j);
    for (i32 after = 0; key <= token_mask && (after = next[t]) > t; t = after) {
        sum += items.number(first + after, j);
        ++count;
    }
    return mean && count > 1 ? sum * divided(1.0f, static_cast<float>(count)) : sum;
}

}  // namespace

/// out = tokens times matrix, for hyperplanes and projections. Blocks are tiles of tokens by tiles
/// of columns, those of projections after those of hyperplanes.
extern "C" __global__ void fde_products(const void* values, const float* scales, i32 kind, i64 n,
                                        i64 dim, const float* hashes, i64 n_hashes, float* hashed,
                                        const float* projections, i64 n_projections,
                                        float* projected) {
    __shared__ Tiles tiles;
    const u32 hash_tiles = static_cast<u32>((n_hashes + tile_columns - 1) / tile_columns);
    const u32 n_tiles =
        hash_tiles + static_cast<u32>((n_projections + tile_columns - 1) / tile_columns);
    const u32 tile = blockIdx.x % n_tiles;
    const Matrix matrix = tile < hash_tiles ? Matrix{hashes, n_hashes, hashed}
                                            : Matrix{projections, n_projections, projected};
    const i64 first = static_cast<i64>(blockIdx.x / n_tiles) * tile_tokens;
    const i64 first_column =
        static_cast<i64>(tile < hash_tiles ? tile : tile - hash_tiles) * tile_columns;
    const int warp = threadIdx.x / warp_lanes, lane = threadIdx.x % warp_lanes;
    const int token = warp / 2 * 2 * half_tokens + lane / 8 * 4;
    const int column = warp % 2 * tile_columns / 2 + lane % 8 * own_columns;
    const Tokens tokens{values, scales, n, dim};
    float sums[own_tokens][own_columns] = {};
    switch (kind) {
        case kind_f32:
            multiply<kind_f32>(tokens, matrix, first, first_column, token, column, tiles, sums);
            break;
        case kind_f16:
            multiply<kind_f16>(tokens, matrix, first, first_column, token, column, tiles, sums);
            break;
        case kind_bf16:
            multiply<kind_bf16>(tokens, matrix, first, first_column, token, column, tiles, sums);
            break;
        default: multiply<kind_i8>(tokens, matrix, first, first_column, token, column, tiles, sums);
    }
#pragma unroll
    for (int i = 0; i < own_tokens; ++i) {
        const i64 t = first + token + i % 4 + i / 4 * half_tokens, c = first_column + column;
        float* const out = matrix.out + t * matrix.n_columns + c;
        if (t < n && c < matrix.n_columns && matrix.n_columns % own_columns == 0) {
            *reinterpret_cast<float4*>(out) =
                make_float4(sums[i][0], sums[i][1], sums[i][2], sums[i][3]);
            continue;
        }
#pragma unroll
        for (int j = 0; j < own_columns; ++j) {
            if (t < n && c + j < matrix.n_columns) {
                out[j] = sums[i][j];
            }
        }
    }
}

/// blocks (n, R, cells, p) of bags 0, 1, ... of the offsets, rows `stride` apart; tokens and what
/// was made of them begin with token `offsets[0]`. Blocks are tiles of cells of repetitions of
/// bags. `flags`: 1 documents, 2 fill. next (R, n_tokens) is scratch.
extern "C" __global__ void fde_blocks(const void* values, const float* scales, i32 kind,
                                      i64 n_tokens, i64 dim, const i64* offsets,
                                      const float* hashed, const float* projected, i32* next,
                                      i32 n_repetitions, i32 n_bits, u32 p, i32 flags,
                                      float* blocks, i64 stride) {
    __shared__ u32 keys[1 << tile_bits];
    const int low_bits = n_bits < tile_bits ? n_bits : tile_bits;
    const u32 cells = 1u << low_bits, first_cell = blockIdx.x << low_bits & ((1u << n_bits) - 1);
    const u32 item = blockIdx.x >> (n_bits - low_bits);
    const i64 r = item % n_repetitions, i = item / n_repetitions;
    const i64 first = offsets[i] - offsets[0],
              hash_stride = static_cast<i64>(n_repetitions) * n_bits;
    const Bag bag{offsets[i + 1] - offsets[i], hashed + first * hash_stride + r * n_bits,
                  hash_stride, next + r * n_tokens + first};
    for (u32 x = threadIdx.x; x < cells; x += blockDim.x) {
        keys[x] = unreached;
    }
    __syncthreads();
    if (threadIdx.x < warp_lanes) {
        const u32 high = (first_cell ^ first_cell >> 1) >> low_bits;
        link_tokens(bag, n_bits, low_bits, high, flags == 3, keys);
    }
    if (flags == 3) {
        find_nearest(cells, keys);
    }
    __syncthreads();
    const Items items{projected == nullptr ? nullptr : projected + r * p,
                      static_cast<i64>(n_repetitions) * p,
                      {values, scales, n_tokens, dim},
                      kind};
    float* out = blocks + i * stride + ((r << n_bits) + first_cell) * p + threadIdx.x;
    u32 cell = threadIdx.x / p, j = threadIdx.x % p;
    while (cell < cells) {
        const u32 c = first_cell + cell, key = keys[(c ^ c >> 1) & (cells - 1)];
        *out = cell_number(items, first, bag.next, key, j, (flags & 1) != 0);
        out += blockDim.x;
        cell += blockDim.x / p;
        j += blockDim.x % p;
        if (j >= p) {
            j -= p;
            ++cell;
        }
    }
}

/// out (n, width) = the count sketch of rows (n, depth): place c adds, in order, the numbers
/// order[starts[c]] to order[starts[c + 1]], times their signs; a thread for each place.
extern "C" __global__ void fde_sketch(const float* rows, i64 n, i64 depth, const i64* order,
                                      const i64* starts, const i8* signs, i64 width, float* out) {
    const i64 item = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (item >= n * width) {
        return;
    }
    const float* const row = rows + item / width * depth;
    float sum = 0.0f;
    for (i64 i = starts[item % width]; i < starts[item % width + 1]; ++i) {
        sum += row[order[i]] * static_cast<float>(signs[order[i]]);
    }
    out[item] = sum;
}

/// Rows (n, width) of floats as float16 bits, or int8 with scales; a block for each row.
extern "C" __global__ void fde_store(const float* rows, i64 width, void* out, i64 stride,
                                     float* scales) {
    __shared__ u32 most;
    const float* const row = rows + blockIdx.x * width;
    if (scales == nullptr) {
        for (i64 i = threadIdx.x; i < width; i += blockDim.x) {
            static_cast<u16*>(out)[blockIdx.x * stride + i] = to_half(row[i]);
        }
        return;
    }
    if (threadIdx.x == 0) {
        most = 0;
    }
    __syncthreads();
    u32 largest = 0;
    for (i64 i = threadIdx.x; i < width; i += blockDim.x) {
        const u32 size = bits_of(magnitude(row[i]));  // of sizes, bits have the order of numbers
        largest = size > largest ? size : largest;
    }
    atomicMax(&most, largest);
    __syncthreads();
    const float scale = divided(from_bits(most), 127.0f);
    if (threadIdx.x == 0) {
        scales[blockIdx.x] = scale;
    }
    for (i64 i = threadIdx.x; i < width; i += blockDim.x) {
        const float whole = scale > 0.0f ? nearest_whole(divided(row[i], scale)) : 0.0f;
        const float clipped = whole > 127.0f ? 127.0f : whole < -127.0f ? -127.0f : whole;
        static_cast<i8*>(out)[blockIdx.x * stride + i] = static_cast<i8>(static_cast<i32>(clipped));
    }
}
