// SPDX-License-Identifier: Apache-2.0
#include "pqscan/pqscan.h"

#include <algorithm>

#include "core/kernel_table.h"
#include "pqscan/pqscan_codes.h"

namespace tersevec::pqscan {

namespace avx512icl { extern const Kernels kernels; }
namespace avx512 { extern const Kernels kernels; }
namespace avx2 { extern const Kernels kernels; }
namespace sse4 { extern const Kernels kernels; }
namespace neon { extern const Kernels kernels; }
namespace scalar { extern const Kernels kernels; }

namespace {

constexpr const Kernels* table[] = {
#if defined(__x86_64__)
    &avx512icl::kernels, &avx512::kernels, &avx2::kernels, &sse4::kernels,
#elif defined(__aarch64__)
    &neon::kernels,
#endif
    &scalar::kernels,
};

}  // namespace

std::span<const Kernels* const> rows() noexcept {
    return table;
}

void pack(Rows<std::uint8_t> codes, std::uint8_t* blocks, std::int64_t block_bytes,
          std::int64_t start) noexcept {
    const std::int64_t m = block_bytes / centroids;
    for (std::int64_t i = 0; i < codes.n; ++i) {
        const std::int64_t row = start + i;
        std::uint8_t* bytes = blocks + row / block_codes * block_bytes + row % 16;
        const int shift = row % block_codes < 16 ? 0 : 4;
        const std::uint8_t* code = codes[i];
        for (std::int64_t j = 0; j < m; ++j) {
            const int nibble = code[j / 2] >> (j % 2 * 4) & 15;
            std::uint8_t& byte = bytes[centroids * j];
            byte = static_cast<std::uint8_t>((byte & 0xf0 >> shift) | nibble << shift);
        }
    }
}

void unpack(const std::uint8_t* blocks, std::int64_t n, std::int64_t m,
            std::uint8_t* codes) noexcept {
    std::fill_n(codes, n * code_bytes_of(m), std::uint8_t{0});
    for (std::int64_t row = 0; row < n; ++row) {
        const BlockedCode code(blocks, m, row);
        for (std::int64_t j = 0; j < m; ++j) {
            codes[row * code_bytes_of(m) + j / 2] |=
                static_cast<std::uint8_t>(code[j] << (j % 2 * 4));
        }
    }
}

void assign(Assign task, int threads, Isa at_most, std::uint8_t* out) {
    std::vector<float> half_norms(task.m * task.n_centroids);
    for (std::int64_t c = 0; c < task.m * task.n_centroids; ++c) {
        float norm = 0.0f;
        for (std::int64_t t = 0; t < task.dims; ++t) {
            norm += task.codebooks[c * task.dims + t] * task.codebooks[c * task.dims + t];
        }
        half_norms[c] = 0.5f * norm;
    }
    task.half_norms = half_norms.data();
    const auto kernel =
        pick(rows(), &Kernels::assign, task.dims <= assign_dims ? at_most : Isa::scalar);
    constexpr std::int64_t task_rows = 512;
    parallel_for(threads, (task.x.n + task_rows - 1) / task_rows, [&](std::int64_t part) {
        const std::int64_t first = part * task_rows;
        kernel(task, first, std::min(task_rows, task.x.n - first), out + first * task.m);
    });
}

void centroid_sums(Rows<float> x, const std::uint8_t* assigned, std::int64_t m,
                   std::int64_t n_centroids, int threads, double* sums, std::int64_t* counts) {
    const std::int64_t dims = x.width / m;
    std::fill_n(sums, m * n_centroids * dims, 0.0);
    std::fill_n(counts, m * n_centroids, std::int64_t{0});
    parallel_for(threads, m, [&](std::int64_t j) {
        for (std::int64_t i = 0; i < x.n; ++i) {
            const std::int64_t centroid = j * n_centroids + assigned[i * m + j];
            const float* from = x[i] + j * dims;
            ++counts[centroid];
            for (std::int64_t t = 0; t < dims; ++t) {
                sums[centroid * dims + t] += from[t];
            }
        }
    });
}

void fill_table(const float* query, const float* columns, std::int64_t m, std::int64_t dims,
                std::int64_t n_centroids, Metric metric, float* table) noexcept {
    for (std::int64_t j = 0; j < m; ++j) {
        float* out = table + j * n_centroids;
        std::fill_n(out, n_centroids, 0.0f);
        for (std::int64_t t = j * dims; t < (j + 1) * dims; ++t) {
            const float* column = columns + t * n_centroids;
            for (std::int64_t k = 0; k < n_centroids; ++k) {
                const float difference = query[t] - column[k];
                out[k] += metric == Metric::l2 ? difference * difference : query[t] * column[k];
            }
        }
    }
}

void lookup_tables(Rows<float> queries, const float* codebooks, std::int64_t m,
                   std::int64_t n_centroids, Metric metric, int threads, float* tables) {
    const std::int64_t dims = queries.width / m;
    std::vector<float> columns(m * dims * n_centroids);  // lanes are centroids
    for (std::int64_t j = 0; j < m; ++j) {
        for (std::int64_t k = 0; k < n_centroids; ++k) {
            for (std::int64_t t = 0; t < dims; ++t) {
                columns[(j * dims + t) * n_centroids + k] =
                    codebooks[(j * n_centroids + k) * dims + t];
            }
        }
    }
    constexpr std::int64_t task_queries = 16;
    parallel_for(threads, (queries.n + task_queries - 1) / task_queries, [&](std::int64_t task) {
        const std::int64_t end = std::min(queries.n, (task + 1) * task_queries);
        for (std::int64_t q = task * task_queries; q < end; ++q) {
            fill_table(queries[q], columns.data(), m, dims, n_centroids, metric,
                       tables + q * m * n_centroids);
        }
    });
}

void distances(const float* tables, std::int64_t n_queries, Codes codes, int threads, Isa at_most,
               float* out) {
    const auto kernel = pick(rows(), &Kernels::distances, at_most);
    const auto base = blocked(codes);
    const Split split = split_scan(n_queries, base.n_blocks(), base.block_bytes(), 1, threads);
    split.for_each([&](const Part& part) {
        Runs runs(base, part);
        Scan run{};
        while (runs.next(run)) {
            for (std::int64_t q = part.first_query; q < part.first_query + part.n_queries; ++q) {
                for (std::int64_t row = 0; row < run.n_rows; row += block_codes) {
                    float block[block_codes];
                    kernel(tables + q * codes.m * centroids, run.blocks + row * codes.m / 2,
                           codes.m, block);
                    std::copy_n(block, std::min<std::int64_t>(block_codes, run.n_rows - row),
                                out + q * codes.n + run.first_row + row);
                }
            }
        }
    });
}

}  // namespace tersevec::pqscan
