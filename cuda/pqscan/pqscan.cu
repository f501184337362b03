// SPDX-License-Identifier: Apache-2.0
/// Product codes of 4 to 8 bits: tables, exact scans of blocks, and the layout that is scanned.
///
/// distance(query, row) is the float32 sum of table entries, one sub-space after the other, and
/// then the bias of the row's segment: the CPU's to the last bit.
/// A lane holds 8 codes of a block, read 4 or 8 bytes a sub-space, and a warp 256 codes: whole
/// lines. Four queries, or one where there is one, share what is read; their tables lie in shared
/// memory, chunks of sub-spaces where they are large. Up to 128 registers, and 32 KiB of shared
/// memory for a k of up to 32: two blocks of 256 threads share a multiprocessor. Larger queues take
/// 16 KiB more, of which sm_75 has room for one block.
/// Floor: every code is read once for 4 queries. A look-up is a load from shared memory, all lanes
/// at once where numbers have 4 bits, since 16 entries lie in as many banks; with more bits lanes
/// meet at banks. `pqscan_bytes` looks up four queries with one load.
#include "pqscan/pqscan_scan.cuh"

using namespace tersevec::cuda;
using namespace tersevec::cuda::pqscan;

namespace {

constexpr int staged_sums = step_codes + step_codes / warp_lanes;  // of a warp

/// What kernels that scan are given.
struct Scan {
    const float* tables;
    Base base;
    Filter filter;
    Tile tile;
    int n_bits, chunk;
    u32 every;
    float* shared;  // for tables

    /// Scans with float tables of so many queries: take(step, place, sums).
    template <int queries, class Take>
    TERSEVEC_DEVICE void run(Take take) const {
        with_layout(n_bits, [&](auto layout) {
            const FloatTables<decltype(layout), queries> own{
                tables + (tile.first * base.m << n_bits), tile.n_queries, base.m, n_bits, shared};
            scan<decltype(layout)>(base, own, chunk, every, take);
        });
    }
};

template <int queries>
TERSEVEC_DEVICE void best(const Scan& given, Key* keys, int k, int capacity) {
    const Tile& tile = given.tile;
    Queues<queries> queues(keys, k, capacity);
    given.run<queries>([&](const Step& step, const auto& place, const auto& sums) {
        const u32 inside = place.inside(step);
#pragma unroll
        for (int q = 0; q < queries; ++q) {
            const i64 query = tile.first + (q < tile.n_queries ? q : 0);
            const u32 found = place.allowed_of(inside, given.filter.mask(query));
            const float bias = given.filter.bias_of(query, step.segment);
            u32 ordinals[lane_codes];
#pragma unroll
            for (int c = 0; c < lane_codes; ++c) {
                ordinals[c] = found >> c & 1 ? ordered_bits(sums.of[q][c] + bias) : no_ordinal;
            }
            push_codes(queues.of[q], ordinals, place);
        }
    });
    queues.pad();
}

/// Writes a step's values, neighbours beside each other, by way of the warp's part of `staged`.
template <int queries>
TERSEVEC_DEVICE void write(const Scan& given, float* staged, bool ordered, u32* out) {
    const auto spread = [](int i) { return i + i / warp_lanes; };  // over the banks
    const int lane = threadIdx.x % warp_lanes;
    float* const mine = staged + threadIdx.x / warp_lanes * staged_sums;
    given.run<queries>([&](const Step& step, const auto& place, const auto& sums) {
#pragma unroll
        for (int q = 0; q < queries; ++q) {
            if (q >= given.tile.n_queries) {
                break;
            }
#pragma unroll
            for (int c = 0; c < lane_codes; ++c) {
                mine[spread(static_cast<int>(place.row(c) - step.first))] = sums.of[q][c];
            }
            __syncwarp();
            const i64 query = given.tile.first + q;
            const float bias = given.filter.bias_of(query, step.segment);
            for (int i = lane; i < step_codes; i += warp_lanes) {
                const u32 row = step.first + i;
                const float value = mine[spread(i)] + bias;
                if (row >= step.start && row < step.stop) {
                    const bool found = allowed(given.filter.mask(query), row);
                    const u32 ordinal = found ? ordered_bits(value) : no_ordinal;
                    out[query * given.base.n + row] = ordered ? ordinal : bits_of(value);
                }
            }
            __syncwarp();
        }
    });
}

}  // namespace

