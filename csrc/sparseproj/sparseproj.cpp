// SPDX-License-Identifier: Apache-2.0
#include "sparseproj/sparseproj.h"

#include <algorithm>
#include <ranges>
#include <vector>

#include "core/kernel_table.h"
#include "core/lines.h"
#include "core/parallel.h"
#include "sparseproj/sparseproj_moments.h"
#include "sparseproj/sparseproj_tasks.h"

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

constexpr std::int64_t task_entries = 1 << 15;
constexpr std::int64_t glance_rows = 64;        // whose longest is found at once
constexpr std::int64_t row_entries = 4;         // what a row costs besides its entries
constexpr std::int64_t stream_bytes = 8 << 20;  // more than a core's share of the caches
constexpr std::int64_t line_bytes = 64;
// Neighbours often lie near: then it pays to bring a source's rows to the second cache in order, if
// they are not so many that they are gone again when they are needed.
constexpr std::int64_t ahead_bytes = 128 << 10, swept_bytes = 64 << 20;
constexpr std::int64_t own_rows_ahead = 8;  // else, where a row counts itself

/// Rows that one task goes through, and the first part of a long one that is not before them.
struct Run {
    std::int64_t first, count, part;
};

/// A graph cut into tasks of about as much work: the parts of long rows, then runs of rows.
struct Tasks {
    std::vector<Part> parts;
    std::vector<Run> runs;

    Tasks(const Graph& graph, std::int64_t most_rows) {
        graph.wide_indptr ? cut(static_cast<const std::int64_t*>(graph.indptr), graph.n, most_rows)
                          : cut(static_cast<const std::int32_t*>(graph.indptr), graph.n, most_rows);
    }

private:
    template <class Index>
    void cut(const Index* starts, std::int64_t n, std::int64_t most_rows) {
        for (std::int64_t first = 0; first < n; first += glance_rows) {
            const std::int64_t last = std::min(first + glance_rows, n);
            Index most = 0;
            for (std::int64_t row = first; row < last; ++row) {
                most = std::max<Index>(most, starts[row + 1] - starts[row]);
            }
            if (most > part_entries) {
                add_parts(starts, first, last);
            }
        }
        const auto work_before = [&](std::int64_t row) { return starts[row] + row_entries * row; };
        auto part = parts.begin();
        for (std::int64_t row = 0; row < n;) {
            const std::int64_t work = work_before(row) + task_entries;
            const auto rest = std::views::iota(row + 1, std::min(n, row + most_rows));
            const auto past = std::ranges::lower_bound(rest, work, {}, work_before);
            const std::int64_t end = row + 1 + (past - rest.begin());
            part = std::find_if(part, parts.end(), [&](const Part& p) { return p.row >= row; });
            runs.push_back({row, end - row, part - parts.begin()});
            row = end;
        }
    }

    template <class Index>
    void add_parts(const Index* starts, std::int64_t first, std::int64_t last) {
        for (std::int64_t row = first; row < last; ++row) {
            const std::int64_t end = starts[row + 1];
            for (std::int64_t start = starts[row]; end - starts[row] > part_entries && start < end;
                 start += part_entries) {
                parts.push_back({row, start, std::min(part_entries, end - start)});
            }
        }
    }
};

std::int64_t row_bytes(const Held& held) noexcept {
    return held.width * (held.kind == Kind::f32 ? 4 : held.kind == Kind::f16 ? 2 : 1);
}

std::int64_t rows_ahead(const Step& step) noexcept {
    const Held& source = step.source;
    if (source.n == step.graph.n && source.n * row_bytes(source) <= swept_bytes) {
        return ahead_bytes / row_bytes(source) + 1;
    }
    return step.sums.held != 0.0f ? own_rows_ahead : 0;
}

/// Whether rows are too many for caches to keep, and lie so that they can be written past them.
bool streams(const void* values, std::int64_t n, std::int64_t row_bytes) noexcept {
    return n * row_bytes >= stream_bytes && row_bytes % line_bytes == 0 &&
           reinterpret_cast<std::uintptr_t>(values) % line_bytes == 0;
}

}  // namespace

std::span<const Kernels* const> rows() noexcept {
    return table;
}

void ternary(const std::int64_t* ids, std::int64_t n, std::uint64_t seed, std::int64_t first,
             std::int64_t used, int threshold, std::int64_t width, int threads, Isa at_most,
             std::int8_t* out) {
    const auto kernel = pick(rows(), &Kernels::ternary, at_most);
    for_rows(n, threads, [&](std::int64_t row, std::int64_t count) {
        kernel(ids + row, count, seed, first, used, threshold, width, out + row * width);
    });
}

void propagate(const Step& given, int threads, Isa at_most) {
    Step step = given;
    const bool has_moments = step.moments.sums != nullptr;
    step.stream_target = !has_moments && step.target.kind != Kind::i8 &&
                         streams(step.target.values, step.target.n, row_bytes(step.target));
    step.stream_sums = streams(step.sums.values, step.graph.n, step.sums.stride * 4);
    step.rows_ahead = rows_ahead(step);
    const auto part_kernel = pick(rows(), &Kernels::part, at_most);
    const auto rows_kernel = pick(rows(), &Kernels::rows, at_most);
    const auto moments_kernel = pick(rows(), &Kernels::moments, at_most);
    const std::int64_t width = step.source.width;
    Tasks tasks(step.graph, has_moments ? moments_rows : step.graph.n);
    const auto n_parts = static_cast<std::int64_t>(tasks.parts.size());
    const auto part_sums = floats(n_parts * width);
    parallel_for(threads, n_parts, [&](std::int64_t i) {
        part_kernel(step, tasks.parts[i], part_sums.get() + i * width);
    });
    tasks.parts.push_back({-1, 0, 0});
    const auto n_runs = static_cast<std::int64_t>(tasks.runs.size());
    const auto make = [&](std::int64_t i) {
        const Run& run = tasks.runs[i];
        const Lines<float> scratch(width);
        rows_kernel(step, run.first, run.count, tasks.parts.data() + run.part,
                    part_sums.get() + run.part * width, scratch.data());
    };
    if (!has_moments) {
        parallel_for(threads, n_runs, make);
        return;
    }
    const Held& target = step.target;
    add_moments(step.moments, target.width, n_runs, threads, [&](std::int64_t i, auto& moments) {
        make(i);
        moments.add(moments_kernel, target, tasks.runs[i].first, tasks.runs[i].count, true);
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

void moments(const Held& held, bool normalize, int threads, Isa at_most, const Moments& out) {
    const auto kernel = pick(rows(), &Kernels::moments, at_most);
    const std::int64_t n_tasks = (held.n + moments_rows - 1) / moments_rows;
    add_moments(out, held.width, n_tasks, threads, [&](std::int64_t task, auto& moments) {
        const std::int64_t first = task * moments_rows;
        moments.add(kernel, held, first, std::min(moments_rows, held.n - first), normalize);
    });
}

void narrow(Rows<float> x, const Held& held, int threads, Isa at_most) {
    const auto kernel = pick(rows(), &Kernels::narrow, at_most);
    for_rows(x.n, threads, [&](std::int64_t first, std::int64_t count) {
        const auto scratch = floats(held.width);
        kernel(x.slice(first, count), held, first, scratch.get());
    });
}

}  // namespace tersevec::sparseproj
