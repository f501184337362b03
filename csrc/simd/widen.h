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

/// A register of float16 or bfloat16.
template <class Level, TokenType Type>
typename Level::f32 widen_register(const std::uint16_t* halves) noexcept {
    if constexpr (Type == TokenType::float16) {
        return Level::widen_half(halves);
    } else {
        using Lanes = Vector<Level::lanes>;
        const auto bits = load<typename Lanes::u16>(halves);
        return (typename Lanes::f32)(__builtin_convertvector(bits, typename Lanes::i32) << 16);
    }
}

/// Numbers [first, count) of float16 or bfloat16.
template <class Level, TokenType Type>
void widen_halves(const std::uint16_t* halves, std::int64_t first, std::int64_t count,
                  float* out) noexcept {
    for (; first + Level::lanes <= count; first += Level::lanes) {
        store(out + first, widen_register<Level, Type>(halves + first));
    }
    if (first < count) {
        std::uint16_t last[Level::lanes] = {};
        for (std::int64_t i = first; i < count; ++i) {
            last[i - first] = halves[i];
        }
        const auto numbers = widen_register<Level, Type>(last);
        for (std::int64_t i = first; i < count; ++i) {
            out[i] = numbers[i - first];
        }
    }
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
        case TokenType::float16:
            widen_halves<Level, TokenType::float16>(halves, 0, count, out);
            return;
        case TokenType::bfloat16:
            widen_halves<Level, TokenType::bfloat16>(halves, 0, count, out);
            return;
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
