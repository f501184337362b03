// SPDX-License-Identifier: Apache-2.0
// MaxSim, plain C++: the reference.
#include "maxsim/maxsim_int8.h"
#include "simd/plain.h"

namespace tersevec::maxsim::scalar {
namespace {

struct Dot {
    using Rows = PlainRows<1>;
    using Number = std::int8_t;
    using i32 = Vector<4>::i32;
    static constexpr int group = 4;
    static constexpr std::int32_t start = 0;

    static i32 add(i32 sums, const Number* lanes, std::int32_t four) noexcept {
        std::int8_t bytes[4];
        __builtin_memcpy(bytes, &four, sizeof bytes);
        for (int i = 0; i < 16; ++i) {
            sums[i / 4] += lanes[i] * bytes[i % 4];
        }
        return sums;
    }
};

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels = kernels_of<Plain>(Isa::scalar, &Dots<Plain, Dot>::way);

}  // namespace tersevec::maxsim::scalar
