// SPDX-License-Identifier: Apache-2.0
/// Held rows: floats, the bits of halves, or bytes that a float of the row multiplies. Functions
/// are called by all lanes of a warp; `row` is the warp's own memory.
#pragma once

#include "core/halves.cuh"

namespace tersevec::cuda {

constexpr int kind_f32 = 0, kind_f16 = 1, kind_i8 = 2;
constexpr int held_group = 16;
constexpr i64 square_panel = 64;  // columns whose squares are added side by side

struct Held {
    const void* values;
    const float* scales;  // of bytes; null: the bytes themselves
    i64 width;            // a multiple of held_group
    i32 kind;
};

/// The sums of four columns, as floats or as integers; rows of them are 16-byte aligned.
template <bool whole>
struct Four {
    float x, y, z, w;

    TERSEVEC_DEVICE void add(Four b) { x += b.x, y += b.y, z += b.z, w += b.w; }
    TERSEVEC_DEVICE void multiply(float f) { x = f * x, y = f * y, z = f * z, w = f * w; }
    TERSEVEC_DEVICE void store(float* row) const { *reinterpret_cast<float4*>(row) = {x, y, z, w}; }
    static TERSEVEC_DEVICE Four load(const float* row) {
        const float4 four = *reinterpret_cast<const float4*>(row);
        return {four.x, four.y, four.z, four.w};
    }
};
template <>
struct Four<true> {
    i32 x, y, z, w;

    TERSEVEC_DEVICE void add(Four b) { x += b.x, y += b.y, z += b.z, w += b.w; }
    TERSEVEC_DEVICE void multiply(float) {}  // never: whole numbers have neither weight nor scale
    TERSEVEC_DEVICE void store(float* row) const {
        const auto bits = [](i32 number) { return from_bits(static_cast<u32>(number)); };
        *reinterpret_cast<float4*>(row) = {bits(x), bits(y), bits(z), bits(w)};
    }
    static TERSEVEC_DEVICE Four load(const float* row) {
        const float4 four = *reinterpret_cast<const float4*>(row);
        const auto number = [](float bits) { return static_cast<i32>(bits_of(bits)); };
        return {number(four.x), number(four.y), number(four.z), number(four.w)};
    }
};

/// Four numbers of a held row as they lie. `batch` of them, read before the first is added, keep
/// as many reads on their way as hide the memory's latency and registers hold.
template <int kind>
struct Packed;
template <>
struct Packed<kind_f32> {
    using Type = float4;
    static constexpr int batch = 4;

    template <bool whole>
    static TERSEVEC_DEVICE Four<whole> open(float4 four) {
        return {four.x, four.y, four.z, four.w};
    }
};
template <>
struct Packed<kind_f16> {
    using Type = uint2;
    static constexpr int batch = 8;

    template <bool whole>
    static TERSEVEC_DEVICE Four<whole> open(uint2 four) {
        return {from_half(static_cast<u16>(four.x)), from_half(static_cast<u16>(four.x >> 16)),
                from_half(static_cast<u16>(four.y)), from_half(static_cast<u16>(four.y >> 16))};
    }
};
template <>
struct Packed<kind_i8> {
    using Type = u32;
    static constexpr int batch = 8;

    template <bool whole>
    static TERSEVEC_DEVICE Four<whole> open(u32 four) {
        using Number = decltype(Four<whole>::x);
        return {static_cast<Number>(static_cast<i8>(four)),
                static_cast<Number>(static_cast<i8>(four >> 8)),
                static_cast<Number>(static_cast<i8>(four >> 16)),
                static_cast<Number>(static_cast<i8>(four >> 24))};
    }
};

/// Four columns of all rows.
template <int kind>
struct Columns {
    const typename Packed<kind>::Type* first;
    u32 row_fours;

