// SPDX-License-Identifier: Apache-2.0
/// Nearest centroids for two registers of rows at a time, lanes are rows: a centroid's coordinate
/// is broadcast once for both.
#pragma once

#include "pqencode/pqencode_vector.h"

namespace tersevec::pqencode {
namespace {

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

template <int Lanes>
void assign(const Encode& task, std::int64_t first_row, std::int64_t n_rows,
            std::uint8_t* out) noexcept {
    constexpr std::int64_t step = 2 * Lanes;
    float x[vector_dims * step];
    std::int32_t ids[step];
    const auto run = task.dims == 2   ? &nearest<Lanes, 2>
                     : task.dims == 4 ? &nearest<Lanes, 4>
                     : task.dims == 8 ? &nearest<Lanes, 8>
                                      : &nearest<Lanes, 0>;
    const std::int64_t group = group_subspaces(task.dims);
    for (std::int64_t row = 0; row < n_rows; row += step) {
        const std::int64_t lanes = n_rows - row < step ? n_rows - row : step;
        for (std::int64_t first = 0; first < task.m; first += group) {
            const std::int64_t end = first + group < task.m ? first + group : task.m;
            transpose<step>(task.x, first_row + row, lanes, first * task.dims,
                            (end - first) * task.dims, x);
            for (std::int64_t j = first; j < end; ++j) {
                run(x + (j - first) * task.dims * step,
                    task.codebooks + j * task.n_centroids * task.dims,
                    task.half_norms + j * task.n_centroids, task.n_centroids, task.dims, ids);
                for (std::int64_t lane = 0; lane < lanes; ++lane) {
                    out[(row + lane) * task.m + j] = static_cast<std::uint8_t>(ids[lane]);
                }
            }
        }
    }
}

}  // namespace
}  // namespace tersevec::pqencode
