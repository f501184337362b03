// SPDX-License-Identifier: Apache-2.0
/// Rows of numbers in the types that token embeddings come in.
#pragma once

#include <cstdint>

namespace tersevec {

enum class TokenType : std::uint8_t { float32, float16, bfloat16, int8 };

inline constexpr std::int64_t token_bytes(TokenType type) noexcept {
    return type == TokenType::float32 ? 4 : type == TokenType::int8 ? 1 : 2;
}

/// Contiguous rows of `dims` numbers; those of int8 are multiples of a scale of their row.
struct Tokens {
    const void* data;
    TokenType type;
    std::int64_t dims;
    const float* scales;  // of int8 rows

    const void* row(std::int64_t i) const noexcept {
        return static_cast<const char*>(data) + i * dims * token_bytes(type);
    }
};

/// Documents, or queries: tokens offsets[i] to offsets[i + 1] belong to the i-th of n.
struct Ragged {
    Tokens tokens;
    const std::int64_t* offsets;
    std::int64_t n;

    std::int64_t length(std::int64_t i) const noexcept { return offsets[i + 1] - offsets[i]; }
};

}  // namespace tersevec
