// SPDX-License-Identifier: Apache-2.0
/// Codes decoded to bytes, so that queries multiply them: the way for many queries, where a product
/// of bytes costs less than a look-up.
///
/// Coordinate i of a decoded row is about centre[i] + step * (u - 128), u a byte from a table of
/// the coordinate's centroids. A squared distance is about
///   |q - centre|^2 - 2 step (q - centre) (u - 128) + step^2 |u - 128|^2
/// which is a product of bytes and an offset of the row; of inner products only the product.
#pragma once

#include "pqscan/pqscan_layout.h"
#include "symdist/symdist_panel.h"

namespace tersevec::pqscan {
namespace {

/// One code after the other, on every level.
template <class Layout>
void decode_codes(const Decode& decode, const std::uint8_t* blocks, std::int64_t n_codes,
                  std::uint8_t* panel, std::int32_t* squares) noexcept {
    using namespace symdist;
    const std::int64_t end = line_dims * decode.lines, coordinates = decode.m * decode.dims;
    for (std::int64_t c = 0; c < n_codes; ++c) {
        const std::uint8_t* block =
            blocks + c / Layout::block_codes * block_bytes_of<Layout>(decode.m);
        std::uint8_t* out =
            panel + c / block_rows * line_bytes * decode.lines + c % block_rows * line_dims;
        const std::uint8_t* table = decode.bytes;
        std::int32_t sum = 0;
        std::int64_t i = 0;
        for (std::int64_t j = 0; j < decode.m; ++j) {
            const int number = Layout::get(block, j, static_cast<int>(c % Layout::block_codes));
            for (std::int64_t t = 0; t < decode.dims; ++t, ++i, table += decode.n_centroids) {
                const std::uint8_t u = table[number];
                out[i / line_dims * line_bytes + i % line_dims] = u;
                sum += (u - 128) * (u - 128);
            }
        }
        for (i = coordinates; i < end; ++i) {
            out[i / line_dims * line_bytes + i % line_dims] = 128;
        }
        squares[c] = sum;
    }
}

}  // namespace
}  // namespace tersevec::pqscan
