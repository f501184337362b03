// SPDX-License-Identifier: Apache-2.0
// Hamming scan, plain C++: the reference.
#include <bit>

#include "hamming/hamming_loop.h"

namespace tersevec::hamming::scalar {
namespace {

struct Block : SignsOneByOne {
    template <int Q>
    static bool sums(const std::uint64_t* queries, const std::uint64_t* block, std::int64_t n_words,
                     const std::int64_t* start, std::int64_t* sums) noexcept {
        bool any = false;
        for (int q = 0; q < Q; ++q) {
            for (int c = 0; c < block_codes; ++c) {
                std::int64_t sum = start[q];
                for (std::int64_t w = 0; w < n_words; ++w) {
                    sum += std::popcount(queries[w * Q + q] ^ block[w * block_codes + c]);
                }
                sums[q * block_codes + c] = sum;
                any |= sum < 0;
            }
        }
        return any;
    }
};

void pack_bits(const float* x, std::int64_t dim, std::uint8_t* bits) noexcept {
    for (std::int64_t i = 0; i < dim; i += 8) {
        unsigned byte = 0;
        for (std::int64_t j = i; j < i + 8; ++j) {
            byte = byte << 1 | (j < dim && x[j] > 0.0f);
        }
        bits[i / 8] = static_cast<std::uint8_t>(byte);
    }
}

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels{.isa = Isa::scalar,
                                .below = &below<Block>,
                                .distances = &distances<Block>,
                                .pack_bits = &pack_bits};

}  // namespace tersevec::hamming::scalar
