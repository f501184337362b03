// SPDX-License-Identifier: Apache-2.0
/// Views of the caller's memory. They own nothing and are passed by value.
#pragma once

#include <cstdint>

namespace tersevec {

/// A matrix whose rows are contiguous and `stride_bytes` apart.
template <class T>
struct Rows {
    const T* data;
    std::int64_t n;
    std::int64_t width;
    std::int64_t stride_bytes;

    const T* operator[](std::int64_t i) const noexcept {
        return reinterpret_cast<const T*>(reinterpret_cast<const char*>(data) + i * stride_bytes);
    }
    Rows slice(std::int64_t first, std::int64_t count) const noexcept {
        return {(*this)[first], count, width, stride_bytes};
    }
};

/// Allowed rows as bits, least significant first; a null pointer allows every row. One mask for all
/// queries, or one for each, `stride_bytes` apart.
struct Mask {
    const std::uint8_t* bits = nullptr;
    std::int64_t stride_bytes = 0;

    bool of_queries() const noexcept { return stride_bytes != 0; }
    Mask from_query(std::int64_t q) const noexcept {
        return {bits == nullptr ? nullptr : bits + q * stride_bytes, stride_bytes};
    }

    /// `count` <= 64 bits from `row`, which is a multiple of 8. Reads only bytes that hold one of
    /// these rows.
    std::uint64_t word(std::int64_t row, int count) const noexcept {
        const std::uint64_t all = ~std::uint64_t{0} >> (64 - count);
        if (bits == nullptr) {
            return all;
        }
        std::uint64_t word = 0;
        for (int bit = 0; bit < count; bit += 8) {
            word |= std::uint64_t{bits[(row + bit) / 8]} << bit;
        }
        return word & all;
    }
};

}  // namespace tersevec
