// SPDX-License-Identifier: Apache-2.0
/// Ternary matrices from a hash, and dense and sparse rows times them, as
/// csrc/sparseproj/sparseproj.h tells.
///
/// `project`: a block has some rows, 2^k up to 32, in shared memory, features one after the other,
/// and a lane a row of a column, so that 2^k lanes read one list, and one feature's numbers side by
/// side; rows are swizzled, so that neither writing them nor reading them meets in a bank. Rows too
/// long for shared memory are read one at a time where they lie. Up to 16 warps a block.
/// `project_sparse`: a warp has a row, and its two sums of each column in shared memory; lanes have
/// an entry each, find its list, and add the entries that are in some column one after the other,
/// lanes over the columns. Eight warps a block.
/// At most 64 registers, so shared memory says how many blocks a multiprocessor has.
/// Floor: dense rows, or entries and where their features' lists begin, read once; lists come from
/// the caches.
#include "core/portable.cuh"

using namespace tersevec::cuda;

namespace {

constexpr u64 golden = 0x9E3779B97F4A7C15ull;

TERSEVEC_DEVICE u64 mix(u64 x) {
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ x >> 27) * 0x94D049BB133111EBull;
    return x ^ x >> 31;
}

TERSEVEC_DEVICE u32 mix(u32 x, u32 key) {
    x = (x ^ x >> 16) * 0x21F0AAADu + key;
    x = (x ^ x >> 15) * 0xD35A2D97u;
    return x ^ x >> 15;
}

TERSEVEC_DEVICE bool finite(float x) {
    return (bits_of(x) & 0x7f800000u) != 0x7f800000u;
}

/// 2^k rows of numbers in shared memory. Number `feature` of row r lies at feature << k | r, but r
/// is swizzled by those bits of the feature that choose no bank.
struct Tile {
    float* numbers;
    int k;

    TERSEVEC_DEVICE float& at(i32 feature, int r) const {
        return numbers[feature << k | (r ^ (feature >> (5 - k) & ((1 << k) - 1)))];
    }
};

/// The same of one row where it lies.
struct Row {
    const float* numbers;

    TERSEVEC_DEVICE float at(i32 feature, int) const { return numbers[feature]; }
};

/// The sum of row r's numbers of the features first ... end - 1 of a list, in order. Eight are read
/// before the first is added; where fewer are left, the last again.
template <class Numbers>
TERSEVEC_DEVICE float sum_of(Numbers x, int r, const i32* features, i64 first, i64 end) {
    constexpr int batch = 8;
    float sum = 0.0f;
    for (; first < end; first += batch) {
        float numbers[batch];
#pragma unroll
        for (int i = 0; i < batch; ++i) {
            numbers[i] = x.at(features[first + i < end ? first + i : end - 1], r);
        }
#pragma unroll
        for (int i = 0; i < batch; ++i) {
            sum = first + i < end ? sum + numbers[i] : sum;
        }
    }
    return sum;
}

/// Products of a block's rows, a lane for each row of a column.
template <class Numbers>
TERSEVEC_DEVICE void project_rows(Numbers x, int k, i64 rows, u32 bad, const i64* starts,
                                  const i32* features, i64 width, float scale, float* out) {
    const int r = threadIdx.x & ((1 << k) - 1);
    const float rest = (bad >> r & 1u) != 0 ? from_bits(0x7fc00000u) : 0.0f;
    for (i64 column = threadIdx.x >> k; column < width; column += blockDim.x >> k) {
        const i64 middle = starts[2 * column + 1];
        const float plus = sum_of(x, r, features, starts[2 * column], middle);
        const float minus = sum_of(x, r, features, middle, starts[2 * column + 2]);
        if (r < rows) {
            out[r * width + column] = scale * (plus - minus) + rest;
        }
    }
}

/// Adds the lanes' numbers, one after the other, to the sums of the columns that each one's list
/// names. Lists of four are read before the first is added; where fewer are left, the last again.
TERSEVEC_DEVICE void add_lists(const i32* codes, i64 list, i32 length, float number, float* sums) {
    constexpr int batch = 4;
    const int lane = threadIdx.x % warp_lanes;
    int source = 0;
    for (u32 busy = __ballot_sync(all_lanes, length > 0); busy != 0;) {
        const i32* lists[batch];
        i32 counts[batch], columns[batch];
        float numbers[batch];
#pragma unroll
        for (int j = 0; j < batch; ++j) {
            const bool there = busy != 0;
            source = there ? __ffs(static_cast<int>(busy)) - 1 : source;
            busy &= busy - 1;
            lists[j] = codes + __shfl_sync(all_lanes, list, source);
            numbers[j] = __shfl_sync(all_lanes, number, source);
            const i32 count = __shfl_sync(all_lanes, length, source);
            columns[j] = lists[j][lane < count ? lane : count - 1];
            counts[j] = there ? count : 0;
        }
#pragma unroll
        for (int j = 0; j < batch; ++j) {
            __syncwarp();
            if (lane < counts[j]) {
                sums[columns[j]] += numbers[j];
            }
            for (i32 i = lane + warp_lanes; i < counts[j]; i += warp_lanes) {
                sums[lists[j][i]] += numbers[j];
            }
        }
    }
}

}  // namespace

