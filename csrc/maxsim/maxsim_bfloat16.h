// SPDX-License-Identifier: Apache-2.0
/// Query tokens as bfloat16: dimensions in pairs, a pair of every lane side by side. They are
/// padded with zeros to a whole `Depth`.
#pragma once

#include "maxsim/maxsim_fours.h"

namespace tersevec::maxsim {
namespace {

template <int Depth>
struct Bfloat16Panel {
    static std::int64_t bytes(std::int64_t dims, int width) noexcept {
        return padded_dims(dims, Depth) * width * 2;
    }
    static void pack(const float* tokens, std::int64_t n, std::int64_t dims, int width,
                     void* panel) noexcept {
        auto* out = static_cast<std::uint16_t*>(panel);
        for (std::int64_t t = 0; t < padded_dims(dims, Depth); ++t) {
            for (int lane = 0; lane < width; ++lane) {
                const float number = lane < n && t < dims ? tokens[lane * dims + t] : 0.0f;
                out[(t / 2 * width + lane) * 2 + t % 2] = to_bfloat16(number);
            }
        }
    }
};

}  // namespace
}  // namespace tersevec::maxsim
