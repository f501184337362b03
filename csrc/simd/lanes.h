// SPDX-License-Identifier: Apache-2.0
/// The compiler's own vectors, so that one loop becomes each level's instructions. Every lane does
/// the reference's operations in the reference's order.
#pragma once

#include <cstdint>

namespace tersevec {
namespace {

template <int Lanes>
struct Vector {
    using f64 [[gnu::vector_size(8 * Lanes)]] = double;
    using f32 [[gnu::vector_size(4 * Lanes)]] = float;
    using i32 [[gnu::vector_size(4 * Lanes)]] = std::int32_t;
    using i16 [[gnu::vector_size(2 * Lanes)]] = std::int16_t;
    using u16 [[gnu::vector_size(2 * Lanes)]] = std::uint16_t;
    using i8 [[gnu::vector_size(Lanes)]] = std::int8_t;
    using u8 [[gnu::vector_size(Lanes)]] = std::uint8_t;
};

template <class T, class From>
T load(const From* from) noexcept {
    T vector;
    __builtin_memcpy(&vector, from, sizeof vector);
    return vector;
}

template <class T, class To>
void store(To* to, T vector) noexcept {
    __builtin_memcpy(to, &vector, sizeof vector);
}

/// Calls step<f32>(first) for all of n numbers: registers of `Lanes` of them, then halves.
template <int Lanes, class Step>
void for_lanes(std::int64_t n, Step step, std::int64_t first = 0) noexcept {
    using f32 = typename Vector<Lanes>::f32;
    for (; first + Lanes <= n; first += Lanes) {
        step.template operator()<f32>(first);
    }
    if constexpr (Lanes > 1) {
        for_lanes<Lanes / 2>(n, step, first);
    }
}

/// One number in every lane; nothing is rounded, and the compiler leaves the difference out.
template <class T>
T broadcast(float number) noexcept {
    return number - T{};
}

}  // namespace
}  // namespace tersevec
