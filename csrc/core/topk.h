// SPDX-License-Identifier: Apache-2.0
/// Exact top-k in the order (value, index), by a threshold that only falls.
///
/// A hit is one 64-bit key: the value's order-preserving 32 bits above the row's 32 bits, so that
/// the order of keys is the order (value, index) and the result does not depend on threads or on
/// how the rows were cut. Rows reach one collector in ascending order: a row whose value equals the
/// k-th best so far comes too late to enter, so the threshold is exclusive.
#pragma once

#include <bit>
#include <cstdint>
#include <mutex>
#include <vector>

namespace tersevec {

using Key = std::uint64_t;
inline constexpr Key no_hit = ~Key{0};  ///< pads results that have fewer than k rows

inline Key make_key(std::uint32_t ordered_value, std::int64_t row) noexcept {
    return Key{ordered_value} << 32 | static_cast<std::uint32_t>(row);
}
inline std::uint32_t key_value(Key key) noexcept {
    return static_cast<std::uint32_t>(key >> 32);
}
inline std::int64_t key_row(Key key) noexcept {
    return static_cast<std::uint32_t>(key);
}

/// Bits of a float in an order that unsigned integers keep; -0.0 is below 0.0, NaN has no place
/// here.
inline std::uint32_t ordered_bits(float value) noexcept {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
inline float from_ordered_bits(std::uint32_t bits) noexcept {
    return std::bit_cast<float>(bits & 0x80000000u ? bits & 0x7fffffffu : ~bits);
}

/// Top-k of small integers by counting: the threshold is exact after every hit, at the cost of one
/// counter a value.
class CountingTopk {
public:
    CountingTopk(std::int64_t k, std::uint32_t max_value);

    /// Only rows with a smaller value can enter. Falls.
    std::uint32_t bound() const noexcept { return bound_; }

    /// Lowers the bound to what others know. Rows at or above it are of no use to anybody.
    void lower_bound(std::uint32_t bound) noexcept;

    /// Takes hits in ascending order of rows; those at or above the bound are passed over.
    void push(const Key* hits, std::int64_t count);

    /// Sorts and returns the at most k best.
    const std::vector<Key>& finish();

    static std::int64_t state_bytes(std::int64_t k, std::uint32_t max_value) noexcept;

private:
    void compact();

    std::int64_t k_;
    std::uint32_t bound_;
    std::int64_t below_ = 0;  // rows counted below the bound
    std::vector<std::uint32_t> counts_;
    std::vector<Key> entries_;
};

/// Top-k of any values: a reservoir that is cut back to its k best whenever it is full.
class ReservoirTopk {
public:
    explicit ReservoirTopk(std::int64_t k);

    /// Keys at or above it cannot enter; no_hit until k keys were seen.
    Key bound() const noexcept { return bound_; }

    void push(Key key) {
        if (key < bound_) {
            entries_.push_back(key);
            if (static_cast<std::int64_t>(entries_.size()) >= capacity_) {
                tighten();
            }
        }
    }

    /// Cuts back to the k best now, which gives the tightest bound.
    void tighten();

    const std::vector<Key>& finish();

    static std::int64_t state_bytes(std::int64_t k) noexcept;

private:
    std::int64_t k_;
    std::int64_t capacity_;
    Key bound_ = no_hit;
    std::vector<Key> entries_;
};

/// Larger values would need more counters than rows.
inline constexpr std::int64_t counted_limit = 1 << 18;

/// Top-k of integers too large to be worth counting, with CountingTopk's members.
class UncountedTopk {
public:
    UncountedTopk(std::int64_t k, std::uint32_t max_value) : bound_(max_value + 1), best_(k) {}

    std::uint32_t bound() const noexcept { return bound_; }
    void lower_bound(std::uint32_t bound) noexcept { bound_ = bound < bound_ ? bound : bound_; }
    void push(const Key* hits, std::int64_t count) {
        for (std::int64_t i = 0; i < count; ++i) {
            best_.push(hits[i]);
        }
        best_.tighten();
        if (best_.bound() != no_hit) {
            lower_bound(key_value(best_.bound()));
        }
    }
    const std::vector<Key>& finish() { return best_.finish(); }

    static std::int64_t state_bytes(std::int64_t k, std::uint32_t) noexcept {
        return ReservoirTopk::state_bytes(k);
    }

private:
    std::uint32_t bound_;
    ReservoirTopk best_;
};

/// Merges the sorted parts of one query's top-k, from any thread, in the caller's memory.
class TopkMerger {
public:
    /// `keys` (n_queries, k) is filled with no_hit.
    TopkMerger(Key* keys, std::int64_t n_queries, std::int64_t k);

    /// Adds at most k sorted keys to a query's.
    void merge(std::int64_t query, const std::vector<Key>& part);

    /// The query's k-th key so far, no_hit while it has fewer.
    Key kth(std::int64_t query);

private:
    Key* keys_;
    std::int64_t k_;
    std::mutex lock_;
};

}  // namespace tersevec
