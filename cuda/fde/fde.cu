// SPDX-License-Identifier: Apache-2.0
/// Fixed-dimensional encodings of bags of tokens, as csrc/fde/fde.h defines them, in three steps.
///
/// `products` multiplies tokens with all hyperplanes, and with all projections: a block has 64
/// tokens and 64 columns, 16 dimensions of both at a time in shared memory, a lane 4 x 4 chains of
/// fused multiply-adds over the dimensions in order, so that cells are the CPU's.
/// `blocks`: a block of four warps has a bag and a repetition, a warp 32 of its cells. A lane finds
/// the token nearest to its cell; then all lanes add the projected tokens of one cell after the
/// other, in the order of tokens, a lane a column.
/// `sketch` and `store` make a row of the blocks: an owner for each place, which adds in order.
/// Projecting before adding costs more multiplications than the CPU's way round, which a GPU has to
/// spare, and no pass over shared memory for every token. At most 72 registers and 10 KiB: blocks
/// of 256 threads share a multiprocessor by three.
/// Floor: tokens x dims x (R k + R p) fused multiply-adds, with two reads of 16 bytes of shared
/// memory for 16 of them; then rows are written once.
#include "core/tokens.cuh"

using namespace tersevec::cuda;

namespace {

constexpr int tile_tokens = 64, tile_columns = 64, tile_dims = 16, own = 4, pad = 4;
constexpr u32 nowhere = 0xffffffffu;

TERSEVEC_DEVICE float token_number(const void* tokens, const float* scales, i32 kind, i64 dim,
                                   i64 token, i64 i) {
    const float number = number_of(tokens, kind, token * dim + i);
    return scales == nullptr ? number : number * scales[token];
}

/// What is added in a cell: rows of projections, or without them the tokens.
struct Items {
    const float* projected;  // (tokens, stride), the repetition's columns
    i64 stride;
    const void* tokens;
    const float* scales;
    i32 kind;
    i64 dim;

    TERSEVEC_DEVICE float number(i64 token, i64 j) const {
        return projected != nullptr ? projected[token * stride + j]
                                    : token_number(tokens, scales, kind, dim, token, j);
    }
};

/// The token of a pattern nearest to that of a cell, and how many bits are apart.
struct Nearest {
    u32 distance;
    i64 token;
};

TERSEVEC_DEVICE Nearest nearest(const u32* patterns, i64 n, u32 wanted) {
    Nearest best{nowhere, 0};
    for (i64 t = 0; t < n; ++t) {
        const u32 distance = static_cast<u32>(__popc(patterns[t] ^ wanted));
        if (distance < best.distance) {
            best = {distance, t};
        }
    }
    return best;
}

/// out[j] = the sum, for documents the mean, of the tokens of a pattern; all lanes together.
TERSEVEC_DEVICE void add_tokens(const Items& items, i64 first, const u32* patterns, i64 n,
                                u32 wanted, i64 p, bool mean, float* out) {
    const int lane = threadIdx.x % warp_lanes;
    for (i64 column = 0; column < p; column += warp_lanes) {
        const i64 j = column + lane;
        float sum = 0.0f;
        i32 count = 0;
        for (i64 begin = 0; begin < n; begin += warp_lanes) {
            const bool mine = begin + lane < n && patterns[begin + lane] == wanted;
            for (u32 left = __ballot_sync(all_lanes, mine); left != 0; left &= left - 1) {
                const i64 token = first + begin + __ffs(static_cast<int>(left)) - 1;
                sum += j < p ? items.number(token, j) : 0.0f;
                ++count;
            }
        }
        if (j < p) {
            out[j] = mean ? sum * divided(1.0f, static_cast<float>(count)) : sum;
        }
    }
}

}  // namespace

