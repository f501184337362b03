// SPDX-License-Identifier: Apache-2.0
#include "hamming/hamming.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/kernel_table.h"
#include "hamming/hamming_queries.h"

namespace tersevec::hamming {

static_assert(std::endian::native == std::endian::little, "the layout's words are little-endian");

namespace avx512icl { extern const Kernels kernels; }
namespace avx512 { extern const Kernels kernels; }
namespace avx2 { extern const Kernels kernels; }
namespace sse4 { extern const Kernels kernels; }
namespace neon { extern const Kernels kernels; }
namespace scalar { extern const Kernels kernels; }

namespace {

constexpr const Kernels* table[] = {
#if defined(__x86_64__)
    &avx512icl::kernels, &avx512::kernels, &avx2::kernels, &sse4::kernels,
#elif defined(__aarch64__)
    &neon::kernels,
#endif
    &scalar::kernels,
};

}  // namespace

std::span<const Kernels* const> rows() noexcept {
    return table;
}

void pack(Rows<std::uint8_t> codes, std::uint64_t* blocks, std::int64_t block_words,
          std::int64_t start) noexcept {
    const std::int64_t n_words = block_words / block_codes;
    for (std::int64_t i = 0; i < codes.n; ++i) {
        const std::int64_t row = start + i;
        std::uint64_t* words = blocks + row / block_codes * block_words + row % block_codes;
        const std::uint8_t* bytes = codes[i];
        const std::int64_t whole = codes.width / 8;
        for (std::int64_t w = 0; w < whole; ++w) {
            std::memcpy(words + w * block_codes, bytes + 8 * w, 8);
        }
        if (whole < n_words) {
            std::uint64_t last = 0;
            std::memcpy(&last, bytes + 8 * whole, codes.width - 8 * whole);
            words[whole * block_codes] = last;
        }
    }
}

void unpack(const std::uint64_t* blocks, std::int64_t n, std::int64_t n_bytes,
            std::uint8_t* codes) noexcept {
    const std::int64_t n_words = words_of(n_bytes);
    for (std::int64_t row = 0; row < n; ++row) {
        const std::uint64_t* words =
            blocks + row / block_codes * n_words * block_codes + row % block_codes;
        for (std::int64_t w = 0; w < n_words; ++w) {
            const std::int64_t left = n_bytes - 8 * w;
            std::memcpy(codes + row * n_bytes + 8 * w, words + w * block_codes,
                        left < 8 ? left : 8);
        }
    }
}

void pack_bits(Rows<float> x, int threads, Isa at_most, std::uint8_t* bits) {
    const auto kernel = pick(rows(), &Kernels::pack_bits, at_most);
    const std::int64_t n_bytes = (x.width + 7) / 8;
    constexpr std::int64_t task_rows = 4096;
    parallel_for(threads, (x.n + task_rows - 1) / task_rows, [&](std::int64_t task) {
        for (std::int64_t i = task * task_rows; i < std::min(x.n, (task + 1) * task_rows); ++i) {
            kernel(x[i], x.width, bits + i * n_bytes);
        }
    });
}

void distances(Rows<std::uint8_t> queries, Codes codes, int threads, Isa at_most,
               std::int32_t* out) {
    const Way way(queries.n, codes, at_most);
    const auto kernel = way.distances();
    way.split(queries.n, 1, threads).for_each([&](const Part& part) {
        const auto tiled = way.tiled(queries.slice(part.first_query, part.n_queries), codes);
        Runs runs(way.codes, part);
        Scan scan{.n_words = codes.n_words, .mask = {nullptr}};
        while (runs.next(scan)) {
            for (const Tile& tile : tiled.tiles()) {
                tiled.aim(scan, tile);
                kernel(scan, out + (part.first_query + tile.first) * codes.n + scan.first_row,
                       codes.n);
            }
        }
    });
}

}  // namespace tersevec::hamming
