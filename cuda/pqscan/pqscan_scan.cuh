// SPDX-License-Identifier: Apache-2.0
/// How the warps of a grid walk a base: steps of 256 rows in segments, tables in shared memory.
///
/// Blocks in x are tiles of queries, neighbours in y take neighbouring steps: what tiles read at
/// one time comes from memory once. Where the tables of all sub-spaces do not fit, a block's warps
/// go from chunk to chunk together, each with the sums of its own step in registers.
#pragma once

#include "core/topk.cuh"
#include "pqscan/pqscan_layout.cuh"

namespace tersevec::cuda::pqscan {

constexpr int segment_grain = 64;  // a segment's first step begins at a multiple: at a block

struct Base {
    const u8* blocks;
    i32 m;
    u32 n;
    const i64* segments;  // (n_segments, 2)
    const i64* steps;     // (n_segments + 1,): the first of each segment
    i32 n_segments;       // -1: all rows are one segment
};

/// Rows from `first` on, of which those from `start` to `stop` are the segment's.
struct Step {
    i32 segment;
    u32 first, start, stop;
};

TERSEVEC_DEVICE u32 steps_of(const Base& base) {
    return base.n_segments < 0 ? (base.n + step_codes - 1) / step_codes
                               : static_cast<u32>(base.steps[base.n_segments]);
}

TERSEVEC_DEVICE Step step_of(const Base& base, u32 step) {
    if (base.n_segments < 0) {
        return {0, step * step_codes, 0, base.n};
    }
    i32 low = 0, high = base.n_segments;  // steps[low] <= step < steps[high]
    while (high - low > 1) {
        const i32 middle = (low + high) / 2;
        (base.steps[middle] <= step ? low : high) = middle;
    }
    const u32 start = static_cast<u32>(base.segments[2 * low]);
    const u32 stop = static_cast<u32>(base.segments[2 * low + 1]);
    const u32 within = step - static_cast<u32>(base.steps[low]);
    return {low, start / segment_grain * segment_grain + within * step_codes, start, stop};
}

/// Where this lane's codes of a step lie.
template <class Layout>
struct Place {
    u32 block_row;  // the first of its block
    int lane;       // of the block's

    TERSEVEC_DEVICE explicit Place(const Step& step)
        : block_row(step.first +
                    threadIdx.x % warp_lanes / block_lanes<Layout> * Layout::block_codes),
          lane(threadIdx.x % block_lanes<Layout>) {}

    TERSEVEC_DEVICE u32 row(int c) const { return block_row + Layout::code(lane, c); }
    TERSEVEC_DEVICE const u8* lines(const Base& base) const {
        return base.blocks + i64{block_row / Layout::block_codes} * block_bytes<Layout>(base.m) +
               lane * lane_bytes<Layout>;
    }
    /// A bit for each code that is one of the segment's rows.
    TERSEVEC_DEVICE u32 inside(const Step& step) const {
        u32 bits = 0;
#pragma unroll
        for (int c = 0; c < lane_codes; ++c) {
            bits |= (row(c) >= step.start && row(c) < step.stop ? 1u : 0u) << c;
        }
        return bits;
    }
    TERSEVEC_DEVICE u32 allowed_of(u32 bits, const u8* mask) const {
        if (mask != nullptr && bits != 0) {
#pragma unroll
            for (int c = 0; c < lane_codes; ++c) {
                if ((bits >> c & 1) && !allowed(mask, row(c))) {
                    bits &= ~(1u << c);
                }
            }
        }
        return bits;
    }
};

/// What queries of a tile may find.
struct Filter {
    const u8* masks;
    i64 mask_bytes;     // from a query's mask to the next one's, or 0
    const float* bias;  // (n_queries, segments)
    i32 n_segments;

    TERSEVEC_DEVICE const u8* mask(i64 query) const {
        return masks == nullptr ? nullptr : masks + query * mask_bytes;
    }
    /// Adding 0 changes no sum, since none is -0.
    TERSEVEC_DEVICE float bias_of(i64 query, i32 segment) const {
        return bias == nullptr ? 0.0f : bias[query * n_segments + segment];
    }
};

struct Tile {
    i64 first;
    int n_queries;

    TERSEVEC_DEVICE explicit Tile(i64 all) : first(static_cast<i64>(blockIdx.x) * tile_queries) {
        n_queries = static_cast<int>(all - first < tile_queries ? all - first : tile_queries);
    }
};

/// Float tables of a tile's queries, and sums in the order that gives results their meaning.
template <class Layout, int queries>
struct FloatTables {
    struct Sums {
        float of[queries][lane_codes] = {};
    };
    const float* tables;  // (n_queries, m, K), from the tile's first query on
    int n_queries;
    i32 m;
    int n_bits;
    float* shared;  // (chunk, queries, slots)