/// out (n, n_columns) = tokens (n, dim) times matrix (dim, n_columns), columns `stride` apart by
/// row. Blocks in x are tiles of tokens, in y of columns.
extern "C" __global__ void fde_products(const void* tokens, const float* scales, i32 kind, i64 n,
                                        i64 dim, const float* matrix, i64 n_columns, float* out) {
    __shared__ float a[tile_dims][tile_tokens + pad];
    __shared__ float b[tile_dims][tile_columns + pad];
    const i64 first = static_cast<i64>(blockIdx.x) * tile_tokens;
    const i64 first_column = static_cast<i64>(blockIdx.y) * tile_columns;
    const int token = threadIdx.x / 16 * own, column = threadIdx.x % 16 * own;
    float sums[own][own] = {};
    for (i64 begin = 0; begin < dim; begin += tile_dims) {
        __syncthreads();
        for (int i = threadIdx.x; i < tile_tokens * tile_dims; i += blockDim.x) {
            const i64 row = first + i / tile_dims, d = begin + i % tile_dims;
            a[i % tile_dims][i / tile_dims] =
                row < n && d < dim ? token_number(tokens, scales, kind, dim, row, d) : 0.0f;
        }
        for (int i = threadIdx.x; i < tile_columns * tile_dims; i += blockDim.x) {
            const i64 d = begin + i / tile_columns, c = first_column + i % tile_columns;
            b[i / tile_columns][i % tile_columns] =
                d < dim && c < n_columns ? matrix[d * n_columns + c] : 0.0f;
        }
        __syncthreads();
#pragma unroll
        for (int d = 0; d < tile_dims; ++d) {
            const float4 x = *reinterpret_cast<const float4*>(&a[d][token]);
            const float4 y = *reinterpret_cast<const float4*>(&b[d][column]);
            const float xs[own] = {x.x, x.y, x.z, x.w}, ys[own] = {y.x, y.y, y.z, y.w};
#pragma unroll
            for (int i = 0; i < own; ++i) {
#pragma unroll
                for (int j = 0; j < own; ++j) {
                    sums[i][j] = fused(xs[i], ys[j], sums[i][j]);
                }
            }
        }
    }
#pragma unroll
    for (int i = 0; i < own; ++i) {
#pragma unroll
        for (int j = 0; j < own; ++j) {
            if (first + token + i < n && first_column + column + j < n_columns) {
                out[(first + token + i) * n_columns + first_column + column + j] = sums[i][j];
            }
        }
    }
}

/// patterns (R, n): which products (n, R k) are above 0, the first of a repetition in the highest
/// of k bits; a thread for each token and repetition.
extern "C" __global__ void fde_patterns(const float* products, i64 n, i64 n_repetitions, i32 n_bits,
                                        u32* patterns) {
    const i64 item = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (item >= n * n_repetitions) {
        return;
    }
    const i64 token = item / n_repetitions, r = item % n_repetitions;
    u32 pattern = 0;
    for (int i = 0; i < n_bits; ++i) {
        pattern = pattern << 1 | (products[item * n_bits + i] > 0.0f ? 1u : 0u);
    }
    patterns[r * n + token] = pattern;
}

/// blocks (n, R, cells, p) of bags 0, 1, ... of the offsets, rows `stride` apart; tokens, patterns
/// and projected begin with token `offsets[0]`. Blocks in x are bags, in y repetitions. `flags`: 1
/// documents, 2 fill.
extern "C" __global__ void fde_blocks(const void* tokens, const float* scales, i32 kind, i64 dim,
                                      const i64* offsets, const float* projected, i64 n_tokens,
                                      const u32* patterns, i32 n_bits, i64 p, i32 flags,
                                      float* blocks, i64 stride) {
    const int warp = threadIdx.x / warp_lanes, lane = threadIdx.x % warp_lanes;
    const int warps = blockDim.x / warp_lanes;
    const i64 r = blockIdx.y, cells = i64{1} << n_bits;
    const i64 first = offsets[blockIdx.x] - offsets[0];
    const i64 n = offsets[blockIdx.x + 1] - offsets[blockIdx.x];
    const u32* const mine = patterns + r * n_tokens + first;
    const Items items{projected == nullptr ? nullptr : projected + r * p,
                      gridDim.y * p,
                      tokens,
                      scales,
                      kind,
                      dim};
    float* const out = blocks + blockIdx.x * stride + r * cells * p;
    for (i64 begin = static_cast<i64>(warp) * warp_lanes; begin < cells;
         begin += static_cast<i64>(warps) * warp_lanes) {
        const u32 cell = static_cast<u32>(begin + lane);
        const Nearest found = nearest(mine, n, cell ^ cell >> 1);
        for (int i = 0; i < warp_lanes && begin + i < cells; ++i) {
            const u32 distance = __shfl_sync(all_lanes, found.distance, i);
            const i64 token = first + __shfl_sync(all_lanes, found.token, i);
            const u32 place = static_cast<u32>(begin + i);
            float* const block = out + place * p;
            if (distance == 0) {
                add_tokens(items, first, mine, n, place ^ place >> 1, p, (flags & 1) != 0, block);
                continue;
            }
            const bool filled = flags == 3 && distance != nowhere;
            for (i64 j = lane; j < p; j += warp_lanes) {
                block[j] = filled ? items.number(token, j) : 0.0f;
            }
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
