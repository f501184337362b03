// SPDX-License-Identifier: Apache-2.0
/// Sparse rows times held rows: what csrc/sparseproj/sparseproj.h calls propagate, widen, narrow.
///
/// A warp has a row of the graph, a lane four adjacent columns of each 128: an entry's held row of
/// 128 halves is one read of 256 bytes. Indices and weights come 32 at a time and are handed round.
/// The new row is gathered in `row`, the warp's piece of shared memory (of global memory where
/// rows are too wide for that), since its length and its largest number need all of it. Parts of
/// long rows are summed by warps of their own first, and added in order, so that a hub holds up
/// nobody and sums are the CPU's. Up to 8 warps a block; at most 72 registers let three blocks
/// share a multiprocessor.
/// Floor: an entry's held row, index and weight, read once; the source's own row and the results,
/// read or written once.
#include "sparseproj/sparseproj_held.cuh"

using namespace tersevec::cuda;

namespace {

constexpr i64 part_entries = 2048;

struct Graph {
    const void* indptr;
    const void* indices;
    i32 index_bytes;  // 4 or 8 of indptr, plus 16 times those of indices
    const float* weights;

    TERSEVEC_DEVICE i64 start(i64 row) const {
        return (index_bytes & 15) == 8 ? static_cast<const i64*>(indptr)[row]
                                       : static_cast<const i32*>(indptr)[row];
    }
    TERSEVEC_DEVICE i64 neighbour(i64 entry) const {
        return index_bytes >> 4 == 8 ? static_cast<const i64*>(indices)[entry]
                                     : static_cast<const i32*>(indices)[entry];
    }
    TERSEVEC_DEVICE i64 part_count(i64 row) const {
        return (start(row + 1) - start(row) + part_entries - 1) / part_entries;
    }
};

/// Adds the held rows of up to 32 entries, whose neighbours and factors the lanes have. A batch
/// that is not full reads its last entry again: reads that depend on nothing go out together.
template <int kind, bool whole>
TERSEVEC_DEVICE void add_entries(Columns<kind> columns, u32 neighbour, float factor, bool scaled,
                                 int count, Four<whole>& sums) {
    constexpr int batch = Packed<kind>::batch;
    for (int begin = 0; begin < count; begin += batch) {
        typename Packed<kind>::Type read[batch];
#pragma unroll
        for (int i = 0; i < batch; ++i) {
            const int entry = begin + i < count ? begin + i : count - 1;
            read[i] = columns.read(__shfl_sync(all_lanes, neighbour, entry));
        }
#pragma unroll
        for (int i = 0; i < batch; ++i) {
            Four<whole> terms = Packed<kind>::template open<whole>(read[i]);
            if (scaled) {
                terms.multiply(__shfl_sync(all_lanes, factor, begin + i));
            }
            if (begin + i < count) {
                sums.add(terms);
            }
        }
    }
}

/// row[...] = (own +) the sum of the held rows of some entries, one after the other. Numbers are
/// floats, or, with `whole`, integers in the place of floats.
template <int kind, bool whole>
TERSEVEC_DEVICE void sum_entries(Graph graph, Held source, i64 own, i64 first, i64 count,
                                 float* row) {
    const int lane = threadIdx.x % warp_lanes;
    const bool weighted = graph.weights != nullptr, scaled = source.scales != nullptr;
    for (i64 tile = 0; tile < source.width; tile += 4 * warp_lanes) {
        const i64 column = tile + 4 * lane;
        const bool inside = column < source.width;
        const Columns<kind> columns(source, inside ? column : tile);
        Four<whole> sums{};
        if (own >= 0) {
            sums = columns.template numbers<whole>(own);
            if (scaled) {
                sums.multiply(source.scales[own]);
            }
        }
        for (i64 begin = 0; begin < count; begin += warp_lanes) {
            const i64 left = count - begin;
            u32 neighbour = 0;
            float factor = 1.0f;
            if (lane < left) {
                neighbour = static_cast<u32>(graph.neighbour(first + begin + lane));
                factor = weighted ? graph.weights[first + begin + lane] : 1.0f;
                if (scaled) {
                    const float scale = source.scales[neighbour];
                    factor = weighted ? factor * scale : scale;
                }
            }
            const int entries = static_cast<int>(left < warp_lanes ? left : warp_lanes);
            add_entries(columns, neighbour, factor, weighted || scaled, entries, sums);
        }
        if (inside) {
            sums.store(row + column);
        }
    }
}

TERSEVEC_DEVICE void sum_any(Graph graph, Held source, i64 own, i64 first, i64 count, bool whole,
                             float* row) {
    switch (source.kind) {
        case kind_f32: sum_entries<kind_f32, false>(graph, source, own, first, count, row); break;
        case kind_f16: sum_entries<kind_f16, false>(graph, source, own, first, count, row); break;
        default:
            if (whole) {
                sum_entries<kind_i8, true>(graph, source, own, first, count, row);
            } else {
                sum_entries<kind_i8, false>(graph, source, own, first, count, row);
            }
    }
}

}  // namespace

