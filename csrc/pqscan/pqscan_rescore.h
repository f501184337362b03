// SPDX-License-Identifier: Apache-2.0
/// Float distances of single rows: the meaning of a result.
#pragma once

#include <algorithm>

#include "pqscan/pqscan_codes.h"

namespace tersevec::pqscan {

/// One query's float tables.
template <class Layout>
class Rescorer {
public:
    Rescorer(const float* tables, const Codes& codes) : tables_(tables), codes_(codes) {}

    const float* tables() const noexcept { return tables_; }
    const Codes& codes() const noexcept { return codes_; }

    /// Float keys of hits, several rows at a time to hide the latency of the additions.
    void rescore(const Key* hits, std::int64_t count, float bias, Key* out) const noexcept {
        for (std::int64_t i = 0; i < count; i += together) {
            std::int64_t rows[together];
            for (int r = 0; r < together; ++r) {
                rows[r] = key_row(hits[std::min(i + r, count - 1)]);
            }
            float sums[together] = {};
            if (codes_.blocks != nullptr) {
                add([&](int r) { return BlockedCode<Layout>(codes_.blocks, codes_.m, rows[r]); },
                    sums);
            } else {
                add([&](int r) { return PackedCode(codes_.rows[rows[r]], codes_.n_bits); }, sums);
            }
            for (int r = 0; r < together && i + r < count; ++r) {
                out[i + r] = make_key(ordered_bits(sums[r] + bias), rows[r]);
            }
        }
    }

private:
    static constexpr int together = 8;

    template <class CodeOf>
    void add(CodeOf code_of, float* sums) const noexcept {
        constexpr int step = 64;
        std::uint8_t numbers[together][step];
        const std::int64_t n = codes_.centroids();
        for (std::int64_t j = 0; j < codes_.m; j += step) {
            const auto count = static_cast<int>(std::min<std::int64_t>(step, codes_.m - j));
            for (int r = 0; r < together; ++r) {
                code_of(r).read(j, count, numbers[r]);
            }
            const float* entries = tables_ + n * j;
            for (int i = 0; i < count; ++i, entries += n) {
                for (int r = 0; r < together; ++r) {
                    sums[r] += entries[numbers[r][i]];
                }
            }
        }
    }

    const float* tables_;
    Codes codes_;
};

}  // namespace tersevec::pqscan
