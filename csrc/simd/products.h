// SPDX-License-Identifier: Apache-2.0
/// Products of rows and the columns of a matrix, lanes are columns. Every product is one chain of
/// fused multiply-adds over the dimensions in ascending order, so it depends neither on the level
/// nor on what else is multiplied.
///
/// `Level` is one of `simd/<level>.h`. It keeps up to `Level::accumulators` sums in registers, of
/// `Level::product_registers` of columns where there are so many: enough to hide the latency of a
/// multiply-add, with what is left for columns and a number of a row.
#pragma once

#include "simd/lanes.h"

namespace tersevec {
namespace {

/// sums[r][c] += row r times the columns of register c, for `depth` dimensions.
template <class Level, class f32, int Rows, int Registers>
[[gnu::always_inline]] inline void multiply(const float* rows, std::int64_t stride,
                                            std::int64_t depth, const float* columns,
                                            std::int64_t columns_stride,
                                            f32 (&sums)[Rows][Registers]) noexcept {
    constexpr int lanes = sizeof(f32) / sizeof(float);
    for (std::int64_t t = 0; t < depth; ++t) {
        f32 column[Registers];
#pragma GCC unroll 4
        for (int c = 0; c < Registers; ++c) {
            column[c] = load<f32>(columns + t * columns_stride + c * lanes);
        }
#pragma GCC unroll 16
        for (int r = 0; r < Rows; ++r) {
            const f32 number = broadcast<f32>(rows[r * stride + t]);
#pragma GCC unroll 4
            for (int c = 0; c < Registers; ++c) {
                sums[r][c] = Level::multiply_add(number, column[c], sums[r][c]);
            }
        }
    }
}

/// Where products come from and go to.
struct Products {
    const float* rows;
    std::int64_t stride, n, depth;
    const float* columns;
    std::int64_t columns_stride, width;
    float* out;
    std::int64_t out_stride;
};

/// `Rows` of the products, from `row` on, and `Registers` of columns from `first` on.
template <class Level, class f32, int Rows, int Registers>
void multiply_tile(const Products& all, std::int64_t row, std::int64_t first) noexcept {
    constexpr int lanes = sizeof(f32) / sizeof(float);
    f32 sums[Rows][Registers] = {};
    multiply<Level>(all.rows + row * all.stride, all.stride, all.depth, all.columns + first,
                    all.columns_stride, sums);
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
        for (int c = 0; c < Registers; ++c) {
            store(all.out + (row + r) * all.out_stride + first + c * lanes, sums[r][c]);
        }
    }
}

/// All rows. Tiles of few rows wait for their sums, so rows are cut as evenly as fours allow.
template <class Level, class f32, int Registers>
void multiply_columns(const Products& all, std::int64_t first) noexcept {
    constexpr int most =
        Level::accumulators / Registers < 12 ? Level::accumulators / Registers : 12;
    std::int64_t row = 0;
    for (std::int64_t left = all.n; left > 0; left = all.n - row) {
        if (most >= 12 && left >= 12 && left != 16) {
            multiply_tile<Level, f32, most, Registers>(all, row, first);
            row += most;
        } else if (most >= 8 && left >= 8) {
            multiply_tile < Level, f32, most<8 ? most : 8, Registers>(all, row, first);
            row += 8;
        } else if (most >= 4 && left >= 4) {
            multiply_tile<Level, f32, 4, Registers>(all, row, first);
            row += 4;
        } else {
            multiply_tile<Level, f32, 1, Registers>(all, row, first);
            row += 1;
        }
    }
}

/// out (n, width) = rows (n, depth) x columns (depth, width). Registers of half the lanes and half
/// of these serve what is left of the columns, then single numbers.
template <class Level, int Lanes = Level::lanes>
void multiply_all(const Products& all, std::int64_t first = 0) noexcept {
    using f32 = typename Vector<Lanes>::f32;
    constexpr int most = Level::product_registers;
    if constexpr (Lanes == Level::lanes && most > 1) {
        for (; first + most * Lanes <= all.width; first += most * Lanes) {
            multiply_columns<Level, f32, most>(all, first);
        }
    }
    for (; first + Lanes <= all.width; first += Lanes) {
        multiply_columns<Level, f32, 1>(all, first);
    }
    if constexpr (Lanes > 4) {
        multiply_all<Level, Lanes / 2>(all, first);
    } else if (first < all.width) {
        const auto left = static_cast<int>(all.width - first);
        for (std::int64_t row = 0; row < all.n; ++row) {
            f32 sums = {};
            for (std::int64_t t = 0; t < all.depth; ++t) {
                f32 column = {};
                for (int c = 0; c < left; ++c) {
                    column[c] = all.columns[t * all.columns_stride + first + c];
                }
                sums = Level::multiply_add(broadcast<f32>(all.rows[row * all.stride + t]), column,
                                           sums);
            }
            for (int c = 0; c < left; ++c) {
                all.out[row * all.out_stride + first + c] = sums[c];
            }
        }
    }
}

}  // namespace
}  // namespace tersevec
