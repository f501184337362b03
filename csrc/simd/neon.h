// SPDX-License-Identifier: Apache-2.0
/// Floats with NEON.
#pragma once

#include <arm_neon.h>

#include "simd/lanes.h"

namespace tersevec {
namespace {

struct Neon {
    static constexpr int lanes = 4, accumulators = 24, product_registers = 3;
    using f32 = Vector<4>::f32;

    static f32 multiply_add(f32 a, f32 b, f32 c) noexcept {
        return (f32)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
    }
    static f32 max(f32 a, f32 b) noexcept { return (f32)vmaxq_f32((float32x4_t)a, (float32x4_t)b); }
    static f32 widen_half(const std::uint16_t* halves) noexcept {
        return (f32)vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(halves)));
    }
    static void narrow_half(f32 numbers, std::uint16_t* halves) noexcept {
        vst1_u16(halves, vreinterpret_u16_f16(vcvt_f16_f32((float32x4_t)numbers)));
    }
    static unsigned positive(f32 numbers) noexcept {
        const uint32x4_t place = {1, 2, 4, 8};
        return vaddvq_u32(vandq_u32(vcgtzq_f32((float32x4_t)numbers), place));
    }
};

}  // namespace
}  // namespace tersevec
