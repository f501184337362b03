// SPDX-License-Identifier: Apache-2.0
// Hamming scan, SSE4.2 with POPCNT.
//   step       one word of one code and one query: xor, popcnt, add, all in general registers
//   registers  8 sums, one for each code of the block
//   tail       none here; the loop hands us whole blocks
//   why not    pshufb nibble counts: 16 bytes a step cost more than two popcnt
#include <nmmintrin.h>

#include "hamming/hamming_loop.h"

namespace tersevec::hamming::sse4 {
namespace {

struct Block : SignsOneByOne {
    template <int Q>
    static bool sums(const std::uint64_t* queries, const std::uint64_t* block, std::int64_t n_words,
                     const std::int64_t* start, std::int64_t* out) noexcept {
        std::int64_t any = 0;
        for (int q = 0; q < Q; ++q) {
            std::int64_t sums[block_codes];
            for (int c = 0; c < block_codes; ++c) {
                sums[c] = start[q];
            }
            for (std::int64_t w = 0; w < n_words; ++w) {
                const std::uint64_t query = queries[w * Q + q];
                __builtin_prefetch(block + w * block_codes + prefetch_words);
#pragma GCC unroll 8
                for (int c = 0; c < block_codes; ++c) {
                    sums[c] += _mm_popcnt_u64(query ^ block[w * block_codes + c]);
                }
            }
            for (int c = 0; c < block_codes; ++c) {
                any |= out[q * block_codes + c] = sums[c];
            }
        }
        return any < 0;
    }
};

/// 8 signs at a time, each half reversed first: the first float belongs in the top bit.
void pack_bits(const float* x, std::int64_t dim, std::uint8_t* bits) noexcept {
    const auto nibble = [](const float* four) {
        const __m128 values = _mm_loadu_ps(four);
        const __m128 reversed = _mm_shuffle_ps(values, values, _MM_SHUFFLE(0, 1, 2, 3));
        return _mm_movemask_ps(_mm_cmpgt_ps(reversed, _mm_setzero_ps()));
    };
    std::int64_t i = 0;
    for (; i + 8 <= dim; i += 8) {
        bits[i / 8] = static_cast<std::uint8_t>(nibble(x + i) << 4 | nibble(x + i + 4));
    }
    pack_rest(x, i, dim, bits);
}

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels{.isa = Isa::sse4,
                                .below = &below<Block>,
                                .distances = &distances<Block>,
                                .pack_bits = &pack_bits};

}  // namespace tersevec::hamming::sse4
