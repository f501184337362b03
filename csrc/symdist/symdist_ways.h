// SPDX-License-Identifier: Apache-2.0
/// The ways to multiply: numbers spread to panels, and as they are stored, signs by their bits,
/// nibbles by look-ups.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/packed.h"
#include "core/scan.h"
#include "symdist/symdist.h"
#include "symdist/symdist_tables.h"
#include "symdist/symdist_tiles.h"

namespace tersevec::symdist {

/// Blocks of a run: those of the base, or made in `packed` from rows of bytes.
inline const std::uint8_t* blocks_of(const Codes& codes, std::int64_t row, std::int64_t count,
                                     std::vector<std::uint8_t>& packed) {
    const std::int64_t block_bytes = line_bytes * block_lines(codes.m, codes.n_bits);
    if (codes.blocks != nullptr) {
        return codes.blocks + row / block_rows * block_bytes;
    }
    packed.assign((count + block_rows - 1) / block_rows * block_bytes, 0);
    pack(codes.rows.slice(row, count), packed.data(), codes.m, codes.n_bits, 0);
    return packed.data();
}

/// Codes as panels, spread from blocks.
inline Blocked<std::uint8_t> panels_of(const Codes& codes, const Kernels& kernels,
                                       std::int64_t n_queries) {
    const std::int64_t lines = panel_lines(codes.m), stored = block_lines(codes.m, codes.n_bits);
    std::vector<std::uint8_t> packed;
    return {nullptr,
            codes.n,
            group_rows / block_rows * lines * line_bytes,
            group_rows,
            [=, spread = kernels.spread](std::int64_t row, std::int64_t count,
                                         std::uint8_t* panel) mutable {
                spread(blocks_of(codes, row, count, packed), (count + block_rows - 1) / block_rows,
                       stored, codes.n_bits, lines, panel);
            },
            panel_bytes_for(n_queries)};
}

/// Codes as they are stored.
inline Blocked<std::uint8_t> stored_blocks_of(const Codes& codes) {
    const std::int64_t block_bytes = line_bytes * block_lines(codes.m, codes.n_bits);
    return {codes.blocks, codes.n, group_rows / block_rows * block_bytes, group_rows,
            [codes](std::int64_t row, std::int64_t count, std::uint8_t* blocks) {
                pack(codes.rows.slice(row, count), blocks, codes.m, codes.n_bits, 0);
            }};
}

/// Whether all numbers of all queries are -1 or 1.
inline bool are_signs(const Queries& queries, std::int64_t m) noexcept {
    return std::all_of(queries.numbers, queries.numbers + queries.n * m,
                       [](std::int8_t number) { return number == 1 || number == -1; });
}

/// A part's queries as the stored lines of sign codes.
inline QueryTiles signs_of(const Queries& queries, const Codes& codes, const Part& part) {
    const std::int64_t lines = block_lines(codes.m, 1);
    QueryTiles tiles(part.n_queries, lines);
    std::vector<std::uint8_t> bits(codes.m), row(packed_bytes_of(codes.m, 1)),
        block(line_bytes * lines);
    for (std::int64_t q = 0; q < part.n_queries; ++q) {
        const std::int8_t* numbers = queries.numbers + (part.first_query + q) * codes.m;
        std::transform(numbers, numbers + codes.m, bits.begin(),
                       [](std::int8_t number) { return static_cast<std::uint8_t>(number > 0); });
        join_numbers(bits.data(), 1, codes.m, 1, row.data());
        const auto row_bytes = static_cast<std::int64_t>(row.size());
        pack({row.data(), 1, row_bytes, row_bytes}, block.data(), codes.m, 1, 0);
        for (std::int64_t g = 0; g < lines; ++g) {
            std::memcpy(tiles.numbers(q) + line_dims * g, block.data() + line_bytes * g, line_dims);
        }
        tiles.set_value(q, static_cast<std::int32_t>(codes.m),
                        -queries.scales[part.first_query + q]);
    }
    return tiles;
}

/// A part's queries as panels' numbers want them: products of 2 c - (2^u - 1), negated, so that the
/// best come first.
inline QueryTiles tiles_of(const Queries& queries, const Codes& codes, const Part& part,
                           std::int64_t lines) {
    QueryTiles tiles(part.n_queries, lines);
    const int times = codes.n_bits == max_bits ? 2 : 1;  // a byte has no room for 2 c
    for (std::int64_t q = 0; q < part.n_queries; ++q) {
        const std::int8_t* numbers = queries.numbers + (part.first_query + q) * codes.m;
        std::int32_t sum = 0;
        for (std::int64_t i = 0; i < codes.m; ++i) {
            tiles.numbers(q)[i] = static_cast<std::int8_t>(times * numbers[i]);
            sum += numbers[i];
        }
        tiles.set_value(q, -((1 << codes.n_bits) - 1) * sum, -queries.scales[part.first_query + q]);
    }
    return tiles;
}

/// How a part's queries are scanned.
struct Way {
    PanelBelow below;
    std::int64_t lines;  // of a block
    int largest_number;
    QueryTiles tiles;
    Blocked<std::uint8_t> codes;
};

inline Way way_of(const Queries& queries, const Codes& codes, const Part& part,
                  const Kernels& kernels) {
    constexpr std::int64_t few = 4;              // as many are worth spreading to memory for
    constexpr std::int64_t worth_tables = 4096;  // rows that make up for making them
    const std::int64_t stored = block_lines(codes.m, codes.n_bits), lines = panel_lines(codes.m);
    if (codes.n_bits == 1 && kernels.below_signs != nullptr && are_signs(queries, codes.m)) {
        return {kernels.below_signs, stored, 255, signs_of(queries, codes, part),
                stored_blocks_of(codes)};
    }
    if (part.n_queries < few && kernels.below_stored != nullptr) {
        return {kernels.below_stored(codes.n_bits), stored, 255,
                tiles_of(queries, codes, part, stored * 8 / held_bits(codes.n_bits)),
                stored_blocks_of(codes)};
    }
    if (codes.n_bits <= 2 && kernels.below_nibbles[0] != nullptr &&
        part.n_blocks * group_rows >= worth_tables) {
        const TableSizes sizes(queries, codes, part);
        const int digits = sizes.digits();
        if (digits == 1 || (digits == 2 && (codes.n_bits == 1 || part.n_queries < few))) {
            return {kernels.below_nibbles[digits - 1], stored, sizes.largest_digit(),
                    tables_of(queries, codes, part, digits), stored_blocks_of(codes)};
        }
    }
    return {kernels.below_factor, lines, 2 * ((1 << codes.n_bits) - 1),
            tiles_of(queries, codes, part, lines), panels_of(codes, kernels, part.n_queries)};
}

}  // namespace tersevec::symdist
