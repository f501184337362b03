// SPDX-License-Identifier: Apache-2.0
/// Sums of held rows, lanes are columns: they stay in registers while a part's entries go by, and
/// rows that are soon needed are prefetched.
#pragma once

#include "sparseproj/sparseproj_held.h"

namespace tersevec::sparseproj {
namespace {

// Entries whose rows are prefetched; floats take twice the lines.
template <class Number>
constexpr std::int64_t entries_ahead = sizeof(Number) == 4 ? 16 : 24;

/// A source's rows and a graph's entries, as the walks over a part of a row read them.
template <class Number, class Index>
struct Entries {
    const Number* values;
    std::int64_t width;
    const float* scales;   // of the source's rows
    const float* weights;  // null: all 1
    const Index* indices;
    std::int64_t last;  // the entry past the graph's last

    explicit Entries(const Step& step) noexcept
        : values(row_of<Number>(step.source, 0)),
          width(step.source.width),
          scales(step.source.scales),
          weights(step.graph.weights),
          indices(static_cast<const Index*>(step.graph.indices)),
          last(step.graph.start(step.graph.n)) {}

    const Number* row(std::int64_t i) const noexcept { return values + i * width; }
    float scale(std::int64_t i) const noexcept { return scales == nullptr ? 1.0f : scales[i]; }
    float factor(std::int64_t entry) const noexcept {
        if (scales == nullptr) {
            return weights[entry];
        }
        const float scale = scales[indices[entry]];
        return weights == nullptr ? scale : weights[entry] * scale;
    }
    /// A row, to the second cache.
    [[gnu::always_inline]] void prefetch_row(std::int64_t i) const noexcept {
        const auto* numbers = reinterpret_cast<const char*>(row(i));
        for (std::int64_t byte = 0; byte < width * std::int64_t{sizeof(Number)}; byte += 64) {
            __builtin_prefetch(numbers + byte, 0, 2);
        }
    }
    /// Columns of the row of an entry that comes soon.
    template <std::int64_t Columns>
    [[gnu::always_inline]] void prefetch(std::int64_t entry, std::int64_t column) const noexcept {
        if (entry + entries_ahead<Number> < last) {
            const auto* numbers =
                reinterpret_cast<const char*>(row(indices[entry + entries_ahead<Number>]) + column);
#pragma GCC unroll 8
            for (std::int64_t byte = 0; byte < Columns * std::int64_t{sizeof(Number)}; byte += 64) {
                __builtin_prefetch(numbers + byte, 0, 3);
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

/// Sums of rows as floats, times factors if there are any.
template <class Level, class Source, bool Factored, class Index>
struct FloatSums {
    using f32 = typename Level::f32;
    using Number = typename Source::Number;
    Entries<Number, Index> entries;

    explicit FloatSums(const Step& step) noexcept : entries(step) {}

    /// Of a part, and of the row `own` if there is one, to `sink`.
    [[gnu::always_inline]] void operator()(const Part& part, std::int64_t own,
                                           const Sink& sink) const noexcept {
        columns<Level::registers>(part, own, sink, 0);
    }

private:
    /// As many registers at once as there are columns for from `column` on, then half of them.
    template <int Registers>
    [[gnu::always_inline]] void columns(const Part& part, std::int64_t own, const Sink& sink,
                                        std::int64_t column) const noexcept {
        constexpr std::int64_t step = Registers * Level::lanes;
        for (; column + step <= entries.width; column += step) {
            add<Registers>(part, own, sink, column);
        }
        if constexpr (step > held_group) {
            columns<Registers / 2>(part, own, sink, column);
        }
    }

    template <int Registers>
    [[gnu::always_inline]] void add(const Part& part, std::int64_t own, const Sink& sink,
                                    std::int64_t column) const noexcept {
        constexpr std::int64_t lanes = Level::lanes;
        f32 total[Registers] = {};
        if (own >= 0) {
            const float scale = entries.scale(own);
#pragma GCC unroll 16
            for (int r = 0; r < Registers; ++r) {
                total[r] = scale * Source::at(entries.row(own) + column + r * lanes);
            }
        }
        for (std::int64_t entry = part.first; entry < part.first + part.count; ++entry) {
            entries.template prefetch<Registers * lanes>(entry, column);
            const Number* row = entries.row(entries.indices[entry]) + column;
            if constexpr (Factored) {
                const auto factor = broadcast<f32>(entries.factor(entry));
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
};

}  // namespace
}  // namespace tersevec::sparseproj
