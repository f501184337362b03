// SPDX-License-Identifier: Apache-2.0
/// Nearest centroids for `Lanes` rows at a time, lanes are rows. The vectors are the compiler's
/// own, so this one loop becomes each level's instructions; every lane does the reference's
/// operations in the reference's order.
#pragma once

#include "pqscan/pqscan.h"

namespace tersevec::pqscan {
namespace {

template <int Lanes>
struct Vector {
    using f32 [[gnu::vector_size(4 * Lanes)]] = float;
    using i32 [[gnu::vector_size(4 * Lanes)]] = std::int32_t;
};

/// x (dims, Lanes) -> ids[lane]. Dims > 0 fixes the number of dimensions, so that x stays in
/// registers.
template <int Lanes, int Dims>
void nearest(const float* x, const float* codebook, const float* half_norms,
             std::int64_t n_centroids, std::int64_t dims, std::int32_t* ids) noexcept {
    using f32 = typename Vector<Lanes>::f32;
    using i32 = typename Vector<Lanes>::i32;
    dims = Dims > 0 ? Dims : dims;
    f32 best = {};
    i32 best_id = {};
    for (std::int64_t k = 0; k < n_centroids; ++k) {
        f32 score = f32{} + half_norms[k];
        for (std::int64_t t = 0; t < dims; ++t) {
            f32 column;
            __builtin_memcpy(&column, x + t * Lanes, sizeof column);
            score -= column * codebook[k * dims + t];
        }
        const i32 better = k == 0 ? ~i32{} : i32(score < best);
        best = better ? score : best;
        best_id = better ? i32{} + static_cast<std::int32_t>(k) : best_id;
    }
    __builtin_memcpy(ids, &best_id, sizeof best_id);
}

template <int Lanes>
void assign(const Assign& task, std::int64_t first_row, std::int64_t n_rows,
            std::uint8_t* out) noexcept {
    float x[assign_dims * Lanes];
    std::int32_t ids[Lanes];
    for (std::int64_t row = 0; row < n_rows; row += Lanes) {
        const std::int64_t lanes = n_rows - row < Lanes ? n_rows - row : Lanes;
        for (std::int64_t j = 0; j < task.m; ++j) {
            for (std::int64_t lane = 0; lane < Lanes; ++lane) {
                const float* from =
                    task.x[first_row + row + (lane < lanes ? lane : 0)] + j * task.dims;
                for (std::int64_t t = 0; t < task.dims; ++t) {
                    x[t * Lanes + lane] = from[t];
                }
            }
            const float* codebook = task.codebooks + j * task.n_centroids * task.dims;
            const float* half_norms = task.half_norms + j * task.n_centroids;
            const auto run = task.dims == 2   ? &nearest<Lanes, 2>
                             : task.dims == 4 ? &nearest<Lanes, 4>
                             : task.dims == 8 ? &nearest<Lanes, 8>
                                              : &nearest<Lanes, 0>;
            run(x, codebook, half_norms, task.n_centroids, task.dims, ids);
            for (std::int64_t lane = 0; lane < lanes; ++lane) {
                out[(row + lane) * task.m + j] = static_cast<std::uint8_t>(ids[lane]);
            }
        }
    }
}

}  // namespace
}  // namespace tersevec::pqscan
