// SPDX-License-Identifier: Apache-2.0
/// New rows of a graph: summed, scaled, kept and added to the result while they are in cache.
#pragma once

#include "sparseproj/sparseproj_project_loop.h"
#include "sparseproj/sparseproj_sums.h"

namespace tersevec::sparseproj {
namespace {

/// out = (out +) held_factor * held row + made_factor * made, those of factor 0 left out.
template <class Level, class Source>
void add_up(const Step& step, std::int64_t row, const float* made, float* scratch) noexcept {
    using f32 = typename Level::f32;
    const Sums& sums = step.sums;
    const std::int64_t width = step.source.width;
    float held_factor = 0.0f, made_factor = 0.0f;
    if (sums.held != 0.0f) {
        read_row<Level, Source>(step.source, row, scratch);
        held_factor = coefficient<Level>(sums.held, sums.normalize, scratch, width);
    }
    if (sums.made != 0.0f) {
        made_factor = coefficient<Level>(sums.made, sums.normalize, made, width);
    }
    const auto at = [&](std::int64_t c, f32 before) {
        if (sums.held != 0.0f) {
            const f32 term = held_factor * load<f32>(scratch + c);
            before = sums.add ? before + term : term;
        }
        if (sums.made != 0.0f) {
            const f32 term = made_factor * load<f32>(made + c);
            before = sums.add || sums.held != 0.0f ? before + term : term;
        }
        return before;
    };
    float* out = sums.values + row * sums.stride;
    std::int64_t c = 0;
    for (; c + Level::lanes <= sums.width; c += Level::lanes) {
        store(out + c, at(c, sums.add ? load<f32>(out + c) : f32{}));
    }
    f32 last = {};
    if (c < sums.width) {
        const auto left = static_cast<std::size_t>(sums.width - c) * sizeof(float);
        if (sums.add) {
            __builtin_memcpy(&last, out + c, left);
        }
        last = at(c, last);
        __builtin_memcpy(out + c, &last, left);
    }
}

template <class Level>
void rows(const Step& step, std::int64_t first, std::int64_t count, const Part* parts,
          const float* part_sums, float* scratch) noexcept {
    using f32 = typename Level::f32;
    const std::int64_t width = step.source.width;
    float* const held = scratch + width;
    std::int64_t start = step.graph.start(first);
    for (std::int64_t row = first; row < first + count; ++row) {
        const std::int64_t end = step.graph.start(row + 1);
        if (end - start <= part_entries) {
            part<Level>(step, {row, start, end - start}, scratch);
        } else {
            __builtin_memcpy(scratch, part_sums, width * sizeof(float));
            for (++parts, part_sums += width; parts->row == row; ++parts, part_sums += width) {
                for (std::int64_t c = 0; c < width; c += Level::lanes) {
                    store(scratch + c, load<f32>(scratch + c) + load<f32>(part_sums + c));
                }
            }
        }
        start = end;
        if (step.row_scales != nullptr) {
            const auto scale = broadcast<f32>(step.row_scales[row]);
            for (std::int64_t c = 0; c < width; c += Level::lanes) {
                store(scratch + c, scale * load<f32>(scratch + c));
            }
        }
        if (step.target.values != nullptr) {
            keep_row<Level>(step.target, row, scratch);
        }
        if (step.sums.values != nullptr) {
            switch (step.source.kind) {
                case Kind::f32: add_up<Level, Floats<Level>>(step, row, scratch, held); break;
                case Kind::f16: add_up<Level, Halves<Level>>(step, row, scratch, held); break;
                case Kind::i8: add_up<Level, Bytes<Level>>(step, row, scratch, held); break;
            }
        }
    }
}

template <class Level>
constexpr Kernels kernels_of(Isa isa) noexcept {
    return {.isa = isa,
            .ternary = &ternary,
            .part = &part<Level>,
            .rows = &rows<Level>,
            .widen = &widen<Level>,
            .narrow = &narrow<Level>,
            .project = &project<Level>};
}

}  // namespace
}  // namespace tersevec::sparseproj
