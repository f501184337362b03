// SPDX-License-Identifier: Apache-2.0
// PQ scan, plain C++: the reference.
#include "pqscan/pqscan_decode.h"
#include "pqscan/pqscan_loop.h"
#include "pqscan/pqscan_tables_loop.h"

namespace tersevec::pqscan::scalar {
namespace {

template <class G>
struct Block {
    using Grain = G;
    static constexpr int tile = 1;

    static std::uint64_t signs(const std::int32_t* sums) noexcept {
        std::uint64_t bits = 0;
        for (int c = 0; c < Grain::block_codes; ++c) {
            bits |= std::uint64_t{sums[c] < 0} << c;
        }
        return bits;
    }

    template <int Q>
    static unsigned sums(const std::uint8_t* tables, std::int64_t, const std::uint8_t* block,
                         std::int64_t m, const std::int32_t* start, std::int32_t* sums) noexcept {
        static_assert(Q == tile);
        unsigned any = 0;
        for (int c = 0; c < Grain::block_codes; ++c) {
            sums[c] = start[0];
            for (std::int64_t j = 0; j < m; ++j) {
                sums[c] += tables[Grain::slots * j + Grain::get(block, j, c) % Grain::slots];
            }
            any |= sums[c] < 0;
        }
        return any;
    }
};

void distances(const float* tables, const std::uint8_t* block, std::int64_t m,
               float* out) noexcept {
    for (int c = 0; c < Nibbles::block_codes; ++c) {
        float sum = 0.0f;
        for (std::int64_t j = 0; j < m; ++j) {
            sum += tables[16 * j + Nibbles::get(block, j, c)];
        }
        out[c] = sum;
    }
}

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels{
    .isa = Isa::scalar,
    .costs = {5.0f, 5.0f, 5.0f, 3.0f, 2.0f},
    .below4 = &below<Block<By<Nibbles, 4>>>,
    .below6 = &below<Block<By<Sextets, 6>>>,
    .below8 = &below<Block<By<Octets, 8>>>,
    .below6by4 = &below<Block<By<Sextets, 4>>>,
    .below8by6 = &below<Block<By<Octets, 6>>>,
    .below8by7 = &below<Block<By<Octets, 7>>>,
    .distances4 = &distances,
    .tables = &table_kernels<4>,
    .decode4 = &decode_codes<Nibbles, 4>,
    .decode6 = &decode_codes<Sextets, 4>,
    .decode8 = &decode_codes<Octets, 4>,
};

}  // namespace tersevec::pqscan::scalar
