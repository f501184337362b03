// SPDX-License-Identifier: Apache-2.0
/// The numbers of token vectors of every type.
#pragma once

#include "halves.cuh"

namespace tersevec::cuda {

constexpr int kind_f32 = 0, kind_f16 = 1, kind_bf16 = 2, kind_i8 = 3;
/// Queries that are rounded to bfloat16 before they are multiplied.
constexpr int kind_to_bf16 = 4;

/// A number as float32, scales of bytes left out.
TERSEVEC_DEVICE float number_of(const void* values, int kind, i64 place) {
    switch (kind) {
        case kind_f32: return static_cast<const float*>(values)[place];
        case kind_f16: return from_half(static_cast<const u16*>(values)[place]);
        case kind_bf16: return from_bfloat16(static_cast<const u16*>(values)[place]);
        case kind_to_bf16:
            return from_bfloat16(to_bfloat16(static_cast<const float*>(values)[place]));
        default: return static_cast<float>(static_cast<const i8*>(values)[place]);
    }
}

}  // namespace tersevec::cuda
