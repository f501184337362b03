// SPDX-License-Identifier: Apache-2.0
/// Rows of floats as int8 and a scale each.
#pragma once

#include <cstdint>

namespace tersevec {
namespace {

/// The largest magnitude becomes 127; 0 for a row of zeros.
inline float scale_of(const float* row, std::int64_t n) noexcept {
    float largest = 0.0f;
    for (std::int64_t i = 0; i < n; ++i) {
        const float size = row[i] < 0.0f ? -row[i] : row[i];
        largest = size > largest ? size : largest;
    }
    return largest / 127.0f;
}

/// number / scale to the nearest, ties to even. A scale below the normal floats is no exact
/// quotient, hence the limits.
inline int quantised(float number, float scale) noexcept {
    constexpr float whole = 0x1.8p23f;  // has no room for fractions: adding it rounds
    const float steps = scale > 0.0f ? number / scale : 0.0f;
    const float kept = steps > 127.0f ? 127.0f : steps < -127.0f ? -127.0f : steps;
    return static_cast<int>((kept + whole) - whole);
}

}  // namespace
}  // namespace tersevec
