// SPDX-License-Identifier: Apache-2.0
/// Product codes by rounded tables: scans that look up four queries at once.
///
/// A scan adds bytes, and only rows that their sums do not rule out are added again in float32, in
/// the order that gives results their meaning: answers are those of `pqscan_topk`, to the last bit.
/// A lane holds 8 codes as there, and 32 sums of 16 bits; rows that pass wait in shared memory, 512
/// bytes a warp, until every lane has one. 128 registers, shared memory as there.
/// Floor: every code is read once for 4 queries. A look-up is a quarter of a load from shared
/// memory, and of an addition.
#include "pqscan/pqscan_words.cuh"

using namespace tersevec::cuda;
using namespace tersevec::cuda::pqscan;

namespace {

constexpr int waiting_rows = 2 * warp_lanes;

/// What float distances are added from.
struct Exact {
    const float* tables;  // from the tile's first query on
    Base base;
    int n_bits;
    const float* bias;  // from the tile's first query on, or null

    TERSEVEC_DEVICE float bias_of(int q, i32 segment) const {
        return bias == nullptr ? 0.0f : bias[i64{q} * base.n_segments + segment];
    }
    template <class Layout>
    TERSEVEC_DEVICE float distance(u32 row, int q, i32 segment) const {
        const u8* const block =
            base.blocks + i64{row / Layout::block_codes} * block_bytes<Layout>(base.m);
        const float* table = tables + (i64{q} * base.m << n_bits);
        float sum = 0.0f;
#pragma unroll 4
        for (int j = 0; j < base.m; ++j, table += 1 << n_bits) {
            sum += table[Layout::get(block, base.m, j, row % Layout::block_codes)];
        }
        return sum + bias_of(q, segment);
    }
};

/// One warp's search for four queries.
template <class Layout>
struct Search {
    const Exact& exact;
    const Filter& filter;
    const Tile& tile;
    Queues<tile_queries>& queues;
    Waiting waiting;
    Scale scale;  // of query lane % 4
    u32 seed;     // ordinal of a distance beyond which none of its rows is wanted

    TERSEVEC_DEVICE void take(const Step& step, const Place<Layout>& place,
                              const typename WordTables<Layout>::Sums& sums) {
        const u32 limit = limit_here(step);
        const u32 inside = place.inside(step);
        u32 passing = 0;  // bit 8 q + c
#pragma unroll
        for (int q = 0; q < tile_queries; ++q) {
            const u32 own = __shfl_sync(all_lanes, limit, q);
            u32 below = 0;
#pragma unroll
            for (int c = 0; c < lane_codes; ++c) {
                below |= (sums.of(q, c) < own ? 1u : 0u) << c;
            }
            if (q < tile.n_queries) {
                passing |= place.allowed_of(below & inside, filter.mask(tile.first + q))
                           << lane_codes * q;
            }
        }
        while (__any_sync(all_lanes, passing != 0)) {
            const int bit = __ffs(static_cast<int>(passing)) - 1;
            const u64 q = bit / lane_codes, row = place.row(bit % lane_codes);
            waiting.push(passing != 0, row | q << 32 | static_cast<u64>(step.segment) << 34);
            passing &= passing - 1;
            if (waiting.fill >= warp_lanes) {
                score();
            }
        }
    }

    /// Adds what waits, up to one row a lane.
    TERSEVEC_DEVICE void score() {
        u64 entry;
        const bool has = waiting.pop(entry);
        const u32 row = static_cast<u32>(entry);
        const int own = static_cast<int>(entry >> 32 & 3);
        const float distance =
            has ? exact.template distance<Layout>(row, own, static_cast<i32>(entry >> 34)) : 0.0f;
        const Key key = has ? make_key(ordered_bits(distance), row) : no_hit;
#pragma unroll
        for (int q = 0; q < tile_queries; ++q) {
            queues.of[q].push(own == q ? key : no_hit);
        }
    }

private:
    /// The bound of query lane % 4 for rows of this step.
    TERSEVEC_DEVICE u32 limit_here(const Step& step) const {
        const int own = threadIdx.x % tile_queries;
        u32 ordinal = seed;
#pragma unroll
        for (int q = 0; q < tile_queries; ++q) {
            const u32 kth = key_value(queues.of[q].bound);
            ordinal = own == q && kth < ordinal ? kth : ordinal;
        }
        const int known = own < tile.n_queries ? own : 0;
        return limit_of(scale, exact.base.m, ordinal, exact.bias_of(known, step.segment));
    }
};

}  // namespace

/// lists (n_queries, gridDim.y, k): the nearest codes that each block saw, by key, and nearer than
/// those of `seeds` (n_queries,) or as near. `words` (tiles, m, slots) and `scales` (n_queries, 4)
/// are the tables rounded.
extern "C" __global__ void pqscan_search(const u32* words, const double* scales, const u32* seeds,
                                         const float* tables, i64 n_queries, const u8* blocks,
                                         i32 m, u32 n, i32 n_bits, const i64* segments,
                                         const i64* steps, i32 n_segments, const u8* masks,
                                         i64 mask_bytes, const float* bias, i32 chunk, i32 k,
                                         i32 capacity, u64* lists) {
    TERSEVEC_DYNAMIC_SHARED(shared);  // by warps: 4 * capacity keys, waiting_rows; chunk tables
    const int warps = blockDim.x / warp_lanes, warp = threadIdx.x / warp_lanes;
    const Tile tile(n_queries);
    const Base base{blocks, m, n, segments, steps, n_segments};
    const Filter filter{masks, mask_bytes, bias, n_segments};
    const Exact exact{tables + (tile.first * m << n_bits), base, n_bits,
                      bias == nullptr ? nullptr : bias + tile.first * n_segments};
    Key* const keys = reinterpret_cast<Key*>(shared);
    u64* const waiting = keys + warps * tile_queries * capacity;
    u32* const tables_here = reinterpret_cast<u32*>(waiting + warps * waiting_rows);
    Queues<tile_queries> queues(keys, k, capacity);
    const int own = threadIdx.x % tile_queries;
    const i64 query = tile.first + (own < tile.n_queries ? own : 0);
    const Scale scale = reinterpret_cast<const Scale*>(scales)[query];
    with_layout(n_bits, [&](auto layout) {
        using Layout = decltype(layout);
        const WordTables<Layout> rounded{words + i64{blockIdx.x} * m * Layout::slots, tables_here};
        Search<Layout> search{exact, filter,      tile, queues, {waiting + warp * waiting_rows},
                              scale, seeds[query]};
        scan<Layout>(base, rounded, chunk, 1,
                     [&](const Step& step, const auto& place, const auto& sums) {
                         search.take(step, place, sums);
                     });
        if (search.waiting.fill > 0) {
            search.score();
        }
    });
    queues.pad();
    merge_queues(keys, tile_queries, k, capacity, tile, lists);
}
