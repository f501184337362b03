// SPDX-License-Identifier: Apache-2.0
#include "pqscan/pqscan_bytes.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/kernel_table.h"
#include "symdist/symdist.h"

namespace tersevec::pqscan {

namespace {

constexpr float tiny = std::numeric_limits<float>::min();

/// The nearest whole number of one from -127 to 127, less what rounding did to it.
int whole(float number) noexcept {
    return static_cast<int>(std::clamp(number, -127.0f, 127.0f) + 128.5f) - 128;
}

}  // namespace

ByteCentroids::ByteCentroids(const Tables& tables, const Codes& codes, Isa at_most)
    : dims(tables.queries.width / codes.m),
      largest(fastest_row(symdist::rows(), &symdist::Kernels::below_offset, at_most).quick_number),
      zero(largest / 2 + 1),
      centres(codes.m * dims),
      bytes(codes.m * dims * codes.centroids() + look_up_bytes),
      offsets(codes.m * codes.centroids()) {
    const std::int64_t n = codes.centroids();
    const float* columns = tables.columns;
    float widest = 0.0f;
    for (std::int64_t i = 0; i < codes.m * dims; ++i) {
        const auto [least, most] = std::minmax_element(columns + i * n, columns + (i + 1) * n);
        centres[i] = *least + (*most - *least) / 2;
        widest = std::max({widest, *most - centres[i], centres[i] - *least});
    }
    step = std::max(widest / static_cast<float>(largest / 2), tiny);
    unit = tables.metric == Metric::l2 ? step * step : 0.0f;
    for (std::int64_t i = 0; i < codes.m * dims; ++i) {
        for (std::int64_t k = 0; k < n; ++k) {
            const int number = whole((columns[i * n + k] - centres[i]) / step);
            bytes[i * n + k] = static_cast<std::uint8_t>(zero + number);
            offsets[i / dims * n + k] += unit * static_cast<float>(number * number);
        }
    }
    if (fastest_row(rows(), &Kernels::decode8, at_most).decodes_words) {
        make_words(codes.m, n);
    }
}

void ByteCentroids::make_words(std::int64_t m, std::int64_t n) {
    const std::int64_t coordinates = m * dims;
    const auto subspace_of = [&](std::int64_t i) { return std::min(i, coordinates - 1) / dims; };
    for (std::int64_t line = 0; line < coordinates; line += symdist::line_dims) {
        const std::int64_t end = line + symdist::line_dims;
        for (std::int64_t j = subspace_of(line); j <= subspace_of(end - 1); ++j) {
            words.resize(words.size() + n);
            std::uint32_t* of = words.data() + words.size() - n;
            for (std::int64_t i = line; i < end; ++i) {
                if (subspace_of(i) != j) {
                    continue;
                }
                for (std::int64_t k = 0; k < n; ++k) {
                    const std::uint32_t byte = i < coordinates ? bytes[i * n + k] : zero;
                    of[k] |= byte << 8 * (i - line);
                }
            }
        }
    }
}

ByteQuery::ByteQuery(const float* query, const float* table, const ByteCentroids& centroids,
                     const Codes& codes, const TableKernels& kernels, std::int8_t* numbers) {
    const std::int64_t n = codes.centroids(), dims = centroids.dims, coordinates = codes.m * dims;
    // What a coordinate's byte takes off the distance.
    const auto weight = [&](std::int64_t i) {
        return centroids.unit > 0.0f ? 2.0f * centroids.step * (query[i] - centroids.centres[i])
                                     : centroids.step * query[i];
    };
    float widest = 0.0f;
    for (std::int64_t i = 0; i < coordinates; ++i) {
        widest = std::max(widest, std::abs(weight(i)));
    }
    const float step = std::max(widest / 127.0f, tiny);
    scale = -step;
    double magnitude = 0.0;
    for (std::int64_t i = 0; i < coordinates; ++i) {
        const int number = whole(weight(i) / step);
        numbers[i] = static_cast<std::int8_t>(number);
        magnitude += 255.0 * step * std::abs(number) + 16384.0 * centroids.unit;
    }
    least = most = 0.0;
    for (std::int64_t j = 0; j < codes.m; ++j) {
        const Differences apart = kernels.differences(
            table + j * n, numbers + j * dims, centroids.bytes.data() + j * dims * n,
            centroids.offsets.data() + j * n, dims, n, scale);
        least += apart.least;
        most += apart.most;
        magnitude += std::max(std::abs(apart.least), std::abs(apart.most));
    }
    // `magnitude` is beyond all sums of entries, of values and of their terms. Differences are sums
    // of `dims` terms, distances of m entries: each rounding takes less than 2^-24 of it.
    const double slack = magnitude * static_cast<double>(codes.m + dims + 16) * 0x1p-24;
    least -= slack;
    most += slack;
}

bool products_pay(const Tables& tables, const Codes& codes, Isa at_most) noexcept {
    constexpr std::int64_t most_dims = 32768;  // whose products fit 31 bits
    const std::int64_t dims = tables.queries.width;
    if (tables.columns == nullptr || dims > most_dims) {
        return false;
    }
    const Kernels& row = fastest_row(rows(), &Kernels::below4, at_most);
    const Costs& costs = row.costs;
    const float look_up = codes.n_bits == 4   ? costs.look_up4
                          : codes.n_bits <= 6 ? costs.look_up6
                                              : costs.look_up8;
    const float product =
        fastest_row(symdist::rows(), &symdist::Kernels::below_offset, at_most).cost / 64.0f;
    const auto coordinates = static_cast<float>(dims), m = static_cast<float>(codes.m);
    const float decoded =
        row.decodes_words ? std::max(m, coordinates / symdist::line_dims) : coordinates;
    const float decode = decoded * costs.decode / static_cast<float>(tables.n_queries);
    return coordinates * product + decode + costs.compare < m * look_up;
}

}  // namespace tersevec::pqscan