/// lists (n_queries, gridDim.y, k): the nearest codes that each block saw, by key, of every
/// `every`-th step. `masks` has a row of mask_bytes for each query, or one for all if that is 0.
extern "C" __global__ void __launch_bounds__(256)
    pqscan_topk(const float* tables, i64 n_queries, const u8* blocks, i32 m, u32 n, i32 n_bits,
                const i64* segments, const i64* steps, i32 n_segments, const u8* masks,
                i64 mask_bytes, const float* bias, i32 chunk, u32 every, i32 k, i32 capacity,
                u64* lists) {
    TERSEVEC_DYNAMIC_SHARED(shared);  // warps * queries * capacity keys; chunk * queries tables
    const int held = n_queries == 1 ? 1 : tile_queries;
    Key* const keys = reinterpret_cast<Key*>(shared);
    Key* const behind = keys + blockDim.x / warp_lanes * held * capacity;
    const Scan given{tables,
                     {blocks, m, n, segments, steps, n_segments},
                     {masks, mask_bytes, bias, n_segments},
                     Tile(n_queries),
                     n_bits,
                     chunk,
                     every,
                     reinterpret_cast<float*>(behind)};
    const bool alone = given.tile.n_queries == 1;
    if (alone) {
        best<1>(given, keys, k, capacity);
    } else {
        best<tile_queries>(given, keys, k, capacity);
    }
    merge_queues(keys, alone ? 1 : tile_queries, k, capacity, given.tile, lists);
}

/// out (n_queries, n): bits of the distances of all rows of segments, or their ordinals, no_ordinal
/// where a mask forbids a row. What is in no segment stays.
extern "C" __global__ void pqscan_sums(const float* tables, i64 n_queries, const u8* blocks, i32 m,
                                       u32 n, i32 n_bits, const i64* segments, const i64* steps,
                                       i32 n_segments, const u8* masks, i64 mask_bytes,
                                       const float* bias, i32 chunk, i32 ordered, u32* out) {
    TERSEVEC_DYNAMIC_SHARED(shared);  // warps * staged_sums; chunk * queries tables
    float* const staged = reinterpret_cast<float*>(shared);
    const Scan given{tables,
                     {blocks, m, n, segments, steps, n_segments},
                     {masks, mask_bytes, bias, n_segments},
                     Tile(n_queries),
                     n_bits,
                     chunk,
                     1,
                     staged + blockDim.x / warp_lanes * staged_sums};
    if (given.tile.n_queries == 1) {
        write<1>(given, staged, ordered != 0, out);
    } else {
        write<tile_queries>(given, staged, ordered != 0, out);
    }
}

/// tables (n_queries, m, n_centroids): squared distances of queries (n_queries, m * dims) and
/// centroids, or inner products, or their negatives; coordinate t of centroid k of sub-space j is
/// centroids[j * dims * n_centroids + k * step_k + t * step_t]. A thread for each entry.
extern "C" __global__ void pqscan_tables(const float* queries, i64 n_queries, i64 m, i64 dims,
                                         const float* centroids, i64 n_centroids, i64 step_k,
                                         i64 step_t, i32 squares, i32 negative, float* tables) {
    const i64 item = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (item >= n_queries * m * n_centroids) {
        return;
    }
    const i64 k = item % n_centroids, part = item / n_centroids;
    const float* const query = queries + part * dims;
    const float* const centroid = centroids + part % m * dims * n_centroids + k * step_k;
    float sum = 0.0f;
    for (i64 t = 0; t < dims; ++t) {
        const float number = centroid[t * step_t];
        const float difference = query[t] - number;
        sum += squares ? difference * difference : query[t] * number;
    }
    tables[item] = negative ? -sum : sum;
}

/// Writes numbers (n, m) into blocks as codes start, start + 1, ...; a thread for each byte of the
/// blocks that they touch, since codes of 4 bits share bytes.
extern "C" __global__ void pqscan_pack(const u8* numbers, i64 n, i32 m, i32 n_bits, i64 start,
                                       i64 n_bytes, u8* blocks) {
    const i64 item = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (item >= n_bytes) {
        return;
    }
    with_layout(n_bits, [&](auto layout) {
        using Layout = decltype(layout);
        const i64 bytes = block_bytes<Layout>(m);
        const i64 block = start / Layout::block_codes + item / bytes;
        const i32 line = static_cast<i32>(item % bytes / Layout::line_bytes);
        const int place = static_cast<int>(item % Layout::line_bytes);
        u8& byte = blocks[block * bytes + line * Layout::line_bytes + place];
        byte = Layout::put(byte, m, line, [&](i32 j, int half) {
            const i64 row = block * Layout::block_codes + place + half * Layout::line_bytes - start;
            return row >= 0 && row < n ? static_cast<i32>(numbers[row * m + j]) : -1;
        });
    });
}

/// numbers (n, m): what `pqscan_pack` wrote; a thread for each number.
extern "C" __global__ void pqscan_unpack(const u8* blocks, i64 n, i32 m, i32 n_bits, u8* numbers) {
    const i64 item = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (item >= n * m) {
        return;
    }
    with_layout(n_bits, [&](auto layout) {
        numbers[item] = static_cast<u8>(
            number_of<decltype(layout)>(blocks, m, item / m, static_cast<i32>(item % m)));
    });
}
