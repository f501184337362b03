// SPDX-License-Identifier: Apache-2.0
/// What the parity program compares with: counted checks, random numbers, rankings by definition.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/isa.h"
#include "core/topk.h"
#include "core/views.h"

namespace tersevec::parity {
using Bytes = std::vector<std::uint8_t>;
using Floats = std::vector<float>;

inline std::int64_t n_passed = 0;

[[noreturn]] inline void fail(const char* what, Isa isa, const std::string& shape) {
    const std::string level(isa_name(isa));
    std::printf("%s, %s: wrong at %s\n%lld passed, 1 failed\n", what, level.c_str(), shape.c_str(),
                static_cast<long long>(n_passed));
    std::exit(1);
}

inline void expect(bool right, const char* what, Isa isa, const std::string& shape) {
    if (!right) {
        fail(what, isa, shape);
    }
    ++n_passed;
}

class Random {
public:
    std::uint32_t operator()() noexcept {
        state_ = state_ * 6364136223846793005u + 1442695040888963407u;
        return static_cast<std::uint32_t>(state_ >> 33);
    }
    std::uint32_t below(std::uint32_t limit) noexcept { return (*this)() % limit; }
    float number() noexcept { return static_cast<float>((*this)() % 20001) / 5000.0f - 2.0f; }
    Bytes bytes(std::int64_t count, std::uint32_t limit = 256) {
        Bytes all(count);
        for (auto& byte : all) {
            byte = static_cast<std::uint8_t>(below(limit));
        }
        return all;
    }
    Floats numbers(std::int64_t count) {
        Floats all(count);
        for (auto& one : all) {
            one = number();
        }
        return all;
    }

private:
    std::uint64_t state_ = 20240229;
};

struct Hit {
    float value;  // exact for integers below 2^24 too
    std::int64_t row;
};

inline bool allowed(const Bytes* mask, std::int64_t row) {
    return mask == nullptr || ((*mask)[row / 8] >> (row % 8) & 1) != 0;
}

/// Every allowed row of one query, best first; ties: lower row.
inline std::vector<Hit> ranking(const float* distances, std::int64_t n, const Bytes* mask) {
    std::vector<Hit> hits;
    for (std::int64_t row = 0; row < n; ++row) {
        if (allowed(mask, row)) {
            hits.push_back({distances[row], row});
        }
    }
    std::stable_sort(hits.begin(), hits.end(), [](Hit a, Hit b) { return a.value < b.value; });
    return hits;
}

template <class Value>
bool same_hit(Key key, Hit hit, Value value) {
    return key_row(key) == hit.row && value(key_value(key)) == hit.value;
}

/// `keys` (nq, k) against the first k of each query's ranking.
template <class Value>
bool same_topk(const std::vector<Key>& keys, const Floats& distances, std::int64_t n_queries,
               std::int64_t n, std::int64_t k, const Bytes* mask, Value value) {
    for (std::int64_t q = 0; q < n_queries; ++q) {
        const auto hits = ranking(distances.data() + q * n, n, mask);
        for (std::int64_t i = 0; i < k; ++i) {
            const Key key = keys[q * k + i];
            const bool there = i < static_cast<std::int64_t>(hits.size());
            if (there ? !same_hit(key, hits[i], value) : key != no_hit) {
                return false;
            }
        }
    }
    return true;
}

template <class Value>
bool same_range(const std::vector<std::vector<Key>>& found, const Floats& distances, std::int64_t n,
                float radius, const Bytes* mask, Value value) {
    for (std::size_t q = 0; q < found.size(); ++q) {
        auto hits = ranking(distances.data() + static_cast<std::int64_t>(q) * n, n, mask);
        std::erase_if(hits, [&](Hit hit) { return !(hit.value <= radius); });
        if (found[q].size() != hits.size()) {
            return false;
        }
        for (std::size_t i = 0; i < hits.size(); ++i) {
            if (!same_hit(found[q][i], hits[i], value)) {
                return false;
            }
        }
    }
    return true;
}

inline Mask view(const Bytes* mask) {
    return {mask == nullptr ? nullptr : mask->data()};
}

inline std::vector<std::int64_t> result_counts(std::int64_t n) {
    return {1, std::max<std::int64_t>(n / 3, 1), n + 2};
}

/// The levels of a table that this CPU runs.
template <class Rows>
std::vector<Isa> levels_of(Rows rows) {
    std::vector<Isa> levels;
    for (const auto* row : rows) {
        if (isa_runnable(row->isa)) {
            levels.push_back(row->isa);
        }
    }
    return levels;
}

}  // namespace tersevec::parity
