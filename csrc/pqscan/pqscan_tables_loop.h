// SPDX-License-Identifier: Apache-2.0
/// What is done with a query's tables before a scan, 16 entries at a time. The vectors are the
/// compiler's own, so these loops become each level's instructions; entries never meet but in a
/// fixed order, so every level gives the same numbers.
#pragma once

#include "pqscan/pqscan.h"

namespace tersevec::pqscan {
namespace {

template <class T, int Lanes>
struct Lane {
    using type [[gnu::vector_size(sizeof(T) * Lanes)]] = T;
};
using F32x16 = Lane<float, 16>::type;
using F32x8 = Lane<float, 8>::type;
using F32x4 = Lane<float, 4>::type;
using F64x16 = Lane<double, 16>::type;
using I32x16 = Lane<std::int32_t, 16>::type;
using U8x16 = Lane<std::uint8_t, 16>::type;

template <class Vector, class T>
Vector load(const T* from) noexcept {
    Vector vector;
    __builtin_memcpy(&vector, from, sizeof vector);
    return vector;
}

/// Lanes i and i + 8, then i and i + 4, and so on.
template <class Combine>
float reduce(F32x16 lanes, Combine combine) noexcept {
    const F32x8 eight =
        combine(__builtin_shufflevector(lanes, lanes, 0, 1, 2, 3, 4, 5, 6, 7),
                __builtin_shufflevector(lanes, lanes, 8, 9, 10, 11, 12, 13, 14, 15));
    const F32x4 four = combine(__builtin_shufflevector(eight, eight, 0, 1, 2, 3),
                               __builtin_shufflevector(eight, eight, 4, 5, 6, 7));
    const F32x4 two = combine(four, __builtin_shufflevector(four, four, 2, 3, 0, 1));
    const F32x4 one = combine(two, __builtin_shufflevector(two, two, 1, 0, 3, 2));
    return one[0];
}

/// Registers of `Lanes`: wider vectors would be added in memory.
template <int Lanes>
void fill_table(const float* query, const float* columns, std::int64_t m, std::int64_t dims,
                std::int64_t n, Metric metric, float* table) noexcept {
    using f32 = typename Lane<float, Lanes>::type;
    constexpr int registers = 16 / Lanes;
    for (std::int64_t j = 0; j < m; ++j, query += dims, columns += dims * n, table += n) {
        for (std::int64_t k = 0; k < n; k += 16) {
            f32 sums[registers] = {};
            for (std::int64_t t = 0; t < dims; ++t) {
#pragma GCC unroll 4
                for (int r = 0; r < registers; ++r) {
                    const auto column = load<f32>(columns + t * n + k + r * Lanes);
                    const f32 apart = query[t] - column;
                    sums[r] += metric == Metric::l2 ? apart * apart : query[t] * column;
                }
            }
            __builtin_memcpy(table + k, sums, sizeof sums);
        }
    }
}

void ranges(const float* tables, std::int64_t m, std::int64_t n, Range* out) noexcept {
    const auto lower = [](auto a, auto b) { return a < b ? a : b; };
    const auto upper = [](auto a, auto b) { return a < b ? b : a; };
    const auto add = [](auto a, auto b) { return a + b; };
    for (std::int64_t j = 0; j < m; ++j, tables += n) {
        const float shift = tables[0];  // near the mean, so that the squares do not cancel
        auto least = load<F32x16>(tables);
        F32x16 most = least, sum = least - shift, squares = sum * sum;
        for (std::int64_t k = 16; k < n; k += 16) {
            const auto entries = load<F32x16>(tables + k);
            const F32x16 apart = entries - shift;
            least = lower(least, entries);
            most = upper(most, entries);
            sum += apart;
            squares += apart * apart;
        }
        const auto count = static_cast<float>(n);
        const float mean = reduce(sum, add) / count;
        out[j] = {reduce(least, lower), reduce(most, upper), shift + mean,
                  reduce(squares, add) / count - mean * mean};
    }
}

void quantise(const float* tables, std::int64_t m, std::int64_t n, const Range* ranges, float scale,
              int limit, int slots, std::uint8_t* out) noexcept {
    const F32x16 most = F32x16{} + static_cast<float>(limit);
    for (std::int64_t j = 0; j < m; ++j, tables += n, out += slots) {
        for (std::int64_t k = 0; k < n; k += 16) {
            const F32x16 level = (load<F32x16>(tables + k) - ranges[j].least) * scale;
            const auto levels = __builtin_convertvector(
                __builtin_convertvector(level < most ? level : most, I32x16), U8x16);
            __builtin_memcpy(out + k, &levels, sizeof levels);
        }
    }
}

void fold(const float* tables, std::int64_t m, std::int64_t n, int slots, float* out) noexcept {
    for (std::int64_t j = 0; j < m; ++j, tables += n, out += slots) {
        for (std::int64_t k = 0; k < slots; k += 16) {
            auto least = load<F32x16>(tables + k);
            for (std::int64_t other = k + slots; other < n; other += slots) {
                const auto entries = load<F32x16>(tables + other);
                least = entries < least ? entries : least;
            }
            __builtin_memcpy(out + k, &least, sizeof least);
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

Differences differences(const float* table, const std::int8_t* numbers, const std::uint8_t* bytes,
                        const float* offsets, std::int64_t dims, std::int64_t n,
                        float scale) noexcept {
    const auto lower = [](auto a, auto b) { return a < b ? a : b; };
    const auto upper = [](auto a, auto b) { return a < b ? b : a; };
    float values[256];
    for (std::int64_t k = 0; k < n; ++k) {
        values[k] = offsets[k];
    }
    for (std::int64_t t = 0; t < dims; ++t, bytes += n) {
        const float number = scale * static_cast<float>(numbers[t]);
        for (std::int64_t k = 0; k < n; ++k) {
            values[k] += number * static_cast<float>(bytes[k]);
        }
    }
    F32x16 least = load<F32x16>(table) - load<F32x16>(values), most = least;
    for (std::int64_t k = 16; k < n; k += 16) {
        const F32x16 apart = load<F32x16>(table + k) - load<F32x16>(values + k);
        least = lower(least, apart);
        most = upper(most, apart);
    }
    // Both at once: the least of the differences and of their opposites.
    const F32x16 both = lower(__builtin_shufflevector(least, -most, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17,
                                                      18, 19, 20, 21, 22, 23),
                              __builtin_shufflevector(least, -most, 8, 9, 10, 11, 12, 13, 14, 15,
                                                      24, 25, 26, 27, 28, 29, 30, 31));
    const F32x16 four = lower(both, __builtin_shufflevector(both, both, 4, 5, 6, 7, 0, 1, 2, 3, 12,
                                                            13, 14, 15, 8, 9, 10, 11));
    const F32x16 two = lower(four, __builtin_shufflevector(four, four, 2, 3, 0, 1, 6, 7, 4, 5, 10,
                                                           11, 8, 9, 14, 15, 12, 13));
    const F32x16 one = lower(two, __builtin_shufflevector(two, two, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8,
                                                          11, 10, 13, 12, 15, 14));
    return {one[0], -one[8]};
}

template <int Lanes>
constexpr TableKernels table_kernels{&fill_table<Lanes>, &ranges, &quantise, &fold, &error,
                                     &differences};

}  // namespace
}  // namespace tersevec::pqscan
