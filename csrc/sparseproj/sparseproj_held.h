// SPDX-License-Identifier: Apache-2.0
/// Held rows as registers of floats, and back. `Level` is one of `simd/<level>.h` with
///   static f32 widen_bytes(const std::int8_t*): `lanes` of them
///   static void narrow_bytes(f32, std::int8_t*): the nearest whole numbers, of at most 127
///   static float root(float): the square root
///   static constexpr int registers: of floats, byte_registers: of bytes, that sums may take
///   static constexpr bool fuses: whether multiply_add is one instruction
///   static constexpr bool streams: whether it writes past the caches, whole lines in the end, by
///   static void stream(f32, float*), stream_half(f32, std::uint16_t*), and fence() at last
#pragma once

#include "simd/lanes.h"
#include "sparseproj/sparseproj.h"

namespace tersevec::sparseproj {
namespace {

/// Rows of less size are held as zeros in bytes.
constexpr float least_size = 0x1p-100f;

template <class Level>
struct Floats {
    using Number = float;
    static auto at(const float* numbers) noexcept { return load<typename Level::f32>(numbers); }
};
template <class Level>
struct Halves {
    using Number = std::uint16_t;
    static auto at(const std::uint16_t* numbers) noexcept { return Level::widen_half(numbers); }
};
template <class Level>
struct Bytes {
    using Number = std::int8_t;
    static auto at(const std::int8_t* numbers) noexcept { return Level::widen_bytes(numbers); }
};

template <class Number>
Number* row_of(const Held& held, std::int64_t row) noexcept {
    return static_cast<Number*>(held.values) + row * held.width;
}

/// One of them, register by register.
template <class Level, class Source>
struct Row {
    const typename Source::Number* numbers;
    float scale = 1.0f;

    explicit Row(const typename Source::Number* first) noexcept : numbers(first) {}
    Row(const Held& held, std::int64_t row) noexcept
        : numbers(row_of<typename Source::Number>(held, row)),
          scale(held.scales == nullptr ? 1.0f : held.scales[row]) {}
    auto at(std::int64_t column) const noexcept {
        if constexpr (sizeof *numbers == 1) {
            return scale * Source::at(numbers + column);
        } else {
            return Source::at(numbers + column);
        }
    }
};

/// Row `row` as floats in `out` (held.width).
template <class Level, class Source>
void read_row(const Held& held, std::int64_t row, float* out) noexcept {
    const Row<Level, Source> from(held, row);
    for (std::int64_t c = 0; c < held.width; c += Level::lanes) {
        store(out + c, from.at(c));
    }
}

template <class Level>
void read_row(const Held& held, std::int64_t row, float* out) noexcept {
    switch (held.kind) {
        case Kind::f32: return read_row<Level, Floats<Level>>(held, row, out);
        case Kind::f16: return read_row<Level, Halves<Level>>(held, row, out);
        case Kind::i8: return read_row<Level, Bytes<Level>>(held, row, out);
    }
}

inline float largest_lane(Vector<4>::f32 lanes) noexcept {
    const Vector<4>::f32 others = __builtin_shufflevector(lanes, lanes, 2, 3, 0, 1);
    const Vector<4>::f32 two = others > lanes ? others : lanes;
    return two[1] > two[0] ? two[1] : two[0];
}
inline float largest_lane(Vector<8>::f32 lanes) noexcept {
    const Vector<4>::f32 low = __builtin_shufflevector(lanes, lanes, 0, 1, 2, 3);
    const Vector<4>::f32 high = __builtin_shufflevector(lanes, lanes, 4, 5, 6, 7);
    return largest_lane(high > low ? high : low);
}
inline float largest_lane(Vector<16>::f32 lanes) noexcept {
    const Vector<8>::f32 low = __builtin_shufflevector(lanes, lanes, 0, 1, 2, 3, 4, 5, 6, 7);
    const Vector<8>::f32 high = __builtin_shufflevector(lanes, lanes, 8, 9, 10, 11, 12, 13, 14, 15);
    return largest_lane(high > low ? high : low);
}

template <class Level>
float largest_size(const float* numbers, std::int64_t width) noexcept {
    using f32 = typename Level::f32;
    f32 most = {};
    for (std::int64_t c = 0; c < width; c += Level::lanes) {
        const auto number = load<f32>(numbers + c);
        const f32 size = number < 0.0f ? -number : number;
        most = size > most ? size : most;
    }
    return largest_lane(most);
}

/// Floats (held.width) become row `row`.
template <class Level>
void keep_row(const Held& held, std::int64_t row, const float* numbers) noexcept {
    using f32 = typename Level::f32;
    if (held.kind == Kind::f32) {
        __builtin_memcpy(row_of<float>(held, row), numbers, held.width * sizeof(float));
        return;
    }
    if (held.kind == Kind::f16) {
        auto* to = row_of<std::uint16_t>(held, row);
        for (std::int64_t c = 0; c < held.width; c += Level::lanes) {
            Level::narrow_half(load<f32>(numbers + c), to + c);
        }
        return;
    }
    const float most = largest_size<Level>(numbers, held.width);
    const float steps = most < least_size ? 0.0f : 127.0f / most;
    held.scales[row] = most < least_size ? 0.0f : most / 127.0f;
    auto* to = row_of<std::int8_t>(held, row);
    for (std::int64_t c = 0; c < held.width; c += Level::lanes) {
        Level::narrow_bytes(load<f32>(numbers + c) * steps, to + c);
    }
}

template <class Level>
void narrow(Rows<float> x, const Held& held, std::int64_t first, float* scratch) noexcept {
    __builtin_memset(scratch, 0, held.width * sizeof(float));
    for (std::int64_t i = 0; i < x.n; ++i) {
        __builtin_memcpy(scratch, x[i], x.width * sizeof(float));
        keep_row<Level>(held, first + i, scratch);
    }
}

}  // namespace
}  // namespace tersevec::sparseproj
