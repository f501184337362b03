// SPDX-License-Identifier: Apache-2.0
/// Sums of rows of bytes -1, 0 and 1, as integers; and the choice of a sum by what a source holds.
#pragma once

#include "sparseproj/sparseproj_sums.h"

namespace tersevec::sparseproj {
namespace {

template <int Lanes>
struct ByteVector {
    using i8 [[gnu::vector_size(Lanes)]] = std::int8_t;
};

/// The same of bytes that are summed as integers, before a byte can overflow into 32 bits.
template <class Level, int Registers, class Index>
void add_bytes(const Entries<Index>& part, std::int64_t column, const Sink& sink) noexcept {
    using f32 = typename Level::f32;
    using i8 = typename ByteVector<4 * Level::lanes>::i8;
    using i32 = typename Vector<Level::lanes>::i32;
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
    f32 sums[4 * Registers];
    for (int r = 0; r < 4 * Registers && !spilled; ++r) {
        sums[r] = Level::widen_bytes(few + r * Level::lanes);
    }
    for (int r = 0; r < 4 * Registers && spilled; ++r) {
        sums[r] = __builtin_convertvector(load<i32>(whole + r * Level::lanes), f32);
    }
    put<Level>(sink, column, sums);
}

/// All columns, as `add_floats` does.
template <class Level, int Registers = Level::byte_registers, class Index>
void add_integers(const Entries<Index>& part, const Sink& sink, std::int64_t column = 0) noexcept {
    constexpr std::int64_t step = Registers * 4 * Level::lanes;
    for (; column + step <= part.source.width; column += step) {
        add_bytes<Level, Registers>(part, column, sink);
    }
    if constexpr (step > ternary_group) {
        add_integers<Level, Registers / 2>(part, sink, column);
    }
}

template <class Level, class Index>
void add_part(const Step& step, const Part& part, const Sink& sink) noexcept {
    const Entries<Index> entries(step, part);
    const bool weighted = step.graph.weights != nullptr;
    switch (step.source.kind) {
        case Kind::f32:
            return weighted ? add_floats<Level, Floats<Level>, true>(entries, sink)
                            : add_floats<Level, Floats<Level>, false>(entries, sink);
        case Kind::f16:
            return weighted ? add_floats<Level, Halves<Level>, true>(entries, sink)
                            : add_floats<Level, Halves<Level>, false>(entries, sink);
        case Kind::i8:
            return weighted || step.source.scales != nullptr
                       ? add_floats<Level, Bytes<Level>, true>(entries, sink)
                       : add_integers<Level>(entries, sink);
    }
}

template <class Level>
void part(const Step& step, const Part& part, const Sink& sink) noexcept {
    return step.graph.wide_indices ? add_part<Level, std::int64_t>(step, part, sink)
                                   : add_part<Level, std::int32_t>(step, part, sink);
}

}  // namespace
}  // namespace tersevec::sparseproj