/// out (n, width): rows of -1, 0 and 1 that ids name, their columns from `first_column` on, zero
/// after `used` of them; a thread for each 16.
extern "C" __global__ void sparseproj_ternary(const i64* ids, i64 n, u64 seed, i64 first_column,
                                              i64 used, u32 threshold, i64 width, void* out) {
    const i64 item = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    const u32 row_items = static_cast<u32>(width / 16);
    const i64 row = item / row_items;
    if (row >= n) {
        return;
    }
    const i64 first = (item - row * row_items) * 16;
    const u64 state = mix(mix(seed + golden) + static_cast<u64>(ids[row]) * golden);
    // Even columns are lanes of 4 words, odd ones those of 4 that are 16 on.
    const i64 before = (first_column + first / 64 * 64) / 2 + first % 64 / 4;
    const u32 low = static_cast<u32>(state), high = static_cast<u32>(state >> 32);
    u32 numbers[4] = {};
#pragma unroll
    for (int w = 0; w < 8; ++w) {
        const int odd = w / 4;
        const u32 word =
            mix(low + static_cast<u32>(before + w % 4 + 16 * odd) * u32{golden >> 32}, high);
#pragma unroll
        for (int t = 0; t < 2; ++t) {
            const int c = 4 * (w % 4) + 2 * t + odd;
            const u32 u = (word >> 16 * t & 0xffffu) ^ 0x8000u;
            const u32 number = u < threshold ? 1u : u < 2 * threshold ? 0xffu : 0u;
            numbers[c / 4] |= first + c < used ? number << 8 * (c % 4) : 0u;
        }
    }
    static_cast<uint4*>(out)[item] = {numbers[0], numbers[1], numbers[2], numbers[3]};
}

/// out (n, width) = scale * (p - m), p the sum of the features that a column adds, m of those it
/// takes off; NaN where a row holds what is not finite. 2^k rows a block, in shared memory, which
/// has a word more; or one row, with no shared memory but that word where `in_place`.
extern "C" __global__ void sparseproj_project(const float* x, i64 n, i64 dim, i64 stride,
                                              const i64* starts, const i32* features, i64 width,
                                              float scale, i32 k, i32 in_place, float* out) {
    TERSEVEC_DYNAMIC_SHARED(shared);
    const Tile tile{reinterpret_cast<float*>(shared) + 1, k};
    u32* const all_bad = reinterpret_cast<u32*>(shared);
    const i64 first = static_cast<i64>(blockIdx.x) << k;
    const i64 rows = n - first < i64{1} << k ? n - first : i64{1} << k;
    x += first * stride;
    out += first * width;
    if (threadIdx.x == 0) {
        *all_bad = 0;
    }
    __syncthreads();
    u32 bad = 0;
    for (i64 feature = threadIdx.x; feature < dim; feature += blockDim.x) {
#pragma unroll 4
        for (int r = 0; r < 1 << k; ++r) {
            const float number = r < rows ? x[r * stride + feature] : 0.0f;
            bad |= finite(number) ? 0u : 1u << r;
            if (in_place == 0) {
                tile.at(static_cast<i32>(feature), r) = number;
            }
        }
    }
    if (bad != 0) {
        atomicOr(all_bad, bad);
    }
    __syncthreads();
    if (in_place == 0) {
        project_rows(tile, k, rows, *all_bad, starts, features, width, scale, out);
    } else {
        project_rows(Row{x}, 0, 1, *all_bad, starts, features, width, scale, out);
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
        for (i64 entry = begin + lane; entry - lane < end; entry += warp_lanes) {
            i64 list = 0;
            i32 length = 0;
            float number = 1.0f;
            if (entry < end) {
                const i64 feature = wide ? static_cast<const i64*>(indices)[entry]
                                         : static_cast<const i32*>(indices)[entry];
                list = starts[feature];
                length = static_cast<i32>(starts[feature + 1] - list);
                number = values == nullptr ? 1.0f : values[entry];
            }
            add_lists(codes, list, length, number, sums);
        }
        __syncwarp();
        for (i64 c = lane; c < width; c += warp_lanes) {
            out[row * width + c] = scale * (sums[c] - sums[width + c]);
        }
        __syncwarp();
    }
}
