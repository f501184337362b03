// SPDX-License-Identifier: Apache-2.0
// PQ scan, NEON; 4 bits, and below 5 to 8.
//   step       2 sub-spaces and 16 codes: two tbl, one byte add, two widening adds
//   registers  16 sums for 4 queries, 4 indices, 1 constant
//   tail       an odd last sub-space pairs with code 0 of a table of zeros
//   why not    widening each look-up: the byte add halves the widening adds, since entries are at
//              most 127
#include <arm_neon.h>

#include "pqscan/pqscan_decode.h"
#include "pqscan/pqscan_tables_loop.h"
#include "pqscan/pqscan_wide.h"

namespace tersevec::pqscan::neon {
namespace {

constexpr int line_bytes = Nibbles::line_bytes, block_codes = Nibbles::block_codes;

std::uint64_t sign_bits(const std::int32_t* sums, int count) noexcept {
    const std::int32_t places[4] = {0, 1, 2, 3};
    std::uint64_t bits = 0;
    for (int c = 0; c < count; c += 4) {
        const uint32x4_t lanes = vshrq_n_u32(vreinterpretq_u32_s32(vld1q_s32(sums + c)), 31);
        bits |= std::uint64_t{vaddvq_u32(vshlq_u32(lanes, vld1q_s32(places)))} << c;
    }
    return bits;
}

struct NibbleAdder {
    using Grain = By<Nibbles, 4>;
    static constexpr int tile = 4;
    struct Sums {
        uint16x8_t u16x8[4];  // codes 0 .. 7, 8 .. 15, 16 .. 23, 24 .. 31
    };

    /// 2 sub-spaces, from the tables' and the codes' places.
    template <int Q>
    static void step(const std::uint8_t* tables, std::int64_t table_bytes, uint8x16_t codes0,
                     uint8x16_t codes1, Sums* sums) noexcept {
        const uint8x16_t nibble = vdupq_n_u8(15);
        const uint8x16_t low0 = vandq_u8(codes0, nibble);
        const uint8x16_t low1 = vandq_u8(codes1, nibble);
        const uint8x16_t high0 = vshrq_n_u8(codes0, 4);
        const uint8x16_t high1 = vshrq_n_u8(codes1, 4);
#pragma GCC unroll 4
        for (int q = 0; q < Q; ++q) {
            const uint8x16_t table0 = vld1q_u8(tables + q * table_bytes);
            const uint8x16_t table1 = vld1q_u8(tables + q * table_bytes + line_bytes);
            const uint8x16_t low = vaddq_u8(vqtbl1q_u8(table0, low0), vqtbl1q_u8(table1, low1));
            const uint8x16_t high = vaddq_u8(vqtbl1q_u8(table0, high0), vqtbl1q_u8(table1, high1));
            sums[q].u16x8[0] = vaddw_u8(sums[q].u16x8[0], vget_low_u8(low));
            sums[q].u16x8[1] = vaddw_high_u8(sums[q].u16x8[1], low);
            sums[q].u16x8[2] = vaddw_u8(sums[q].u16x8[2], vget_low_u8(high));
            sums[q].u16x8[3] = vaddw_high_u8(sums[q].u16x8[3], high);
        }
    }

    template <int Q>
    static void add(const std::uint8_t* tables, std::int64_t table_bytes, const std::uint8_t* block,
                    std::int64_t m, Sums* sums) noexcept {
#pragma GCC unroll 4
        for (int q = 0; q < Q; ++q) {
            sums[q] = {{vdupq_n_u16(0), vdupq_n_u16(0), vdupq_n_u16(0), vdupq_n_u16(0)}};
        }
        if (m % 2 != 0) {
            const std::int64_t last = line_bytes * (m - 1);
            step<Q>(tables + last, table_bytes, vld1q_u8(block + last), vdupq_n_u8(0), sums);
        }
        for (std::int64_t j = 0; j + 1 < m; j += 2) {
            const std::uint8_t* codes = block + line_bytes * j;
            __builtin_prefetch(codes + prefetch_bytes);
            step<Q>(tables + line_bytes * j, table_bytes, vld1q_u8(codes),
                    vld1q_u8(codes + line_bytes), sums);
        }
    }

    static std::uint64_t signs(const std::int32_t* sums) noexcept {
        return sign_bits(sums, block_codes);
    }

    static bool any_below(const Sums& sums, unsigned bound) noexcept {
        const uint16x8_t lowest = vminq_u16(vminq_u16(sums.u16x8[0], sums.u16x8[1]),
                                            vminq_u16(sums.u16x8[2], sums.u16x8[3]));
        return vminvq_u16(lowest) < bound;
    }

    static void store(const Sums& sums, std::int32_t* out) noexcept {
        for (int part = 0; part < 4; ++part) {
            vst1q_s32(out + 8 * part,
                      vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(sums.u16x8[part]))));
            vst1q_s32(out + 8 * part + 4, vreinterpretq_s32_u32(vmovl_high_u16(sums.u16x8[part])));
        }
    }
};

/// 5 to 8 bits: tbl looks up in 64 bytes, an index beyond them gives 0; tbx leaves what was there.
struct V : Register<16> {
    template <class Grain>
    struct Numbers {
        uint8x16_t x;
        Numbers() = default;
        explicit Numbers(u8 numbers) noexcept
            : x((uint8x16_t)(numbers & static_cast<std::uint8_t>(Grain::slots - 1))) {}
    };
    template <class Grain>
    static u8 look_up(const std::uint8_t* table, const Numbers<Grain>& numbers) noexcept {
        uint8x16_t x = numbers.x;
        if constexpr (Grain::slots == 16) {
            return (u8)vqtbl1q_u8(vld1q_u8(table), x);
        }
        uint8x16_t found = vqtbl4q_u8(vld1q_u8_x4(table), x);
#pragma GCC unroll 3
        for (int part = 64; part < Grain::slots; part += 64) {
            x = vsubq_u8(x, vdupq_n_u8(64));
            found = vqtbx4q_u8(found, vld1q_u8_x4(table + part), x);
        }
        return (u8)found;
    }

    template <class Grain, int Q>
    static void step(const std::uint8_t* tables, std::int64_t table_bytes,
                     const std::uint8_t* lines, int subspaces, Running<V>* sums) noexcept {
        step_by_query<V, Grain, Q>(tables, table_bytes, lines, subspaces, sums);
    }

    static bool any(u16 lanes) noexcept { return vmaxvq_u16((uint16x8_t)lanes) != 0; }
    static std::uint64_t signs(const std::int32_t* sums, int count) noexcept {
        return sign_bits(sums, count);
    }
};

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels{
    .isa = Isa::neon,
    .costs = {0.14f, 0.25f, 1.0f, 3.0f, 7.0f},
    .below4 = &below<Sums16Block<NibbleAdder>>,
    .below6 = &below<Sums16Block<WideAdder<V, By<Sextets, 6>, 2>>>,
    .below8 = &below<Sums16Block<WideAdder<V, By<Octets, 8>, 2>>>,
    .below6by4 = &below<Sums16Block<WideAdder<V, By<Sextets, 4>, 2>>>,
    .below8by6 = &below<Sums16Block<WideAdder<V, By<Octets, 6>, 2>>>,
    .below8by7 = &below<Sums16Block<WideAdder<V, By<Octets, 7>, 2>>>,
    .tables = &table_kernels<4>,
    .decode4 = &decode_codes<Nibbles, 4>,
    .decode6 = &decode_codes<Sextets, 4>,
    .decode8 = &decode_codes<Octets, 4>,
};

}  // namespace tersevec::pqscan::neon
