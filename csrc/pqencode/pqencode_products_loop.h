// SPDX-License-Identifier: Apache-2.0
/// Matrix products, lanes are output columns: `Registers` of them for four rows at a time.
#pragma once

#include "pqencode/pqencode_vector.h"

namespace tersevec::pqencode {
namespace {

inline constexpr int tile_rows = 4;

/// tile (tile_rows, Registers * Lanes) = rows x columns.
template <int Lanes, int Registers>
void multiply_tile(const float* const* rows, std::int64_t depth, const float* columns,
                   std::int64_t stride, float* tile) noexcept {
    using f32 = typename Vector<Lanes>::f32;
    f32 sums[tile_rows][Registers] = {};
    for (std::int64_t t = 0; t < depth; ++t) {
        f32 column[Registers];
#pragma GCC unroll 4
        for (int c = 0; c < Registers; ++c) {
            column[c] = load<f32>(columns + t * stride + c * Lanes);
        }
#pragma GCC unroll 4
        for (int r = 0; r < tile_rows; ++r) {
            const f32 x = broadcast<f32>(rows[r][t]);
#pragma GCC unroll 4
            for (int c = 0; c < Registers; ++c) {
                sums[r][c] += x * column[c];
            }
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < tile_rows; ++r) {
#pragma GCC unroll 4
        for (int c = 0; c < Registers; ++c) {
            store(tile + (r * Registers + c) * Lanes, sums[r][c]);
        }
    }
}

template <int Lanes, int Registers>
void products(Rows<float> x, Panel panel, float* out, std::int64_t out_stride) noexcept {
    constexpr std::int64_t step = Registers * Lanes;
    static_assert(panel_columns % step == 0);
    for (std::int64_t first = 0; first < panel.width; first += step) {
        const std::int64_t width = panel.width - first < step ? panel.width - first : step;
        for (std::int64_t row = 0; row < x.n; row += tile_rows) {
            const float* rows[tile_rows];
            for (std::int64_t r = 0; r < tile_rows; ++r) {
                rows[r] = x[row + r < x.n ? row + r : row];
            }
            float tile[tile_rows * step];
            multiply_tile<Lanes, Registers>(rows, x.width, panel.columns + first, panel.stride,
                                            tile);
            for (std::int64_t r = 0; r < tile_rows && row + r < x.n; ++r) {
                __builtin_memcpy(out + (row + r) * out_stride + first, tile + r * step,
                                 width * sizeof(float));
            }
        }
    }
}

}  // namespace
}  // namespace tersevec::pqencode
