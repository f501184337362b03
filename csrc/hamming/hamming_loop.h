// SPDX-License-Identifier: Apache-2.0
/// The loop over blocks, once for every level. `Block` does one block against Q queries:
///   template <int Q> static bool sums(queries, block, n_words, start, sums):
///       sum = start[q] + distance for each of the Q * 8 pairs; whether any is negative; then
///       `sums` (Q, 8) holds them all
///   static unsigned signs(sums): bit c = whether the c-th of 8 sums is negative
/// Starting at -bound makes the sign bit the hit. Whole blocks only: the loop leaves out padding
/// and rows that the mask forbids.
#pragma once

#include "hamming/hamming.h"

namespace tersevec::hamming {
namespace {

/// How far a block's words ask for words to come: hardware prefetchers stay too close behind a scan
/// that computes. One request beside each load: a block's worth at once would clog the buffers.
constexpr std::int64_t prefetch_words = 512;

/// For blocks whose level has nothing faster.
struct SignsOneByOne {
    static unsigned signs(const std::int64_t* sums) noexcept {
        unsigned bits = 0;
        for (int c = 0; c < block_codes; ++c) {
            bits |= unsigned{sums[c] < 0} << c;
        }
        return bits;
    }
};

template <class Block, int Q>
void below_tile(const Scan& scan, const std::int64_t* bounds, Key* const* hits,
                std::int64_t* n_hits) noexcept {
    std::int64_t start[Q];
    for (int q = 0; q < Q; ++q) {
        start[q] = -bounds[q];
    }
    std::int64_t sums[Q * block_codes];
    const std::uint64_t* block = scan.blocks;
    for (std::int64_t row = 0; row < scan.n_rows;
         row += block_codes, block += scan.n_words * block_codes) {
        const std::int64_t left = scan.n_rows - row;
        const std::uint64_t allowed = scan.mask.word(
            scan.first_row + row, left < block_codes ? static_cast<int>(left) : block_codes);
        if (allowed == 0) {
            continue;
        }
        if (!Block::template sums<Q>(scan.queries, block, scan.n_words, start, sums)) [[likely]] {
            continue;
        }
        for (int q = 0; q < Q; ++q) {
            std::uint64_t found = Block::signs(sums + q * block_codes) & allowed;
            for (; found != 0; found &= found - 1) {
                const int c = __builtin_ctzll(found);
                const std::int64_t sum = sums[q * block_codes + c] + bounds[q];
                hits[q][n_hits[q]++] =
                    make_key(static_cast<std::uint32_t>(sum), scan.first_row + row + c);
            }
        }
    }
}

template <class Block, int Q>
void distances_tile(const Scan& scan, std::int32_t* out, std::int64_t out_stride) noexcept {
    constexpr std::int64_t always = std::int64_t{1}
                                    << 40;  // starting below any distance makes every sum negative
    std::int64_t start[Q];
    for (int q = 0; q < Q; ++q) {
        start[q] = -always;
    }
    std::int64_t sums[Q * block_codes];
    const std::uint64_t* block = scan.blocks;
    for (std::int64_t row = 0; row < scan.n_rows;
         row += block_codes, block += scan.n_words * block_codes) {
        Block::template sums<Q>(scan.queries, block, scan.n_words, start, sums);
        const std::int64_t left = scan.n_rows - row;
        const std::int64_t count = left < block_codes ? left : block_codes;
        for (int q = 0; q < Q; ++q) {
            for (std::int64_t c = 0; c < count; ++c) {
                out[q * out_stride + row + c] =
                    static_cast<std::int32_t>(sums[q * block_codes + c] + always);
            }
        }
    }
}

/// Runs `run<Q>()` for a tile of Q queries.
template <class Run>
void with_queries(int n_queries, const Run& run) noexcept {
    switch (n_queries) {
        case 1: return run.template operator()<1>();
        case 2: return run.template operator()<2>();
        case 4: return run.template operator()<4>();
        default: return run.template operator()<8>();
    }
}

template <class Block>
void below(const Scan& scan, const std::int64_t* bounds, Key* const* hits,
           std::int64_t* n_hits) noexcept {
    with_queries(scan.n_queries,
                 [&]<int Q>() { below_tile<Block, Q>(scan, bounds, hits, n_hits); });
}

template <class Block>
void distances(const Scan& scan, std::int32_t* out, std::int64_t out_stride) noexcept {
    with_queries(scan.n_queries, [&]<int Q>() { distances_tile<Block, Q>(scan, out, out_stride); });
}

/// The signs that are left when whole bytes are done.
inline void pack_rest(const float* x, std::int64_t first, std::int64_t dim,
                      std::uint8_t* bits) noexcept {
    if (first == dim) {
        return;
    }
    unsigned byte = 0;
    for (std::int64_t i = first; i < first + 8; ++i) {
        byte = byte << 1 | (i < dim && x[i] > 0.0f);
    }
    bits[first / 8] = static_cast<std::uint8_t>(byte);
}

}  // namespace
}  // namespace tersevec::hamming
