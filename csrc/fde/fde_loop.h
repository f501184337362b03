// SPDX-License-Identifier: Apache-2.0
/// Cells, means and projections, once for every level; `Level` is one of `simd/<level>.h`.
#pragma once

#include "fde/fde.h"
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

/// sums = row, or sums += row; either without a branch, which could not be foretold.
template <class Level, int Registers>
std::int64_t add_registers(const float* row, std::int64_t dims, bool first_token,
                           std::int64_t first, float* sums) noexcept {
    using f32 = typename Level::f32;
    using i32 = typename Vector<Level::lanes>::i32;
    const i32 kept = i32{} - (first_token ? 0 : 1);
    constexpr int step = Registers * Level::lanes;
    for (; first + step <= dims; first += step) {
#pragma GCC unroll 8
        for (int c = 0; c < Registers; ++c) {
            float* at = sums + first + c * Level::lanes;
            const f32 before = (f32)(load<i32>(at) & kept);
            store(at, before + load<f32>(row + first + c * Level::lanes));
        }
    }
    return first;
}

template <class Level>
void add_row(const float* row, std::int64_t dims, bool first_token, float* sums) noexcept {
    std::int64_t first = add_registers<Level, 8>(row, dims, first_token, 0, sums);
    first = add_registers<Level, 1>(row, dims, first_token, first, sums);
    for (; first < dims; ++first) {
        sums[first] = (first_token ? 0.0f : sums[first]) + row[first];
    }
}

/// Adds every token to the slot of its pattern; returns the number of slots.
template <class Level>
std::int32_t add_tokens(const float* tokens, std::int64_t n, const Encoder& encoder,
                        const std::uint32_t* patterns, const Workspace& work) noexcept {
    const std::int64_t n_cells = encoder.n_cells(), dims = encoder.hashes.n;
    for (std::int64_t x = 0; x < n_cells; ++x) {
        work.slots[x] = 0;
    }
    std::int32_t n_slots = 1;
    for (std::int64_t t = 0; t < n; ++t) {
        const std::uint32_t x = patterns[t];
        const bool first_token = work.slots[x] == 0;
        const std::int32_t slot = first_token ? n_slots : work.slots[x];
        n_slots += first_token;
        work.slots[x] = slot;
        work.counts[slot] = first_token ? 1 : work.counts[slot] + 1;
        work.slot_tokens[slot] =
            first_token ? static_cast<std::int32_t>(t) : work.slot_tokens[slot];
        add_row<Level>(tokens + t * dims, dims, first_token, work.sums + slot * dims);
    }
    return n_slots;
}

/// Gives empty cells the slot of their nearest token: that of its pattern, if it is alone there,
/// or one of its own. Returns the number of slots.
template <class Level>
std::int32_t fill_cells(const float* tokens, const Encoder& encoder, const std::uint32_t* patterns,
                        const Workspace& work, std::int32_t n_slots) noexcept {
    const std::int64_t n_cells = encoder.n_cells(), dims = encoder.hashes.n;
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
            add_row<Level>(tokens + token * dims, dims, true, work.sums + n_slots * dims);
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

/// The slots' sums, projected, for documents divided by the number of their tokens.
template <class Level>
void project(const Encoder& encoder, std::int64_t r, const Workspace& work,
             std::int64_t n_slots) noexcept {
    const std::int64_t dims = encoder.hashes.n, p = encoder.n_dims, n = n_slots - 1;
    if (encoder.projections.data == nullptr) {
        __builtin_memcpy(work.projected + p, work.sums + dims, n * dims * sizeof(float));
    } else {
        multiply_all<Level>({work.sums + dims, dims, (n + slot_step - 1) / slot_step * slot_step,
                             dims, encoder.projections.data + r * p,
                             encoder.projections.stride_bytes / std::int64_t{sizeof(float)}, p,
                             work.projected + p, p});
    }
    for (std::int64_t slot = 1; encoder.documents && slot < n_slots; ++slot) {
        const float scale = 1.0f / static_cast<float>(work.counts[slot]);
        float* row = work.projected + slot * p;
        for (std::int64_t j = 0; j < p; ++j) {
            row[j] *= scale;
        }
    }
}

/// Copies in registers where there are whole ones: most blocks are one or two.
template <class Level>
void copy(const float* from, std::int64_t count, float* to) noexcept {
    using f32 = typename Level::f32;
    std::int64_t i = 0;
    for (; i + Level::lanes <= count; i += Level::lanes) {
        store(to + i, load<f32>(from + i));
    }
    for (; i < count; ++i) {
        to[i] = from[i];
    }
}

template <class Level>
void blocks(const float* tokens, std::int64_t n, const Encoder& encoder, std::int64_t r,
            const std::uint32_t* patterns, const Workspace& work, float* blocks) noexcept {
    const std::int64_t n_cells = encoder.n_cells(), p = encoder.n_dims;
    std::int32_t n_slots = add_tokens<Level>(tokens, n, encoder, patterns, work);
    if (encoder.fill && n_slots <= n_cells) {
        n_slots = fill_cells<Level>(tokens, encoder, patterns, work, n_slots);
    }
    project<Level>(encoder, r, work, n_slots);
    for (std::int64_t c = 0; c < n_cells; ++c, blocks += p) {
        copy<Level>(work.projected + work.slots[work.patterns_of_cells[c]] * p, p, blocks);
    }
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
            .blocks = &blocks<Level>,
            .narrow = &narrow<Level>};
}

}  // namespace
}  // namespace tersevec::fde
