// SPDX-License-Identifier: Apache-2.0
#include "hamming/hamming.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/kernel_table.h"
#include "core/scan.h"

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

/// A part's queries, the words of a tile's queries together.
class TiledQueries {
public:
    TiledQueries(Rows<std::uint8_t> queries, std::int64_t n_words)
        : tiles_(cut_tiles(queries.n)), n_words_(n_words), words_(queries.n * n_words) {
        std::vector<std::uint64_t> query(n_words);
        for (const Tile& tile : tiles_) {
            for (int q = 0; q < tile.width; ++q) {
                query.back() = 0;
                std::memcpy(query.data(), queries[tile.first + q], queries.width);
                for (std::int64_t w = 0; w < n_words; ++w) {
                    words_[tile.first * n_words + w * tile.width + q] = query[w];
                }
            }
        }
    }

    const std::vector<Tile>& tiles() const noexcept { return tiles_; }

    void aim(Scan& scan, const Tile& tile) const noexcept {
        scan.queries = words_.data() + tile.first * n_words_;
        scan.n_queries = tile.width;
    }

private:
    std::vector<Tile> tiles_;
    std::int64_t n_words_;
    std::vector<std::uint64_t> words_;
};

Blocked<std::uint64_t> blocked(const Codes& codes) noexcept {
    return {codes.blocks, codes.rows, codes.n, codes.n_words * block_codes, block_codes, &pack};
}

/// Hands every part's rows below `bound(q)` to `take(q, keys, count)`; q counts within the part.
template <class GetBound, class Take>
void scan_part(const Part& part, Rows<std::uint8_t> queries, const Codes& codes, Mask mask,
               Isa at_most, GetBound bound, Take take) {
    const TiledQueries tiled(queries.slice(part.first_query, part.n_queries), codes.n_words);
    Runs runs(blocked(codes), part);
    scan_below<std::int64_t>(
        runs, Scan{.n_words = codes.n_words, .mask = mask}, tiled.tiles(),
        pick(rows(), &Kernels::below, at_most),
        [&](Scan& scan, const Tile& tile) { tiled.aim(scan, tile); }, bound, take);
}

Split split_codes(Rows<std::uint8_t> queries, const Codes& codes, std::int64_t state_bytes,
                  int threads) noexcept {
    const auto base = blocked(codes);
    return split_scan(queries.n, base.n_blocks(), base.block_bytes(), state_bytes, threads);
}

constexpr std::int64_t counted_bits = 1 << 18;  // longer codes would need more counters than rows

/// Top-k of distances too large to count, with CountingTopk's members.
class UncountedTopk {
public:
    UncountedTopk(std::int64_t k, std::uint32_t max_value) : bound_(max_value + 1), best_(k) {}

    std::uint32_t bound() const noexcept { return bound_; }
    void lower_bound(std::uint32_t bound) noexcept { bound_ = std::min(bound_, bound); }
    void push(const Key* hits, std::int64_t count) {
        std::for_each_n(hits, count, [&](Key hit) { best_.push(hit); });
        best_.tighten();
        if (best_.bound() != no_hit) {
            lower_bound(key_value(best_.bound()));
        }
    }
    const std::vector<Key>& finish() { return best_.finish(); }

    static std::int64_t state_bytes(std::int64_t k, std::uint32_t) noexcept {
        return ReservoirTopk::state_bytes(k);
    }

private:
    std::uint32_t bound_;
    ReservoirTopk best_;
};

template <class Topk>
void topk_by(Rows<std::uint8_t> queries, const Codes& codes, std::int64_t k, Mask mask, int threads,
             Isa at_most, Key* keys) {
    TopkMerger merger(keys, queries.n, k);
    const std::int64_t reachable = std::min(k, codes.n);
    const auto max_distance = static_cast<std::uint32_t>(64 * codes.n_words);
    const std::int64_t state_bytes = Topk::state_bytes(reachable, max_distance);
    split_codes(queries, codes, state_bytes, threads).for_each([&](const Part& part) {
        std::vector<Topk> best;
        for (std::int64_t q = 0; q < part.n_queries; ++q) {
            best.emplace_back(reachable, max_distance);
            // Where another range of rows is done, a row beyond its k-th value cannot enter.
            const Key kth = merger.kth(part.first_query + q);
            if (kth != no_hit) {
                best.back().lower_bound(key_value(kth) + 1);
            }
        }
        scan_part(
            part, queries, codes, mask, at_most, [&](std::int64_t q) { return best[q].bound(); },
            [&](std::int64_t q, const Key* hits, std::int64_t count) {
                best[q].push(hits, count);
            });
        for (std::int64_t q = 0; q < part.n_queries; ++q) {
            merger.merge(part.first_query + q, best[q].finish());
        }
    });
}

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
    const auto kernel = pick(rows(), &Kernels::distances, at_most);
    split_codes(queries, codes, 1, threads).for_each([&](const Part& part) {
        const TiledQueries tiled(queries.slice(part.first_query, part.n_queries), codes.n_words);
        Runs runs(blocked(codes), part);
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

void topk(Rows<std::uint8_t> queries, Codes codes, std::int64_t k, Mask mask, int threads,
          Isa at_most, Key* keys) {
    if (64 * codes.n_words <= counted_bits) {
        topk_by<CountingTopk>(queries, codes, k, mask, threads, at_most, keys);
    } else {
        topk_by<UncountedTopk>(queries, codes, k, mask, threads, at_most, keys);
    }
}

std::vector<std::vector<Key>> range_search(Rows<std::uint8_t> queries, Codes codes,
                                           std::int64_t radius, Mask mask, int threads,
                                           Isa at_most) {
    std::vector<std::vector<Key>> found(queries.n);
    std::mutex lock;
    const std::int64_t bound = std::min(radius, 64 * codes.n_words) + 1;
    split_codes(queries, codes, 1, threads).for_each([&](const Part& part) {
        scan_part(
            part, queries, codes, mask, at_most, [&](std::int64_t) { return bound; },
            [&](std::int64_t q, const Key* hits, std::int64_t count) {
                const std::lock_guard guard(lock);
                found[part.first_query + q].insert(found[part.first_query + q].end(), hits,
                                                   hits + count);
            });
    });
    parallel_for(threads, queries.n,
                 [&](std::int64_t q) { std::sort(found[q].begin(), found[q].end()); });
    return found;
}

}  // namespace tersevec::hamming
