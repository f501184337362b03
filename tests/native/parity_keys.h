// SPDX-License-Identifier: Apache-2.0
/// Device code's keys against the kernels': the same bits, and the order of (value, row).
#pragma once

#include <limits>

#include "../../cuda/core/keys.cuh"
#include "parity_check.h"

namespace tersevec::parity {

inline void check_keys() {
    const float big = std::numeric_limits<float>::infinity();
    const Floats ascending = {-big, -3.5f, -1e-40f, 0.0f, 1e-40f, 2.0f, 2.5f, big};
    Key before = 0;
    for (const float value : ascending) {
        for (const std::uint32_t row : {0u, 1u, 0x7ffffffeu}) {
            const Key key = make_key(ordered_bits(value), row);
            const bool same = key == cuda::make_key(cuda::ordered_bits(value), row) &&
                              cuda::key_value(key) == key_value(key) && cuda::key_row(key) == row &&
                              key_row(key) == row && from_ordered_bits(key_value(key)) == value;
            expect(same && key > before && key < no_hit, "keys", Isa::scalar,
                   std::to_string(value));
            before = key;
        }
    }
}

}  // namespace tersevec::parity
