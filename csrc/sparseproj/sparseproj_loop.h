// SPDX-License-Identifier: Apache-2.0
/// New rows of a graph: summed, scaled, kept and added to the result while they are in cache.
#pragma once

#include "sparseproj/sparseproj_bytes.h"
#include "sparseproj/sparseproj_gram.h"
#include "sparseproj/sparseproj_project_loop.h"
#include "sparseproj/sparseproj_weights.h"

namespace tersevec::sparseproj {
namespace {

/// Adds the parts of a long row, and moves on past them.
template <class Level>
void add_parts(std::int64_t row, std::int64_t width, const Part*& parts, const float*& part_sums,
               float* sums) noexcept {
    using f32 = typename Level::f32;
    __builtin_memcpy(sums, part_sums, width * sizeof(float));
    for (++parts, part_sums += width; parts->row == row; ++parts, part_sums += width) {
        for (std::int64_t c = 0; c < width; c += Level::lanes) {
            store(sums + c, load<f32>(sums + c) + load<f32>(part_sums + c));
        }
    }
}

template <class Level, class RowSums>
void rows(const RowSums& row_sums, const Step& step, std::int64_t first, std::int64_t count,
          const Part* parts, const float* part_sums, float* scratch) noexcept {
    using f32 = typename Level::f32;
    const std::int64_t width = step.source.width;
    const Held& target = step.target;
    // Rows that need not be looked at again go from registers to where they are kept.
    const bool adds = step.sums.used();
    const bool direct =
        !adds && target.width == width && target.values != nullptr && target.kind != Kind::i8;
    std::int64_t start = step.graph.start(first);
    for (std::int64_t row = first; row < first + count; ++row) {
        const std::int64_t end = step.graph.start(row + 1);
        if (step.rows_ahead > 0) {
            row_sums.entries.prefetch_row(row + step.rows_ahead);
        }
        Sink sink{step.row_scales == nullptr ? 1.0f : step.row_scales[row], scratch, nullptr,
                  direct && step.stream_target};
        if (direct && target.kind == Kind::f32) {
            sink.floats = row_of<float>(target, row);
        } else if (direct) {
            sink.halves = row_of<std::uint16_t>(target, row);
        }
        if (end - start <= part_entries) {
            row_sums({row, start, end - start}, step.self_loops ? row : -1, sink);
        } else {
            add_parts<Level>(row, width, parts, part_sums, scratch);
            for (std::int64_t c = 0; c < width; c += Level::lanes) {
                const f32 sums[] = {load<f32>(scratch + c)};
                put<Level>(sink, c, sums);
            }
        }
        start = end;
        if (direct) {
            continue;
        }
        if (target.values != nullptr) {
            keep_row<Level>(target, row, scratch);
        }
        if (adds) {
            add_up<Level>(step, row, scratch);
        }
    }
    if constexpr (Level::streams) {
        Level::fence();
    }
}

template <class Level>
void rows(const Step& step, std::int64_t first, std::int64_t count, const Part* parts,
          const float* part_sums, float* scratch) noexcept {
    with_sums<Level>(step, [&](const auto& row_sums) {
        rows<Level>(row_sums, step, first, count, parts, part_sums, scratch);
    });
}

/// Of a part of a long row: not scaled, that is times 1.
template <class Level>
void part_sums(const Step& step, const Part& part, float* sums) noexcept {
    const bool own = step.self_loops && part.first == step.graph.start(part.row);
    with_sums<Level>(step, [&](const auto& row_sums) {
        row_sums(part, own ? part.row : -1, {1.0f, sums, nullptr, false});
    });
}

template <class Level>
constexpr Kernels kernels_of(Isa isa) noexcept {
    return {.isa = isa,
            .ternary = &ternary,
            .part = &part_sums<Level>,
            .rows = &rows<Level>,
            .widen = &widen<Level>,
            .narrow = &narrow<Level>,
            .moments = &moments<Level>,
            .project = &project<Level>};
}

}  // namespace
}  // namespace tersevec::sparseproj
