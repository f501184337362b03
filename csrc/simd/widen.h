// SPDX-License-Identifier: Apache-2.0
/// Tokens of any type as float32, exactly.
#pragma once

#include <bit>

#include "core/tokens.h"
#include "simd/lanes.h"

namespace tersevec {
namespace {

inline float from_bfloat16(std::uint16_t bits) noexcept {
    return std::bit_cast<float>(std::uint32_t{bits} << 16);
}

/// The nearest, ties to even.
inline std::uint16_t to_bfloat16(float number) noexcept {
    const auto bits = std::bit_cast<std::uint32_t>(number);
    return static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

/// `n` tokens from `first` on.
template <class Level>
void widen(const Tokens& tokens, std::int64_t first, std::int64_t n, float* out) noexcept {
    const std::int64_t count = n * tokens.dims;
    const auto* halves = static_cast<const std::uint16_t*>(tokens.row(first));
    switch (tokens.type) {
        case TokenType::float32:
            __builtin_memcpy(out, tokens.row(first), count * sizeof(float));
            return;
        case TokenType::bfloat16:
            for (std::int64_t i = 0; i < count; ++i) {
                out[i] = from_bfloat16(halves[i]);
            }
            return;
        case TokenType::float16: {
            std::int64_t i = 0;
            for (; i + Level::lanes <= count; i += Level::lanes) {
                store(out + i, Level::widen_half(halves + i));
            }
            std::uint16_t last[Level::lanes] = {};
            for (std::int64_t j = i; j < count; ++j) {
                last[j - i] = halves[j];
            }
            const auto numbers = Level::widen_half(last);
            for (std::int64_t j = i; j < count; ++j) {
                out[j] = numbers[j - i];
            }
            return;
        }
        case TokenType::int8: {
            const auto* numbers = static_cast<const std::int8_t*>(tokens.row(first));
            for (std::int64_t row = first; row < first + n; ++row) {
                for (std::int64_t t = 0; t < tokens.dims; ++t) {
                    *out++ = static_cast<float>(*numbers++) * tokens.scales[row];
                }
            }
            return;
        }
    }
}

}  // namespace
}  // namespace tersevec
