// SPDX-License-Identifier: Apache-2.0
/// Dense rows times a ternary matrix, lanes are rows: every feature that a column adds or takes off
/// is an addition for all rows of a tile.
#pragma once

#include "pqencode/pqencode_vector.h"
#include "sparseproj/sparseproj_random.h"

namespace tersevec::sparseproj {
namespace {

constexpr int tile_registers = 4;            // as many chains of additions
constexpr std::int64_t block_features = 32;  // of a tile, that stay in the first cache

template <class f32, int Rows>
void add_features(const float* tile, const std::int32_t* features, std::int64_t count,
                  f32 (&sums)[tile_registers]) noexcept {
    constexpr int lanes = Rows / tile_registers;
    for (std::int64_t i = 0; i < count; ++i) {
        const float* numbers = tile + std::int64_t{features[i]} * Rows;
#pragma GCC unroll 4
        for (int r = 0; r < tile_registers; ++r) {
            sums[r] += load<f32>(numbers + r * lanes);
        }
    }
}

/// 0 for rows of finite numbers, else NaN.
template <class f32, int Rows>
void poison(const float* tile, std::int64_t features, f32 (&sums)[tile_registers]) noexcept {
    constexpr int lanes = Rows / tile_registers;
    for (std::int64_t feature = 0; feature < features; ++feature, tile += Rows) {
#pragma GCC unroll 4
        for (int r = 0; r < tile_registers; ++r) {
            sums[r] += 0.0f * load<f32>(tile + r * lanes);
        }
    }
}

template <class Level>
void project(Rows<float> x, const Lists& lists, float scale, float* scratch, float* out) noexcept {
    using f32 = typename Level::f32;
    constexpr int rows = tile_registers * Level::lanes;
    static_assert(rows <= tile_rows);
    for (std::int64_t first = 0; first < x.n; first += rows) {
        const std::int64_t count = x.n - first < rows ? x.n - first : rows;
        f32 nothing[tile_registers] = {};
        for (std::int64_t t = 0; t < x.width; t += block_features) {
            const std::int64_t n = x.width - t < block_features ? x.width - t : block_features;
            pqencode::transpose<rows>(x, first, count, t, n, scratch + t * rows);
            poison<f32, rows>(scratch + t * rows, n, nothing);
        }
        for (std::int64_t c = 0; c < lists.width; ++c) {
            const std::int64_t* starts = lists.starts + 2 * c;
            f32 plus[tile_registers] = {}, minus[tile_registers] = {};
            add_features<f32, rows>(scratch, lists.features + starts[0], starts[1] - starts[0],
                                    plus);
            add_features<f32, rows>(scratch, lists.features + starts[1], starts[2] - starts[1],
                                    minus);
            for (int r = 0; r < tile_registers; ++r) {
                plus[r] = scale * (plus[r] - minus[r]) + nothing[r];
            }
            float numbers[rows];
            __builtin_memcpy(numbers, plus, sizeof numbers);
            for (std::int64_t i = 0; i < count; ++i) {
                out[(first + i) * lists.width + c] = numbers[i];
            }
        }
    }
}

}  // namespace
}  // namespace tersevec::sparseproj
