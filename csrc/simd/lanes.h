// SPDX-License-Identifier: Apache-2.0
/// The compiler's own vectors, so that one loop becomes each level's instructions. Every lane does
/// the reference's operations in the reference's order.
#pragma once

#include <cstdint>

namespace tersevec {
namespace {

template <int Lanes>
struct Vector {
    using f32 [[gnu::vector_size(4 * Lanes)]] = float;
    using i32 [[gnu::vector_size(4 * Lanes)]] = std::int32_t;
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

/// One number in every lane; nothing is rounded, and the compiler leaves the difference out.
template <class T>
T broadcast(float number) noexcept {
    return number - T{};
}

}  // namespace
}  // namespace tersevec
