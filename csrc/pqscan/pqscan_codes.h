// SPDX-License-Identifier: Apache-2.0
/// One row's numbers, in blocks or as bytes, for what reads single rows.
#pragma once

#include "pqscan/pqscan_layout.h"

namespace tersevec::pqscan {

/// Number j of a row in blocks.
template <class Layout>
class BlockedCode {
public:
    BlockedCode(const std::uint8_t* blocks, std::int64_t m, std::int64_t row) noexcept
        : block_(blocks + row / Layout::block_codes * block_bytes_of<Layout>(m)),
          place_(static_cast<int>(row % Layout::block_codes)) {}
    int operator[](std::int64_t j) const noexcept { return Layout::get(block_, j, place_); }
    void read(std::int64_t j, int count, std::uint8_t* out) const noexcept {
        Layout::read(block_, j, count, place_, out);
    }

private:
    const std::uint8_t* block_;
    int place_;
};

/// Number j of a row of bytes.
class PackedCode {
public:
    PackedCode(const std::uint8_t* bytes, int n_bits) noexcept : bytes_(bytes), n_bits_(n_bits) {}
    int operator[](std::int64_t j) const noexcept {
        const std::int64_t bit = j * n_bits_;
        const auto shift = static_cast<int>(bit % 8);
        int number = bytes_[bit / 8] >> shift;
        if (shift + n_bits_ > 8) {
            number |= bytes_[bit / 8 + 1] << (8 - shift);
        }
        return number & ((1 << n_bits_) - 1);
    }
    void read(std::int64_t j, int count, std::uint8_t* out) const noexcept {
        for (int i = 0; i < count; ++i) {
            out[i] = static_cast<std::uint8_t>((*this)[j + i]);
        }
    }

private:
    const std::uint8_t* bytes_;
    int n_bits_;
};

/// How to walk codes in this layout.
template <class Layout>
Blocked<std::uint8_t> blocked(const Codes& codes) {
    return {codes.blocks,
            codes.rows,
            codes.n,
            block_bytes_of<Layout>(codes.m),
            Layout::block_codes,
            [m = codes.m, n_bits = codes.n_bits](Rows<std::uint8_t> rows, std::uint8_t* blocks) {
                pack(rows, blocks, m, n_bits, 0);
            }};
}

}  // namespace tersevec::pqscan
