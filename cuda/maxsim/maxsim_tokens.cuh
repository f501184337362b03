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
constexpr bool of_halves = kind == kind_f16 || kind == kind_bf16;
template <int kind>
constexpr int numbers_of_word = kind == kind_i8 ? 4 : 1;
template <int kind>
constexpr int bytes_of_four = of_halves<kind> ? 8 : 16;  // words

template <int kind>
TERSEVEC_DEVICE i64 words_of(i64 dim) {
    return (dim + numbers_of_word<kind> - 1) / numbers_of_word<kind>;
}

/// Whether four words of any row can be read at once.
template <int kind>
TERSEVEC_DEVICE bool in_fours(Tokens tokens) {
    const u64 row_bytes = tokens.dim * (bytes_of_four<kind> / 4) / numbers_of_word<kind>;
    return tokens.dim % (4 * numbers_of_word<kind>) == 0 &&
           (reinterpret_cast<u64>(tokens.values) | row_bytes) % bytes_of_four<kind> == 0;
}

TERSEVEC_DEVICE void load_four(const float* from, float (&to)[4]) {
    const float4 four = *reinterpret_cast<const float4*>(from);
    to[0] = four.x, to[1] = four.y, to[2] = four.z, to[3] = four.w;
}
TERSEVEC_DEVICE void load_four(const i32* from, i32 (&to)[4]) {
    const int4 four = *reinterpret_cast<const int4*>(from);
    to[0] = four.x, to[1] = four.y, to[2] = four.z, to[3] = four.w;
}

template <int kind>
TERSEVEC_DEVICE float from_bits_of_half(u32 half) {
    const u16 bits = static_cast<u16>(half);
    return kind == kind_f16 ? from_half(bits) : from_bfloat16(bits);
}

/// Words w to w + 3 of a row that lies in fours.
template <int kind, class Word>
TERSEVEC_DEVICE void read_four(Tokens tokens, i64 row, i64 w, Word (&to)[4]) {
    const i64 first = row * tokens.dim + w * numbers_of_word<kind>;
    if constexpr (of_halves<kind>) {
        const u16* const halves = static_cast<const u16*>(tokens.values) + first;
        const uint2 four = *reinterpret_cast<const uint2*>(halves);
        to[0] = from_bits_of_half<kind>(four.x), to[1] = from_bits_of_half<kind>(four.x >> 16);
        to[2] = from_bits_of_half<kind>(four.y), to[3] = from_bits_of_half<kind>(four.y >> 16);
    } else if constexpr (kind == kind_i8) {
        load_four(reinterpret_cast<const i32*>(static_cast<const i8*>(tokens.values) + first), to);
    } else {
        load_four(static_cast<const float*>(tokens.values) + first, to);
        for (int i = 0; i < 4 && kind == kind_to_bf16; ++i) {
            to[i] = from_bfloat16(to_bfloat16(to[i]));
        }
    }
}

/// Word w of a row wherever that lies, 0 beyond its end.
template <int kind, class Word>
TERSEVEC_DEVICE Word read_one(Tokens tokens, i64 row, i64 w) {
    if constexpr (kind == kind_i8) {
        const u8* const bytes = static_cast<const u8*>(tokens.values) + row * tokens.dim;
        u32 four = 0;
        for (int i = 0; i < 4; ++i) {
            four |= 4 * w + i < tokens.dim ? static_cast<u32>(bytes[4 * w + i]) << 8 * i : 0u;
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

/// What a token is multiplied with after its words.
template <int kind>
TERSEVEC_DEVICE float scale_of(Tokens tokens, i64 row) {
    if constexpr (kind == kind_i8) {
        return tokens.scales[row];
    } else {
        return 1.0f;
    }
}

/// The product of two tokens, from the sum of its words, as a key: smaller is better, what is not
/// finite the best and NaN, equal values by place. Nought minus a zero of either sign is one zero.
template <int kind, class Word>
TERSEVEC_DEVICE Key product_key(Word sum, float query_scale, float scale, u32 place) {
    float value = 0.0f;
    if constexpr (kind == kind_i8) {
        value = static_cast<float>(sum) * query_scale * scale;
    } else {
        value = sum;
    }
    const bool finite = (bits_of(value) & 0x7f800000u) != 0x7f800000u;
    return make_key(finite ? ordered_bits(0.0f - value) : 0u, place);
}

/// NaN for what was not finite: the float whose ordered bits are 0 is one.
TERSEVEC_DEVICE float product_of(Key key) {
    return 0.0f - from_ordered_bits(key_value(key));
}

TERSEVEC_DEVICE Key better(Key a, Key b) {
    return a < b ? a : b;
}

}  // namespace tersevec::cuda
