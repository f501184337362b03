// SPDX-License-Identifier: Apache-2.0
/// Tokens four bytes at a time, four numbers of int8 or two of bfloat16, times those of every lane.
#pragma once

#include "maxsim/maxsim_loop.h"

namespace tersevec::maxsim {
namespace {

inline std::int64_t padded_dims(std::int64_t dims, std::int64_t depth) noexcept {
    return (dims + depth - 1) / depth * depth;
}

/// The bytes of a row from one on, zeros past its end: fewer than four.
inline std::int32_t last_bytes(const char* row, std::int64_t count) noexcept {
    std::uint32_t four = 0;
    for (std::int64_t i = 0; i < count; ++i) {
        four |= std::uint32_t{static_cast<unsigned char>(row[i])} << 8 * i;
    }
    return static_cast<std::int32_t>(four);
}

/// Tokens as they lie.
template <int Bytes>
struct PlainRows {
    template <int Rows>
    static const char* rows(const Run& run, std::int64_t token) noexcept {
        return static_cast<const char*>(run.documents->batch.tokens.row(token));
    }
    static std::int64_t row_bytes(const Run& run) noexcept {
        return run.documents->batch.tokens.dims * Bytes;
    }
};

/// What the bytes are, `Of(panel)` knows:
///   lines                          of the panel: four bytes of each lane, side by side
///   rows<Rows>(run, token)         the first of so many rows, and row_bytes(run) of each
///   start(run, token)              of a register of sums
///   add(sums, lanes, four)
///   show(run, token, t, sums, keep)
template <class Level, class Of, int Width>
struct FoursTile {
    static constexpr int registers = Width / Level::lanes;
    static constexpr int most = most_rows<Level, registers>;

    explicit FoursTile(const Run&) noexcept {}

    template <class Keep>
    static void each(const Run& run, std::int64_t first, std::int64_t n, const void* panel,
                     Keep& keep) noexcept {
        const Of of(panel);
        std::int64_t t = 0;
        for (; t + most <= n; t += most) {
            see<most>(run, first, t, of, keep);
        }
        constexpr int some = most < 4 ? most : 4;
        for (; t + some <= n; t += some) {
            see<some>(run, first, t, of, keep);
        }
        for (; t < n; ++t) {
            see<1>(run, first, t, of, keep);
        }
    }

private:
    static constexpr std::int64_t line_bytes = 64;
    using Sum = typename Of::Sum;

    /// The next rows are fetched meanwhile.
    template <int Rows, class Keep>
    static void see(const Run& run, std::int64_t first, std::int64_t t, const Of& of,
                    Keep& keep) noexcept {
        const char* rows = of.template rows<Rows>(run, first + t);
        const std::int64_t row_bytes = of.row_bytes(run);
        const Tokens& tokens = run.documents->batch.tokens;
        const auto* ahead = static_cast<const char*>(tokens.row(first + t + most));
        const char* lanes = of.lines;
        Sum sums[Rows][registers];
#pragma GCC unroll 16
        for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
            for (int c = 0; c < registers; ++c) {
                sums[r][c] = of.start(run, first + t + r);
            }
        }
        std::int64_t at = 0;
        for (; at + 4 <= row_bytes; at += 4, lanes += 4 * Width) {
            if (at % line_bytes == 0) {
#pragma GCC unroll 16
                for (int r = 0; r < Rows; ++r) {
                    __builtin_prefetch(ahead + Rows * at + line_bytes * r);
                }
            }
#pragma GCC unroll 16
            for (int r = 0; r < Rows; ++r) {
                add(lanes, load<std::int32_t>(rows + r * row_bytes + at), sums[r]);
            }
        }
        if (at < row_bytes) {
#pragma GCC unroll 16
            for (int r = 0; r < Rows; ++r) {
                add(lanes, last_bytes(rows + r * row_bytes + at, row_bytes - at), sums[r]);
            }
        }
#pragma GCC unroll 16
        for (int r = 0; r < Rows; ++r) {
            of.show(run, first + t + r, t + r, sums[r], keep);
        }
    }

    [[gnu::always_inline]] static void add(const char* lanes, std::int32_t four,
                                           Sum (&sums)[registers]) noexcept {
#pragma GCC unroll 4
        for (int c = 0; c < registers; ++c) {
            sums[c] = Of::add(sums[c], lanes + 4 * Level::lanes * c, four);
        }
    }
};

}  // namespace
}  // namespace tersevec::maxsim