/// Numbers the parts of long rows: bases[row] is the first of the row's parts, -1 for short rows;
/// part_rows names the row of each, `n_parts` counts them. A thread for each row.
extern "C" __global__ void sparseproj_parts(const void* indptr, i32 index_bytes, i64 n,
                                            i32* n_parts, i32* bases, i32* part_rows) {
    const i64 row = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (row >= n) {
        return;
    }
    const Graph graph{indptr, nullptr, index_bytes, nullptr};
    const i64 count = graph.part_count(row);
    bases[row] = -1;
    if (count > 1) {
        const i32 base = atomicAdd(n_parts, static_cast<i32>(count));
        bases[row] = base;
        for (i64 i = 0; i < count; ++i) {
            part_rows[base + i] = static_cast<i32>(row);
        }
    }
}

/// part_sums (parts, width): the sums of the parts of long rows; a warp for each.
extern "C" __global__ void sparseproj_part_sums(const void* indptr, const void* indices,
                                                i32 index_bytes, const float* weights,
                                                i32 self_loops, const void* source,
                                                const float* source_scales, i32 kind, i64 width,
                                                const i32* n_parts, const i32* bases,
                                                const i32* part_rows, float* part_sums) {
    const i64 part = (static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x) / warp_lanes;
    if (part >= *n_parts) {
        return;
    }
    const Graph graph{indptr, indices, index_bytes, weights};
    const Held held{source, source_scales, width, kind};
    const i64 row = part_rows[part], place = part - bases[row];
    const i64 first = graph.start(row) + place * part_entries;
    const i64 left = graph.start(row + 1) - first;
    const bool whole = weights == nullptr && source_scales == nullptr && kind == kind_i8;
    sum_any(graph, held, self_loops && place == 0 ? row : -1, first,
            left < part_entries ? left : part_entries, whole, part_sums + part * width);
}