    TERSEVEC_DEVICE Columns(Held held, i64 column)
        : first(static_cast<const typename Packed<kind>::Type*>(held.values) + column / 4),
          row_fours(static_cast<u32>(held.width / 4)) {}
    TERSEVEC_DEVICE typename Packed<kind>::Type read(u32 row) const {
        return first[static_cast<u64>(row) * row_fours];
    }
    /// Scales left out.
    template <bool whole>
    TERSEVEC_DEVICE Four<whole> numbers(i64 row) const {
        return Packed<kind>::template open<whole>(read(static_cast<u32>(row)));
    }
};

template <int kind>
TERSEVEC_DEVICE void widen_kind(Held held, i64 row, float* out) {
    for (i64 c = 4 * (threadIdx.x % warp_lanes); c < held.width; c += 4 * warp_lanes) {
        Four<false> four = Columns<kind>(held, c).template numbers<false>(row);
        if (held.scales != nullptr) {
            four.multiply(held.scales[row]);
        }
        four.store(out + c);
    }
}

/// out (width) = the numbers of a held row.
TERSEVEC_DEVICE void widen_row(Held held, i64 row, float* out) {
    switch (held.kind) {
        case kind_f32: widen_kind<kind_f32>(held, row, out); break;
        case kind_f16: widen_kind<kind_f16>(held, row, out); break;
        default: widen_kind<kind_i8>(held, row, out);
    }
}

/// row = the sums of a row's parts, (parts, width), added in order.
template <bool whole>
TERSEVEC_DEVICE void add_parts(const float* parts, i64 count, i64 width, float* row) {
    for (i64 c = 4 * (threadIdx.x % warp_lanes); c < width; c += 4 * warp_lanes) {
        Four<whole> sums = Four<whole>::load(parts + c);
#pragma unroll 8
        for (i64 i = 1; i < count; ++i) {
            sums.add(Four<whole>::load(parts + i * width + c));
        }
        sums.store(row + c);
    }
}

/// Whole numbers become floats, and sums are multiplied by the row's scale if there is one.
TERSEVEC_DEVICE void finish_sums(float* row, i64 width, bool whole, float scale, bool scaled) {
    for (i64 c = threadIdx.x % warp_lanes; c < width; c += warp_lanes) {
        const float sum = whole ? static_cast<float>(static_cast<i32>(bits_of(row[c]))) : row[c];
        row[c] = scaled ? sum * scale : sum;
    }
}

/// total + the squares of a row: those of each 64 columns' 16 k + t are added by t, then t and
/// t + 8, + 4, + 2, + 1, and these sums in order.
TERSEVEC_DEVICE float add_squares(float total, const float* row, i64 width) {
    const int t = threadIdx.x % held_group;  // both halves of the warp do the same
    for (i64 panel = 0; panel < width; panel += square_panel) {
        const i64 end = width - panel < square_panel ? width : panel + square_panel;
        float sum = 0.0f;
        for (i64 c = panel + t; c < end; c += held_group) {
            sum += row[c] * row[c];
        }
        for (int distance = held_group / 2; distance > 0; distance /= 2) {
            sum += __shfl_xor_sync(all_lanes, sum, distance);
        }
        total += sum;
    }
    return total;
}

/// A weight divided by the root of a row's squares, 0 for a row of zeros.
TERSEVEC_DEVICE float per_length(float weight, float squares) {
    return squares > 0.0f ? divided(weight, square_root(squares)) : 0.0f;
}

/// A row and what it counts; `squares`: null, or where the row's of other columns are.
struct Summand {
    const float* row;
    float weight;
    float* squares;

    TERSEVEC_DEVICE float factor(bool normalize, i64 width) const {
        if (!normalize || weight == 0.0f) {
            return weight;
        }
        return per_length(weight, squares != nullptr ? *squares : add_squares(0.0f, row, width));
    }
    /// Adds this row's squares to those of other columns, if they are wanted. All lanes have read
    /// these before the first shuffle.
    TERSEVEC_DEVICE void measure(i64 width) const {
        if (squares != nullptr) {
            const float total = add_squares(*squares, row, width);
            if (threadIdx.x % warp_lanes == 0) {
                *squares = total;
            }
        }
    }
};

/// out (width) = (out +) the weighted own and new row, a summand of weight 0 left out.
TERSEVEC_DEVICE void add_rows(const Summand& own, const Summand& made, i64 width, bool normalize,
                              bool add, float* out, i64 out_width) {
    const float a = own.factor(normalize, width), b = made.factor(normalize, width);
    for (i64 c = threadIdx.x % warp_lanes; c < out_width; c += warp_lanes) {
        float sum = add ? out[c] : 0.0f;
        if (own.weight != 0.0f) {
            sum = add ? sum + a * own.row[c] : a * own.row[c];
        }
        if (made.weight != 0.0f) {
            sum = add || own.weight != 0.0f ? sum + b * made.row[c] : b * made.row[c];
        }
        out[c] = sum;
    }
}

/// Row i of `target` = the row's numbers, rounded to the nearest; columns that it lacks are 0.
TERSEVEC_DEVICE void narrow_row(const float* row, i64 row_width, void* target, float* scales,
                                i32 kind, i64 width, i64 i) {
    const int lane = threadIdx.x % warp_lanes;
    float steps = 0.0f;
    if (kind == kind_i8) {
        float most = 0.0f;
        for (i64 c = lane; c < row_width && c < width; c += warp_lanes) {
            most = magnitude(row[c]) > most ? magnitude(row[c]) : most;
        }
        for (int distance = warp_lanes / 2; distance > 0; distance /= 2) {
            const float other = __shfl_xor_sync(all_lanes, most, distance);
            most = other > most ? other : most;
        }
        const bool there = most >= from_bits(0x0d800000u);  // 2^-100
        steps = there ? divided(127.0f, most) : 0.0f;
        if (lane == 0) {
            scales[i] = there ? divided(most, 127.0f) : 0.0f;
        }
    }
    for (i64 c = lane; c < width; c += warp_lanes) {
        const float number = c < row_width ? row[c] : 0.0f;
        if (kind == kind_f32) {
            static_cast<float*>(target)[i * width + c] = number;
        } else if (kind == kind_f16) {
            static_cast<u16*>(target)[i * width + c] = to_half(number);
        } else {
            static_cast<i8*>(target)[i * width + c] =
                static_cast<i8>(static_cast<i32>(nearest_whole(number * steps)));
        }
    }
}

}  // namespace tersevec::cuda
