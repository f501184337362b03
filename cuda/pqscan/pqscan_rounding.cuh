// SPDX-License-Identifier: Apache-2.0
/// How entries of tables become small integers, rounded down.
#pragma once

#include "core/portable.cuh"

namespace tersevec::cuda::pqscan {

constexpr int word_limit = 63;
constexpr double ulp = 0x1p-24;

/// Of one query: (n_queries, 4) of them in memory.
struct Scale {
    double base, magnitude, scale, step;
};

/// What a product with is never above the one with the real scale, whatever rounding does.
TERSEVEC_DEVICE float factor_of(double scale) {
    return static_cast<float>(scale * (1.0 - 0x1p-21));
}
TERSEVEC_DEVICE u32 level_of(float entry, float least, float factor, u32 limit) {
    const float level = (entry - least) * factor;
    return level < static_cast<float>(limit) ? static_cast<u32>(level) : limit;
}

}  // namespace tersevec::cuda::pqscan
