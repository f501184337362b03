// SPDX-License-Identifier: Apache-2.0
#include "pqscan/pqscan.h"

#include <algorithm>
#include <type_traits>

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

BlockShape block_shape(std::int64_t m, int n_bits) noexcept {
    return with_layout(n_bits, [&]<class Layout>(Layout) {
        return BlockShape{Layout::block_codes, Layout::lines(m), Layout::line_bytes};
    });
}

void pack(Rows<std::uint8_t> codes, std::uint8_t* blocks, std::int64_t m, int n_bits,
          std::int64_t start) noexcept {
    with_layout(n_bits, [&]<class Layout>(Layout) {
        for (std::int64_t i = 0; i < codes.n; ++i) {
            const std::int64_t row = start + i;
            const auto place = static_cast<int>(row % Layout::block_codes);
            std::uint8_t* block = blocks + row / Layout::block_codes * block_bytes_of<Layout>(m);
            const PackedCode code(codes[i], n_bits);
            for (std::int64_t j = 0; j < m; ++j) {
                Layout::put(block, j, place, code[j]);
            }
        }
    });
}

void unpack(const std::uint8_t* blocks, std::int64_t n, std::int64_t m, int n_bits,
            std::uint8_t* codes) noexcept {
    const std::int64_t code_bytes = packed_bytes_of(m, n_bits);
    std::fill_n(codes, n * code_bytes, std::uint8_t{0});
    with_layout(n_bits, [&]<class Layout>(Layout) {
        for (std::int64_t row = 0; row < n; ++row, codes += code_bytes) {
            const BlockedCode<Layout> code(blocks, m, row);
            for (std::int64_t j = 0; j < m; ++j) {
                const std::int64_t bit = j * n_bits;
                const unsigned shifted = static_cast<unsigned>(code[j]) << bit % 8;
                codes[bit / 8] |= static_cast<std::uint8_t>(shifted);
                if (shifted > 255) {
                    codes[bit / 8 + 1] |= static_cast<std::uint8_t>(shifted >> 8);
                }
            }
        }
    });
}

void lookup_tables(Rows<float> queries, const float* codebooks, std::int64_t m,
                   std::int64_t n_centroids, Metric metric, int threads, Isa at_most,
                   float* tables) {
    const auto fill = pick(rows(), &Kernels::tables, at_most)->fill;
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
            fill(queries[q], columns.data(), m, dims, n_centroids, metric,
                 tables + q * m * n_centroids);
        }
    });
}

namespace {

/// A block of 5 to 8 bits, one sub-space after the other.
template <class Layout>
void wide_distances(const float* tables, const std::uint8_t* block, std::int64_t m,
                    std::int64_t n_centroids, float* out) noexcept {
    std::fill_n(out, Layout::block_codes, 0.0f);
    for (std::int64_t j = 0; j < m; ++j) {
        for (int c = 0; c < Layout::block_codes; ++c) {
            out[c] += tables[n_centroids * j + Layout::get(block, j, c)];
        }
    }
}

}  // namespace

void distances(const float* tables, std::int64_t n_queries, Codes codes, int threads, Isa at_most,
               float* out) {
    const auto kernel4 = pick(rows(), &Kernels::distances4, at_most);
    with_layout(codes.n_bits, [&]<class Layout>(Layout) {
        const auto base = blocked<Layout>(codes);
        const Split split = split_scan(n_queries, base.n_blocks(), base.block_bytes(), 1, threads);
        split.for_each([&](const Part& part) {
            Runs runs(base, part);
            Scan run{};
            float sums[Layout::block_codes];
            while (runs.next(run)) {
                for (std::int64_t q = part.first_query; q < part.first_query + part.n_queries;
                     ++q) {
                    const float* table = tables + q * codes.m * codes.centroids();
                    const std::uint8_t* block = run.blocks;
                    for (std::int64_t row = 0; row < run.n_rows; row += Layout::block_codes) {
                        if constexpr (std::is_same_v<Layout, Nibbles>) {
                            kernel4(table, block, codes.m, sums);
                        } else {
                            wide_distances<Layout>(table, block, codes.m, codes.centroids(), sums);
                        }
                        const auto count =
                            std::min<std::int64_t>(Layout::block_codes, run.n_rows - row);
                        std::copy_n(sums, count, out + q * codes.n + run.first_row + row);
                        block += base.block_bytes();
                    }
                }
            }
        });
    });
}

}  // namespace tersevec::pqscan
