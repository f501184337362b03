// SPDX-License-Identifier: Apache-2.0
/// What puts vectors into the space of codes: rotations, and nearest centroids.
///
/// Every product, sum and difference is rounded on its own, in the order that
/// csrc/pqencode/pqencode.h writes, so that codes and rotated numbers equal the CPU's.
/// A lane has a column of a row (`products`), or a row of a sub-space (`assign`), whose centroids
/// all lanes of a warp read at once. Up to 51 registers: four blocks of 256 threads share a
/// multiprocessor.
/// Floor: two operations for each number of the matrix, or of the centroids, and row; rows are read
/// once, and what is shared comes from the caches.
#include "core/portable.cuh"

using namespace tersevec::cuda;

/// out (n, n_columns) = x (n, depth) times columns (depth, n_columns); a thread for each number.
extern "C" __global__ void pqencode_products(const float* x, i64 n, i64 depth, const float* columns,
                                             i64 n_columns, float* out) {
    const i64 item = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (item >= n * n_columns) {
        return;
    }
    const float* const row = x + item / n_columns * depth;
    const float* const column = columns + item % n_columns;
    float sum = 0.0f;
    for (i64 i = 0; i < depth; ++i) {
        sum += row[i] * column[i * n_columns];
    }
    out[item] = sum;
}

/// assigned (n, m): the nearest of the codebooks' (m, n_centroids, dims) centroids to each part of
/// a row, ties to the lowest; half_norms (m, n_centroids) are halves of their squared lengths.
extern "C" __global__ void pqencode_assign(const float* x, i64 n, i64 m, i64 dims,
                                           const float* codebooks, const float* half_norms,
                                           i64 n_centroids, u8* assigned) {
    const i64 item = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (item >= n * m) {
        return;
    }
    const i64 row = item % n, j = item / n;
    const float* const part = x + (row * m + j) * dims;
    const float* centroid = codebooks + j * n_centroids * dims;
    float lowest = from_bits(0x7f800000u);
    i64 nearest = 0;
    for (i64 k = 0; k < n_centroids; ++k, centroid += dims) {
        float score = half_norms[j * n_centroids + k];
        for (i64 i = 0; i < dims; ++i) {
            score -= part[i] * centroid[i];
        }
        if (score < lowest) {
            lowest = score;
            nearest = k;
        }
    }
    assigned[row * m + j] = static_cast<u8>(nearest);
}
