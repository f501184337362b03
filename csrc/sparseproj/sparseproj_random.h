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

inline void ternary(const std::int64_t* ids, std::int64_t n, std::uint64_t seed, std::int64_t used,
                    int threshold, std::int64_t width, std::int8_t* out) noexcept {
    constexpr std::int64_t words = ternary_group / 4;
    const std::uint64_t key = mix(seed + golden);
    // The last that become 1, and that become -1, with signs as vectors compare them.
    const auto ones = static_cast<std::int16_t>(threshold - 1 - 0x8000);
    const auto others = static_cast<std::int16_t>(2 * threshold - 1 - 0x8000);
    for (std::int64_t i = 0; i < n; ++i, out += width) {
        const std::uint64_t state = mix(key + static_cast<std::uint64_t>(ids[i]) * golden);
        for (std::int64_t group = 0; group < width; group += ternary_group) {
            std::uint64_t random[words];
            std::uint16_t lanes[ternary_group];
            const std::uint64_t first = state + static_cast<std::uint64_t>(group) / 4 * golden;
            for (std::int64_t b = 0; b < words; ++b) {
                random[b] = mix(first + (static_cast<std::uint64_t>(b) + 1) * golden);
            }
            __builtin_memcpy(lanes, random, sizeof lanes);  // little-endian
            for (std::int64_t c = 0; c < ternary_group; ++c) {
                const auto lane = static_cast<std::int16_t>(lanes[c] ^ 0x8000);
                const auto number =
                    static_cast<std::int16_t>(1 - 2 * (lane > ones) + (lane > others));
                out[group + c] = static_cast<std::int8_t>(number);
            }
        }
        for (std::int64_t c = used; c < width; ++c) {
            out[c] = 0;
        }
    }
}

}  // namespace
}  // namespace tersevec::sparseproj
