// SPDX-License-Identifier: Apache-2.0
/// Hits as 64-bit keys in the order (value, row), the same bits as in csrc/core/topk.h: a selection
/// by keys gives the same rows on a GPU and on a CPU.
#pragma once

#include "portable.cuh"

namespace tersevec::cuda {

using Key = u64;
constexpr Key no_hit = ~Key{0};          // pads results that have fewer than k rows
constexpr u32 no_ordinal = 0xffffffffu;  // the ordered value of a row that may not be found

TERSEVEC_DEVICE Key make_key(u32 ordered_value, u32 row) {
    return Key{ordered_value} << 32 | row;
}
TERSEVEC_DEVICE u32 key_value(Key key) {
    return static_cast<u32>(key >> 32);
}
TERSEVEC_DEVICE u32 key_row(Key key) {
    return static_cast<u32>(key);
}

/// Bits of a float in an order that unsigned integers keep.
TERSEVEC_DEVICE u32 ordered_bits(float value) {
    const u32 bits = bits_of(value);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
TERSEVEC_DEVICE float from_ordered_bits(u32 ordered) {
    return from_bits(ordered & 0x80000000u ? ordered ^ 0x80000000u : ~ordered);
}

}  // namespace tersevec::cuda
