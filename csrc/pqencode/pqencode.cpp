// SPDX-License-Identifier: Apache-2.0
#include "pqencode/pqencode.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "core/kernel_table.h"
#include "core/parallel.h"

namespace tersevec::pqencode {

namespace avx512 { extern const Kernels kernels; }
namespace avx2 { extern const Kernels kernels; }
namespace sse4 { extern const Kernels kernels; }
namespace neon { extern const Kernels kernels; }
namespace scalar { extern const Kernels kernels; }

namespace {

constexpr const Kernels* table[] = {
#if defined(__x86_64__)
    &avx512::kernels,
    &avx2::kernels,
    &sse4::kernels,
#elif defined(__aarch64__)
    &neon::kernels,
#endif
    &scalar::kernels,
};

constexpr std::int64_t task_rows = 512;
constexpr std::int64_t copied_rows = 32;  // from so many on, copying the columns is paid back

struct Norms {
    std::vector<float> halves, most;

    explicit Norms(Encode& task) : halves(task.m * task.n_centroids), most(task.m) {
        for (std::int64_t c = 0; c < task.m * task.n_centroids; ++c) {
            float norm = 0.0f;
            for (std::int64_t t = 0; t < task.dims; ++t) {
                norm += task.codebooks[c * task.dims + t] * task.codebooks[c * task.dims + t];
            }
            halves[c] = 0.5f * norm;
            most[c / task.n_centroids] = std::max(most[c / task.n_centroids], halves[c]);
        }
        task.half_norms = halves.data();
        task.most_half_norms = most.data();
    }
};

/// Calls `run(first, count)` for every run of task_rows rows.
template <class Run>
void for_rows(std::int64_t n, int threads, const Run& run) {
    parallel_for(threads, (n + task_rows - 1) / task_rows, [&](std::int64_t part) {
        const std::int64_t first = part * task_rows;
        run(first, std::min(task_rows, n - first));
    });
}

}  // namespace

std::span<const Kernels* const> rows() noexcept {
    return table;
}

void assign(Encode task, int threads, Isa at_most, std::uint8_t* out) {
    const Norms norms(task);
    const auto kernel =
        pick(rows(), &Kernels::assign, task.dims <= vector_dims ? at_most : Isa::scalar);
    for_rows(task.x.n, threads, [&](std::int64_t first, std::int64_t count) {
        kernel(task, first, count, out + first * task.m);
    });
}

void assign_anisotropic(Encode task, float eta, int threads, Isa at_most, std::uint8_t* out) {
    const Norms norms(task);
    const auto kernel = pick(rows(), &Kernels::assign_anisotropic,
                             task.dims <= vector_dims ? at_most : Isa::scalar);
    for_rows(task.x.n, threads, [&](std::int64_t first, std::int64_t count) {
        const auto scratch = std::make_unique_for_overwrite<float[]>(scratch_floats(task));
        kernel(task, 0.5f * (eta - 1.0f), first, count, scratch.get(), out + first * task.m);
    });
}

void grid(const Grid& task, int threads, Isa at_most, std::uint8_t* out) {
    const auto kernel = pick(rows(), &Kernels::grid, at_most);
    for_rows(task.x.n, threads, [&](std::int64_t first, std::int64_t count) {
        const auto scratch = std::make_unique_for_overwrite<float[]>(scratch_floats(task));
        kernel(task, first, count, scratch.get(), out + first * task.x.width);
    });
}

void centroid_sums(Rows<float> x, const std::uint8_t* assigned, std::int64_t m,
                   std::int64_t n_centroids, int threads, double* sums, std::int64_t* counts) {
    const std::int64_t dims = x.width / m;
    std::fill_n(sums, m * n_centroids * dims, 0.0);
    std::fill_n(counts, m * n_centroids, std::int64_t{0});
    const std::int64_t task_subspaces = (m + threads - 1) / threads;
    parallel_for(threads, (m + task_subspaces - 1) / task_subspaces, [&](std::int64_t task) {
        const std::int64_t first = task * task_subspaces;
        const std::int64_t end = std::min(m, first + task_subspaces);
        for (std::int64_t i = 0; i < x.n; ++i) {
            for (std::int64_t j = first; j < end; ++j) {
                const std::int64_t centroid = j * n_centroids + assigned[i * m + j];
                const float* from = x[i] + j * dims;
                double* sum = sums + centroid * dims;
                ++counts[centroid];
                for (std::int64_t t = 0; t < dims; ++t) {
                    sum[t] += from[t];
                }
            }
        }
    });
}

void products(Rows<float> x, const float* columns, std::int64_t n_columns, int threads, Isa at_most,
              float* out) {
    const auto kernel = pick(rows(), &Kernels::products, at_most);
    const std::int64_t n_panels = (n_columns + panel_columns - 1) / panel_columns;
    // Panels side by side keep the cache's sets apart; the last one needs its missing columns.
    const std::int64_t first_copied = x.n >= copied_rows ? 0 : n_columns / panel_columns;
    std::vector<float> copies((n_panels - first_copied) * x.width * panel_columns);
    const auto panel_of = [&](std::int64_t panel) -> Panel {
        const std::int64_t first = panel * panel_columns;
        const std::int64_t width = std::min(panel_columns, n_columns - first);
        if (panel < first_copied) {
            return {columns + first, n_columns, width};
        }
        const std::int64_t place = (panel - first_copied) * x.width * panel_columns;
        return {copies.data() + place, panel_columns, width};
    };
    for (std::int64_t panel = first_copied; panel < n_panels; ++panel) {
        const Panel copy = panel_of(panel);
        float* to = copies.data() + (copy.columns - copies.data());
        for (std::int64_t t = 0; t < x.width; ++t) {
            std::copy_n(columns + t * n_columns + panel * panel_columns, copy.width,
                        to + t * panel_columns);
        }
    }
    for_rows(x.n, threads, [&](std::int64_t first, std::int64_t count) {
        for (std::int64_t panel = 0; panel < n_panels; ++panel) {
            kernel(x.slice(first, count), panel_of(panel),
                   out + first * n_columns + panel * panel_columns, n_columns);
        }
    });
}

}  // namespace tersevec::pqencode
