// SPDX-License-Identifier: Apache-2.0
/// Nearest centroids for two registers of rows at a time, lanes are rows: a centroid's coordinate
/// is broadcast once for both.
#pragma once

#include "pqencode/pqencode_vector.h"

namespace tersevec::pqencode {
namespace {

/// From so many centroids on, finding fewer candidates first is paid back.
inline constexpr std::int64_t fused_centroids = 32;
/// Fused operations are tried no more in a task where doubts are frequent: where their number, each
/// weighing as much as so many certain answers, exceeds that of the certain ones by the limit.
inline constexpr std::int64_t doubt_weight = 4, most_doubts = 64;

/// x (dims, 2 * Lanes) -> ids[lane]. Dims > 0 fixes the number of dimensions, so that x stays in
/// registers.
template <int Lanes, int Dims>
void nearest(const float* x, const float* codebook, const float* half_norms,
             std::int64_t n_centroids, std::int64_t dims, std::int32_t* ids) noexcept {
    using f32 = typename Vector<Lanes>::f32;
    using i32 = typename Vector<Lanes>::i32;
    dims = Dims > 0 ? Dims : dims;
    f32 best[2] = {};
    i32 best_id[2] = {};
    for (std::int64_t k = 0; k < n_centroids; ++k) {
        f32 score[2] = {broadcast<f32>(half_norms[k]), broadcast<f32>(half_norms[k])};
        for (std::int64_t t = 0; t < dims; ++t) {
            const f32 coordinate = broadcast<f32>(codebook[k * dims + t]);
            score[0] -= load<f32>(x + t * 2 * Lanes) * coordinate;
            score[1] -= load<f32>(x + t * 2 * Lanes + Lanes) * coordinate;
        }
        for (int part = 0; part < 2; ++part) {
            const i32 better = k == 0 ? ~i32{} : i32(score[part] < best[part]);
            best[part] = better ? score[part] : best[part];
            best_id[part] = better ? i32{} + static_cast<std::int32_t>(k) : best_id[part];
        }
    }
    store(ids, best_id[0]);
    store(ids + Lanes, best_id[1]);
}

/// The lowest scores so far of two registers of rows, and whose they are.
template <class Fused, int Lanes>
struct Lowest {
    using f32 = typename Vector<Lanes>::f32;
    using i32 = typename Vector<Lanes>::i32;
    f32 best[2], second[2];
    i32 best_id[2] = {};

    Lowest() noexcept {
        best[0] = best[1] = second[0] = second[1] = broadcast<f32>(__builtin_inff());
    }

