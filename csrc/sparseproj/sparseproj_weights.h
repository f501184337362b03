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

/// The weight of a row, divided by its length where rows count as unit rows.
template <class Level, class Row>
float coefficient(float weight, bool normalize, const Row& row, std::int64_t width) noexcept {
    using f32 = typename Level::f32;
    constexpr int parts = held_group / Level::lanes;
    if (!normalize) {
        return weight;
    }
    f32 squares[parts] = {};
#pragma GCC unroll 8
    for (std::int64_t c = 0; c < width; c += held_group) {
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
    const float total = add_lanes(squares[0]);
    return total > 0.0f ? weight / Level::root(total) : 0.0f;
}

template <class Level>
void widen(const Held& held, std::int64_t first, std::int64_t count, bool normalize,
           std::int64_t width, float* scratch, float* out) noexcept {
    for (std::int64_t row = first; row < first + count; ++row, out += width) {
        read_row<Level>(held, row, scratch);
        const float factor =
            coefficient<Level>(1.0f, normalize, Row<Level, Floats<Level>>(scratch), held.width);
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

/// Adds a row's held row and its new one to the sums.
template <class Level, class Source>
void add_up(const Step& step, std::int64_t row, const float* made_floats) noexcept {
    const Sums& sums = step.sums;
    const Row<Level, Source> held(step.source, row);
    const Row<Level, Floats<Level>> made(made_floats);
    float held_factor = 0.0f, made_factor = 0.0f;
    if (sums.held != 0.0f) {
        held_factor = coefficient<Level>(sums.held, sums.normalize, held, step.source.width);
    }
    if (sums.made != 0.0f) {
        made_factor = coefficient<Level>(sums.made, sums.normalize, made, step.source.width);
    }
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
