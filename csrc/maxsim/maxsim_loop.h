// SPDX-License-Identifier: Apache-2.0
/// The walk over documents, and products of floats, once for every level.
///
/// A way to multiply is a class `Tile` with
///   static void each(const Run&, first, n, panel, keep): shows `keep` the values of tokens first
///       to first + n - 1, ascending; a token may be shown again
/// and `keep`, which lives in registers, takes what it wants of them.
#pragma once

#include "maxsim/maxsim.h"
#include "simd/products.h"
#include "simd/widen.h"

namespace tersevec::maxsim {
namespace {

/// The largest values so far; NaN if one was not finite, which a maximum alone might hide.
template <class Level, int Width>
struct Maxima {
    using f32 = typename Level::f32;
    static constexpr int registers = Width / Level::lanes;
    f32 best[registers], zero[registers];

    Maxima() noexcept {
        for (int c = 0; c < registers; ++c) {
            best[c] = broadcast<f32>(-__builtin_inff());
            zero[c] = f32{};
        }
    }
    void see(std::int64_t, const f32 (&values)[registers]) noexcept {
#pragma GCC unroll 4
        for (int c = 0; c < registers; ++c) {
            best[c] = Level::max(best[c], values[c]);
            zero[c] = Level::multiply_add(values[c], f32{}, zero[c]);
        }
    }
    void keep(float* out) const noexcept {
        for (int c = 0; c < registers; ++c) {
            store(out + c * Level::lanes, best[c] + zero[c]);
        }
    }
};

/// And the first token of each.
template <class Level, int Width>
struct Positions {
    using f32 = typename Level::f32;
    using i32 = typename Vector<Level::lanes>::i32;
    static constexpr int registers = Width / Level::lanes;
    f32 best[registers];
    i32 at[registers];

    Positions() noexcept {
        for (int c = 0; c < registers; ++c) {
            best[c] = broadcast<f32>(-__builtin_inff());
            at[c] = i32{} - 1;
        }
    }
    void see(std::int64_t token, const f32 (&values)[registers]) noexcept {
        for (int c = 0; c < registers; ++c) {
            const i32 better = (i32)(values[c] > best[c]);
            best[c] = (f32)(((i32)values[c] & better) | ((i32)best[c] & ~better));
            at[c] = ((i32{} + static_cast<std::int32_t>(token)) & better) | (at[c] & ~better);
        }
    }
    void keep(std::int32_t* out) const noexcept {
        for (int c = 0; c < registers; ++c) {
            store(out + c * Level::lanes, at[c]);
        }
    }
};

template <class Tile, class Keep, class Out>
void for_documents(const Run& run, const void* panel, Out* out, std::int64_t stride) noexcept {
    const Tile tile(run);
    for (std::int64_t i = 0; i < run.count; ++i, out += stride) {
        const Ragged& batch = run.documents->batch;
        const std::int64_t id = run.id(i);
        Keep keep;
        tile.each(run, batch.offsets[id], batch.length(id), panel, keep);
        keep.keep(out);
    }
}

/// Rows that are multiplied together: as many as there are registers for their sums, yet few enough
/// to be unrolled, and where each needs but one register, to lie in L1 beside those that come.
template <int Registers>
inline constexpr int unrolled_rows = Registers == 1 ? 8 : 12;
template <class Level, int Registers>
inline constexpr int most_rows =
    Level::accumulators / Registers < unrolled_rows<Registers> ? Level::accumulators / Registers
                                                               : unrolled_rows<Registers>;

/// Tokens of any type but int8, as floats.
template <class Level, int Width, TokenType Type>
struct FloatTile {
    static constexpr int registers = Width / Level::lanes;
    static constexpr int most = most_rows<Level, registers>;
    using f32 = typename Level::f32;

    explicit FloatTile(const Run&) noexcept {}

    template <class Keep>
    static void each(const Run& run, std::int64_t first, std::int64_t n, const void* panel,
                     Keep& keep) noexcept {
        const Tokens& tokens = run.documents->batch.tokens;
        const auto* columns = static_cast<const float*>(panel);
        const auto see = [&]<int Rows>(std::int64_t t) {
            see_rows<Rows>(tokens.row(first + t), t, tokens.dims, columns, keep);
        };
        std::int64_t t = 0;
        for (; t + most <= n; t += most) {
            see.template operator()<most>(t);
        }
        for (; t < n && n >= some; t += some) {
            t = t + some <= n ? t : n - some;  // some once more
            see.template operator()<some>(t);
        }
        for (; t < n; ++t) {
            see.template operator()<1>(t);
        }
    }

private:
    static constexpr int some = most < 4 ? most : 4;  // few rows are no faster than these
    static constexpr std::int64_t step = 16;          // dimensions between other work

    template <int Rows, class Keep>
    static void see_rows(const void* rows, std::int64_t first, std::int64_t dims,
                         const float* columns, Keep& keep) noexcept {
        f32 sums[Rows][registers] = {};
        if constexpr (Type == TokenType::float32) {
            add_floats(static_cast<const float*>(rows), dims, columns, sums);
        } else {
            add_halves(static_cast<const std::uint16_t*>(rows), dims, columns, sums);
        }
#pragma GCC unroll 16
        for (int r = 0; r < Rows; ++r) {
            keep.see(first + r, sums[r]);
        }
    }

