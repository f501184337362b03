// SPDX-License-Identifier: Apache-2.0
/// Exact top-k of one query from hits that a scan only bounds.
#pragma once

#include <algorithm>
#include <limits>
#include <vector>

#include "core/topk.h"

namespace tersevec::pqscan {

/// Hits wait until they are worth sorting, the most promising are re-scored first, and what their
/// distances rule out is never re-scored. `Query` has
///   Bound bound(theta, bias): of what the scan's keys hold, at or above it nothing is within theta
///   static std::uint32_t key_of(Bound)
///   static constexpr bool knows_most, and if so float most(value, bias): no row of this key lies
///       farther
///   const void* version(): another one where keys have changed their meaning
///   void rescore(hits, count, bias, out)
template <class Query>
class ExactTopk {
public:
    using Bound = typename Query::Bound;

    ExactTopk(const Query& query, std::int64_t k) : query_(query), k_(k), best_(k) {
        lower_bound(std::numeric_limits<float>::infinity());
    }

    /// For rows of this bias. What waits was found under the last one, and by the query as it was.
    Bound bound(float bias) {
        if (bias != bias_ || query_.version() != version_) {
            take(0, static_cast<std::int64_t>(waiting_.size()));
            waiting_.clear();
            bias_ = bias;
            version_ = query_.version();
            bound_ = query_.bound(theta_, bias_);
        }
        return bound_;
    }

    void lower_bound(float theta) noexcept {
        theta_ = std::min(theta_, theta);
        bound_ = query_.bound(theta_, bias_);
    }

    /// Hits under the bias that `bound` was asked for last.
    void push(const Key* hits, std::int64_t count) {
        waiting_.insert(waiting_.end(), hits, hits + count);
        if (static_cast<std::int64_t>(waiting_.size()) >= wanted_) {
            narrow();
        }
    }

    const std::vector<Key>& finish() {
        settle();
        return best_.finish();
    }

    static std::int64_t state_bytes(std::int64_t k) noexcept {
        return ReservoirTopk::state_bytes(k) + 16 * std::min(2 * k + 4096, 2 * waiting_limit);
    }

private:
    static constexpr std::int64_t waiting_limit = 16384;

    static std::int64_t enough(std::int64_t k) noexcept {
        return std::clamp<std::int64_t>(2 * k, 32, waiting_limit);
    }

    /// The k most promising first; returns how many they are.
    std::int64_t part() {
        const auto n = static_cast<std::int64_t>(waiting_.size()), first = std::min(n, k_);
        if (first < n) {
            std::nth_element(waiting_.begin(), waiting_.begin() + first - 1, waiting_.end());
        }
        return first;
    }

    /// Drops what waits in vain from place `first` on; returns the end of the rest.
    std::int64_t drop(std::int64_t first) {
        const auto left = std::remove_if(
            waiting_.begin() + first, waiting_.end(),
            [limit = Query::key_of(bound_)](Key hit) { return key_value(hit) >= limit; });
        return left - waiting_.begin();
    }

    /// Lowers the bound: by what keys tell of how far k rows are at most, or else by re-scoring the
    /// k most promising. The others wait on: many of them will be ruled out.
    void narrow() {
        const std::int64_t first = part();
        if constexpr (Query::knows_most) {
            if (first == k_) {
                lower_bound(query_.most(key_value(waiting_[first - 1]), bias_));
            }
            waiting_.resize(drop(first));
        } else {
            take(0, first);
            waiting_.resize(drop(first));
            waiting_.erase(waiting_.begin(), waiting_.begin() + first);
        }
        wanted_ = static_cast<std::int64_t>(waiting_.size()) + enough(k_);
        if (wanted_ > waiting_limit) {
            settle();
        }
    }

    void settle() {
        const std::int64_t first = part();
        take(0, first);
        take(first, drop(first));
        waiting_.clear();
        wanted_ = enough(k_);
    }

    void take(std::int64_t first, std::int64_t last) {
        scored_.resize(last - first);
        query_.rescore(waiting_.data() + first, last - first, bias_, scored_.data());
        for (const Key key : scored_) {
            best_.push(key);
        }
        best_.tighten();
        if (best_.bound() != no_hit) {
            lower_bound(from_ordered_bits(key_value(best_.bound())));
        }
    }

    const Query& query_;
    std::int64_t k_;
    std::int64_t wanted_ = enough(k_);
    ReservoirTopk best_;
    float theta_ = std::numeric_limits<float>::infinity();
    float bias_ = 0.0f;
    const void* version_ = query_.version();
    Bound bound_{};
    std::vector<Key> waiting_;
    std::vector<Key> scored_;
};

}  // namespace tersevec::pqscan
