// SPDX-License-Identifier: Apache-2.0
// PQ scan, 4-bit codes, plain C++: the reference.
#include "pqscan/pqscan_loop.h"

namespace tersevec::pqscan::scalar {
namespace {

int code(const std::uint8_t* block, std::int64_t j, int c) noexcept {
    return block[centroids * j + c % 16] >> (c < 16 ? 0 : 4) & 15;
}

struct Block {
    static constexpr int tile = 1;

    static std::uint32_t signs(const std::int32_t* sums) noexcept {
        std::uint32_t bits = 0;
        for (int c = 0; c < block_codes; ++c) {
            bits |= std::uint32_t{sums[c] < 0} << c;
        }
        return bits;
    }

    template <int Q>
    static bool sums(const std::uint8_t* tables, std::int64_t, const std::uint8_t* block,
                     std::int64_t m, const std::int32_t* start, std::int32_t* sums) noexcept {
        static_assert(Q == tile);
        bool any = false;
        for (int c = 0; c < block_codes; ++c) {
            sums[c] = start[0];
            for (std::int64_t j = 0; j < m; ++j) {
                sums[c] += tables[centroids * j + code(block, j, c)];
            }
            any |= sums[c] < 0;
        }
        return any;
    }
};

void distances(const float* tables, const std::uint8_t* block, std::int64_t m,
               float* out) noexcept {
    for (int c = 0; c < block_codes; ++c) {
        float sum = 0.0f;
        for (std::int64_t j = 0; j < m; ++j) {
            sum += tables[centroids * j + code(block, j, c)];
        }
        out[c] = sum;
    }
}

void assign(const Assign& task, std::int64_t first_row, std::int64_t n_rows,
            std::uint8_t* out) noexcept {
    for (std::int64_t i = 0; i < n_rows; ++i) {
        for (std::int64_t j = 0; j < task.m; ++j) {
            const float* x = task.x[first_row + i] + j * task.dims;
            float best = 0.0f;
            for (std::int64_t k = 0; k < task.n_centroids; ++k) {
                const float* centroid = task.codebooks + (j * task.n_centroids + k) * task.dims;
                float score = task.half_norms[j * task.n_centroids + k];
                for (std::int64_t t = 0; t < task.dims; ++t) {
                    score -= x[t] * centroid[t];
                }
                if (k == 0 || score < best) {
                    best = score;
                    out[i * task.m + j] = static_cast<std::uint8_t>(k);
                }
            }
        }
    }
}

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels{
    .isa = Isa::scalar, .below = &below<Block>, .distances = &distances, .assign = &assign};

}  // namespace tersevec::pqscan::scalar
