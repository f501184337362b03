// SPDX-License-Identifier: Apache-2.0
// Training and encoding of product codes, plain C++: the reference.
#include "pqencode/pqencode.h"
#include "pqencode/pqencode_grid_loop.h"

namespace tersevec::pqencode::scalar {
namespace {

void assign(const Encode& task, std::int64_t first_row, std::int64_t n_rows,
            std::uint8_t* out) noexcept {
    for (std::int64_t i = 0; i < n_rows; ++i) {
        for (std::int64_t j = 0; j < task.m; ++j) {
            const float* x = task.x[first_row + i] + j * task.dims;
            float best = 0.0f;
            for (std::int64_t k = 0; k < task.n_centroids; ++k) {
                const float* centroid = task.codebooks + (j * task.n_centroids + k) * task.dims;
                float score = task.half_norms[j * task.n_centroids + k];
                for (std::int64_t t = 0; t < task.dims; ++t) {
                    score -= x[t] * centroid[t];
                }
                if (k == 0 || score < best) {
                    best = score;
                    out[i * task.m + j] = static_cast<std::uint8_t>(k);
                }
            }
        }
    }
}

/// The first of the n_centroids lowest scores.
template <class Score>
std::uint8_t lowest(std::int64_t n_centroids, Score score) noexcept {
    std::int64_t best = 0;
    for (std::int64_t k = 1; k < n_centroids; ++k) {
        best = score(k) < score(best) ? k : best;
    }
    return static_cast<std::uint8_t>(best);
}

/// One row; p (m, n_centroids) is its scratch.
void encode(const Encode& task, float half_weight, const float* x, float* p,
            std::uint8_t* code) noexcept {
    const std::int64_t K = task.n_centroids;
    const float* h = task.half_norms;
    float length = 0.0f;
    for (std::int64_t t = 0; t < task.m * task.dims; ++t) {
        length += x[t] * x[t];
    }
    for (std::int64_t c = 0; c < task.m * K; ++c) {
        p[c] = 0.0f;
        for (std::int64_t t = 0; t < task.dims; ++t) {
            p[c] += x[c / K * task.dims + t] * task.codebooks[c * task.dims + t];
        }
    }
    for (std::int64_t j = 0; j < task.m; ++j) {
        code[j] = lowest(K, [&](std::int64_t k) { return h[j * K + k] - p[j * K + k]; });
    }
    const float weight = length >= least_length ? half_weight / length : 0.0f;
    bool changed = true;
    for (int pass = 0; changed && pass < most_passes; ++pass) {
        changed = false;
        float e = length;
        for (std::int64_t j = 0; j < task.m; ++j) {
            e -= p[j * K + code[j]];
        }
        for (std::int64_t j = 0; j < task.m; ++j) {
            const float a = e + p[j * K + code[j]];
            const std::uint8_t best = lowest(K, [&](std::int64_t k) {
                const float b = a - p[j * K + k];
                return (h[j * K + k] - p[j * K + k]) + (weight * b) * b;
            });
            changed |= best != code[j];
            code[j] = best;
            e = a - p[j * K + best];
        }
    }
}

void assign_anisotropic(const Encode& task, float half_weight, std::int64_t first_row,
                        std::int64_t n_rows, float* scratch, std::uint8_t* out) noexcept {
    for (std::int64_t i = 0; i < n_rows; ++i) {
        encode(task, half_weight, task.x[first_row + i], scratch, out + i * task.m);
    }
}

void products(Rows<float> x, Panel panel, float* out, std::int64_t out_stride) noexcept {
    for (std::int64_t i = 0; i < x.n; ++i) {
        for (std::int64_t c = 0; c < panel.width; ++c) {
            float sum = 0.0f;
            for (std::int64_t t = 0; t < x.width; ++t) {
                sum += x[i][t] * panel.columns[t * panel.stride + c];
            }
            out[i * out_stride + c] = sum;
        }
    }
}

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels{.isa = Isa::scalar,
                                .assign = &assign,
                                .assign_anisotropic = &assign_anisotropic,
                                .grid = &grid<1>,
                                .products = &products};

}  // namespace tersevec::pqencode::scalar
