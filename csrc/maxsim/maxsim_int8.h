// SPDX-License-Identifier: Apache-2.0
/// Query tokens as int8, and what sums of byte products are worth.
///
/// A panel is the scales of its lanes, then dimensions in groups: `Group` numbers of every lane
/// side by side. Dimensions are padded with zeros to a whole `depth`.
#pragma once

#include "maxsim/maxsim_fours.h"
#include "simd/quantise.h"

namespace tersevec::maxsim {
namespace {

template <class Number, int Group, int Depth>
struct Int8Panel {
    static std::int64_t bytes(std::int64_t dims, int width) noexcept {
        const std::int64_t numbers = padded_dims(dims, Depth) * width;
        return (width * std::int64_t{sizeof(float)} + numbers * std::int64_t{sizeof(Number)} + 63) /
               64 * 64;
    }
    static const float* scales(const void* panel) noexcept {
        return static_cast<const float*>(panel);
    }
    static const Number* numbers(const void* panel, int width) noexcept {
        return reinterpret_cast<const Number*>(scales(panel) + width);
    }

    /// Each number + Offset, padding too: it meets zeros of documents, or none.
    template <int Offset>
    static void pack(const float* tokens, std::int64_t n, std::int64_t dims, int width,
                     void* panel) noexcept {
        auto* of_lanes = static_cast<float*>(panel);
        auto* out = reinterpret_cast<Number*>(of_lanes + width);
        for (int lane = 0; lane < width; ++lane) {
            const float* token = tokens + lane * dims;
            const float scale = lane < n ? scale_of(token, dims) : 0.0f;
            of_lanes[lane] = scale;
            for (std::int64_t t = 0; t < padded_dims(dims, Depth); ++t) {
                const int number = lane < n && t < dims ? quantised(token[t], scale) : 0;
                out[(t / Group * width + lane) * Group + t % Group] =
                    static_cast<Number>(t < dims ? number + Offset : 0);
            }
        }
    }
};

/// (float(product) * scale of the lane) * scale of the token
template <class Level, int Width>
struct Scales {
    using f32 = typename Level::f32;
    static constexpr int registers = Width / Level::lanes;
    f32 of_lanes[registers];

    explicit Scales(const float* scales) noexcept {
        for (int c = 0; c < registers; ++c) {
            of_lanes[c] = load<f32>(scales + c * Level::lanes);
        }
    }
    template <class i32, class Keep>
    void show(std::int64_t token, const i32 (&sums)[registers], float scale,
              Keep& keep) const noexcept {
        f32 values[registers];
#pragma GCC unroll 4
        for (int c = 0; c < registers; ++c) {
            values[c] = __builtin_convertvector(sums[c], f32) * of_lanes[c] * scale;
        }
        keep.see(token, values);
    }
};

/// Bytes widened to pairs of 16 bits, zeros past an odd end, in the scratch of a run.
struct WidenedRows {
    template <int Rows>
    static const char* rows(const Run& run, std::int64_t token) noexcept {
        const Tokens& tokens = run.documents->batch.tokens;
        auto* words = reinterpret_cast<std::int16_t*>(run.scratch);
        for (int r = 0; r < Rows; ++r, words += row_bytes(run) / 2) {
            const auto* numbers = static_cast<const std::int8_t*>(tokens.row(token + r));
            words[row_bytes(run) / 2 - 1] = 0;
            for (std::int64_t t = 0; t < tokens.dims; ++t) {
                words[t] = numbers[t];
            }
        }
        return reinterpret_cast<const char*>(run.scratch);
    }
    static std::int64_t row_bytes(const Run& run) noexcept {
        return padded_dims(run.documents->batch.tokens.dims, 2) * 2;
    }
};

/// For levels that multiply four bytes of a token by those of every lane, or two bytes of 16 bits:
///   i32 Dot::add(i32 sums, const Number* lanes, std::int32_t four)
///   Dot::group: numbers in four bytes; Dot::Rows: tokens as they lie, or widened
///   Dot::start: the sum of a token's numbers times this is where its products start
template <class Level, class Dot, int Width>
struct Int8Fours : Dot::Rows {
    using Panel = Int8Panel<typename Dot::Number, Dot::group, Dot::group>;
    using Sum = typename Vector<Level::lanes>::i32;

    const char* lines;
    Scales<Level, Width> scales;

    explicit Int8Fours(const void* panel) noexcept
        : lines(reinterpret_cast<const char*>(Panel::numbers(panel, Width))),
          scales(Panel::scales(panel)) {}

    static Sum start(const Run& run, std::int64_t token) noexcept {
        return Sum{} + run.documents->sums[token] * Dot::start;
    }
    static Sum add(Sum sums, const char* lanes, std::int32_t four) noexcept {
        return Dot::add(sums, reinterpret_cast<const typename Dot::Number*>(lanes), four);
    }
    template <int Registers, class Keep>
    void show(const Run& run, std::int64_t token, std::int64_t t, const Sum (&sums)[Registers],
              Keep& keep) const noexcept {
        scales.show(t, sums, run.documents->batch.tokens.scales[token], keep);
    }
};

template <class Level, class Dot>
struct Dots {
    template <int Width>
    using Tile = FoursTile<Level, Int8Fours<Level, Dot, Width>, Width>;
    using Panel = Int8Panel<typename Dot::Number, Dot::group, Dot::group>;
    static constexpr Way way{widest<Level>, &Panel::bytes, &Panel::template pack<-Dot::start>,
                             &maxima<Level, Tile>, &positions<Level, Tile>};
};

}  // namespace
}  // namespace tersevec::maxsim
