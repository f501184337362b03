// SPDX-License-Identifier: Apache-2.0
/// Rows as columns of lanes.
#pragma once

#include "pqencode/pqencode.h"
#include "simd/lanes.h"

namespace tersevec::pqencode {
namespace {

/// Coordinates of a row that are transposed at once, where a sub-space has no more.
inline constexpr std::int64_t transposed_dims = 128;

/// Sub-spaces whose coordinates are transposed together, so that they are stored long before they
/// are read.
inline std::int64_t group_subspaces(std::int64_t dims) noexcept {
    return dims < transposed_dims ? transposed_dims / dims : 1;
}

/// Columns first ... first + n - 1 of `lanes` rows, column after column: (n, Width). Missing rows
/// repeat the first.
template <int Width>
void transpose(Rows<float> x, std::int64_t row, std::int64_t lanes, std::int64_t first,
               std::int64_t n, float* out) noexcept {
    using f32 = typename Vector<4>::f32;
    for (std::int64_t lane = 0; lane < Width; lane += 4) {
        const float* from[4];
        for (std::int64_t i = 0; i < 4; ++i) {
            from[i] = x[row + (lane + i < lanes ? lane + i : 0)] + first;
        }
        std::int64_t t = 0;
        for (; t + 4 <= n; t += 4) {
            const auto a = load<f32>(from[0] + t), b = load<f32>(from[1] + t);
            const auto c = load<f32>(from[2] + t), d = load<f32>(from[3] + t);
            const f32 ac01 = __builtin_shufflevector(a, c, 0, 4, 1, 5);  // a0 c0 a1 c1
            const f32 bd01 = __builtin_shufflevector(b, d, 0, 4, 1, 5);
            const f32 ac23 = __builtin_shufflevector(a, c, 2, 6, 3, 7);
            const f32 bd23 = __builtin_shufflevector(b, d, 2, 6, 3, 7);
            float* to = out + t * Width + lane;
            store(to, __builtin_shufflevector(ac01, bd01, 0, 4, 1, 5));  // a0 b0 c0 d0
            store(to + Width, __builtin_shufflevector(ac01, bd01, 2, 6, 3, 7));
            store(to + 2 * Width, __builtin_shufflevector(ac23, bd23, 0, 4, 1, 5));
            store(to + 3 * Width, __builtin_shufflevector(ac23, bd23, 2, 6, 3, 7));
        }
        for (; t < n; ++t) {
            for (std::int64_t i = 0; i < 4; ++i) {
                out[t * Width + lane + i] = from[i][t];
            }
        }
    }
}

}  // namespace
}  // namespace tersevec::pqencode
