// SPDX-License-Identifier: Apache-2.0
/// A tile of products of tokens and the columns of a matrix, for the blocks of `fde_products`.
#pragma once

#include "core/tokens.cuh"

namespace tersevec::cuda {

constexpr int tile_tokens = 64, tile_columns = 64, tile_dims = 16, pad = 4;
constexpr int own_tokens = 8, own_columns = 4, half_tokens = 16;
constexpr int product_threads = tile_tokens * tile_columns / own_tokens / own_columns;

struct Tokens {
    const void* values;
    const float* scales;  // null, or of int8 tokens
    i64 n;
    i64 dim;
};

/// A number of a token, which lies `place` numbers after `values`.
TERSEVEC_DEVICE float token_number(const Tokens& tokens, int kind, const void* values, i64 place,
                                   i64 token) {
    const float number = number_of(values, kind, place);
    return kind == kind_i8 ? number * tokens.scales[token] : number;
}

struct Matrix {
    const float* values;  // (dim, n_columns)
    i64 n_columns;
    float* out;  // (tokens, n_columns)
};

struct Tiles {
    float tokens[tile_dims][tile_tokens + pad];
    float columns[tile_dims][tile_columns + pad];
};

/// A tile of products: sums[i][j] of tokens 0 to 3 and 16 to 19 after this lane's first one, and of
/// four columns.
template <int kind>
TERSEVEC_DEVICE void multiply(const Tokens& tokens, const Matrix& matrix, i64 first,
                              i64 first_column, int token, int column, Tiles& tiles,
                              float (&sums)[own_tokens][own_columns]) {
    constexpr int bytes = kind == kind_f32 ? 4 : kind == kind_i8 ? 1 : 2;
    constexpr int row_step = product_threads / tile_dims, dim_step = product_threads / tile_columns;
    const int dim = threadIdx.x % tile_dims, own_dim = threadIdx.x / tile_columns;
    const int row = threadIdx.x / tile_dims, own_column = threadIdx.x % tile_columns;
    const u8* from =
        static_cast<const u8*>(tokens.values) + ((first + row) * tokens.dim + dim) * bytes;
    const float* weights = matrix.values + own_dim * matrix.n_columns + first_column + own_column;
    const i64 rows_left = tokens.n - first - row;
    const int rows = rows_left < tile_tokens ? static_cast<int>(rows_left) : tile_tokens;
    const bool has_column = first_column + own_column < matrix.n_columns;
    for (int left = static_cast<int>(tokens.dim); left > 0; left -= tile_dims) {
        const int rows_here = dim < left ? rows : 0, dims_here = has_column ? left - own_dim : 0;
        __syncthreads();
#pragma unroll
        for (int i = 0; i < tile_tokens / row_step; ++i) {
            const u8* const place = from + i * (row_step * bytes * tokens.dim);
            tiles.tokens[dim][row + i * row_step] =
                i * row_step < rows_here
                    ? token_number(tokens, kind, place, 0, first + row + i * row_step)
                    : 0.0f;
        }
#pragma unroll
        for (int i = 0; i < tile_dims / dim_step; ++i) {
            tiles.columns[own_dim + i * dim_step][own_column] =
                i * dim_step < dims_here ? weights[i * (dim_step * matrix.n_columns)] : 0.0f;
        }
        from += tile_dims * bytes;
        weights += tile_dims * matrix.n_columns;
        __syncthreads();
#pragma unroll
        for (int d = 0; d < tile_dims; ++d) {
            const float4 low = *reinterpret_cast<const float4*>(&tiles.tokens[d][token]);
            const float4 high =
                *reinterpret_cast<const float4*>(&tiles.tokens[d][token + half_tokens]);
            const float4 y = *reinterpret_cast<const float4*>(&tiles.columns[d][column]);
            const float xs[own_tokens] = {low.x,  low.y,  low.z,  low.w,
                                          high.x, high.y, high.z, high.w};
            const float ys[own_columns] = {y.x, y.y, y.z, y.w};
#pragma unroll
            for (int i = 0; i < own_tokens; ++i) {
#pragma unroll
                for (int j = 0; j < own_columns; ++j) {
                    sums[i][j] = fused(xs[i], ys[j], sums[i][j]);
                }
            }
        }
    }
}

}  // namespace tersevec::cuda
