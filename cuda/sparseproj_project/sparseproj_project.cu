// SPDX-License-Identifier: Apache-2.0
/// Ternary matrices from a hash, and dense and sparse rows times them, as
/// csrc/sparseproj/sparseproj.h tells.
///
/// `project`: a block has four rows, interleaved in shared memory, so that one read of 16 bytes
/// brings a feature of all four, and a lane a column, whose list it walks; rows too long for shared
/// memory are read one at a time where they lie. `project_sparse`: a warp has a row, and its two
/// sums of each column in shared memory; lanes add an entry to all columns of its feature.
/// At most 40 registers: eight warps a block, shared memory says how many blocks.
/// Floor: dense rows, or entries and their features' lists, read once; lists come from the caches.
#include "core/portable.cuh"

using namespace tersevec::cuda;

namespace {

constexpr u64 golden = 0x9E3779B97F4A7C15ull;
constexpr int tile_rows = 4;

TERSEVEC_DEVICE u64 mix(u64 x) {
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ x >> 27) * 0x94D049BB133111EBull;
    return x ^ x >> 31;
}

TERSEVEC_DEVICE bool finite(float x) {
    return (bits_of(x) & 0x7f800000u) != 0x7f800000u;
}

}  // namespace

/// out (n, width): rows of -1, 0 and 1 that ids name, zero from `used` on; a thread for each four.
extern "C" __global__ void sparseproj_ternary(const i64* ids, i64 n, u64 seed, i64 used,
                                              u32 threshold, i64 width, u32* out) {
    const i64 item = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    const i64 words = width / 4;
    if (item >= n * words) {
        return;
    }
    const u64 key = mix(seed + golden);
    const u64 state = mix(key + static_cast<u64>(ids[item / words]) * golden);
    const i64 place = item % words;
    const u64 word = mix(state + static_cast<u64>(place + 1) * golden);
    u32 four = 0;
    for (int t = 0; t < 4; ++t) {
        const u32 u = static_cast<u32>(word >> 16 * t) & 0xffffu;
        const u32 number = u < threshold ? 1u : u < 2 * threshold ? 0xffu : 0u;
        four |= 4 * place + t < used ? number << 8 * t : 0u;
    }
    out[item] = four;
}

/// out (n, width) = scale * (p - m), p the sum of the features that a column adds, m of those it
/// takes off; NaN where a row holds what is not finite. `rows` are 4 with rows in shared memory
/// (16 * dim bytes), or 1.
extern "C" __global__ void sparseproj_project(const float* x, i64 n, i64 dim, i64 stride,
                                              const i64* starts, const i32* features, i64 width,
                                              float scale, i32 rows, float* out) {
    TERSEVEC_DYNAMIC_SHARED(shared);
    __shared__ u32 bad[tile_rows];
    float* const tile = reinterpret_cast<float*>(shared);
    const i64 first = static_cast<i64>(blockIdx.x) * rows;
    if (threadIdx.x < tile_rows) {
        bad[threadIdx.x] = 0;
    }
    __syncthreads();
    for (i64 i = threadIdx.x; i < rows * dim; i += blockDim.x) {
        const i64 r = i / dim, feature = i % dim;
        const float number = first + r < n ? x[(first + r) * stride + feature] : 0.0f;
        if (rows == tile_rows) {
            tile[feature * tile_rows + r] = number;
        }
        if (!finite(number)) {
            atomicOr(&bad[r], 1u);
        }
    }
    __syncthreads();
    for (i64 column = threadIdx.x; column < width; column += blockDim.x) {
        float4 sums[2] = {};
        for (int sign = 0; sign < 2; ++sign) {
            const i64 end = starts[2 * column + sign + 1];
            float4 sum = {0.0f, 0.0f, 0.0f, 0.0f};
            for (i64 i = starts[2 * column + sign]; i < end; ++i) {
                if (rows == tile_rows) {
                    const float4 four = reinterpret_cast<const float4*>(tile)[features[i]];
                    sum.x += four.x, sum.y += four.y, sum.z += four.z, sum.w += four.w;
                } else {
                    sum.x += x[first * stride + features[i]];
                }
            }
            sums[sign] = sum;
        }
        const float found[tile_rows] = {sums[0].x - sums[1].x, sums[0].y - sums[1].y,
                                        sums[0].z - sums[1].z, sums[0].w - sums[1].w};
        for (int r = 0; r < rows; ++r) {
            if (first + r < n) {
                const float rest = bad[r] != 0 ? from_bits(0x7fc00000u) : 0.0f;
                out[(first + r) * width + column] = scale * found[r] + rest;
            }
        }
    }
}

/// out (n, width): sparse rows times a matrix that is listed by rows. `room` is null where two sums
/// of each column fit shared memory, else (gridDim.x * warps, 2 * width) floats.
extern "C" __global__ void sparseproj_project_sparse(const void* indptr, const void* indices,
                                                     i32 index_bytes, const float* values, i64 n,
                                                     const i64* starts, const i32* codes, i64 width,
                                                     float scale, float* room, float* out) {
    TERSEVEC_DYNAMIC_SHARED(shared);
    const int warps = blockDim.x / warp_lanes, warp = threadIdx.x / warp_lanes;
    const int lane = threadIdx.x % warp_lanes;
    const i64 here = static_cast<i64>(blockIdx.x) * warps + warp;
    float* const sums = room != nullptr ? room + here * 2 * width
                                        : reinterpret_cast<float*>(shared) + warp * 2 * width;
    const bool wide_starts = (index_bytes & 15) == 8, wide = index_bytes >> 4 == 8;
    for (i64 row = here; row < n; row += static_cast<i64>(gridDim.x) * warps) {
        for (i64 c = lane; c < 2 * width; c += warp_lanes) {
            sums[c] = 0.0f;
        }
        const i64 begin = wide_starts ? static_cast<const i64*>(indptr)[row]
                                      : static_cast<const i32*>(indptr)[row];
        const i64 end = wide_starts ? static_cast<const i64*>(indptr)[row + 1]
                                    : static_cast<const i32*>(indptr)[row + 1];
        for (i64 entry = begin; entry < end; ++entry) {
            __syncwarp();
            const i64 feature = wide ? static_cast<const i64*>(indices)[entry]
                                     : static_cast<const i32*>(indices)[entry];
            const float number = values == nullptr ? 1.0f : values[entry];
            for (i64 i = starts[feature] + lane; i < starts[feature + 1]; i += warp_lanes) {
                sums[codes[i]] += number;
            }
        }
        __syncwarp();
        for (i64 c = lane; c < width; c += warp_lanes) {
            out[row * width + c] = scale * (sums[c] - sums[width + c]);
        }
        __syncwarp();
    }
}
