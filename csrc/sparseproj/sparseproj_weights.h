// SPDX-License-Identifier: Apache-2.0
/// Rows divided by their lengths, and their weighted sums.
#pragma once

#include "sparseproj/sparseproj_held.h"

namespace tersevec::sparseproj {
namespace {

inline float add_lanes(Vector<4>::f32 lanes) noexcept {
    return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
}
inline float add_lanes(Vector<8>::f32 lanes) noexcept {
    return add_lanes(__builtin_shufflevector(lanes, lanes, 0, 1, 2, 3) +
                     __builtin_shufflevector(lanes, lanes, 4, 5, 6, 7));
}
inline float add_lanes(Vector<16>::f32 lanes) noexcept {
    return add_lanes(__builtin_shufflevector(lanes, lanes, 0, 1, 2, 3, 4, 5, 6, 7) +
                     __builtin_shufflevector(lanes, lanes, 8, 9, 10, 11, 12, 13, 14, 15));
}

/// total + x^2, as `Step` has it.
template <class Level, class Row>
float add_squares(float total, const Row& row, std::int64_t width) noexcept {
    using f32 = typename Level::f32;
    constexpr int parts = held_group / Level::lanes;
    for (std::int64_t panel = 0; panel < width; panel += square_panel) {
        const std::int64_t end = width - panel < square_panel ? width : panel + square_panel;
        f32 squares[parts] = {};
#pragma GCC unroll 4
        for (std::int64_t c = panel; c < end; c += held_group) {
            for (int p = 0; p < parts; ++p) {
                const f32 number = row.at(c + p * Level::lanes);
                squares[p] += number * number;
            }
        }
        for (int half = parts / 2; half > 0; half /= 2) {
            for (int p = 0; p < half; ++p) {
                squares[p] += squares[p + half];
            }
        }
        total += add_lanes(squares[0]);
    }
    return total;
}

/// A weight divided by the root of a row's squares.
template <class Level>
float per_length(float weight, float squares) noexcept {
    return squares > 0.0f ? weight / Level::root(squares) : 0.0f;
}

/// What makes a row of floats a unit row, or leaves it as it is.
template <class Level>
float unit_factor(const float* floats, bool normalize, std::int64_t width) noexcept {
    const Row<Level, Floats<Level>> row(floats);
    return normalize ? per_length<Level>(1.0f, add_squares<Level>(0.0f, row, width)) : 1.0f;
}

template <class Level>
void widen(const Held& held, std::int64_t first, std::int64_t count, bool normalize,
           std::int64_t width, float* scratch, float* out) noexcept {
    for (std::int64_t row = first; row < first + count; ++row, out += width) {
        read_row<Level>(held, row, scratch);
        const float factor = unit_factor<Level>(scratch, normalize, held.width);
        for (std::int64_t c = 0; c < width; ++c) {
            out[c] = factor * scratch[c];
        }
    }
}

/// A choice that is made before a loop and not in it.
template <bool Is>
struct Flag {
    static constexpr bool is = Is;
};
template <class Run>
void chosen(bool flag, const Run& run) noexcept {
    flag ? run(Flag<true>{}) : run(Flag<false>{});
}

/// Row `row` of the sums = (itself +) held_factor * held + made_factor * made, in this order.
template <class Level, bool Add, bool HasHeld, bool HasMade, class HeldRow, class MadeRow>
void add_up(const Step& step, std::int64_t row, float held_factor, const HeldRow& held,
            float made_factor, const MadeRow& made) noexcept {
    using f32 = typename Level::f32;
    const auto at = [=](std::int64_t c, f32 before) {
        if constexpr (HasHeld) {
            const f32 term = held_factor * held.at(c);
            before = Add ? before + term : term;
        }
        if constexpr (HasMade) {
            const f32 term = made_factor * made.at(c);
            before = Add || HasHeld ? before + term : term;
        }
        return before;
    };
    const Sums& sums = step.sums;
    float* out = sums.values + (sums.places == nullptr ? row : sums.places[row]) * sums.stride;
    std::int64_t c = 0;
    if constexpr (Level::streams && !Add) {
        const std::int64_t end = step.stream_sums ? sums.width - Level::lanes : -1;
#pragma GCC unroll 8
        for (; c <= end; c += Level::lanes) {
            Level::stream(at(c, f32{}), out + c);
        }
    }
    for (; c + Level::lanes <= sums.width; c += Level::lanes) {
        store(out + c, at(c, Add ? load<f32>(out + c) : f32{}));
    }
    f32 last = {};
    if (c < sums.width) {
        const auto left = static_cast<std::size_t>(sums.width - c) * sizeof(float);
        if (Add) {
            __builtin_memcpy(&last, out + c, left);
        }
        last = at(c, last);
        __builtin_memcpy(out + c, &last, left);
    }
}

/// What row `row` counts in the sums; `squares`: null, or those of all rows.
template <class Level, class Row>
float coefficient(const Step& step, float weight, const Row& numbers, const float* squares,
                  std::int64_t row) noexcept {
    if (!step.sums.normalize || weight == 0.0f) {
        return weight;
    }
    return per_length<Level>(weight, squares != nullptr
                                         ? squares[row]
                                         : add_squares<Level>(0.0f, numbers, step.source.width));
}

/// Adds a row's held row and its new one to the sums, or their squares to those of other columns.
template <class Level, class Source>
void add_up(const Step& step, std::int64_t row, const float* made_floats) noexcept {
    const Sums& sums = step.sums;
    const Row<Level, Source> held(step.source, row);
    const Row<Level, Floats<Level>> made(made_floats);
    if (sums.values == nullptr) {
        const auto add = [&](float* squares, const auto& numbers) {
            if (squares != nullptr) {
                squares[row] = add_squares<Level>(squares[row], numbers, step.source.width);
            }
        };
        add(sums.held_squares, held);
        add(sums.made_squares, made);
        return;
    }
    const float held_factor = coefficient<Level>(step, sums.held, held, sums.held_squares, row);
    const float made_factor = coefficient<Level>(step, sums.made, made, sums.made_squares, row);
    chosen(sums.add, [&](auto add) {
        chosen(sums.held != 0.0f, [&](auto has_held) {
            chosen(sums.made != 0.0f, [&](auto has_made) {
                add_up<Level, add.is, has_held.is, has_made.is>(step, row, held_factor, held,
                                                                made_factor, made);
            });
        });
    });
}

template <class Level>
void add_up(const Step& step, std::int64_t row, const float* made) noexcept {
    switch (step.source.kind) {
        case Kind::f32: return add_up<Level, Floats<Level>>(step, row, made);
        case Kind::f16: return add_up<Level, Halves<Level>>(step, row, made);
        case Kind::i8: return add_up<Level, Bytes<Level>>(step, row, made);
    }
}

}  // namespace
}  // namespace tersevec::sparseproj
