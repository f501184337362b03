// SPDX-License-Identifier: Apache-2.0
/// The loop over a panel, once for every level. `Level`, made for a scan, multiplies some rows by
/// some queries:
///   static constexpr int rows: 16, 32 or 64 at a time; queries: at most
///   int begin(scan, q, blocks, sums): sums[i * rows + r] of queries q + i, starts not added, are
///       there after end(sums), not before; returns how many queries it took
///   template <class Value, int Stride> static bool below(sums, terms, valued, count, found): of
///       `count` queries whose sums are Stride apart, bit r of found[q] = whether the value of the
///       r-th of 16 sums is below the bound; returns whether any is
#pragma once

#include "symdist/symdist_spread.h"

namespace tersevec::symdist {
namespace {

/// What a sum is worth, for each kind of term; operations are rounded one by one.
struct Factored {
    template <class Floats>
    static Floats of(Floats sum, float scale, Floats factor) noexcept {
        return sum * scale * factor;
    }
};
struct Offset {
    template <class Floats>
    static Floats of(Floats sum, float scale, Floats offset) noexcept {
        return sum * scale + offset;
    }
};
template <class Value>
float value_of(std::int32_t sum, float scale, float term) noexcept {
    return Value::of(static_cast<float>(sum), scale, term);
}

/// How a query's sums become values, and their bound.
struct Valued {
    std::int32_t start;
    float scale, bound;
};

/// For levels whose `products<Q>(queries, query_bytes, blocks, lines, sums)` takes exactly Q
/// queries and is done when it returns.
template <class Level>
struct Plain {
    static constexpr int query_lines = 1;  // for each line of rows

    explicit Plain(const PanelScan&) noexcept {}

