// SPDX-License-Identifier: Apache-2.0
/// One query of an exact scan: integer bounds that lose nothing, float distances of what passes.
///
/// A table entry T becomes floor((T - mu_j) * scale), mu_j the least entry of its sub-space, and at
/// most 127. For the sum Q of a row and its real distance D: base + Q / scale <= D, with base = sum
/// of mu_j. The float32 distance differs from D by at most `slack`. So a row can only have a float
/// distance <= theta if Q <= (theta + slack - base) * scale: an integer bound that leaves nothing
/// out; the rows that pass it are added again in float32, in order.
/// The scale serves entries up to some times their mean, not the largest one: far entries are cut,
/// which keeps the bound a bound, and near rows, which have none, get finer steps.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "pqscan/pqscan_codes.h"

namespace tersevec::pqscan {

struct Range {
    float least, most, mean_above;  // the mean of entry - least
};

/// Of the 16 entries of a table; four lanes, since a plain minimum does not become vector code.
inline Range range_of(const float* table) noexcept {
    float least[4], most[4], above[4] = {};
    std::copy_n(table, 4, least);
    std::copy_n(table, 4, most);
    for (int c = 4; c < centroids; c += 4) {
        for (int lane = 0; lane < 4; ++lane) {
            const float entry = table[c + lane];
            least[lane] = entry < least[lane] ? entry : least[lane];
            most[lane] = most[lane] < entry ? entry : most[lane];
        }
    }
    const float floor = *std::min_element(least, least + 4);
    for (int c = 0; c < centroids; c += 4) {
        for (int lane = 0; lane < 4; ++lane) {
            above[lane] += table[c + lane] - floor;
        }
    }
    return {floor, *std::max_element(most, most + 4),
            (above[0] + above[1] + above[2] + above[3]) / centroids};
}

/// One query's float tables and what the scan knows of their rounding.
class Query {
public:
    /// Entries above this many times the mean entry are cut. Fewer and far rows pass for near ones,
    /// more and the steps get coarse where a few sub-spaces hold most of the variance.
    static constexpr double clip_means = 8.0;

    /// Writes the quantised tables; `quantised` (table_bytes) is zeroed.
    Query(const float* tables, const Codes& codes, std::uint8_t* quantised)
        : tables_(tables), codes_(codes) {
        std::vector<float> least(codes.m);
        double span = 0.0, magnitude = 0.0, mean = 0.0;
        for (std::int64_t j = 0; j < codes.m; ++j) {
            const Range range = range_of(tables + centroids * j);
            least[j] = range.least;
            span = std::max(span, double{range.most} - double{range.least});
            magnitude += std::max(std::abs(double{range.most}), std::abs(double{range.least}));
            base_ += range.least;
            mean += range.mean_above;
        }
        mean /= static_cast<double>(codes.m);
        span = std::min(span, clip_means * mean);
        scale_ = span > 0.0 ? std::min(table_limit / span, 1e30) : 0.0;  // 1e30: a float holds it
        // m - 1 additions in float32, each off by at most 2^-24 of a partial sum; the rest covers
        // the doubles above.
        slack_ = static_cast<double>(codes.m + 2) * magnitude * 0x1p-24 * 1.001;
        // A little less: three roundings of 2^-24 leave the product below the real one.
        const auto scale = static_cast<float>(scale_ * (1.0 - 0x1p-21));
        for (std::int64_t j = 0; j < codes.m; ++j) {
            for (int c = 0; c < centroids; ++c) {
                const float level = (tables[centroids * j + c] - least[j]) * scale;
                quantised[centroids * j + c] = static_cast<std::uint8_t>(
                    static_cast<int>(level < table_limit ? level : table_limit));
            }
        }
    }

    /// Sums at or above it have float distances above theta. Exclusive, never above
    /// bound(infinity).
    std::int32_t bound(float theta) const noexcept {
        const auto all = static_cast<double>(codes_.m * table_limit);
        const double most = (theta + slack_ - base_) * scale_ +
                            1e-3;  // 1e-3: the rounding of this line and of floor's
        if (!(most < all)) {
            return static_cast<std::int32_t>(all) + 1;
        }
        return most < 0.0 ? 0 : static_cast<std::int32_t>(most) + 1;
    }

    /// Float keys of hits, several rows at a time to hide the latency of the additions.
    void rescore(const Key* hits, std::int64_t count, Key* out) const noexcept {
        for (std::int64_t i = 0; i < count; i += together) {
            std::int64_t rows[together];
            for (int r = 0; r < together; ++r) {
                rows[r] = key_row(hits[std::min(i + r, count - 1)]);
            }
            float sums[together] = {};
            if (codes_.blocks != nullptr) {
                add([&](int r) { return BlockedCode(codes_.blocks, codes_.m, rows[r]); }, sums);
            } else {
                add([&](int r) { return PackedCode(codes_.rows[rows[r]]); }, sums);
            }
            for (int r = 0; r < together && i + r < count; ++r) {
                out[i + r] = make_key(ordered_bits(sums[r]), rows[r]);
            }
        }
    }

private:
    static constexpr int together = 8;

    template <class CodeOf>
    void add(CodeOf code_of, float* sums) const noexcept {
        const decltype(code_of(0)) codes[together] = {code_of(0), code_of(1), code_of(2),
                                                      code_of(3), code_of(4), code_of(5),
                                                      code_of(6), code_of(7)};
        for (std::int64_t j = 0; j < codes_.m; ++j) {
            const float* entries = tables_ + centroids * j;
            for (int r = 0; r < together; ++r) {
                sums[r] += entries[codes[r][j]];
            }
        }
    }

    const float* tables_;
    Codes codes_;
    double base_ = 0.0;
    double scale_;
    double slack_;
};

}  // namespace tersevec::pqscan
