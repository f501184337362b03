// SPDX-License-Identifier: Apache-2.0
/// Token arrays of any type as views.
#pragma once

#include "arrays.h"
#include "core/tokens.h"

namespace tersevec {

inline TokenType token_type(const py::array& array, const char* name) {
    if (py::array_t<float>::check_(array)) {
        return TokenType::float32;
    }
    if (py::array_t<std::uint16_t>::check_(array)) {
        return TokenType::bfloat16;
    }
    if (py::array_t<std::int8_t>::check_(array)) {
        return TokenType::int8;
    }
    if (array.dtype().kind() == 'f' && array.itemsize() == 2) {
        return TokenType::float16;
    }
    throw py::type_error(std::string(name) +
                         ": expected float32, float16, uint16 (bfloat16's bits) or int8");
}

/// `scales` are of int8 tokens, and None for others.
inline Tokens tokens_of(const py::array& tokens, const py::object& scales, const char* name) {
    const TokenType type = token_type(tokens, name);
    require(tokens.ndim() == 2 && (tokens.flags() & py::array::c_style) != 0 &&
                tokens.shape(1) >= 1 && tokens.shape(1) <= 65536,
            (std::string(name) + ": expected C-contiguous rows of 1 to 65536 numbers").c_str());
    const float* each = nullptr;
    if (type == TokenType::int8) {
        const auto of_rows = typed<float>(scales, "scales");
        require(of_rows.ndim() == 1 && of_rows.shape(0) == tokens.shape(0),
                "scales: expected one for each token");
        each = contiguous(of_rows, "scales");
    }
    return {tokens.data(), type, tokens.shape(1), each};
}

inline Ragged ragged_of(const Tokens& tokens, std::int64_t n_tokens,
                        const py::array_t<std::int64_t>& offsets, const char* name) {
    const auto message = std::string(name) + ": expected ascending from 0 to the number of tokens";
    require(offsets.ndim() == 1 && offsets.shape(0) >= 1, message.c_str());
    const std::int64_t* each = contiguous(offsets, name);
    const std::int64_t n = offsets.shape(0) - 1;
    require(each[0] == 0 && each[n] == n_tokens && std::is_sorted(each, each + n + 1),
            message.c_str());
    return {tokens, each, n};
}

}  // namespace tersevec