    int begin(const PanelScan& scan, int q, const std::uint8_t* blocks,
              std::int32_t* sums) const noexcept {
        return begin_tile<Level::queries>(scan, q, blocks, sums);
    }
    void end(std::int32_t*) const noexcept {}
    template <class Value, int Stride>
    static bool below(const std::int32_t* sums, const float* terms, const Valued* of, int count,
                      std::uint16_t* found) noexcept {
        unsigned any = 0;
        for (int q = 0; q < count; ++q, sums += Stride) {
            unsigned bits = 0;
            for (int r = 0; r < block_rows; ++r) {
                const float value = value_of<Value>(sums[r] + of[q].start, of[q].scale, terms[r]);
                bits |= unsigned{value < of[q].bound} << r;
            }
            found[q] = static_cast<std::uint16_t>(bits);
            any |= bits;
        }
        return any != 0;
    }

private:
    template <int Q>
    int begin_tile(const PanelScan& scan, int q, const std::uint8_t* blocks,
                   std::int32_t* sums) const noexcept {
        if constexpr (Q > 1) {
            if (scan.n_queries - q < Q) {
                return begin_tile<Q / 2>(scan, q, blocks, sums);
            }
        }
        const std::int64_t query_bytes = line_dims * Level::query_lines * scan.lines;
        static_cast<const Level*>(this)->template products<Q>(
            scan.queries + q * query_bytes, query_bytes, blocks, scan.lines, sums);
        return Q;
    }
};

/// Calls task(q, count, row, sums) for `count` queries from q on and `Level::rows` rows, rows
/// ascending. The next products begin before a task, so that they are made meanwhile.
template <class Level, class Task>
void for_sums(const PanelScan& scan, Task task) noexcept {
    const Level level(scan);
    alignas(64) std::int32_t buffers[2][Level::queries * Level::rows];
    std::int32_t *now = buffers[0], *next = buffers[1];
    const std::int64_t block_bytes = line_bytes * scan.lines;
    const std::int64_t end = (scan.n_rows + Level::rows - 1) / Level::rows * Level::rows;
    int q = 0, count = level.begin(scan, 0, scan.blocks, now);
    level.end(now);
    for (std::int64_t row = 0; row < end;) {
        const bool across = q + count == scan.n_queries;
        const int next_q = across ? 0 : q + count;
        const std::int64_t next_row = across ? row + Level::rows : row;
        int next_count = 0;
        if (next_row < end) {
            next_count =
                level.begin(scan, next_q, scan.blocks + next_row / block_rows * block_bytes, next);
        }
        task(q, count, row, now);
        if (next_row < end) {
            level.end(next);
        }
        q = next_q, count = next_count, row = next_row;
        std::int32_t* const done = now;
        now = next, next = done;
    }
}

/// Rows of a block that exist, that were not skipped, and that query q may find.
inline std::uint64_t allowed_rows(const PanelScan& scan, int q, std::int64_t row) noexcept {
    const std::int64_t left = scan.n_rows - row, skipped = scan.skipped_rows - row;
    if (left <= 0 || skipped >= block_rows) {
        return 0;
    }
    const Mask mask = scan.mask.of_queries() ? scan.mask.from_query(q) : scan.mask;
    const std::uint64_t rows =
        mask.word(scan.first_row + row, left < block_rows ? static_cast<int>(left) : block_rows);
    return skipped > 0 ? rows & ~std::uint64_t{0} << skipped : rows;
}

/// Hands on those of a block's rows that exist and that the query may find.
template <class Value>
void append(const PanelScan& scan, int q, std::int64_t row, const std::int32_t* sums,
            const Valued& of, std::uint64_t rows, Key* hits, std::int64_t* n_hits) noexcept {
    for (rows &= allowed_rows(scan, q, row); rows != 0; rows &= rows - 1) {
        const int r = __builtin_ctzll(rows);
        const float value = value_of<Value>(sums[r] + of.start, of.scale, scan.terms[row + r]);
        // + 0.0f: no -0.0, which would come before it
        hits[(*n_hits)++] = make_key(ordered_bits(value + 0.0f), scan.first_row + row + r);
    }
}

template <class Level, class Value>
void below(const PanelScan& scan, const float* bounds, Key* const* hits,
           std::int64_t* n_hits) noexcept {
    Valued valued[tile_queries];
    for (int q = 0; q < scan.n_queries; ++q) {
        valued[q] = {scan.starts[q], scan.scales[q], bounds[q]};
    }
    for_sums<Level>(scan, [&](int q, int count, std::int64_t row, const std::int32_t* sums) {
        for (int b = 0; b < Level::rows; b += block_rows, row += block_rows, sums += block_rows) {
            const float* terms = scan.terms + row;
            std::uint16_t found[tile_queries];
            if (!Level::template below<Value, Level::rows>(sums, terms, valued + q, count, found))
                [[likely]] {
                continue;
            }
            for (int i = 0; i < count; ++i) {
                if (found[i] != 0) {
                    append<Value>(scan, q + i, row, sums + i * Level::rows, valued[q + i], found[i],
                                  hits[q + i], n_hits + q + i);
                }
            }
        }
    });
}

template <class Level>
void values(const PanelScan& scan, float* const* out) noexcept {
    for_sums<Level>(scan, [&](int q, int count, std::int64_t row, const std::int32_t* sums) {
        for (int i = q; i < q + count; ++i, sums += Level::rows) {
            for (int r = 0; r < Level::rows; ++r) {
                out[i][row + r] = value_of<Factored>(sums[r] + scan.starts[i], scan.scales[i],
                                                     scan.terms[row + r]);
            }
        }
    });
}

template <class Level>
constexpr Kernels kernels_of(Isa isa, float cost, int quick_number = 255) noexcept {
    return {.isa = isa,
            .below_factor = &below<Level, Factored>,
            .below_offset = &below<Level, Offset>,
            .values = &values<Level>,
            .spread = &spread,
            .cost = cost,
            .quick_number = quick_number};
}

}  // namespace
}  // namespace tersevec::symdist
