// SPDX-License-Identifier: Apache-2.0
/// One query of an exact scan: integer bounds that lose nothing, float distances of what passes.
///
/// A table entry T becomes floor((T - mu_j) * scale), mu_j the least entry of its sub-space, and at
/// most the grain's limit. For the sum Q of a row and its real distance D: base + Q / scale <= D,
/// with base = sum of mu_j. The float32 distance differs from D by at most `slack`. So a row can
/// only have a float distance <= theta if Q <= (theta + slack - base) * scale: an integer bound
/// that leaves nothing out; the rows that pass it are added again in float32, in order. A coarse
/// grain's entries are lower still, so the argument holds for them too.
/// Where sums only have to bound, the scale serves entries up to some times a sub-space's usual
/// one, not the largest: far entries are cut, which keeps the bound a bound, and near rows, which
/// have none, get finer steps. Where sums rank, nothing is cut: then D <= base + Q / scale + error
/// too, `error` the sum over sub-spaces of what rounding took off an entry at most.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "pqscan/pqscan_rescore.h"

namespace tersevec::pqscan {

/// What quantised sums are for.
enum class Sums : std::uint8_t { bound, rank };

/// Least and largest float distance of a row with a sum.
struct Bounds {
    double base, step, error, slack;

    float lower(std::uint32_t sum) const noexcept {
        return std::nextafter(static_cast<float>(base + sum * step - slack), -infinity);
    }
    float upper(std::uint32_t sum) const noexcept {
        return std::nextafter(static_cast<float>(base + sum * step + error + slack), infinity);
    }

    static constexpr float infinity = std::numeric_limits<float>::infinity();
};

/// One query's float tables and what the scan knows of their rounding.
template <class Layout>
class Query : public Rescorer<Layout> {
public:
    using Bound = std::int32_t;
    static constexpr bool knows_most = false;  // entries are cut

    /// Entries above this many times the root mean square of the sub-spaces' mean entries are cut.
    /// Fewer and far rows pass for near ones; more and steps get coarse. The square keeps entries
    /// of the sub-spaces that hold most of the variance.
    static constexpr double clip_means = 3.0;

    using Rescorer<Layout>::Rescorer;

    /// Makes the sums what they are: writes tables of this grain. `quantised` (grain.table_bytes)
    /// is zeroed.
    void quantise(const Grain& grain, Sums sums, const TableKernels& kernels,
                  std::uint8_t* quantised) {
        const float* tables = this->tables();
        const std::int64_t m = this->codes().m;
        std::vector<Range> ranges(m);
        kernels.ranges(tables, m, this->codes().centroids(), ranges.data());
        magnitude_ = 0.0;
        double mean = 0.0, variance = 0.0;
        for (const Range& range : ranges) {
            mean += range.mean;
            variance += range.variance;
            magnitude_ += std::max(std::abs(double{range.most}), std::abs(double{range.least}));
        }
        const float* entries = tables;
        std::int64_t n = this->codes().centroids();
        std::vector<float> coarse;
        if (grain.slots < n) {
            coarse.resize(m * grain.slots);
            kernels.fold(tables, m, n, grain.slots, coarse.data());
            entries = coarse.data();
            n = grain.slots;
            kernels.ranges(entries, m, n, ranges.data());
        }
        double span = 0.0, squares = 0.0;
        base_ = 0.0;
        for (const Range& range : ranges) {
            span = std::max(span, double{range.most} - double{range.least});
            base_ += range.least;
            mean -= range.mean;
            const double above = double{range.mean} - double{range.least};
            squares += above * above;
        }
        if (sums == Sums::bound && squares > 0.0) {
            span = std::min(span, clip_means * std::sqrt(squares / static_cast<double>(m)));
        }
        looseness_ = mean / std::sqrt(variance);
        grain_ = &grain;
        scale_ = span > 0.0 ? std::min(grain.limit / span, 1e30) : 0.0;  // 1e30: a float holds it
        // m - 1 additions in float32, each off by at most 2^-24 of a partial sum; the rest covers
        // the doubles above.
        slack_ = static_cast<double>(m + 2) * magnitude_ * ulp * 1.001;
        // A little less: three roundings of 2^-24 leave the product below the real one.
        const auto scale = static_cast<float>(scale_ * (1.0 - 0x1p-21));
        kernels.quantise(entries, m, n, ranges.data(), scale, grain.limit, grain.slots, quantised);
        if (sums == Sums::rank) {
            step_ = scale_ > 0.0 ? 1.0 / scale_ : 0.0;
            error_ = kernels.error(entries, m, n, ranges.data(), step_, grain.slots, quantised);
        }
    }

    /// What a coarse grain takes off a sum on average, in standard deviations of sums.
    double looseness() const noexcept { return looseness_; }

    /// What its sums stand for changes with the grain.
    const void* version() const noexcept { return grain_; }

    /// What the scan's keys hold of a bound.
    static std::uint32_t key_of(Bound bound) noexcept { return static_cast<std::uint32_t>(bound); }

    /// Sums at or above it have float distances, bias added, above theta. Exclusive, never above
    /// bound(infinity).
    std::int32_t bound(float theta, float bias) const noexcept {
        const auto all = static_cast<double>(this->codes().m * grain_->limit);
        // The bias is one more addition.
        const double slack = slack_ + (magnitude_ + std::abs(double{bias})) * ulp * 1.001;
        const double most = (theta - double{bias} + slack - base_) * scale_ +
                            1e-3;  // 1e-3: the rounding of this line and of floor's
        if (!(most < all)) {
            return static_cast<std::int32_t>(all) + 1;
        }
        return most < 0.0 ? 0 : static_cast<std::int32_t>(most) + 1;
    }

    /// Only of sums that rank.
    Bounds bounds() const noexcept { return {base_, step_, error_, slack_}; }

private:
    static constexpr double ulp = 0x1p-24;

    const Grain* grain_ = nullptr;
    double base_ = 0.0;
    double magnitude_ = 0.0;
    double scale_ = 0.0;
    double slack_ = 0.0;
    double step_ = 0.0;
    double error_ = 0.0;
    double looseness_ = 0.0;
};

}  // namespace tersevec::pqscan