    /// Centroids k to k + Count - 1, side by side: a score's terms wait for one another, not for
    /// those of another score, and rows are read once for all of them.
    template <int Count>
    [[gnu::always_inline]] void see(const float* x, const float* codebook, const float* half_norms,
                                    std::int64_t k, std::int64_t dims) noexcept {
        f32 score[Count][2];
        for (int i = 0; i < Count; ++i) {
            score[i][0] = score[i][1] = broadcast<f32>(half_norms[k + i]);
        }
        for (std::int64_t t = 0; t < dims; ++t) {
            const f32 columns[2] = {load<f32>(x + t * 2 * Lanes),
                                    load<f32>(x + t * 2 * Lanes + Lanes)};
            for (int i = 0; i < Count; ++i) {
                const f32 coordinate = broadcast<f32>(codebook[(k + i) * dims + t]);
                score[i][0] = Fused::less_product(score[i][0], columns[0], coordinate);
                score[i][1] = Fused::less_product(score[i][1], columns[1], coordinate);
            }
        }
        for (int i = 0; i < Count; ++i) {
            for (int part = 0; part < 2; ++part) {
                const i32 better = score[i][part] < best[part];
                second[part] = Fused::min(second[part], Fused::max(best[part], score[i][part]));
                best[part] = Fused::min(best[part], score[i][part]);
                best_id[part] = better ? i32{} + static_cast<std::int32_t>(k + i) : best_id[part];
            }
        }
    }
};

/// The same by fused operations, half as many. They round elsewhere than the definition does, so
/// what they find counts only where the second best is behind by more than both ways of rounding
/// can differ; returns false where it is not. With B the largest sum of the terms' sizes, either
/// way's error is at most (dims + 1) B 2^-24, and B <= 2 * most_half_norm + |x|^2 / 2.
template <class Fused, int Lanes, int Dims>
bool nearest_fused(const float* x, const float* codebook, const float* half_norms,
                   float most_half_norm, std::int64_t n_centroids, std::int64_t dims,
                   std::int32_t* ids) noexcept {
    using f32 = typename Vector<Lanes>::f32;
    using i32 = typename Vector<Lanes>::i32;
    dims = Dims > 0 ? Dims : dims;
    Lowest<Fused, Lanes> lowest;
    std::int64_t k = 0;
    for (; k + Fused::centroids <= n_centroids; k += Fused::centroids) {
        lowest.template see<Fused::centroids>(x, codebook, half_norms, k, dims);
    }
    for (; k < n_centroids; ++k) {
        lowest.template see<1>(x, codebook, half_norms, k, dims);
    }
    std::int32_t all_certain = -1;
    for (int part = 0; part < 2; ++part) {
        f32 length = {};
        for (std::int64_t t = 0; t < dims; ++t) {
            const f32 column = load<f32>(x + (t * 2 + part) * Lanes);
            length += column * column;
        }
        const float slack = static_cast<float>(4 * dims + 8) * 0x1.1p-24f;
        const f32 apart = slack * (2.0f * most_half_norm + 0.5f * length) + 0x1p-120f;
        const i32 certain =
            lowest.second[part] - lowest.best[part] > apart;  // never for infinities
        for (int lane = 0; lane < Lanes; ++lane) {
            all_certain &= certain[lane];
        }
        store(ids + part * Lanes, lowest.best_id[part]);
    }
    return all_certain != 0;
}

/// Fused operations where the level has them, `void` where it has not.
template <int Lanes, class Fused = void>
struct Nearest {
    template <int Dims>
    static void find(const Encode& task, const float* x, std::int64_t j, std::int64_t* doubts,
                     std::int32_t* ids) noexcept {
        const float* codebook = task.codebooks + j * task.n_centroids * task.dims;
        const float* half_norms = task.half_norms + j * task.n_centroids;
        if constexpr (!__is_same(Fused, void)) {
            // Doubts are rare, but where rows or centroids repeat; then the detour is not worth it.
            if (Dims != 2 && task.n_centroids >= fused_centroids && *doubts < most_doubts) {
                if (nearest_fused<Fused, Lanes, Dims>(x, codebook, half_norms,
                                                      task.most_half_norms[j], task.n_centroids,
                                                      task.dims, ids)) {
                    *doubts -= *doubts > 0;
                    return;
                }
                *doubts += doubt_weight;
            }
        }
        nearest<Lanes, Dims>(x, codebook, half_norms, task.n_centroids, task.dims, ids);
    }
};

template <int Lanes, class Fused = void>
void assign(const Encode& task, std::int64_t first_row, std::int64_t n_rows,
            std::uint8_t* out) noexcept {
    using Find = Nearest<Lanes, Fused>;
    constexpr std::int64_t step = 2 * Lanes;
    float x[vector_dims * step];
    std::int32_t ids[step];
    const auto find = task.dims == 2   ? &Find::template find<2>
                      : task.dims == 4 ? &Find::template find<4>
                      : task.dims == 8 ? &Find::template find<8>
                                       : &Find::template find<0>;
    const std::int64_t group = group_subspaces(task.dims);
    std::int64_t doubts = 0;
    for (std::int64_t row = 0; row < n_rows; row += step) {
        const std::int64_t lanes = n_rows - row < step ? n_rows - row : step;
        for (std::int64_t first = 0; first < task.m; first += group) {
            const std::int64_t end = first + group < task.m ? first + group : task.m;
            transpose<step>(task.x, first_row + row, lanes, first * task.dims,
                            (end - first) * task.dims, x);
            for (std::int64_t j = first; j < end; ++j) {
                find(task, x + (j - first) * task.dims * step, j, &doubts, ids);
                for (std::int64_t lane = 0; lane < lanes; ++lane) {
                    out[(row + lane) * task.m + j] = static_cast<std::uint8_t>(ids[lane]);
                }
            }
        }
    }
}

}  // namespace
}  // namespace tersevec::pqencode
