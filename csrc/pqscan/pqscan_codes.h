// SPDX-License-Identifier: Apache-2.0
/// One row's codes, in either layout, for what reads single rows.
#pragma once

#include "core/scan.h"
#include "pqscan/pqscan.h"

namespace tersevec::pqscan {

inline Blocked<std::uint8_t> blocked(const Codes& codes) noexcept {
    return {codes.blocks, codes.rows, codes.n, codes.m * centroids, block_codes, &pack};
}

/// code[j] of a row in blocks.
class BlockedCode {
public:
    BlockedCode(const std::uint8_t* blocks, std::int64_t m, std::int64_t row) noexcept
        : bytes_(blocks + row / block_codes * m * centroids + row % 16),
          shift_(row % block_codes < 16 ? 0 : 4) {}
    int operator[](std::int64_t j) const noexcept { return bytes_[centroids * j] >> shift_ & 15; }

private:
    const std::uint8_t* bytes_;
    int shift_;
};

/// code[j] of a row of bytes.
class PackedCode {
public:
    explicit PackedCode(const std::uint8_t* bytes) noexcept : bytes_(bytes) {}
    int operator[](std::int64_t j) const noexcept { return bytes_[j / 2] >> (j % 2 * 4) & 15; }

private:
    const std::uint8_t* bytes_;
};

}  // namespace tersevec::pqscan