    TERSEVEC_DEVICE void load(int first, int last) const {
        const int count = (last - first) * queries << n_bits;
        for (int i = threadIdx.x; i < count; i += blockDim.x) {
            const int k = i & ((1 << n_bits) - 1), at = i >> n_bits;
            const int q = at % queries < n_queries ? at % queries : 0;
            shared[at * Layout::slots + k] =
                tables[(i64{q * m + first + at / queries} << n_bits) + k];
        }
    }
    TERSEVEC_DEVICE void add(const u8* lines, int first, int last, Sums& sums) const {
        const float* table = shared;
        int j = first;
#pragma unroll 1
        for (; j + 4 <= last; j += 4) {
            Line read[4];
            Layout::read4(lines, j, read);
#pragma unroll
            for (int i = 0; i < 4; ++i, table += queries * Layout::slots) {
                add(read[i], table, sums);
            }
        }
#pragma unroll 1
        for (; j < last; ++j, table += queries * Layout::slots) {
            add(Layout::read(lines, j), table, sums);
        }
    }

private:
    TERSEVEC_DEVICE static void add(Line line, const float* table, Sums& sums) {
#pragma unroll
        for (int c = 0; c < lane_codes; ++c) {
            const float* const entry = table + number(line, c);
#pragma unroll
            for (int q = 0; q < queries; ++q) {
                sums.of[q][c] += entry[q * Layout::slots];
            }
        }
    }
};

/// Takes every `every`-th step of the base, shared out among the warps of blocks in y: calls
/// take(step, place, sums). `chunk` sub-spaces, a multiple of 4 or all, have room at a time.
template <class Layout, class Tables, class Take>
TERSEVEC_DEVICE void scan(const Base& base, const Tables& tables, int chunk, u32 every, Take take) {
    const u32 warps = blockDim.x / warp_lanes;
    const u32 n_steps = (steps_of(base) + every - 1) / every;
    const u32 begin = blockIdx.y * warps;
    for (u32 round = begin; round < n_steps; round += gridDim.y * warps) {
        const u32 mine = round + threadIdx.x / warp_lanes;
        const Step step = mine < n_steps ? step_of(base, mine * every) : Step{};
        const Place<Layout> place(step);
        typename Tables::Sums sums;
        for (int first = 0; first < base.m; first += chunk) {
            const int last = first + chunk < base.m ? first + chunk : base.m;
            if (chunk < base.m || round == begin) {
                __syncthreads();
                tables.load(first, last);
                __syncthreads();
            }
            if (place.block_row < step.stop) {
                tables.add(place.lines(base), first, last, sums);
            }
        }
        if (mine < n_steps) {
            take(step, place, sums);
        }
    }
}

/// Takes the lane's codes, where they are near enough; no_ordinal is none.
template <class Layout>
TERSEVEC_DEVICE void push_codes(WarpQueue& queue, const u32 (&ordinals)[lane_codes],
                                const Place<Layout>& place) {
    const u32 bound = key_value(queue.bound);
    u32 passing = 0;
#pragma unroll
    for (int c = 0; c < lane_codes; ++c) {
        passing |= (ordinals[c] <= bound && ordinals[c] != no_ordinal ? 1u : 0u) << c;
    }
    while (__any_sync(all_lanes, passing != 0)) {
        const int lowest = __ffs(static_cast<int>(passing)) - 1;
        u32 ordinal = no_ordinal;
#pragma unroll
        for (int c = 0; c < lane_codes; ++c) {
            ordinal = c == lowest ? ordinals[c] : ordinal;
        }
        queue.push(passing != 0 ? make_key(ordinal, static_cast<u32>(place.row(lowest))) : no_hit);
        passing &= passing - 1;
    }
}

/// lists (n_queries, gridDim.y, k): the k best of each of the tile's queries from the queues of all
/// warps, which lie query by query in each warp's part of `keys`, padded.
TERSEVEC_DEVICE void merge_queues(Key* keys, int queries, int k, int capacity, const Tile& tile,
                                  u64* lists) {
    const int warps = blockDim.x / warp_lanes, warp = threadIdx.x / warp_lanes;
    const int lane = threadIdx.x % warp_lanes, part = queries * capacity;
    Key* const mine = keys + warp * part;
#pragma unroll 1
    for (int q = 0; q < queries; ++q) {
        sort_keys(mine + q * capacity, capacity);
    }
    __syncthreads();
#pragma unroll 1
    for (int q = warp; q < tile.n_queries; q += warps) {
        WarpQueue merged(mine + q * capacity, k, capacity);
        merged.fill = k;
        merged.bound = merged.keys[k - 1];
        for (int other = 1; other < warps; ++other) {
            const Key* const theirs = keys + (warp + other) % warps * part + q * capacity;
            for (int first = 0; first < k; first += warp_lanes) {
                merged.push(first + lane < k ? theirs[first + lane] : no_hit);
            }
        }
        merged.finish(lists + ((tile.first + q) * gridDim.y + blockIdx.y) * k);
    }
}

/// The queues of a warp's queries.
template <int queries>
struct Queues {
    WarpQueue of[queries];

    TERSEVEC_DEVICE Queues(Key* keys, int k, int capacity) {
        Key* const mine = keys + threadIdx.x / warp_lanes * queries * capacity;
#pragma unroll
        for (int q = 0; q < queries; ++q) {
            of[q] = WarpQueue(mine + q * capacity, k, capacity);
        }
    }
    TERSEVEC_DEVICE void pad() {
#pragma unroll
        for (int q = 0; q < queries; ++q) {
            of[q].pad();
        }
    }
};

}  // namespace tersevec::cuda::pqscan
