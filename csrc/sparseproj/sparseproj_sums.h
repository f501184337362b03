// SPDX-License-Identifier: Apache-2.0
/// Sums of held rows, lanes are columns: they stay in registers while a part's entries go by, and
/// rows that are soon needed are prefetched.
#pragma once

#include "sparseproj/sparseproj_held.h"

namespace tersevec::sparseproj {
namespace {

constexpr std::int64_t entries_ahead = 24;  // that are prefetched

/// A part of a row: what its walks over columns share.
template <class Index>
struct Entries {
    const Held& source;
    const Index* indices;
    const float* weights;  // null: all 1
    std::int64_t count;
    std::int64_t readable;  // entries of the graph from the first on
    std::int64_t own;       // the row whose held row comes first, -1 for none

    Entries(const Step& step, const Part& part) noexcept
        : source(step.source),
          indices(static_cast<const Index*>(step.graph.indices) + part.first),
          weights(step.graph.weights == nullptr ? nullptr : step.graph.weights + part.first),
          count(part.count),
          readable(step.graph.start(step.graph.n) - part.first),
          own(step.self_loops && part.first == step.graph.start(part.row) ? part.row : -1) {}

    float factor(std::int64_t entry) const noexcept {
        if (source.scales == nullptr) {
            return weights[entry];
        }
        const float scale = source.scales[indices[entry]];
        return weights == nullptr ? scale : weights[entry] * scale;
    }
    void prefetch(std::int64_t entry, std::int64_t first_byte, std::int64_t bytes,
                  std::int64_t row_bytes) const noexcept {
        const std::int64_t ahead = entry + entries_ahead;
        if (ahead < readable) {
            const auto* row =
                static_cast<const char*>(source.values) + indices[ahead] * row_bytes + first_byte;
            for (std::int64_t byte = 0; byte < bytes; byte += 64) {
                __builtin_prefetch(row + byte, 0, 3);
            }
        }
    }
};

/// Where the sums of a row go, times `scale`: to floats, or to halves.
struct Sink {
    float scale;
    float* floats;
    std::uint16_t* halves;  // null: to floats
    bool stream;            // past the caches
};

/// Registers of sums, of columns from `column` on, go where they should.
template <class Level, int Registers>
[[gnu::always_inline]] inline void put(const Sink& sink, std::int64_t column,
                                       const typename Level::f32 (&sums)[Registers]) noexcept {
    constexpr std::int64_t lanes = Level::lanes;
    const auto scale = broadcast<typename Level::f32>(sink.scale);
    if constexpr (Level::streams) {
        if (sink.stream && sink.halves != nullptr) {
#pragma GCC unroll 16
            for (int r = 0; r < Registers; ++r) {
                Level::stream_half(scale * sums[r], sink.halves + column + r * lanes);
            }
            return;
        }
        if (sink.stream) {
#pragma GCC unroll 16
            for (int r = 0; r < Registers; ++r) {
                Level::stream(scale * sums[r], sink.floats + column + r * lanes);
            }
            return;
        }
    }
    if (sink.halves != nullptr) {
#pragma GCC unroll 16
        for (int r = 0; r < Registers; ++r) {
            Level::narrow_half(scale * sums[r], sink.halves + column + r * lanes);
        }
        return;
    }
#pragma GCC unroll 16
    for (int r = 0; r < Registers; ++r) {
        store(sink.floats + column + r * lanes, scale * sums[r]);
    }
}

/// The sums of `Registers` registers of columns from `column` on.
template <class Level, class Source, bool Factored, int Registers, class Index>
void add_columns(const Entries<Index>& part, std::int64_t column, const Sink& sink) noexcept {
    using f32 = typename Level::f32;
    using Number = typename Source::Number;
    constexpr std::int64_t lanes = Level::lanes, bytes = Registers * lanes * sizeof(Number);
    const auto* columns = row_of<Number>(part.source, 0) + column;
    const std::int64_t width = part.source.width;
    f32 total[Registers] = {};
    if (part.own >= 0) {
        const float scale = part.source.scales == nullptr ? 1.0f : part.source.scales[part.own];
#pragma GCC unroll 16
        for (int r = 0; r < Registers; ++r) {
            total[r] = scale * Source::at(columns + part.own * width + r * lanes);
        }
    }
    for (std::int64_t entry = 0; entry < part.count; ++entry) {
        part.prefetch(entry, column * sizeof(Number), bytes, width * sizeof(Number));
        const Number* row = columns + part.indices[entry] * width;
        if constexpr (Factored) {
            const auto factor = broadcast<f32>(part.factor(entry));
#pragma GCC unroll 16
            for (int r = 0; r < Registers; ++r) {
                total[r] += factor * Source::at(row + r * lanes);
            }
        } else {
#pragma GCC unroll 16
            for (int r = 0; r < Registers; ++r) {
                total[r] += Source::at(row + r * lanes);
            }
        }
    }
    put<Level>(sink, column, total);
}

/// All columns, as many registers at once as there are, then half of them, and so on.
template <class Level, class Source, bool Factored, int Registers = Level::registers, class Index>
void add_floats(const Entries<Index>& part, const Sink& sink, std::int64_t column = 0) noexcept {
    constexpr std::int64_t step = Registers * Level::lanes;
    for (; column + step <= part.source.width; column += step) {
        add_columns<Level, Source, Factored, Registers>(part, column, sink);
    }
    if constexpr (step > held_group) {
        add_floats<Level, Source, Factored, Registers / 2>(part, sink, column);
    }
}
}  // namespace
}  // namespace tersevec::sparseproj
