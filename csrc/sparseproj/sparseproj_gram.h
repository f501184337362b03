// SPDX-License-Identifier: Apache-2.0
/// Sums of outer products of rows, lanes are columns. A few rows at once stay in the first cache,
/// while tiles of the sums, in registers, go by: those on and above the diagonal, since the rest is
/// the same. Rows are both factors, so nothing is packed.
/// Floor: width^2 / 2 multiply-adds a row, at the rate of the CPU. Between levels, sums differ by
/// what `Moments` allows.
#pragma once

#include "sparseproj/sparseproj_weights.h"

namespace tersevec::sparseproj {
namespace {

/// Rows (n, width) whose products with each other are added to `gram` (width, width). A group of
/// columns behind each row keeps a column's numbers from falling into few sets of the cache.
struct GramBlock {
    const float* rows;
    std::int64_t n, width;
    float* gram;

    std::int64_t stride() const noexcept { return width + held_group; }
};

/// a b + c; the product is rounded where the level has no instruction that does both.
template <class Level>
[[gnu::always_inline]] inline typename Level::f32 add_product(typename Level::f32 a,
                                                              typename Level::f32 b,
                                                              typename Level::f32 c) noexcept {
    if constexpr (Level::fuses) {
        return Level::multiply_add(a, b, c);
    } else {
        return a * b + c;
    }
}

/// The products of `Rows` columns from `row` on and `Registers` of columns from `column` on.
template <class Level, int Rows, int Registers>
[[gnu::always_inline]] inline void gram_tile(const GramBlock& block, std::int64_t row,
                                             std::int64_t column) noexcept {
    using f32 = typename Level::f32;
    f32 sums[Rows][Registers];
    float* out = block.gram + row * block.width + column;
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
        for (int c = 0; c < Registers; ++c) {
            sums[r][c] = load<f32>(out + r * block.width + c * Level::lanes);
        }
    }
    const float* numbers = block.rows;
    for (std::int64_t i = 0; i < block.n; ++i, numbers += block.stride()) {
        f32 columns[Registers];
#pragma GCC unroll 4
        for (int c = 0; c < Registers; ++c) {
            columns[c] = load<f32>(numbers + column + c * Level::lanes);
        }
#pragma GCC unroll 16
        for (int r = 0; r < Rows; ++r) {
            const auto number = broadcast<f32>(numbers[row + r]);
#pragma GCC unroll 4
            for (int c = 0; c < Registers; ++c) {
                sums[r][c] = add_product<Level>(number, columns[c], sums[r][c]);
            }
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
        for (int c = 0; c < Registers; ++c) {
            store(out + r * block.width + c * Level::lanes, sums[r][c]);
        }
    }
}

/// Tiles of two registers of columns, the last ones perhaps of one, and of as many rows as there
/// are registers for. Row by row, as wide sums lie in memory: columns of them would be pages apart.
template <class Level>
void add_products(const GramBlock& block) noexcept {
    constexpr int rows = Level::accumulators < 16 ? 4 : 8;
    constexpr std::int64_t most = 2 * Level::lanes;
    for (std::int64_t row = 0; row < block.width; row += rows) {
        std::int64_t column = row / most * most;
        for (; column + most <= block.width; column += most) {
            gram_tile<Level, rows, 2>(block, row, column);
        }
        if (column < block.width) {
            gram_tile<Level, rows, 1>(block, row, column);
        }
    }
}

/// A held row, or its unit row, is written to `out` and added to `sums`; whether it is not zero.
template <class Level>
bool take_row(const Held& held, std::int64_t row, bool normalize, float* sums,
              float* out) noexcept {
    using f32 = typename Level::f32;
    read_row<Level>(held, row, out);
    const float factor = unit_factor<Level>(out, normalize, held.width);
    // Few rows begin with a zero, so few are looked through.
    if (factor == 0.0f || (out[0] == 0.0f && largest_size<Level>(out, held.width) == 0.0f)) {
        return false;
    }
    for (std::int64_t c = 0; c < held.width; c += Level::lanes) {
        const f32 number = factor * load<f32>(out + c);
        store(out + c, number);
        store(sums + c, load<f32>(sums + c) + number);
    }
    return true;
}

template <class Level>
std::int64_t moments(const Held& held, std::int64_t first, std::int64_t count, bool normalize,
                     float* sums, float* block) noexcept {
    GramBlock rows{block, 0, held.width, sums};
    std::int64_t taken = 0;
    for (std::int64_t row = first; row < first + count; ++row) {
        float* out = block + rows.n * rows.stride();
        rows.n += take_row<Level>(held, row, normalize, sums + held.width * held.width, out);
        if (rows.n == gram_rows || row == first + count - 1) {
            add_products<Level>(rows);
            taken += rows.n;
            rows.n = 0;
        }
    }
    return taken;
}

}  // namespace
}  // namespace tersevec::sparseproj