    /// The next rows are fetched meanwhile: side by side they are no stream to a CPU.
    template <int Rows>
    [[gnu::always_inline]] static void add_floats(const float* rows, std::int64_t dims,
                                                  const float* columns,
                                                  f32 (&sums)[Rows][registers]) noexcept {
        const float* ahead = rows + most * dims;
        for (std::int64_t t = 0; t < dims; t += step) {
#pragma GCC unroll 16
            for (int line = 0; line < Rows; ++line) {
                __builtin_prefetch(ahead + Rows * t + step * line);
            }
            multiply<Level>(rows + t, dims, dims - t < step ? dims - t : step, columns + t * Width,
                            Width, sums);
        }
    }

    /// The next dimensions are widened meanwhile, half of the rows at a time: all at once would
    /// keep the units that multiply waiting.
    template <int Rows>
    [[gnu::always_inline]] static void add_halves(const std::uint16_t* rows, std::int64_t dims,
                                                  const float* columns,
                                                  f32 (&sums)[Rows][registers]) noexcept {
        alignas(64) float blocks[2][Rows * step];
        if (dims < step) {
            widen_halves<Level, Type>(rows, 0, Rows * dims, blocks[0]);
            multiply<Level>(blocks[0], dims, dims, columns, Width, sums);
            return;
        }
        const std::uint16_t* ahead = rows + most * dims;
        widen_step<0, Rows>(rows, dims, 0, blocks[0]);
        for (std::int64_t t = 0; t < dims; t += step) {
            const std::int64_t depth = dims - t;
            const std::int64_t known = depth < step ? step - depth : 0;
            const float* now = blocks[t / step % 2] + known;
            float* next = blocks[1 - t / step % 2];
#pragma GCC unroll 16
            for (int line = 0; line < Rows; ++line) {
                __builtin_prefetch(ahead + Rows * t + step * line);
            }
            widen_step<0, Rows / 2>(rows, dims, t + step, next);
            multiply<Level>(now, step, depth < step / 2 ? depth : step / 2, columns + t * Width,
                            Width, sums);
            widen_step<Rows / 2, Rows>(rows, dims, t + step, next);
            if (depth > step / 2) {
                multiply<Level>(now + step / 2, step, depth < step ? depth - step / 2 : step / 2,
                                columns + (t + step / 2) * Width, Width, sums);
            }
        }
    }

    /// Dimensions t to t + step of rows [First, Last), or the last ones if that are too many.
    template <int First, int Last>
    static void widen_step(const std::uint16_t* rows, std::int64_t dims, std::int64_t t,
                           float* out) noexcept {
        if (t >= dims) {
            return;
        }
        rows += t + step <= dims ? t : dims - step;
#pragma GCC unroll 16
        for (int r = First; r < Last; ++r) {
#pragma GCC unroll 4
            for (int i = 0; i < step; i += Level::lanes) {
                store(out + r * step + i, widen_register<Level, Type>(rows + r * dims + i));
            }
        }
    }
};

inline std::int64_t float_panel_bytes(std::int64_t dims, int width) noexcept {
    return dims * width * std::int64_t{sizeof(float)};
}

template <bool Rounded>
void pack_floats(const float* tokens, std::int64_t n, std::int64_t dims, int width,
                 void* panel) noexcept {
    auto* out = static_cast<float*>(panel);
    for (std::int64_t t = 0; t < dims; ++t, out += width) {
        for (int lane = 0; lane < width; ++lane) {
            const float number = lane < n ? tokens[lane * dims + t] : 0.0f;
            out[lane] = Rounded ? from_bfloat16(to_bfloat16(number)) : number;
        }
    }
}

/// Whole panels are for levels that hold one in two registers.
template <class Level>
inline constexpr int widest = 2 * Level::lanes == whole_panel ? whole_panel : half_panel;

/// Calls a tile of the panel's width.
template <class Level, template <int> class Tile>
void maxima(const Run& run, const void* panel, int width, float* best,
            std::int64_t stride) noexcept {
    if (width == half_panel) {
        for_documents<Tile<half_panel>, Maxima<Level, half_panel>>(run, panel, best, stride);
    } else {
        for_documents<Tile<widest<Level>>, Maxima<Level, widest<Level>>>(run, panel, best, stride);
    }
}
template <class Level, template <int> class Tile>
void positions(const Run& run, const void* panel, int width, std::int32_t* at,
               std::int64_t stride) noexcept {
    if (width == half_panel) {
        for_documents<Tile<half_panel>, Positions<Level, half_panel>>(run, panel, at, stride);
    } else {
        for_documents<Tile<widest<Level>>, Positions<Level, widest<Level>>>(run, panel, at, stride);
    }
}

template <class Level, TokenType Type>
struct Floats {
    template <int Width>
    using Tile = FloatTile<Level, Width, Type>;
    static constexpr Way way{widest<Level>, &float_panel_bytes,
                             &pack_floats<Type == TokenType::bfloat16>, &maxima<Level, Tile>,
                             &positions<Level, Tile>};
};

template <class Level>
constexpr Kernels kernels_of(Isa isa, const Way* int8) noexcept {
    return {.isa = isa,
            .float32 = &Floats<Level, TokenType::float32>::way,
            .float16 = &Floats<Level, TokenType::float16>::way,
            .bfloat16 = &Floats<Level, TokenType::bfloat16>::way,
            .int8 = int8};
}

}  // namespace
}  // namespace tersevec::maxsim
