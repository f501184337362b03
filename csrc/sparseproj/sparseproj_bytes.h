// SPDX-License-Identifier: Apache-2.0
/// Sums of rows of bytes -1, 0 and 1, as integers; and the choice of a sum by what a source holds.
#pragma once

#include "sparseproj/sparseproj_sums.h"

namespace tersevec::sparseproj {
namespace {

/// Sums of rows of bytes -1, 0 and 1, as integers.
template <class Level, class Index>
struct ByteSums {
    Entries<std::int8_t, Index> entries;

    explicit ByteSums(const Step& step) noexcept : entries(step) {}

    /// As `FloatSums` has it.
    [[gnu::always_inline]] void operator()(const Part& part, std::int64_t own,
                                           const Sink& sink) const noexcept {
        columns<Level::byte_registers>(part, own, sink, 0);
    }

private:
    static constexpr std::int64_t lanes = 4 * Level::lanes;
    using f32 = typename Level::f32;
    using i32 = typename Vector<Level::lanes>::i32;
    using i8 = typename Vector<lanes>::i8;

    template <int Registers>
    [[gnu::always_inline]] void columns(const Part& part, std::int64_t own, const Sink& sink,
                                        std::int64_t column) const noexcept {
        constexpr std::int64_t step = Registers * lanes;
        for (; column + step <= entries.width; column += step) {
            if (part.count < run) {
                i8 total[Registers] = {};
                std::int8_t few[step];
                add<Registers>(part.first, part.count, own, column, total);
                __builtin_memcpy(few, total, sizeof few);
                f32 sums[4 * Registers];
#pragma GCC unroll 32
                for (int r = 0; r < 4 * Registers; ++r) {
                    sums[r] = Level::widen_bytes(few + r * Level::lanes);
                }
                put<Level>(sink, column, sums);
            } else {
                add_many<Registers>(part, own, sink, column);
            }
        }
        if constexpr (step > ternary_group) {
            columns<Registers / 2>(part, own, sink, column);
        }
    }

    static constexpr std::int64_t run = 127;  // rows that a byte has room for

    template <int Registers>
    [[gnu::always_inline]] void add(std::int64_t first, std::int64_t count, std::int64_t own,
                                    std::int64_t column, i8 (&total)[Registers]) const noexcept {
        if (own >= 0) {
#pragma GCC unroll 8
            for (int r = 0; r < Registers; ++r) {
                total[r] = load<i8>(entries.row(own) + column + r * lanes);
            }
        }
        for (std::int64_t entry = first; entry < first + count; ++entry) {
            entries.template prefetch<Registers * lanes>(entry, column);
            const std::int8_t* row = entries.row(entries.indices[entry]) + column;
#pragma GCC unroll 8
            for (int r = 0; r < Registers; ++r) {
                total[r] += load<i8>(row + r * lanes);
            }
        }
    }

    /// Of more entries than that: few parts, which must not take registers from the others.
    template <int Registers>
    [[gnu::noinline]] void add_many(const Part& part, std::int64_t own, const Sink& sink,
                                    std::int64_t column) const noexcept {
        std::int32_t whole[Registers * lanes] = {};
        for (std::int64_t entry = 0; entry < part.count; entry += run - 1) {
            const std::int64_t left = part.count - entry;
            i8 total[Registers] = {};
            add<Registers>(part.first + entry, left < run - 1 ? left : run - 1,
                           entry == 0 ? own : -1, column, total);
            std::int8_t few[sizeof total];
            __builtin_memcpy(few, total, sizeof few);
            for (std::int64_t c = 0; c < Registers * lanes; ++c) {
                whole[c] += few[c];
            }
        }
        f32 sums[4 * Registers];
        for (int r = 0; r < 4 * Registers; ++r) {
            sums[r] = __builtin_convertvector(load<i32>(whole + r * Level::lanes), f32);
        }
        put<Level>(sink, column, sums);
    }
};

/// Calls `run` with the sums that a step's source and graph need.
template <class Level, class Index, class Run>
void with_sums(const Step& step, const Run& run) noexcept {
    const bool weighted = step.graph.weights != nullptr;
    switch (step.source.kind) {
        case Kind::f32:
            return weighted ? run(FloatSums<Level, Floats<Level>, true, Index>(step))
                            : run(FloatSums<Level, Floats<Level>, false, Index>(step));
        case Kind::f16:
            return weighted ? run(FloatSums<Level, Halves<Level>, true, Index>(step))
                            : run(FloatSums<Level, Halves<Level>, false, Index>(step));
        case Kind::i8:
            return weighted || step.source.scales != nullptr
                       ? run(FloatSums<Level, Bytes<Level>, true, Index>(step))
                       : run(ByteSums<Level, Index>(step));
    }
}

template <class Level, class Run>
void with_sums(const Step& step, const Run& run) noexcept {
    step.graph.wide_indices ? with_sums<Level, std::int64_t>(step, run)
                            : with_sums<Level, std::int32_t>(step, run);
}

}  // namespace
}  // namespace tersevec::sparseproj
