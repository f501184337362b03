// SPDX-License-Identifier: Apache-2.0
#include "sparseproj/sparseproj.h"

#include <algorithm>
#include <vector>

#include "core/kernel_table.h"
#include "core/lines.h"
#include "core/parallel.h"
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
constexpr std::int64_t row_entries = 4;         // what a row costs besides its entries
constexpr std::int64_t stream_bytes = 8 << 20;  // more than a core's share of the caches
constexpr std::int64_t line_bytes = 64;

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

/// Whether rows are too many for caches to keep, and lie so that they can be written past them.
bool streams(const void* values, std::int64_t n, std::int64_t row_bytes) noexcept {
    return n * row_bytes >= stream_bytes && row_bytes % line_bytes == 0 &&
           reinterpret_cast<std::uintptr_t>(values) % line_bytes == 0;
}

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

void propagate(const Step& given, int threads, Isa at_most) {
    Step step = given;
    const std::int64_t number_bytes =
        step.target.kind == Kind::f32 ? 4 : 2;  // bytes are not streamed
    step.stream_target =
        streams(step.target.values, step.target.n, step.target.width * number_bytes);
    step.stream_sums = streams(step.sums.values, step.graph.n, step.sums.stride * 4);
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
        const Lines<float> scratch(width);
        rows_kernel(step, run.first, run.count, tasks.parts.data() + run.part,
                    part_sums.get() + run.part * width, scratch.data());
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

}  // namespace tersevec::sparseproj
