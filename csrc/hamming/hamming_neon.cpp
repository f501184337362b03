// SPDX-License-Identifier: Apache-2.0
// Hamming scan, NEON.
//   step       one word of 2 codes and one query: eor, cnt, byte add
//   registers  a byte count for each query and pair of codes; counts go to 64-bit sums before a
//              byte can overflow
//   tail       none here; the loop hands us whole blocks
//   why not    widening at every word: three pairwise adds against one, 31 words late
#include <arm_neon.h>

#include "hamming/hamming_loop.h"

namespace tersevec::hamming::neon {
namespace {

constexpr std::int64_t flush_words = 31;  // a byte gains at most 8 a word: 31 * 8 = 248 < 256
constexpr int pairs = block_codes / 2;

struct Block : SignsOneByOne {
    /// Distances of the 8 codes to query q, as 4 pairs of 64-bit lanes, added to what `sums` holds.
    template <int Q>
    static void add(const std::uint64_t* queries, const std::uint64_t* block, std::int64_t n_words,
                    int q, uint64x2_t* sums) noexcept {
        for (std::int64_t first = 0; first < n_words; first += flush_words) {
            const std::int64_t last = first + flush_words < n_words ? first + flush_words : n_words;
            uint8x16_t counts_u8[pairs] = {vdupq_n_u8(0), vdupq_n_u8(0), vdupq_n_u8(0),
                                           vdupq_n_u8(0)};
            for (std::int64_t w = first; w < last; ++w) {
                const uint64x2_t query = vdupq_n_u64(queries[w * Q + q]);
                __builtin_prefetch(block + w * block_codes + prefetch_words);
#pragma GCC unroll 4
                for (int pair = 0; pair < pairs; ++pair) {
                    const uint64x2_t word = vld1q_u64(block + w * block_codes + pair * 2);
                    counts_u8[pair] = vaddq_u8(
                        counts_u8[pair], vcntq_u8(vreinterpretq_u8_u64(veorq_u64(word, query))));
                }
            }
#pragma GCC unroll 4
            for (int pair = 0; pair < pairs; ++pair) {
                sums[pair] = vpadalq_u32(sums[pair], vpaddlq_u16(vpaddlq_u8(counts_u8[pair])));
            }
        }
    }

    template <int Q>
    static bool sums(const std::uint64_t* queries, const std::uint64_t* block, std::int64_t n_words,
                     const std::int64_t* start, std::int64_t* out) noexcept {
        uint64x2_t any = vdupq_n_u64(0);
        for (int q = 0; q < Q; ++q) {
            const uint64x2_t first = vreinterpretq_u64_s64(vdupq_n_s64(start[q]));
            uint64x2_t sums[pairs] = {first, first, first, first};
            add<Q>(queries, block, n_words, q, sums);
#pragma GCC unroll 4
            for (int pair = 0; pair < pairs; ++pair) {
                any = vorrq_u64(any, sums[pair]);
                vst1q_s64(out + q * block_codes + pair * 2, vreinterpretq_s64_u64(sums[pair]));
            }
        }
        return static_cast<std::int64_t>(vgetq_lane_u64(any, 0) | vgetq_lane_u64(any, 1)) < 0;
    }
};

/// 8 signs at a time, each the bit of its place.
void pack_bits(const float* x, std::int64_t dim, std::uint8_t* bits) noexcept {
    const std::uint32_t front[4] = {128, 64, 32, 16}, back[4] = {8, 4, 2, 1};
    const uint32x4_t front_bits = vld1q_u32(front), back_bits = vld1q_u32(back);
    std::int64_t i = 0;
    for (; i + 8 <= dim; i += 8) {
        const uint32x4_t one = vandq_u32(vcgtzq_f32(vld1q_f32(x + i)), front_bits);
        const uint32x4_t two = vandq_u32(vcgtzq_f32(vld1q_f32(x + i + 4)), back_bits);
        bits[i / 8] = static_cast<std::uint8_t>(vaddvq_u32(vorrq_u32(one, two)));
    }
    pack_rest(x, i, dim, bits);
}

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels{.isa = Isa::neon,
                                .below = &below<Block>,
                                .distances = &distances<Block>,
                                .pack_bits = &pack_bits};

}  // namespace tersevec::hamming::neon
