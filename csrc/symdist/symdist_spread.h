// SPDX-License-Identifier: Apache-2.0
/// Stored blocks spread to panels: shifts and masks of whole lines, on every level.
#pragma once

#include "symdist/symdist.h"

namespace tersevec::symdist {
namespace {

/// How far a scan asks for bytes to come: hardware prefetchers stay close behind it.
constexpr std::int64_t prefetch_bytes = 4096;

/// Part i of a line of numbers of W bits, times Times.
template <int W, int Times>
void spread_part(const std::uint8_t* stored, int i, std::uint8_t* out) noexcept {
    using Line [[gnu::vector_size(line_bytes)]] = std::uint64_t;
    constexpr std::uint64_t bits = ((1u << W) - 1) * Times;
    Line line;
    __builtin_memcpy(&line, stored, sizeof line);
    const int shift = W * i - (Times - 1);
    line = (shift < 0 ? line << -shift : line >> shift) & 0x0101010101010101u * bits;
    __builtin_memcpy(out, &line, sizeof line);
}

template <int W, int Times>
void spread_bits(const std::uint8_t* blocks, std::int64_t count, std::int64_t stored_lines,
                 std::int64_t lines, std::uint8_t* panel) noexcept {
    constexpr int parts = 8 / W;
    const std::int64_t whole = lines / parts < stored_lines ? lines / parts : stored_lines;
    for (std::int64_t block = 0; block < count; ++block, panel += line_bytes * lines) {
        std::uint8_t* out = panel;
        for (std::int64_t g = 0; g < whole; ++g, blocks += line_bytes) {
            __builtin_prefetch(blocks + prefetch_bytes);
#pragma GCC unroll 8
            for (int i = 0; i < parts; ++i, out += line_bytes) {
                spread_part<W, Times>(blocks, i, out);
            }
        }
        const bool part_of_a_line = whole < stored_lines;
        for (int i = 0; out < panel + line_bytes * lines; ++i, out += line_bytes) {
            if (part_of_a_line) {
                spread_part<W, Times>(blocks, i, out);
            } else {
                __builtin_memset(out, 0, line_bytes);
            }
        }
        blocks += part_of_a_line * line_bytes;
    }
}

void spread(const std::uint8_t* blocks, std::int64_t count, std::int64_t stored_lines, int n_bits,
            std::int64_t lines, std::uint8_t* panel) noexcept {
    switch (held_bits(n_bits)) {
        case 1: return spread_bits<1, 2>(blocks, count, stored_lines, lines, panel);
        case 2: return spread_bits<2, 2>(blocks, count, stored_lines, lines, panel);
        case 4: return spread_bits<4, 2>(blocks, count, stored_lines, lines, panel);
        default:
            return n_bits < max_bits ? spread_bits<8, 2>(blocks, count, stored_lines, lines, panel)
                                     : spread_bits<8, 1>(blocks, count, stored_lines, lines, panel);
    }
}

}  // namespace
}  // namespace tersevec::symdist
