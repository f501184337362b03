// SPDX-License-Identifier: Apache-2.0
/// Tokens of each type as the words that MaxSim multiplies: floats, or four bytes at once.
#pragma once

#include "core/keys.cuh"
#include "core/tokens.cuh"

namespace tersevec::cuda {

struct Tokens {
    const void* values;
    const float* scales;  // of bytes
    i64 dim;
};

template <int kind>
struct WordType {
    using Type = float;
};
template <>
struct WordType<kind_i8> {
    using Type = i32;
};
template <int kind>
using WordOf = typename WordType<kind>::Type;

/// How queries lie that meet documents of a kind.
template <int kind>
constexpr int query_kind = kind == kind_i8     ? kind_i8
                           : kind == kind_bf16 ? kind_to_bf16
                                               : kind_f32;

template <int kind>
TERSEVEC_DEVICE i64 words_of(i64 dim) {
    return kind == kind_i8 ? (dim + 3) / 4 : dim;
}

/// Word w of a row, 0 beyond its end.
template <int kind, class Word>
TERSEVEC_DEVICE Word word_of(Tokens tokens, i64 row, i64 w) {
    if constexpr (kind == kind_i8) {
        const i8* const bytes = static_cast<const i8*>(tokens.values) + row * tokens.dim;
        if (tokens.dim % 4 == 0) {
            return 4 * w < tokens.dim ? reinterpret_cast<const i32*>(bytes)[w] : 0;
        }
        u32 four = 0;
        for (int i = 0; i < 4; ++i) {
            four |= 4 * w + i < tokens.dim
                        ? static_cast<u32>(static_cast<u8>(bytes[4 * w + i])) << 8 * i
                        : 0u;
        }
        return static_cast<i32>(four);
    } else {
        return w < tokens.dim ? number_of(tokens.values, kind, row * tokens.dim + w) : 0.0f;
    }
}

TERSEVEC_DEVICE float multiplied(float a, float b, float sum) {
    return fused(a, b, sum);
}
TERSEVEC_DEVICE i32 multiplied(i32 a, i32 b, i32 sum) {
    return __dp4a(a, b, sum);
}

TERSEVEC_DEVICE void load_four(const float* from, float (&to)[4]) {
    const float4 four = *reinterpret_cast<const float4*>(from);
    to[0] = four.x, to[1] = four.y, to[2] = four.z, to[3] = four.w;
}
TERSEVEC_DEVICE void load_four(const i32* from, i32 (&to)[4]) {
    const int4 four = *reinterpret_cast<const int4*>(from);
    to[0] = four.x, to[1] = four.y, to[2] = four.z, to[3] = four.w;
}

/// A product of two tokens from the sum of its words; NaN for what is not finite.
template <int kind, class Word>
TERSEVEC_DEVICE float value_of(Word sum, Tokens queries, i64 query, Tokens documents, i64 token) {
    if constexpr (kind == kind_i8) {
        return static_cast<float>(sum) * queries.scales[query] * documents.scales[token];
    } else {
        return (bits_of(sum) & 0x7f800000u) == 0x7f800000u ? from_bits(0x7fc00000u) : sum;
    }
}

}  // namespace tersevec::cuda
