// SPDX-License-Identifier: Apache-2.0
/// Rows of small numbers in bytes: m numbers of n_bits <= 8 each, dense, least significant bit
/// first; the last byte is padded.
#pragma once

#include <cstdint>

#include "core/views.h"

namespace tersevec {

inline std::int64_t packed_bytes_of(std::int64_t m, int n_bits) noexcept {
    return (m * n_bits + 7) / 8;
}

/// Number j of a row of bytes.
class PackedNumbers {
public:
    PackedNumbers(const std::uint8_t* bytes, int n_bits) noexcept
        : bytes_(bytes), n_bits_(n_bits) {}
    int operator[](std::int64_t j) const noexcept {
        const std::int64_t bit = j * n_bits_;
        const auto shift = static_cast<int>(bit % 8);
        int number = bytes_[bit / 8] >> shift;
        if (shift + n_bits_ > 8) {
            number |= bytes_[bit / 8 + 1] << (8 - shift);
        }
        return number & ((1 << n_bits_) - 1);
    }

private:
    const std::uint8_t* bytes_;
    int n_bits_;
};

/// One byte for each number, (n, m), to rows of bytes, and back.
void join_numbers(const std::uint8_t* numbers, std::int64_t n, std::int64_t m, int n_bits,
                  std::uint8_t* rows) noexcept;
void split_numbers(Rows<std::uint8_t> rows, std::int64_t m, int n_bits,
                   std::uint8_t* numbers) noexcept;

}  // namespace tersevec
