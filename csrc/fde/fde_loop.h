// SPDX-License-Identifier: Apache-2.0
/// Cells, means and projections, once for every level; `Level` is one of `simd/<level>.h`.
#pragma once

#include "fde/fde_sums.h"
#include "simd/products.h"
#include "simd/quantise.h"
#include "simd/widen.h"

namespace tersevec::fde {
namespace {

inline constexpr std::uint32_t token_bits = 27, token_mask = (1u << token_bits) - 1;
inline constexpr std::uint32_t unreached = std::uint32_t{max_bits} << token_bits | token_mask;

/// One bit for each of `count` numbers, in whole groups of 16: whether it is above 0.
template <class Level>
void signs_of(const float* numbers, std::int64_t count, std::uint8_t* bits) noexcept {
    for (std::int64_t i = 0; i < count; i += 16) {
        unsigned found = 0;
        for (int j = 0; j < 16; j += Level::lanes) {
            found |= Level::positive(load<typename Level::f32>(numbers + i + j)) << j;
        }
        const auto two = static_cast<std::uint16_t>(found);
        __builtin_memcpy(bits + i / 8, &two, sizeof two);
    }
}

template <class Level>
void patterns(const float* tokens, std::int64_t n, const Encoder& encoder, const Workspace& work,
              std::uint32_t* patterns) noexcept {
    const std::int64_t k = encoder.n_bits, width = encoder.hashes.width;
    const std::int64_t dims = encoder.hashes.n, padded = padded_hashes(encoder);
    for (std::int64_t first = 0; first < n; first += hash_rows) {
        const std::int64_t count = n - first < hash_rows ? n - first : hash_rows;
        multiply_all<Level>({tokens + first * dims, dims, count, dims, encoder.hashes.data,
                             encoder.hashes.stride_bytes / std::int64_t{sizeof(float)}, width,
                             work.hashes, padded});
        for (std::int64_t t = 0; t < count; ++t) {
            signs_of<Level>(work.hashes + t * padded, width, work.bits);
            for (std::int64_t r = 0; r < encoder.n_repetitions; ++r) {
                std::uint64_t word;
                __builtin_memcpy(&word, work.bits + r * k / 8, sizeof word);
                patterns[r * n + first + t] =
                    static_cast<std::uint32_t>(word >> (r * k % 8) & ((1u << k) - 1));
            }
        }
    }
}

/// The first token of each pattern, then of the patterns that differ in few bits: one pass a bit.
inline void find_nearest(std::int64_t n_cells, std::uint32_t* nearest) noexcept {
    constexpr std::uint32_t farther = 1u << token_bits;
    for (std::int64_t bit = 1; bit < n_cells; bit *= 2) {
        for (std::int64_t group = 0; group < n_cells; group += 2 * bit) {
            std::uint32_t *low = nearest + group, *high = low + bit;
            for (std::int64_t i = 0; i < bit; ++i) {
                const std::uint32_t from_low = low[i] + farther, from_high = high[i] + farther;
                low[i] = low[i] < from_high ? low[i] : from_high;
                high[i] = high[i] < from_low ? high[i] : from_low;
            }
        }
    }
}

/// Gives empty cells the slot of their nearest token: that of its pattern, if it is alone there,
/// or one of its own. Returns the number of slots.
template <class Level>
std::int32_t fill_cells(const Items& items, const Encoder& encoder, const std::uint32_t* patterns,
                        const Workspace& work, std::int32_t n_slots, float* sums) noexcept {
    const std::int64_t n_cells = encoder.n_cells();
    const std::int32_t n_occupied = n_slots;
    for (std::int64_t x = 0; x < n_cells; ++x) {
        const std::int32_t slot = work.slots[x];
        work.nearest[x] =
            slot == 0 ? unreached : static_cast<std::uint32_t>(work.slot_tokens[slot]);
    }
    find_nearest(n_cells, work.nearest);
    for (std::int64_t x = 0; x < n_cells; ++x) {
        if (work.slots[x] != 0) {
            continue;
        }
        const std::uint32_t token = work.nearest[x] & token_mask;
        const std::int32_t own = work.slots[patterns[token]];
        if (work.counts[own] == 1) {
            work.slots[x] = own;
            continue;
        }
        if (work.token_slots[token] == 0) {
            work.token_slots[token] = n_slots;
            work.slot_tokens[n_slots] = static_cast<std::int32_t>(token);
            work.counts[n_slots] = 1;
            add_row<Level>(items[token], items.width, 0, sums + n_slots * items.width);
            ++n_slots;
        }
        work.slots[x] = work.token_slots[token];
    }
    for (std::int32_t slot = n_occupied; slot < n_slots; ++slot) {
        work.token_slots[work.slot_tokens[slot]] = 0;
    }
    return n_slots;
}

/// Rows are multiplied in fours: what the last of them holds is never looked at.
inline constexpr std::int64_t slot_step = 4;

/// Slots' sums as numbers of blocks: projected where they are not, for documents divided by their
/// tokens.
template <class Level>
void finish_slots(const Encoder& encoder, std::int64_t r, bool project, const Workspace& work,
                  std::int64_t n_slots) noexcept {
    const std::int64_t dims = encoder.hashes.n, p = encoder.n_dims, n = n_slots - 1;
    if (project) {
        multiply_all<Level>({work.sums + dims, dims, (n + slot_step - 1) / slot_step * slot_step,
                             dims, encoder.projections.data + r * p,
                             encoder.projections.stride_bytes / std::int64_t{sizeof(float)}, p,
                             work.projected + p, p});
    }
    for (std::int64_t slot = 1; encoder.documents && slot < n_slots; ++slot) {
        const float scale = 1.0f / static_cast<float>(work.counts[slot]);
        float* row = work.projected + slot * p;
        for_lanes<Level::lanes>(p, [&]<class f32>(std::int64_t first) {
            store(row + first, load<f32>(row + first) * scale);
        });
    }
}

template <class Level>
void blocks(const Items& items, std::int64_t n, const Encoder& encoder, std::int64_t r,
            const std::uint32_t* patterns, const Workspace& work, float* blocks) noexcept {
    const std::int64_t n_cells = encoder.n_cells(), p = encoder.n_dims;
    const bool project = encoder.projections.data != nullptr && !items.projected;
    float* sums = project ? work.sums : work.projected;
    std::int32_t n_slots = add_items<Level>(items, n, encoder, patterns, work, sums);
    if (encoder.fill && n_slots <= n_cells) {
        n_slots = fill_cells<Level>(items, encoder, patterns, work, n_slots, sums);
    }
    finish_slots<Level>(encoder, r, project, work, n_slots);
    for (std::int64_t c = 0; c < n_cells; ++c, blocks += p) {
        const float* row = work.projected + work.slots[work.patterns_of_cells[c]] * p;
        for_lanes<Level::lanes>(p, [&]<class f32>(std::int64_t first) {
            store(blocks + first, load<f32>(row + first));
        });
    }
}

template <class Level>
void project(const float* tokens, std::int64_t n, const Encoder& encoder, float* out) noexcept {
    const std::int64_t dims = encoder.hashes.n, width = encoder.projections.width;
    multiply_all<Level>({tokens, dims, n, dims, encoder.projections.data,
                         encoder.projections.stride_bytes / std::int64_t{sizeof(float)}, width, out,
                         width});
}

/// A row of floats as what the caller wants.
template <class Level>
void narrow(const float* row, std::int64_t width, const Output& out, std::int64_t i) noexcept {
    using f32 = typename Level::f32;
    if (out.type == TokenType::float16) {
        auto* halves = static_cast<std::uint16_t*>(out.data) + i * width;
        std::int64_t j = 0;
        for (; j + Level::lanes <= width; j += Level::lanes) {
            Level::narrow_half(load<f32>(row + j), halves + j);
        }
        std::uint16_t last[Level::lanes];
        f32 numbers = {};
        for (std::int64_t at = j; at < width; ++at) {
            numbers[at - j] = row[at];
        }
        Level::narrow_half(numbers, last);
        for (std::int64_t at = j; at < width; ++at) {
            halves[at] = last[at - j];
        }
        return;
    }
    auto* bytes = static_cast<std::int8_t*>(out.data) + i * width;
    const float scale = scale_of(row, width);
    out.scales[i] = scale;
    for (std::int64_t j = 0; j < width; ++j) {
        bytes[j] = static_cast<std::int8_t>(quantised(row[j], scale));
    }
}

template <class Level>
constexpr Kernels kernels_of(Isa isa) noexcept {
    return {.isa = isa,
            .widen = &widen<Level>,
            .patterns = &patterns<Level>,
            .project = &project<Level>,
            .blocks = &blocks<Level>,
            .narrow = &narrow<Level>};
}

}  // namespace
}  // namespace tersevec::fde
