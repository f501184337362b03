// SPDX-License-Identifier: Apache-2.0
/// One row's numbers, in blocks or as bytes, for what reads single rows.
#pragma once

#include "core/packed.h"
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
class PackedCode : public PackedNumbers {
public:
    using PackedNumbers::PackedNumbers;
    void read(std::int64_t j, int count, std::uint8_t* out) const noexcept {
        for (int i = 0; i < count; ++i) {
            out[i] = static_cast<std::uint8_t>((*this)[j + i]);
        }
    }
};

/// How to walk codes in this layout.
template <class Layout>
Blocked<std::uint8_t> blocked(const Codes& codes) {
    return {codes.blocks, codes.n, block_bytes_of<Layout>(codes.m), Layout::block_codes,
            [codes](std::int64_t row, std::int64_t count, std::uint8_t* blocks) {
                pack(codes.rows.slice(row, count), blocks, codes.m, codes.n_bits, 0);
            }};
}

}  // namespace tersevec::pqscan
