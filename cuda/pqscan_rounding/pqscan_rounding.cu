// SPDX-License-Identifier: Apache-2.0
/// Tables rounded to small integers, and the bounds of what their sums stand for.
///
/// Levels, scales and bounds are those of the CPU to the last bit, so doubles are added in its
/// order. A warp reads a table, neighbours beside each other; up to 54 registers.
/// Floor: every table is read once for its range and once to be rounded.
#include "pqscan/pqscan_layout.cuh"
#include "pqscan/pqscan_rounding.cuh"

using namespace tersevec::cuda;
using namespace tersevec::cuda::pqscan;

/// ranges (3, n_queries * m): the least, the largest and the mean entry of each table of 2^n_bits;
/// a warp for each.
extern "C" __global__ void pqscan_ranges(const float* tables, i64 n_tables, i32 n_bits,
                                         float* ranges) {
    const i64 item = (static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x) / warp_lanes;
    if (item >= n_tables) {
        return;
    }
    const float* const table = tables + (item << n_bits);
    const int lane = threadIdx.x % warp_lanes;
    float least = table[0], most = table[0], sum = 0.0f;
    for (int k = lane; k < 1 << n_bits; k += warp_lanes) {
        least = table[k] < least ? table[k] : least;
        most = table[k] > most ? table[k] : most;
        sum += table[k];
    }
    for (int distance = warp_lanes / 2; distance > 0; distance /= 2) {
        const float low = __shfl_xor_sync(all_lanes, least, distance);
        const float high = __shfl_xor_sync(all_lanes, most, distance);
        least = low < least ? low : least;
        most = high > most ? high : most;
        sum += __shfl_xor_sync(all_lanes, sum, distance);
    }
    if (lane == 0) {
        ranges[item] = least;
        ranges[n_tables + item] = most;
        ranges[2 * n_tables + item] = sum / static_cast<float>(1 << n_bits);
    }
}

/// scales (n_queries, 4): how a query's tables are rounded, sums in the order of the sub-spaces; a
/// thread for each. Where entries are cut, it is those above some times the usual one.
extern "C" __global__ void pqscan_scales(const float* ranges, i64 n_queries, i32 m, i32 limit,
                                         i32 cut, double* scales) {
    constexpr double most_means = 3.0;  // as in csrc/pqscan/pqscan_query.h
    const i64 query = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (query >= n_queries) {
        return;
    }
    const float* const least = ranges + query * m;
    const float *const most = least + n_queries * m, *const mean = most + n_queries * m;
    double base = 0.0, magnitude = 0.0, span = 0.0, squares = 0.0;
    for (int j = 0; j < m; ++j) {
        const double low = least[j], high = most[j], above = mean[j] - low;
        base += low;
        magnitude += -low > high ? -low : high;
        span = high - low > span ? high - low : span;
        squares += above * above;
    }
    const double usual = most_means * sqrt(squares / m);
    span = cut && usual > 0.0 && usual < span ? usual : span;
    double scale = span > 0.0 ? limit / span : 0.0;
    scale = scale < 1e30 ? scale : 1e30;  // a float holds it
    double* const out = scales + 4 * query;
    out[0] = base;
    out[1] = magnitude;
    out[2] = scale;
    out[3] = scale > 0.0 ? 1.0 / scale : 0.0;
}

/// words (tiles, m, slots): the tables (n_queries, m, 2^n_bits) rounded, query q of a tile in byte
/// q of a word; a thread for each word.
extern "C" __global__ void pqscan_words(const float* tables, const float* ranges,
                                        const double* scales, i64 n_queries, i32 m, i32 n_bits,
                                        i64 n_words, i32 slots, u32* words) {
    const i64 item = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (item >= n_words) {
        return;
    }
    const i64 k = item % slots, j = item / slots % m, tile = item / slots / m;
    u32 word = 0;
    for (int q = 0; q < tile_queries && k < i64{1} << n_bits; ++q) {
        const i64 query = tile * tile_queries + q, table = query * m + j;
        if (query < n_queries) {
            const float factor = factor_of(scales[4 * query + 2]);
            const float entry = tables[(table << n_bits) + k];
            word |= level_of(entry, ranges[table], factor, word_limit) << 8 * q;
        }
    }
    words[item] = word;
}

/// levels (n_queries, m, 2^n_bits): the tables rounded, as float32 numbers; lost (n_queries, m):
/// the most that it took off an entry of each. A warp for each table.
extern "C" __global__ void pqscan_levels(const float* tables, const float* ranges,
                                         const double* scales, i64 n_tables, i32 m, i32 n_bits,
                                         i32 limit, float* levels, double* lost) {
    const i64 item = (static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x) / warp_lanes;
    if (item >= n_tables) {
        return;
    }
    const double* const scale = scales + item / m * 4;
    const float least = ranges[item], factor = factor_of(scale[2]);
    const int lane = threadIdx.x % warp_lanes;
    double most = 0.0;
    for (int k = lane; k < 1 << n_bits; k += warp_lanes) {
        const float entry = tables[(item << n_bits) + k];
        const u32 level = level_of(entry, least, factor, static_cast<u32>(limit));
        const double here = entry - static_cast<double>(least) - level * scale[3];
        levels[(item << n_bits) + k] = static_cast<float>(level);
        most = here > most ? here : most;
    }
    for (int distance = warp_lanes / 2; distance > 0; distance /= 2) {
        const double other = __shfl_xor_sync(all_lanes, most, distance);
        most = other > most ? other : most;
    }
    if (lane == 0) {
        lost[item] = most;
    }
}

/// errors (n_queries,): the sums of `lost`, in the order of the sub-spaces; a thread for each.
extern "C" __global__ void pqscan_errors(const double* lost, i64 n_queries, i32 m, double* errors) {
    const i64 query = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (query >= n_queries) {
        return;
    }
    double error = 0.0;
    for (int j = 0; j < m; ++j) {
        error += lost[query * m + j];
    }
    errors[query] = error;
}

/// bounds (2, n_queries, k): what no float32 sum of entries lies below, or above, whose levels add
/// up to `sums` (n_queries, k); a thread for each sum.
extern "C" __global__ void pqscan_bounds(const double* scales, const double* errors, i32 m,
                                         const float* sums, i64 n_sums, i64 k, float* bounds) {
    const i64 item = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (item >= n_sums) {
        return;
    }
    const Scale scale = reinterpret_cast<const Scale*>(scales)[item / k];
    const double slack = (m + 2) * scale.magnitude * ulp * 1.001;
    const double middle = scale.base + sums[item] * scale.step;
    const float lower = static_cast<float>(middle - slack);
    const float upper = static_cast<float>(middle + errors[item / k] + slack);
    const float infinity = from_bits(0x7f800000u);
    bounds[item] = nextafterf(lower, -infinity);
    bounds[n_sums + item] = nextafterf(upper, infinity);
}
