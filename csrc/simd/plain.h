// SPDX-License-Identifier: Apache-2.0
/// Floats on any CPU, without an instruction of its own for any of it.
#pragma once

#include <bit>
#include <cstdint>

#include "simd/lanes.h"

namespace tersevec {
namespace {

/// a * b + c, rounded once. The product of two floats is a whole double; the sum keeps in its last
/// bit whether anything was lost, so that the second rounding cannot go wrong.
inline float fused(float a, float b, float c) noexcept {
    const double product = static_cast<double>(a) * b, addend = c, sum = product + addend;
    const double part = sum - product, lost = (product - (sum - part)) + (addend - part);
    auto bits = std::bit_cast<std::uint64_t>(sum);
    if (lost != 0.0 && (bits & 1) == 0) {
        bits += (lost > 0.0) == (sum > 0.0) ? 1 : std::uint64_t{0} - 1;
    }
    return static_cast<float>(std::bit_cast<double>(bits));
}

/// 2^112 takes the exponent of a half, set where that of a float is, to its place; that of an
/// infinity or NaN is all ones.
inline float from_half(std::uint16_t half) noexcept {
    const float size = std::bit_cast<float>((half & 0x7fffu) << 13) * 0x1p112f;
    const std::uint32_t beyond = (half & 0x7c00u) == 0x7c00u ? 0x7f800000u : 0;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(size) | beyond |
                                (half & 0x8000u) << 16);
}

/// The nearest half, ties to even; an infinity from 65520 on.
inline std::uint16_t to_half(float number) noexcept {
    const auto bits = std::bit_cast<std::uint32_t>(number);
    const std::uint32_t sign = bits >> 16 & 0x8000u, size = bits & 0x7fffffffu;
    if (size >= 0x477ff000u) {
        return static_cast<std::uint16_t>(sign | 0x7c00u);
    }
    if (size < 0x38800000u) {  // steps of 2^-24: what a float of 0.5 and more has
        const float steps = std::bit_cast<float>(size) + 0.5f;
        return static_cast<std::uint16_t>(
            sign | (std::bit_cast<std::uint32_t>(steps) - std::bit_cast<std::uint32_t>(0.5f)));
    }
    const std::uint32_t odd = size >> 13 & 1;
    return static_cast<std::uint16_t>(sign | (size - 0x38000000u + 0xfffu + odd) >> 13);
}

struct Plain {
    static constexpr int lanes = 4, accumulators = 4, product_registers = 1;
    using f32 = Vector<4>::f32;

    static f32 multiply_add(f32 a, f32 b, f32 c) noexcept {
        f32 sums;
        for (int i = 0; i < lanes; ++i) {
            sums[i] = fused(a[i], b[i], c[i]);
        }
        return sums;
    }
    static f32 max(f32 a, f32 b) noexcept { return a > b ? a : b; }
    static f32 widen_half(const std::uint16_t* halves) noexcept {
        f32 numbers;
        for (int i = 0; i < lanes; ++i) {
            numbers[i] = from_half(halves[i]);
        }
        return numbers;
    }
    static void narrow_half(f32 numbers, std::uint16_t* halves) noexcept {
        for (int i = 0; i < lanes; ++i) {
            halves[i] = to_half(numbers[i]);
        }
    }
    static unsigned positive(f32 numbers) noexcept {
        unsigned bits = 0;
        for (int i = 0; i < lanes; ++i) {
            bits |= unsigned{numbers[i] > 0.0f} << i;
        }
        return bits;
    }
};

}  // namespace
}  // namespace tersevec
