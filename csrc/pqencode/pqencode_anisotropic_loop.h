// SPDX-License-Identifier: Apache-2.0
/// Anisotropic codes of `Lanes` rows at a time, lanes are rows. What a row's next pass finds
/// depends on its codes alone, so passes beyond its own last change nothing while others go on.
#pragma once

#include "pqencode/pqencode_vector.h"

namespace tersevec::pqencode {
namespace {

/// The rows' products with every centroid, those of their codes, and their codes.
template <int Lanes>
struct Encoded {
    using f32 = typename Vector<Lanes>::f32;
    using i32 = typename Vector<Lanes>::i32;

    float* scratch;
    std::int64_t m, n_centroids;

    float* products(std::int64_t j) const noexcept { return scratch + j * n_centroids * Lanes; }
    float* product(std::int64_t j) const noexcept { return products(m) + j * Lanes; }
    float* code(std::int64_t j) const noexcept { return product(m) + j * Lanes; }

    /// Chooses sub-space j's code by the lowest score(k, product); returns whether any changed.
    template <class Score>
    bool choose(std::int64_t j, Score score) const noexcept {
        const float* from = products(j);
        f32 best = {}, best_product = {};
        i32 best_code = {};
        for (std::int64_t k = 0; k < n_centroids; ++k) {
            const f32 p = load<f32>(from + k * Lanes);
            const f32 now = score(k, p);
            const i32 better = k == 0 ? ~i32{} : i32(now < best);
            best = better ? now : best;
            best_product = better ? p : best_product;
            best_code = better ? i32{} + static_cast<std::int32_t>(k) : best_code;
        }
        const i32 changed = best_code ^ load<i32>(code(j));
        store(product(j), best_product);
        store(code(j), best_code);
        std::int32_t any = 0;
        for (int lane = 0; lane < Lanes; ++lane) {
            any |= changed[lane];
        }
        return any != 0;
    }
};

/// Products of sub-space j, x (dims, Lanes), with its centroids.
template <int Lanes>
void multiply(const Encode& task, const float* x, std::int64_t j, float* products) noexcept {
    using f32 = typename Vector<Lanes>::f32;
    const float* centroid = task.codebooks + j * task.n_centroids * task.dims;
    for (std::int64_t k = 0; k < task.n_centroids; ++k, centroid += task.dims) {
        f32 sum = {};
        for (std::int64_t t = 0; t < task.dims; ++t) {
            sum += load<f32>(x + t * Lanes) * centroid[t];
        }
        store(products + k * Lanes, sum);
    }
}

template <int Lanes>
void assign_anisotropic(const Encode& task, float half_weight, std::int64_t first_row,
                        std::int64_t n_rows, float* scratch, std::uint8_t* out) noexcept {
    using f32 = typename Vector<Lanes>::f32;
    using i32 = typename Vector<Lanes>::i32;
    const Encoded<Lanes> rows{scratch, task.m, task.n_centroids};
    float x[vector_dims * Lanes];
    for (std::int64_t row = 0; row < n_rows; row += Lanes) {
        const std::int64_t lanes = n_rows - row < Lanes ? n_rows - row : Lanes;
        f32 length = {};
        for (std::int64_t j = 0; j < task.m; ++j) {
            const float* half_norms = task.half_norms + j * task.n_centroids;
            transpose<Lanes>(task.x, first_row + row, lanes, j * task.dims, task.dims, x);
            for (std::int64_t t = 0; t < task.dims; ++t) {
                const f32 coordinate = load<f32>(x + t * Lanes);
                length += coordinate * coordinate;
            }
            multiply<Lanes>(task, x, j, rows.products(j));
            store(rows.code(j), i32{});
            rows.choose(j, [&](std::int64_t k, f32 p) { return half_norms[k] - p; });
        }
        const f32 weight = length >= least_length ? half_weight / length : f32{};
        bool changed = true;
        for (int pass = 0; changed && pass < most_passes; ++pass) {
            changed = false;
            f32 e = length;
            for (std::int64_t j = 0; j < task.m; ++j) {
                e -= load<f32>(rows.product(j));
            }
            for (std::int64_t j = 0; j < task.m; ++j) {
                const float* half_norms = task.half_norms + j * task.n_centroids;
                const f32 a = e + load<f32>(rows.product(j));
                changed |= rows.choose(j, [&](std::int64_t k, f32 p) {
                    const f32 b = a - p;
                    return (half_norms[k] - p) + (weight * b) * b;
                });
                e = a - load<f32>(rows.product(j));
            }
        }
        for (std::int64_t j = 0; j < task.m; ++j) {
            const i32 code = load<i32>(rows.code(j));
            for (std::int64_t lane = 0; lane < lanes; ++lane) {
                out[(row + lane) * task.m + j] = static_cast<std::uint8_t>(code[lane]);
            }
        }
    }
}

}  // namespace
}  // namespace tersevec::pqencode
