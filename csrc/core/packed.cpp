// SPDX-License-Identifier: Apache-2.0
#include "core/packed.h"

namespace tersevec {

void join_numbers(const std::uint8_t* numbers, std::int64_t n, std::int64_t m, int n_bits,
                  std::uint8_t* rows) noexcept {
    for (std::int64_t i = 0; i < n; ++i) {
        std::uint64_t bits = 0;
        int held = 0;
        for (std::int64_t j = 0; j < m; ++j) {
            bits |= std::uint64_t{*numbers++} << held;
            for (held += n_bits; held >= 8; held -= 8, bits >>= 8) {
                *rows++ = static_cast<std::uint8_t>(bits);
            }
        }
        if (held > 0) {
            *rows++ = static_cast<std::uint8_t>(bits);
        }
    }
}

void split_numbers(Rows<std::uint8_t> rows, std::int64_t m, int n_bits,
                   std::uint8_t* numbers) noexcept {
    for (std::int64_t i = 0; i < rows.n; ++i) {
        const PackedNumbers row(rows[i], n_bits);
        for (std::int64_t j = 0; j < m; ++j) {
            *numbers++ = static_cast<std::uint8_t>(row[j]);
        }
    }
}

}  // namespace tersevec
