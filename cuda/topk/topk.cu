// SPDX-License-Identifier: Apache-2.0
/// Selection by keys, for every family: lists merged where k is small, radix select where it is
/// large, and all rows below a limit.
///
/// Ordinals (n_queries, n) are values as unsigned integers of their order, no_ordinal where a row
/// may not be found; the key of row i is (ordinal, i), so equal values are ordered by row.
/// Floor: each list or ordinal is read once by `topk_merge`, `within_*` and `select_gather`, and
/// eight times by radix select, whose passes are 8 bits each; reads are coalesced.
#include "core/topk.cuh"

using namespace tersevec::cuda;

namespace {
constexpr int digit_bits = 8;
constexpr int digits = 1 << digit_bits;
}  // namespace

/// out (n_queries, k): the k smallest of each query's `count` keys. A block for each query.
extern "C" __global__ void topk_merge(const u64* keys, i64 count, i32 k, i32 capacity, u64* out) {
    TERSEVEC_DYNAMIC_SHARED(shared);  // warps * capacity keys
    Key* const queues = reinterpret_cast<Key*>(shared);
    const int warp = threadIdx.x / warp_lanes, lane = threadIdx.x % warp_lanes;
    const int warps = blockDim.x / warp_lanes;
    const u64* const mine = keys + blockIdx.x * count;
    WarpQueue queue(queues + warp * capacity, k, capacity);
    for (i64 first = warp * warp_lanes; first < count; first += blockDim.x) {
        queue.push(first + lane < count ? mine[first + lane] : no_hit);
    }
    queue.tighten();
    __syncthreads();
    if (warp != 0) {
        return;
    }
    for (int other = 1; other < warps; ++other) {
        for (int first = 0; first < k; first += warp_lanes) {
            const int i = first + lane;
            queue.push(i < k ? queues[other * capacity + i] : no_hit);
        }
    }
    queue.finish(out + static_cast<i64>(blockIdx.x) * k);
}

/// Radix select, one digit: counts (n_queries, 256) gains the keys that begin with `prefix`, by
/// their digit at `shift`. Blocks in y are queries.
extern "C" __global__ void select_count(const u32* ordinals, i64 n, const u64* prefixes, i32 shift,
                                        u32* counts) {
    __shared__ u32 here[digits];
    for (int i = threadIdx.x; i < digits; i += blockDim.x) {
        here[i] = 0;
    }
    __syncthreads();
    const u64 prefix = prefixes[blockIdx.y];
    const u32* const mine = ordinals + blockIdx.y * n;
    const i64 step = static_cast<i64>(gridDim.x) * blockDim.x;
    for (i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) {
        const Key key = make_key(mine[i], static_cast<u32>(i));
        if (((key ^ prefix) >> shift) < digits) {
            atomicAdd(&here[(key >> shift) % digits], 1u);
        }
    }
    __syncthreads();
    for (int i = threadIdx.x; i < digits; i += blockDim.x) {
        if (here[i] != 0) {
            atomicAdd(&counts[blockIdx.y * digits + i], here[i]);
        }
    }
}

/// The digit in which the k-th key lies joins the prefix; `ranks` become those within the digit.
extern "C" __global__ void select_pick(u32* counts, i64 n_queries, i32 shift, u64* prefixes,
                                       i64* ranks) {
    const i64 query = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (query >= n_queries) {
        return;
    }
    u32* const mine = counts + query * digits;
    i64 rank = ranks[query];
    int digit = 0;
    while (digit < digits - 1 && rank > mine[digit]) {
        rank -= mine[digit++];
    }
    ranks[query] = rank;
    prefixes[query] |= static_cast<u64>(digit) << shift;
    for (int i = 0; i < digits; ++i) {
        mine[i] = 0;
    }
}

/// out (n_queries, k) gains the keys up to the k-th, in any order; the rest stays.
extern "C" __global__ void select_gather(const u32* ordinals, i64 n, const u64* kth, i32 k,
                                         u32* taken, u64* out) {
    const u64 last = kth[blockIdx.y];
    const u32* const mine = ordinals + blockIdx.y * n;
    const i64 step = static_cast<i64>(gridDim.x) * blockDim.x;
    for (i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) {
        const Key key = make_key(mine[i], static_cast<u32>(i));
        if (key <= last && mine[i] != no_ordinal) {
            out[static_cast<i64>(blockIdx.y) * k + atomicAdd(&taken[blockIdx.y], 1u)] = key;
        }
    }
}

/// counts (n_queries,) gains the ordinals below `limit`. Blocks in y are queries.
extern "C" __global__ void within_count(const u32* ordinals, i64 n, u32 limit, u64* counts) {
    const u32* const mine = ordinals + blockIdx.y * n;
    const i64 step = static_cast<i64>(gridDim.x) * blockDim.x;
    u64 found = 0;
    for (i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) {
        found += mine[i] < limit;
    }
    for (int distance = warp_lanes / 2; distance > 0; distance /= 2) {
        found += __shfl_xor_sync(all_lanes, found, distance);
    }
    if (threadIdx.x % warp_lanes == 0 && found != 0) {
        atomicAdd(&counts[blockIdx.y], found);
    }
}

/// keys (all hits,): those of query q begin at offsets[q], in any order.
extern "C" __global__ void within_fill(const u32* ordinals, i64 n, u32 limit, const i64* offsets,
                                       u64* taken, u64* keys) {
    const u32* const mine = ordinals + blockIdx.y * n;
    const i64 step = static_cast<i64>(gridDim.x) * blockDim.x;
    for (i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) {
        if (mine[i] < limit) {
            const u64 place = atomicAdd(&taken[blockIdx.y], u64{1});
            keys[offsets[blockIdx.y] + place] = make_key(mine[i], static_cast<u32>(i));
        }
    }
}
