// SPDX-License-Identifier: Apache-2.0
/// Values of 16 sums held against a bound, a register at a time. `V` is the level's register:
///   bytes, i32, f32; static unsigned signs(i32): the sign bit of each lane
#pragma once

#include "symdist/symdist_loop.h"

namespace tersevec::symdist {
namespace {

template <class V>
struct RegisterValues {
    using i32 = typename V::i32;
    using f32 = typename V::f32;

    template <class Value, int Stride>
    static bool below(const std::int32_t* sums, const float* terms, const Valued* of, int count,
                      std::uint16_t* found) noexcept {
        constexpr int lanes = V::bytes / sizeof(float);
        unsigned any = 0;
        for (int q = 0; q < count; ++q, sums += Stride) {
            unsigned bits = 0;
#pragma GCC unroll 4
            for (int r = 0; r < block_rows; r += lanes) {
                i32 whole;
                f32 term;
                __builtin_memcpy(&whole, sums + r, sizeof whole);
                __builtin_memcpy(&term, terms + r, sizeof term);
                whole += of[q].start;
                const f32 value = Value::of(__builtin_convertvector(whole, f32), of[q].scale, term);
                bits |= V::signs(value < of[q].bound) << r;
            }
            found[q] = static_cast<std::uint16_t>(bits);
            any |= bits;
        }
        return any != 0;
    }
};

}  // namespace
}  // namespace tersevec::symdist
