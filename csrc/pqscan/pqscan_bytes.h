// SPDX-License-Identifier: Apache-2.0
/// Centroids and queries rounded to bytes, and how far that takes values from distances.
#pragma once

#include <vector>

#include "pqscan/pqscan.h"

namespace tersevec::pqscan {

/// Centroids as bytes: coordinate i is about centres[i] + step * (byte - zero).
struct ByteCentroids {
    ByteCentroids(const Tables& tables, const Codes& codes, Isa at_most);

    static constexpr std::int64_t look_up_bytes = 64;

    std::int64_t dims;  // of a sub-space
    int largest;        // of the bytes, from 1 on: up to it products are quick
    int zero;           // the byte that stands for 0, in their middle
    float step;
    float unit;                  // what a row's squares add to its distance, each; 0 for products
    std::vector<float> centres;  // (m * dims)
    std::vector<std::uint8_t> bytes;   // (m * dims, K), and what a look-up reads beside its table
    std::vector<float> offsets;        // (m, K): unit times a centroid's squares
    std::vector<std::uint32_t> words;  // of the bytes, where decoding wants them

private:
    void make_words(std::int64_t m, std::int64_t n_centroids);
};

/// A query as bytes, and how far its values are off.
struct ByteQuery {
    /// Writes the query's `numbers`, (m * dims). `table` is its own (m, K).
    ByteQuery(const float* query, const float* table, const ByteCentroids& centroids,
              const Codes& codes, const TableKernels& kernels, std::int8_t* numbers);

    float scale;  // of a product, not above 0
    double least, most;
};

/// Whether this call's codes are scanned faster by products.
bool products_pay(const Tables& tables, const Codes& codes, Isa at_most) noexcept;

}  // namespace tersevec::pqscan
