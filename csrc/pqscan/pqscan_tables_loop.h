// SPDX-License-Identifier: Apache-2.0
/// What is done with a query's tables before a scan, 16 entries at a time: in registers of `Lanes`,
/// since what is added up in wider vectors lies in memory. Entries never meet but in a fixed order,
/// so every level gives the same numbers.
#pragma once

#include "pqscan/pqscan.h"
#include "simd/lanes.h"

namespace tersevec::pqscan {
namespace {

constexpr int group_entries = 16;
using F32x16 = Vector<group_entries>::f32;
using F64x16 = Vector<group_entries>::f64;
using I32x16 = Vector<group_entries>::i32;
using U8x16 = Vector<group_entries>::u8;

template <int Lanes>
constexpr int registers = group_entries / Lanes;

struct Lower {
    template <class T>
    T operator()(T a, T b) const noexcept {
        return a < b ? a : b;
    }
};
struct Upper {
    template <class T>
    T operator()(T a, T b) const noexcept {
        return a < b ? b : a;
    }
};
struct Add {
    template <class T>
    T operator()(T a, T b) const noexcept {
        return a + b;
    }
};

/// Lanes i and i + half of them, then of that half, and so on.
template <int Lanes, class Combine>
float reduce(typename Vector<Lanes>::f32 lanes, Combine combine) noexcept {
    if constexpr (Lanes > 4) {
        typename Vector<Lanes / 2>::f32 halves[2];
        __builtin_memcpy(halves, &lanes, sizeof lanes);
        return reduce<Lanes / 2>(combine(halves[0], halves[1]), combine);
    } else {
        lanes = combine(lanes, __builtin_shufflevector(lanes, lanes, 2, 3, 0, 1));
        return combine(lanes, __builtin_shufflevector(lanes, lanes, 1, 0, 3, 2))[0];
    }
}
template <int Lanes, int Count, class Combine>
float reduce(const typename Vector<Lanes>::f32 (&entries)[Count], Combine combine) noexcept {
    if constexpr (Count == 1) {
        return reduce<Lanes>(entries[0], combine);
    } else {
        typename Vector<Lanes>::f32 half[Count / 2];
        for (int r = 0; r < Count / 2; ++r) {
            half[r] = combine(entries[r], entries[r + Count / 2]);
        }
        return reduce<Lanes, Count / 2>(half, combine);
    }
}

template <int Lanes>
void fill_table(const float* query, const float* columns, std::int64_t m, std::int64_t dims,
                std::int64_t n, Metric metric, float* table) noexcept {
    using f32 = typename Vector<Lanes>::f32;
    for (std::int64_t j = 0; j < m; ++j, query += dims, columns += dims * n, table += n) {
        for (std::int64_t k = 0; k < n; k += group_entries) {
            f32 sums[registers<Lanes>] = {};
            for (std::int64_t t = 0; t < dims; ++t) {
#pragma GCC unroll 4
                for (int r = 0; r < registers<Lanes>; ++r) {
                    const auto column = load<f32>(columns + t * n + k + r * Lanes);
                    const f32 apart = query[t] - column;
                    sums[r] += metric == Metric::l2 ? apart * apart : query[t] * column;
                }
            }
            __builtin_memcpy(table + k, sums, sizeof sums);
        }
    }
}

template <int Lanes>
void ranges(const float* tables, std::int64_t m, std::int64_t n, Range* out) noexcept {
    using f32 = typename Vector<Lanes>::f32;
    for (std::int64_t j = 0; j < m; ++j, tables += n) {
        const float shift = tables[0];  // near the mean, so that the squares do not cancel
        f32 least[registers<Lanes>], most[registers<Lanes>];
        f32 sums[registers<Lanes>], squares[registers<Lanes>];
#pragma GCC unroll 4
        for (int r = 0; r < registers<Lanes>; ++r) {
            const float* entries = tables + r * Lanes;
            least[r] = most[r] = load<f32>(entries);
            sums[r] = least[r] - shift;
            squares[r] = sums[r] * sums[r];
            for (std::int64_t k = group_entries; k < n; k += group_entries) {
                const auto now = load<f32>(entries + k);
                const f32 apart = now - shift;
                least[r] = Lower()(least[r], now);
                most[r] = Upper()(most[r], now);
                sums[r] += apart;
                squares[r] += apart * apart;
            }
        }
        const auto count = static_cast<float>(n);
        const float mean = reduce<Lanes>(sums, Add()) / count;
        out[j] = {reduce<Lanes>(least, Lower()), reduce<Lanes>(most, Upper()), shift + mean,
                  reduce<Lanes>(squares, Add()) / count - mean * mean};
    }
}

void quantise(const float* tables, std::int64_t m, std::int64_t n, const Range* ranges, float scale,
              int limit, int slots, std::uint8_t* out) noexcept {
    const auto most = static_cast<float>(limit);
    for (std::int64_t j = 0; j < m; ++j, tables += n, out += slots) {
        const float least = ranges[j].least;
        for (std::int64_t k = 0; k < n; ++k) {
            const float level = (tables[k] - least) * scale;
            out[k] = static_cast<std::uint8_t>(static_cast<int>(Lower()(level, most)));
        }
    }
}

template <int Lanes>
void fold(const float* tables, std::int64_t m, std::int64_t n, int slots, float* out) noexcept {
    using f32 = typename Vector<Lanes>::f32;
    for (std::int64_t j = 0; j < m; ++j, tables += n, out += slots) {
        for (std::int64_t k = 0; k < slots; k += Lanes) {
            auto least = load<f32>(tables + k);
            for (std::int64_t other = k + slots; other < n; other += slots) {
                least = Lower()(load<f32>(tables + other), least);
            }
            store(out + k, least);
        }
    }
}

double error(const float* tables, std::int64_t m, std::int64_t n, const Range* ranges, double step,
             int slots, const std::uint8_t* quantised) noexcept {
    double sum = 0.0;
    for (std::int64_t j = 0; j < m; ++j, tables += n, quantised += slots) {
        F64x16 most = {};
        for (std::int64_t k = 0; k < n; k += 16) {
            const auto levels = __builtin_convertvector(
                __builtin_convertvector(load<U8x16>(quantised + k), I32x16), F64x16);
            const F64x16 above =
                __builtin_convertvector(load<F32x16>(tables + k), F64x16) - double{ranges[j].least};
            const F64x16 lost = above - levels * step;
            most = most < lost ? lost : most;
        }
        double largest = most[0];
        for (int lane = 1; lane < 16; ++lane) {
            largest = largest < most[lane] ? most[lane] : largest;
        }
        sum += largest;
    }
    return sum;
}

template <int Lanes>
Differences differences(const float* table, const std::int8_t* numbers, const std::uint8_t* bytes,
                        const float* offsets, std::int64_t dims, std::int64_t n,
                        float scale) noexcept {
    using f32 = typename Vector<Lanes>::f32;
    float values[256] = {};
    for (std::int64_t k = 0; k < n; ++k) {
        values[k] = offsets[k];
    }
    for (std::int64_t t = 0; t < dims; ++t, bytes += n) {
        const float number = scale * static_cast<float>(numbers[t]);
        for (std::int64_t k = 0; k < n; ++k) {
            values[k] += number * static_cast<float>(bytes[k]);
        }
    }
    f32 least[registers<Lanes>], most[registers<Lanes>];
#pragma GCC unroll 4
    for (int r = 0; r < registers<Lanes>; ++r) {
        const auto apart = [&](std::int64_t k) {
            return load<f32>(table + r * Lanes + k) - load<f32>(values + r * Lanes + k);
        };
        least[r] = most[r] = apart(0);
        for (std::int64_t k = group_entries; k < n; k += group_entries) {
            least[r] = Lower()(least[r], apart(k));
            most[r] = Upper()(most[r], apart(k));
        }
    }
    return {reduce<Lanes>(least, Lower()), reduce<Lanes>(most, Upper())};
}

template <int Lanes>
constexpr TableKernels table_kernels{&fill_table<Lanes>, &ranges<Lanes>, &quantise,
                                     &fold<Lanes>,       &error,         &differences<Lanes>};

}  // namespace
}  // namespace tersevec::pqscan
