// SPDX-License-Identifier: Apache-2.0
/// Tokens four bytes at a time, four numbers of int8 or two of bfloat16, times those of every lane.
#pragma once

#include "maxsim/maxsim_loop.h"

namespace tersevec::maxsim {
namespace {

inline std::int64_t padded_dims(std::int64_t dims, std::int64_t depth) noexcept {
    return (dims + depth - 1) / depth * depth;
}

/// Four bytes of a row from byte `at` on, zeros past its end.
inline std::int32_t four_bytes(const char* row, std::int64_t at, std::int64_t row_bytes) noexcept {
    std::int32_t four = 0;
    if (at + 4 <= row_bytes) [[likely]] {
        __builtin_memcpy(&four, row + at, sizeof four);
        return four;
    }
    auto* bytes = reinterpret_cast<char*>(&four);
    for (; at < row_bytes; ++at) {
        *bytes++ = row[at];
    }
    return four;
}

/// What the bytes are, `Of(panel)` knows:
///   Of::bytes                      of a dimension
///   lines                          of the panel: four bytes of each lane, side by side
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

    /// The next rows are fetched meanwhile.
    template <int Rows, class Keep>
    static void see(const Run& run, std::int64_t first, std::int64_t t, const Of& of,
                    Keep& keep) noexcept {
        const Tokens& tokens = run.documents->batch.tokens;
        const std::int64_t row_bytes = tokens.dims * Of::bytes;
        const auto* rows = static_cast<const char*>(tokens.row(first + t));
        const char *lanes = of.lines, *ahead = rows + most * row_bytes;
        typename Of::Sum sums[Rows][registers];
#pragma GCC unroll 16
        for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
            for (int c = 0; c < registers; ++c) {
                sums[r][c] = of.start(run, first + t + r);
            }
        }
        for (std::int64_t at = 0; at < row_bytes; at += 4, lanes += 4 * Width) {
            if (at % line_bytes == 0) {
#pragma GCC unroll 16
                for (int r = 0; r < Rows; ++r) {
                    __builtin_prefetch(ahead + Rows * at + line_bytes * r);
                }
            }
#pragma GCC unroll 16
            for (int r = 0; r < Rows; ++r) {
                const std::int32_t four = four_bytes(rows + r * row_bytes, at, row_bytes);
#pragma GCC unroll 4
                for (int c = 0; c < registers; ++c) {
                    sums[r][c] = Of::add(sums[r][c], lanes + 4 * Level::lanes * c, four);
                }
            }
        }
#pragma GCC unroll 16
        for (int r = 0; r < Rows; ++r) {
            of.show(run, first + t + r, t + r, sums[r], keep);
        }
    }
};

}  // namespace
}  // namespace tersevec::maxsim
