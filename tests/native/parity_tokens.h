// SPDX-License-Identifier: Apache-2.0
/// Ragged batches of every type of token, and products by definition.
#pragma once

#include <cmath>
#include <cstring>

#include "core/tokens.h"
#include "parity_check.h"

namespace tersevec::parity {

/// a . b: one chain of fused multiply-adds, `stride` between the numbers of b.
inline float chain(const float* a, const float* b, std::int64_t n, std::int64_t stride = 1) {
    float sum = 0.0f;
    for (std::int64_t i = 0; i < n; ++i) {
        sum = std::fma(a[i], b[i * stride], sum);
    }
    return sum;
}

/// Documents of the given lengths in memory that ends with the last token.
struct Batch {
    std::vector<std::int64_t> offsets{0};
    std::int64_t dims;
    TokenType type;
    Bytes data;
    Floats numbers, scales;  // what the tokens stand for
    std::vector<std::int32_t> sums;

    Batch(Random& random, const std::vector<std::int64_t>& lengths, std::int64_t dims,
          TokenType type)
        : dims(dims), type(type) {
        for (const std::int64_t length : lengths) {
            offsets.push_back(offsets.back() + length);
        }
        data.resize(offsets.back() * dims * token_bytes(type));
        scales.resize(offsets.back());
        sums.resize(offsets.back());
        for (std::int64_t i = 0; i < offsets.back(); ++i) {
            scales[i] = 0.01f * static_cast<float>(1 + random.below(3));
            for (std::int64_t t = 0; t < dims; ++t) {
                numbers.push_back(put(random, i, i * dims + t));
            }
        }
    }

    Ragged view() const {
        return {{data.data(), type, dims, scales.data()},
                offsets.data(),
                static_cast<std::int64_t>(offsets.size()) - 1};
    }

private:
    /// A number that the type holds: quarters of small whole ones are halves and bfloat16 alike.
    float put(Random& random, std::int64_t token, std::int64_t at) {
        if (type == TokenType::int8) {
            const int number = static_cast<int>(random.below(255)) - 127;
            data[at] = static_cast<std::uint8_t>(number);
            sums[token] += number;
            return static_cast<float>(number) * scales[token];
        }
        if (type == TokenType::float32) {
            const float number = random.number();
            std::memcpy(data.data() + 4 * at, &number, 4);
            return number;
        }
        const float number = 0.25f * (static_cast<float>(random.below(129)) - 64.0f);
        std::uint32_t bits;
        std::memcpy(&bits, &number, 4);
        const std::uint32_t size = bits & 0x7fffffffu;
        const std::uint32_t half = size == 0 ? 0 : (size - 0x38000000u) >> 13;
        const auto two = static_cast<std::uint16_t>(
            (bits >> 16 & 0x8000u) | (type == TokenType::float16 ? half : size >> 16));
        std::memcpy(data.data() + 2 * at, &two, 2);
        return number;
    }
};

inline const char* name_of(TokenType type) {
    constexpr const char* names[] = {"float32", "float16", "bfloat16", "int8"};
    return names[static_cast<int>(type)];
}
inline constexpr TokenType token_types[] = {TokenType::float32, TokenType::float16,
                                            TokenType::bfloat16, TokenType::int8};

}  // namespace tersevec::parity
