// SPDX-License-Identifier: Apache-2.0
/// Numbers of a ternary matrix from (seed, id, column), plain loops: compilers turn them into each
/// level's vectors.
#pragma once

#include "sparseproj/sparseproj.h"

namespace tersevec::sparseproj {
namespace {

constexpr std::uint64_t golden = 0x9e3779b97f4a7c15;  // 2^64 divided by the golden ratio

/// The finisher of SplitMix64: one to one, and every bit of the result depends on all bits.
inline std::uint64_t mix(std::uint64_t x) noexcept {
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

/// The same of 32 bits, which every level multiplies at once, with a key added halfway.
inline std::uint32_t mix(std::uint32_t x, std::uint32_t key) noexcept {
    x = (x ^ x >> 16) * 0x21f0aaad + key;
    x = (x ^ x >> 15) * 0xd35a2d97;
    return x ^ x >> 15;
}

inline std::uint16_t mask(bool is) noexcept {
    return static_cast<std::uint16_t>(-static_cast<int>(is));
}

inline void ternary(const std::int64_t* ids, std::int64_t n, std::uint64_t seed,
                    std::int64_t first_column, std::int64_t used, int threshold, std::int64_t width,
                    std::int8_t* out) noexcept {
    constexpr std::int64_t words = ternary_group / 2, half = ternary_group / 2;
    constexpr auto step = static_cast<std::uint32_t>(golden >> 32);
    const std::uint64_t key = mix(seed + golden);
    // The last lanes that become 1, and that become -1.
    const auto ones = static_cast<std::int16_t>(threshold - 1 - 0x8000);
    const auto others = static_cast<std::int16_t>(2 * threshold - 1 - 0x8000);
    for (std::int64_t group = 0; group < width; group += ternary_group) {
        const auto before = static_cast<std::uint32_t>((first_column + group) / 2) * step;
        std::int8_t* to = out + group;
        for (std::int64_t i = 0; i < n; ++i, to += width) {
            const std::uint64_t state = mix(key + static_cast<std::uint64_t>(ids[i]) * golden);
            const auto first = static_cast<std::uint32_t>(state) + before;
            const auto high = static_cast<std::uint32_t>(state >> 32);
            std::uint32_t random[words];
            std::int16_t lanes[ternary_group];
            for (std::uint32_t b = 0; b < words; ++b) {
                random[b] = mix(first + b * step, high);
            }
            __builtin_memcpy(lanes, random, sizeof lanes);  // little-endian
            // Lanes of both halves take turns: each becomes a byte of its 16 bits, and none moves.
            for (std::int64_t j = 0; j < half; ++j) {
                const std::int16_t even = lanes[j], odd = lanes[j + half];
                const auto pair = static_cast<std::uint16_t>(
                    (((mask(even > ones) & 0x00fe) + 0x0001) & ~mask(even > others)) |
                    (((mask(odd > ones) & 0xfe00) + 0x0100) & ~mask(odd > others)));
                __builtin_memcpy(to + 2 * j, &pair, sizeof pair);
            }
            for (std::int64_t c = used > group ? used - group : 0; c < ternary_group; ++c) {
                to[c] = 0;
            }
        }
    }
}

}  // namespace
}  // namespace tersevec::sparseproj
