// SPDX-License-Identifier: Apache-2.0
#include "sparseproj/sparseproj.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "core/kernel_table.h"
#include "core/parallel.h"

namespace tersevec::sparseproj {

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
constexpr std::int64_t task_entries = 1 << 15;
constexpr std::int64_t row_entries = 4;  // what a row costs besides its entries

/// Calls `run(first, count)` for every run of task_rows rows.
template <class Run>
void for_rows(std::int64_t n, int threads, const Run& run) {
    parallel_for(threads, (n + task_rows - 1) / task_rows, [&](std::int64_t task) {
        const std::int64_t first = task * task_rows;
        run(first, std::min(task_rows, n - first));
    });
}

auto floats(std::int64_t count) {
    return std::make_unique_for_overwrite<float[]>(count);
}

/// Rows that one task goes through, and the first part of a long one that is not before them.
struct Run {
    std::int64_t first, count, part;
};

/// A graph cut into tasks of about as much work: the parts of long rows, then runs of rows.
struct Tasks {
    std::vector<Part> parts;
    std::vector<Run> runs;

    explicit Tasks(const Graph& graph) {
        Run run = {0, 0, 0};
        std::int64_t work = 0, start = graph.start(0);
        for (std::int64_t row = 0; row < graph.n; ++row) {
            const std::int64_t end = graph.start(row + 1);
            const bool is_long = end - start > part_entries;
            for (; is_long && start < end; start += part_entries) {
                parts.push_back({row, start, std::min(part_entries, end - start)});
            }
            work += row_entries + (is_long ? 0 : end - start);
            ++run.count;
            if (work >= task_entries || row + 1 == graph.n) {
                runs.push_back(run);
                run = {row + 1, 0, static_cast<std::int64_t>(parts.size())};
                work = 0;
            }
            start = end;
        }
    }
};

/// Numbers on their way to the columns that add them or take them off. Most features of a very
/// sparse matrix are in no column or in one, which no CPU foresees: two are noted without asking.
class Scatter {
public:
    Scatter(std::int64_t width, const std::int32_t* codes, std::int64_t n_codes)
        : width_(width), codes_(codes), n_codes_(n_codes), sums_(2 * width) {}

    template <class Index>
    void add(const Graph& graph, std::int64_t row, const std::int64_t* starts) noexcept {
        const auto* features = static_cast<const Index*>(graph.indices);
        std::int64_t noted = 0;
        for (std::int64_t entry = graph.start(row); entry < graph.start(row + 1); ++entry) {
            std::int64_t i = starts[features[entry]];
            const std::int64_t end = starts[features[entry] + 1];
            const float number = graph.weights == nullptr ? 1.0f : graph.weights[entry];
            if (end - i > 2 || i + 2 > n_codes_ || noted + 2 > most_noted) [[unlikely]] {
                flush(noted);
                for (noted = 0; i < end; ++i) {
                    sums_[codes_[i]] += number;
                }
                continue;
            }
            codes_noted_[noted] = codes_[i], codes_noted_[noted + 1] = codes_[i + 1];
            numbers_noted_[noted] = number, numbers_noted_[noted + 1] = number;
            noted += end - i;
        }
        flush(noted);
    }

    /// out (width) = scale * (what was added - what was taken off); begins anew.
    void finish(float scale, float* out) noexcept {
        for (std::int64_t c = 0; c < width_; ++c) {
            out[c] = scale * (sums_[c] - sums_[width_ + c]);
        }
        std::fill(sums_.begin(), sums_.end(), 0.0f);
    }

private:
    static constexpr std::int64_t most_noted = 256;

    void flush(std::int64_t noted) noexcept {
        for (std::int64_t i = 0; i < noted; ++i) {
            sums_[codes_noted_[i]] += numbers_noted_[i];
        }
    }

    std::int64_t width_;
    const std::int32_t* codes_;
    std::int64_t n_codes_;
    std::vector<float> sums_;
    std::int32_t codes_noted_[most_noted];
    float numbers_noted_[most_noted];
};

}  // namespace

std::span<const Kernels* const> rows() noexcept {
    return table;
}

void ternary(const std::int64_t* ids, std::int64_t n, std::uint64_t seed, std::int64_t used,
             int threshold, std::int64_t width, int threads, Isa at_most, std::int8_t* out) {
    const auto kernel = pick(rows(), &Kernels::ternary, at_most);
    for_rows(n, threads, [&](std::int64_t first, std::int64_t count) {
        kernel(ids + first, count, seed, used, threshold, width, out + first * width);
    });
}

void propagate(const Step& step, int threads, Isa at_most) {
    const auto part_kernel = pick(rows(), &Kernels::part, at_most);
    const auto rows_kernel = pick(rows(), &Kernels::rows, at_most);
    const std::int64_t width = step.source.width;
    Tasks tasks(step.graph);
    const auto n_parts = static_cast<std::int64_t>(tasks.parts.size());
    const auto part_sums = floats(n_parts * width);
    parallel_for(threads, n_parts, [&](std::int64_t i) {
        part_kernel(step, tasks.parts[i], part_sums.get() + i * width);
    });
    tasks.parts.push_back({-1, 0, 0});
    parallel_for(threads, static_cast<std::int64_t>(tasks.runs.size()), [&](std::int64_t i) {
        const Run& run = tasks.runs[i];
        const auto scratch = floats(2 * width);
        rows_kernel(step, run.first, run.count, tasks.parts.data() + run.part,
                    part_sums.get() + run.part * width, scratch.get());
    });
}

void widen(const Held& held, bool normalize, std::int64_t width, int threads, Isa at_most,
           float* out) {
    const auto kernel = pick(rows(), &Kernels::widen, at_most);
    for_rows(held.n, threads, [&](std::int64_t first, std::int64_t count) {
        const auto scratch = floats(held.width);
        kernel(held, first, count, normalize, width, scratch.get(), out + first * width);
    });
}

void narrow(Rows<float> x, const Held& held, int threads, Isa at_most) {
    const auto kernel = pick(rows(), &Kernels::narrow, at_most);
    for_rows(x.n, threads, [&](std::int64_t first, std::int64_t count) {
        const auto scratch = floats(held.width);
        kernel(x.slice(first, count), held, first, scratch.get());
    });
}

void project(Rows<float> x, const Lists& lists, float scale, int threads, Isa at_most, float* out) {
    const auto kernel = pick(rows(), &Kernels::project, at_most);
    for_rows(x.n, threads, [&](std::int64_t first, std::int64_t count) {
        const auto scratch = floats(tile_rows * x.width);
        kernel(x.slice(first, count), lists, scale, scratch.get(), out + first * lists.width);
    });
}

void project_sparse(const Graph& graph, const std::int64_t* starts, const std::int32_t* codes,
                    std::int64_t width, float scale, std::int64_t n_features, int threads,
                    float* out) {
    for_rows(graph.n, threads, [&](std::int64_t first, std::int64_t count) {
        Scatter scatter(width, codes, starts[n_features]);
        for (std::int64_t row = first; row < first + count; ++row) {
            graph.wide_indices ? scatter.add<std::int64_t>(graph, row, starts)
                               : scatter.add<std::int32_t>(graph, row, starts);
            scatter.finish(scale, out + row * width);
        }
    });
}

}  // namespace tersevec::sparseproj