/// New rows into `target`, and weighted into `out`, where `places` tell, or in their own; `room` is
/// null where rows fit shared memory, else (gridDim.x * warps, 2 * width) floats. Squares of rows,
/// or null, are added to where `out` is null, else they count in place of these columns' own.
/// `flags`: 1 self_loops, 2 normalize, 4 add.
extern "C" __global__ void sparseproj_propagate(
    const void* indptr, const void* indices, i32 index_bytes, const float* weights,
    const float* row_scales, i64 n, const void* source, const float* source_scales, i32 source_kind,
    i64 width, const i32* bases, const float* part_sums, void* target, float* target_scales,
    i32 target_kind, i64 target_width, float* out, i64 out_stride, i64 out_width, const i64* places,
    float held, float made, float* held_squares, float* made_squares, i32 flags, float* room) {
    TERSEVEC_DYNAMIC_SHARED(shared);
    const int warps = blockDim.x / warp_lanes, warp = threadIdx.x / warp_lanes;
    const i64 here = static_cast<i64>(blockIdx.x) * warps + warp;
    float* const row = room != nullptr ? room + here * 2 * width
                                       : reinterpret_cast<float*>(shared) + warp * 2 * width;
    float* const own = row + width;
    const Graph graph{indptr, indices, index_bytes, weights};
    const Held from{source, source_scales, width, source_kind};
    const bool whole = weights == nullptr && source_scales == nullptr && source_kind == kind_i8;
    for (i64 i = here; i < n; i += static_cast<i64>(gridDim.x) * warps) {
        const i32 base = bases == nullptr ? -1 : bases[i];
        if (base < 0) {
            const i64 first = graph.start(i);
            sum_any(graph, from, (flags & 1) != 0 ? i : -1, first, graph.start(i + 1) - first,
                    whole, row);
        } else {
            const float* const parts = part_sums + base * width;
            const i64 count = graph.part_count(i);
            whole ? add_parts<true>(parts, count, width, row)
                  : add_parts<false>(parts, count, width, row);
        }
        __syncwarp();
        finish_sums(row, width, whole, row_scales == nullptr ? 1.0f : row_scales[i],
                    row_scales != nullptr);
        if ((out != nullptr && held != 0.0f) || held_squares != nullptr) {
            widen_row(from, i, own);
        }
        __syncwarp();
        if (target != nullptr) {
            narrow_row(row, width, target, target_scales, target_kind, target_width, i);
        }
        const Summand by_own{own, held, held_squares == nullptr ? nullptr : held_squares + i};
        const Summand by_made{row, made, made_squares == nullptr ? nullptr : made_squares + i};
        if (out != nullptr) {
            add_rows(by_own, by_made, width, (flags & 2) != 0, (flags & 4) != 0,
                     out + (places == nullptr ? i : places[i]) * out_stride, out_width);
        } else {
            by_own.measure(width);
            by_made.measure(width);
        }
        __syncwarp();
    }
}

/// out (n, out_width): held rows as floats, or with `normalize` as unit rows. `room` as above.
extern "C" __global__ void sparseproj_widen(const void* source, const float* scales, i32 kind,
                                            i64 n, i64 width, i32 normalize, float* out,
                                            i64 out_width, float* room) {
    TERSEVEC_DYNAMIC_SHARED(shared);
    const int warps = blockDim.x / warp_lanes, warp = threadIdx.x / warp_lanes;
    const i64 here = static_cast<i64>(blockIdx.x) * warps + warp;
    float* const row =
        room != nullptr ? room + here * width : reinterpret_cast<float*>(shared) + warp * width;
    for (i64 i = here; i < n; i += static_cast<i64>(gridDim.x) * warps) {
        widen_row({source, scales, width, kind}, i, row);
        __syncwarp();
        const float weight =
            normalize != 0 ? per_length(1.0f, add_squares(0.0f, row, width)) : 1.0f;
        for (i64 c = threadIdx.x % warp_lanes; c < out_width; c += warp_lanes) {
            out[i * out_width + c] = weight * row[c];
        }
        __syncwarp();
    }
}

/// Rows of floats, `stride` apart, into held rows; a warp for each.
extern "C" __global__ void sparseproj_narrow(const float* x, i64 n, i64 stride, i64 x_width,
                                             void* target, float* scales, i32 kind, i64 width) {
    const int warps = blockDim.x / warp_lanes, warp = threadIdx.x / warp_lanes;
    const i64 first = static_cast<i64>(blockIdx.x) * warps + warp;
    for (i64 i = first; i < n; i += static_cast<i64>(gridDim.x) * warps) {
        narrow_row(x + i * stride, x_width, target, scales, kind, width, i);
    }
}
