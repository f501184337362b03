// SPDX-License-Identifier: Apache-2.0
#include "core/checks.h"

#include <cmath>

namespace tersevec {

std::int64_t first_beyond(Rows<float> x, float limit) noexcept {
    for (std::int64_t i = 0; i < x.n; ++i) {
        const float* row = x[i];
        int beyond = 0;
        for (std::int64_t t = 0; t < x.width; ++t) {
            beyond |= !(std::fabs(row[t]) <= limit);  // true for NaN
        }
        if (beyond != 0) {
            return i;
        }
    }
    return -1;
}

}  // namespace tersevec
