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

struct Block {
    static unsigned signs(const std::int64_t* sums) noexcept {
        unsigned bits = 0;
        for (int c = 0; c < block_codes; ++c) {
            bits |= unsigned{sums[c] < 0} << c;
        }
        return bits;
    }

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

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels{
    .isa = Isa::sse4, .below = &below<Block>, .distances = &distances<Block>};

}  // namespace tersevec::hamming::sse4
