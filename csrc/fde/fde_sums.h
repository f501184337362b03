// SPDX-License-Identifier: Apache-2.0
/// Sums of the tokens that share a cell: as they come, or, where there are many, cell by cell.
#pragma once

#include "fde/fde.h"
#include "simd/lanes.h"

namespace tersevec::fde {
namespace {

/// sums = row where `kept` is 0, sums += row where it is -1: a branch could not be foretold.
template <class f32>
[[gnu::always_inline]] inline void add_lanes(const float* row, std::int32_t kept,
                                             float* sums) noexcept {
    using i32 = typename Vector<sizeof(f32) / 4>::i32;
    const auto before = (f32)(load<i32>(sums) & (i32{} + kept));
    store(sums, before + load<f32>(row));
}
template <class Level>
[[gnu::always_inline]] inline void add_row(const float* row, std::int64_t width, std::int32_t kept,
                                           float* sums) noexcept {
    constexpr std::int64_t step = 8 * Level::lanes;
    std::int64_t first = 0;
    for (; first + step <= width; first += step) {
#pragma GCC unroll 8
        for (std::int64_t at = first; at < first + step; at += Level::lanes) {
            add_lanes<typename Level::f32>(row + at, kept, sums + at);
        }
    }
    for_lanes<Level::lanes>(
        width, [&]<class f32>(std::int64_t at) { add_lanes<f32>(row + at, kept, sums + at); },
        first);
}

/// `Registers` of the sum of `count` items, from column `first` on, added in this order.
template <class f32, int Registers>
[[gnu::always_inline]] inline void add_columns(const Items& items, const std::int32_t* numbers,
                                               std::int32_t count, std::int64_t first,
                                               float* sum) noexcept {
    constexpr int lanes = sizeof(f32) / sizeof(float);
    f32 total[Registers] = {};
    for (std::int32_t i = 0; i < count; ++i) {
        const float* row = items[numbers[i]] + first;
#pragma GCC unroll 8
        for (int r = 0; r < Registers; ++r) {
            total[r] += load<f32>(row + r * lanes);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < Registers; ++r) {
        store(sum + first + r * lanes, total[r]);
    }
}

/// The sums of all slots, one after the other: each stays in registers, but ends in a branch that
/// cannot be foretold.
template <class Level>
void add_by_slots(const Items& items, std::int64_t n, const std::uint32_t* patterns,
                  const Workspace& work, std::int32_t n_slots, float* sums) noexcept {
    constexpr std::int64_t step = 8 * Level::lanes;
    std::int32_t before = 0;
    for (std::int32_t slot = 1; slot < n_slots; ++slot) {
        work.ends[slot] = before;
        before += work.counts[slot];
    }
    for (std::int64_t t = 0; t < n; ++t) {
        work.order[work.ends[work.slots[patterns[t]]]++] = static_cast<std::int32_t>(t);
    }
    for (std::int32_t slot = 1; slot < n_slots; ++slot) {
        const std::int32_t count = work.counts[slot];
        const std::int32_t* numbers = work.order + work.ends[slot] - count;
        float* sum = sums + slot * items.width;
        std::int64_t first = 0;
        for (; first + step <= items.width; first += step) {
            add_columns<typename Level::f32, 8>(items, numbers, count, first, sum);
        }
        for_lanes<Level::lanes>(
            items.width,
            [&]<class f32>(std::int64_t at) {
                add_columns<f32, 1>(items, numbers, count, at, sum);
            },
            first);
    }
}

/// Gives every pattern a slot, in the order of their first tokens, and adds tokens to them as they
/// come where it should; returns the number of slots.
template <class Level, bool Adds>
std::int32_t find_slots(const Items& items, std::int64_t n, std::int64_t n_cells,
                        const std::uint32_t* patterns, const Workspace& work,
                        float* sums) noexcept {
    for (std::int64_t x = 0; x < n_cells; ++x) {
        work.slots[x] = 0;
    }
    std::int32_t n_slots = 1;
    for (std::int64_t t = 0; t < n; ++t) {
        const std::uint32_t x = patterns[t];
        const std::int32_t known = work.slots[x], kept = -(known != 0);
        const std::int32_t slot = known | (n_slots & ~kept);
        n_slots += kept + 1;
        work.slots[x] = slot;
        work.counts[slot] = (work.counts[slot] & kept) + 1;
        work.slot_tokens[slot] =
            (work.slot_tokens[slot] & kept) | (static_cast<std::int32_t>(t) & ~kept);
        if constexpr (Adds) {
            add_row<Level>(items[t], items.width, kept, sums + slot * items.width);
        }
    }
    return n_slots;
}

/// Tokens of a cell, on average, from which sums are made slot by slot.
inline constexpr std::int64_t many_tokens = 5;

/// Adds every token to the slot of its pattern; returns the number of slots.
template <class Level>
std::int32_t add_items(const Items& items, std::int64_t n, const Encoder& encoder,
                       const std::uint32_t* patterns, const Workspace& work, float* sums) noexcept {
    const std::int64_t n_cells = encoder.n_cells();
    if (n < many_tokens * n_cells) {
        return find_slots<Level, true>(items, n, n_cells, patterns, work, sums);
    }
    const auto n_slots = find_slots<Level, false>(items, n, n_cells, patterns, work, sums);
    add_by_slots<Level>(items, n, patterns, work, n_slots, sums);
    return n_slots;
}

}  // namespace
}  // namespace tersevec::fde
