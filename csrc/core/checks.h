// SPDX-License-Identifier: Apache-2.0
/// Numbers that no kernel may see, found at the speed of reading them.
#pragma once

#include <cstdint>

#include "core/views.h"

namespace tersevec {

/// The first row that holds NaN or a number beyond +-limit, -1 if there is none.
std::int64_t first_beyond(Rows<float> x, float limit) noexcept;

}  // namespace tersevec
