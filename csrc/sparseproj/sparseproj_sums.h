// SPDX-License-Identifier: Apache-2.0
/// Sums of held rows, lanes are columns: they stay in registers while a part's entries go by, and
/// rows that are soon needed are prefetched.
#pragma once

#include "sparseproj/sparseproj_held.h"

namespace tersevec::sparseproj {
namespace {

constexpr std::int64_t entries_ahead = 8;  // that are prefetched

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

/// sums = those of `Registers` registers of columns from `column` on.
template <class Level, class Source, bool Factored, int Registers, class Index>
void add_columns(const Entries<Index>& part, std::int64_t column, float* sums) noexcept {
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
#pragma GCC unroll 16
    for (int r = 0; r < Registers; ++r) {
        store(sums + column + r * lanes, total[r]);
    }
}

template <int Lanes>
struct ByteVector {
    using i8 [[gnu::vector_size(Lanes)]] = std::int8_t;
};

/// The same of bytes that are summed as integers, before a byte can overflow into 32 bits.
template <class Level, int Registers, class Index>
void add_bytes(const Entries<Index>& part, std::int64_t column, float* sums) noexcept {
    using i8 = typename ByteVector<4 * Level::lanes>::i8;
    constexpr std::int64_t lanes = sizeof(i8), bytes = Registers * lanes, run = 127;
    const auto* columns = row_of<std::int8_t>(part.source, 0) + column;
    const std::int64_t width = part.source.width;
    std::int32_t whole[bytes];
    std::int8_t few[bytes];
    i8 total[Registers] = {};
    std::int64_t left = run;
    bool spilled = false;
    if (part.own >= 0) {
#pragma GCC unroll 8
        for (int r = 0; r < Registers; ++r) {
            total[r] = load<i8>(columns + part.own * width + r * lanes);
        }
        --left;
    }
    for (std::int64_t entry = 0;;) {
        const std::int64_t end = part.count - entry < left ? part.count : entry + left;
        for (; entry < end; ++entry) {
            part.prefetch(entry, column, bytes, width);
            const std::int8_t* row = columns + part.indices[entry] * width;
#pragma GCC unroll 8
            for (int r = 0; r < Registers; ++r) {
                total[r] += load<i8>(row + r * lanes);
            }
        }
        __builtin_memcpy(few, total, sizeof few);
        if (!spilled && entry == part.count) {
            break;
        }
        for (std::int64_t c = 0; c < bytes; ++c) {
            whole[c] = (spilled ? whole[c] : 0) + few[c];
        }
        spilled = true, left = run;
        for (int r = 0; r < Registers; ++r) {
            total[r] = i8{};
        }
        if (entry == part.count) {
            break;
        }
    }
    if (!spilled) {
        for (std::int64_t c = 0; c < bytes; c += Level::lanes) {
            store(sums + column + c, Level::widen_bytes(few + c));
        }
        return;
    }
    for (std::int64_t c = 0; c < bytes; ++c) {
        sums[column + c] = static_cast<float>(whole[c]);
    }
}

/// All columns, as many registers at once as there are, then half of them, and so on.
template <class Level, class Source, bool Factored, int Registers = Level::registers, class Index>
void add_floats(const Entries<Index>& part, float* sums, std::int64_t column = 0) noexcept {
    constexpr std::int64_t step = Registers * Level::lanes;
    for (; column + step <= part.source.width; column += step) {
        add_columns<Level, Source, Factored, Registers>(part, column, sums);
    }
    if constexpr (step > held_group) {
        add_floats<Level, Source, Factored, Registers / 2>(part, sums, column);
    }
}
template <class Level, int Registers = Level::byte_registers, class Index>
void add_integers(const Entries<Index>& part, float* sums, std::int64_t column = 0) noexcept {
    constexpr std::int64_t step = Registers * 4 * Level::lanes;
    for (; column + step <= part.source.width; column += step) {
        add_bytes<Level, Registers>(part, column, sums);
    }
    if constexpr (step > ternary_group) {
        add_integers<Level, Registers / 2>(part, sums, column);
    }
}

template <class Level, class Index>
void add_part(const Step& step, const Part& part, float* sums) noexcept {
    const Entries<Index> entries(step, part);
    const bool weighted = step.graph.weights != nullptr;
    switch (step.source.kind) {
        case Kind::f32:
            return weighted ? add_floats<Level, Floats<Level>, true>(entries, sums)
                            : add_floats<Level, Floats<Level>, false>(entries, sums);
        case Kind::f16:
            return weighted ? add_floats<Level, Halves<Level>, true>(entries, sums)
                            : add_floats<Level, Halves<Level>, false>(entries, sums);
        case Kind::i8:
            return weighted || step.source.scales != nullptr
                       ? add_floats<Level, Bytes<Level>, true>(entries, sums)
                       : add_integers<Level>(entries, sums);
    }
}

template <class Level>
void part(const Step& step, const Part& part, float* sums) noexcept {
    return step.graph.wide_indices ? add_part<Level, std::int64_t>(step, part, sums)
                                   : add_part<Level, std::int32_t>(step, part, sums);
}

}  // namespace
}  // namespace tersevec::sparseproj
