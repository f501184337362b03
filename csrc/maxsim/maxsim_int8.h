// SPDX-License-Identifier: Apache-2.0
/// Query tokens as int8, and what sums of byte products are worth.
///
/// A panel is the scales of its lanes, then dimensions in groups: `Group` numbers of every lane
/// side by side. Dimensions are padded with zeros to a whole `depth`.
#pragma once

#include "maxsim/maxsim_loop.h"
#include "simd/quantise.h"

namespace tersevec::maxsim {
namespace {

inline std::int64_t padded_dims(std::int64_t dims, std::int64_t depth) noexcept {
    return (dims + depth - 1) / depth * depth;
}

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

/// Four bytes of a token from dimension t on, zeros past its end.
inline std::int32_t four_bytes(const std::int8_t* token, std::int64_t t,
                               std::int64_t dims) noexcept {
    std::int32_t four = 0;
    if (t + 4 <= dims) {
        __builtin_memcpy(&four, token + t, sizeof four);
        return four;
    }
    auto* bytes = reinterpret_cast<std::int8_t*>(&four);
    for (; t < dims; ++t) {
        *bytes++ = token[t];
    }
    return four;
}

/// For levels that multiply four bytes of a token by those of every lane:
///   i32 Dot::add(i32 sums, const Number* lanes, std::int32_t four)
///   Dot::start: the sum of a token's numbers times this is where its products start
template <class Level, class Dot, int Width>
struct DotTile {
    using Panel = Int8Panel<typename Dot::Number, 4, 4>;
    using i32 = typename Vector<Level::lanes>::i32;
    static constexpr int registers = Width / Level::lanes;
    static constexpr int most =
        Level::accumulators / registers < 12 ? Level::accumulators / registers : 12;

    explicit DotTile(const Run&) noexcept {}

    template <class Keep>
    static void each(const Run& run, std::int64_t first, std::int64_t n, const void* panel,
                     Keep& keep) noexcept {
        const Scales<Level, Width> scales(Panel::scales(panel));
        std::int64_t t = 0;
        for (; t + most <= n; t += most) {
            see<most>(run, first, t, panel, scales, keep);
        }
        constexpr int some = most < 4 ? most : 4;
        for (; t + some <= n; t += some) {
            see<some>(run, first, t, panel, scales, keep);
        }
        for (; t < n; ++t) {
            see<1>(run, first, t, panel, scales, keep);
        }
    }

private:
    template <int Rows, class Keep>
    static void see(const Run& run, std::int64_t first, std::int64_t t, const void* panel,
                    const Scales<Level, Width>& scales, Keep& keep) noexcept {
        const Tokens& tokens = run.documents->batch.tokens;
        const std::int64_t dims = tokens.dims, whole = dims / 4 * 4;
        const auto* rows = static_cast<const std::int8_t*>(tokens.row(first + t));
        const auto* lanes = Panel::numbers(panel, Width);
        i32 sums[Rows][registers];
#pragma GCC unroll 16
        for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
            for (int c = 0; c < registers; ++c) {
                sums[r][c] = i32{} + run.documents->sums[first + t + r] * Dot::start;
            }
        }
        for (std::int64_t at = 0; at < dims; at += 4, lanes += 4 * Width) {
            const bool inside = at < whole;
#pragma GCC unroll 16
            for (int r = 0; r < Rows; ++r) {
                std::int32_t four;
                if (inside) [[likely]] {
                    __builtin_memcpy(&four, rows + r * dims + at, sizeof four);
                } else {
                    four = four_bytes(rows + r * dims, at, dims);
                }
#pragma GCC unroll 4
                for (int c = 0; c < registers; ++c) {
                    sums[r][c] = Dot::add(sums[r][c], lanes + 4 * Level::lanes * c, four);
                }
            }
        }
#pragma GCC unroll 16
        for (int r = 0; r < Rows; ++r) {
            scales.show(t + r, sums[r], tokens.scales[first + t + r], keep);
        }
    }
};

template <class Level, class Dot>
struct Dots {
    template <int Width>
    using Tile = DotTile<Level, Dot, Width>;
    template <int Width>
    using Panel = typename Tile<Width>::Panel;
    static constexpr Way way{widest<Level>, &Panel<half_panel>::bytes,
                             &Panel<half_panel>::template pack<-Dot::start>, &maxima<Level, Tile>,
                             &positions<Level, Tile>};
};

}  // namespace
}  // namespace tersevec::maxsim
