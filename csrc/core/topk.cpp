// SPDX-License-Identifier: Apache-2.0
#include "core/topk.h"

#include <algorithm>

namespace tersevec {
namespace {

/// Entries beyond k before a cut: so few that the bound falls soon, so many that cuts cost little.
std::int64_t capacity_of(std::int64_t k) noexcept {
    return k + std::max<std::int64_t>(32, k / 2);
}

}  // namespace

CountingTopk::CountingTopk(std::int64_t k, std::uint32_t max_value)
    : k_(k), bound_(max_value + 1), counts_(max_value + 1, 0) {}

void CountingTopk::lower_bound(std::uint32_t bound) noexcept {
    while (bound_ > bound) {
        below_ -= counts_[--bound_];
    }
}

void CountingTopk::push(const Key* hits, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
        const std::uint32_t value = key_value(hits[i]);
        if (value >= bound_) {
            continue;
        }
        entries_.push_back(hits[i]);
        ++counts_[value];
        ++below_;
        while (below_ >= k_) {  // k rows at or below bound - 1: a later row needs a smaller value
            below_ -= counts_[--bound_];
        }
        if (static_cast<std::int64_t>(entries_.size()) >= capacity_of(k_)) {
            compact();
        }
    }
}

void CountingTopk::compact() {
    std::int64_t ties = k_ - below_;  // rows at the bound that still count: the first ones
    std::erase_if(entries_, [&](Key key) {
        const std::uint32_t value = key_value(key);
        return value > bound_ || (value == bound_ && ties-- <= 0);
    });
}

const std::vector<Key>& CountingTopk::finish() {
    compact();
    std::sort(entries_.begin(), entries_.end());
    return entries_;
}

std::int64_t CountingTopk::state_bytes(std::int64_t k, std::uint32_t max_value) noexcept {
    return 4 * (std::int64_t{max_value} + 1) + 8 * capacity_of(k);
}

ReservoirTopk::ReservoirTopk(std::int64_t k) : k_(k), capacity_(capacity_of(k)) {}

void ReservoirTopk::tighten() {
    if (static_cast<std::int64_t>(entries_.size()) < k_) {
        return;
    }
    const auto kth = entries_.begin() + (k_ - 1);
    std::nth_element(entries_.begin(), kth, entries_.end());
    bound_ = *kth;
    entries_.resize(static_cast<std::size_t>(k_));
}

const std::vector<Key>& ReservoirTopk::finish() {
    tighten();
    std::sort(entries_.begin(), entries_.end());
    return entries_;
}

std::int64_t ReservoirTopk::state_bytes(std::int64_t k) noexcept {
    return 8 * capacity_of(k);
}

TopkMerger::TopkMerger(Key* keys, std::int64_t n_queries, std::int64_t k) : keys_(keys), k_(k) {
    std::fill_n(keys, n_queries * k, no_hit);
}

void TopkMerger::merge(std::int64_t query, const std::vector<Key>& part) {
    const std::lock_guard guard(lock_);
    Key* mine = keys_ + query * k_;
    if (mine[0] == no_hit) {
        std::copy(part.begin(), part.end(), mine);
        return;
    }
    // Backwards from the last place that survives, so that the merge needs no second buffer.
    std::int64_t n_mine = std::lower_bound(mine, mine + k_, no_hit) - mine;
    auto n_part = static_cast<std::int64_t>(part.size());
    while (n_mine + n_part > k_) {
        const bool drop_part = n_mine == 0 || (n_part > 0 && part[n_part - 1] > mine[n_mine - 1]);
        --(drop_part ? n_part : n_mine);
    }
    for (std::int64_t place = n_mine + n_part - 1; n_part > 0; --place) {
        const bool take_part = n_mine == 0 || part[n_part - 1] > mine[n_mine - 1];
        mine[place] = take_part ? part[--n_part] : mine[--n_mine];
    }
}

Key TopkMerger::kth(std::int64_t query) {
    const std::lock_guard guard(lock_);
    return keys_[(query + 1) * k_ - 1];
}

}  // namespace tersevec
