// SPDX-License-Identifier: Apache-2.0
// Sparse random projections and rows of graphs, without an instruction of its own for any of it.
#include <cmath>

#include "simd/plain.h"
#include "sparseproj/sparseproj_loop.h"

namespace tersevec::sparseproj::scalar {
namespace {

struct Level : Plain {
    static constexpr int registers = 4, byte_registers = 4;
    static constexpr bool streams = false, fuses = false;
    static f32 widen_bytes(const std::int8_t* bytes) noexcept {
        f32 numbers;
        for (int lane = 0; lane < lanes; ++lane) {
            numbers[lane] = static_cast<float>(bytes[lane]);
        }
        return numbers;
    }
    static void narrow_bytes(f32 numbers, std::int8_t* bytes) noexcept {
        constexpr float rounder = 0x1.8p23f;  // added and taken off: the nearest whole number
        const f32 whole = (numbers + rounder) - rounder;
        for (int lane = 0; lane < lanes; ++lane) {
            bytes[lane] = static_cast<std::int8_t>(whole[lane]);
        }
    }
    static float root(float number) noexcept { return std::sqrt(number); }
};

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels = kernels_of<Level>(Isa::scalar);

}  // namespace tersevec::sparseproj::scalar
