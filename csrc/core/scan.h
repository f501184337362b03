// SPDX-License-Identifier: Apache-2.0
/// The walk of one scan over blocked codes, the same for every family: runs of blocks that stay in
/// the L2 cache while every tile of queries reads them; hits below a bound handed to whoever
/// collects them.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "core/parallel.h"
#include "core/topk.h"
#include "core/views.h"

namespace tersevec {

/// Codes to scan: blocks of `block_codes`, `block_words` each, there or made as the scan comes to
/// them where `blocks` is null.
template <class Word>
struct Blocked {
    const Word* blocks;
    std::int64_t n;
    std::int64_t block_words;
    int block_codes;
    /// Makes the blocks of `count` rows from `row` on, the first of a block.
    std::function<void(std::int64_t row, std::int64_t count, Word* blocks)> make;
    /// What a run may hold: it stays in cache while all queries read it.
    std::int64_t run_bytes = 64 << 10;

    std::int64_t n_blocks() const noexcept { return (n + block_codes - 1) / block_codes; }
    std::int64_t block_bytes() const noexcept {
        return block_words * static_cast<std::int64_t>(sizeof(Word));
    }
};

/// Rows first_row <= i < end_row of the base.
struct Segment {
    std::int64_t first_row;
    std::int64_t end_row;

    /// Blocks that hold a row of it.
    std::int64_t n_blocks(int block_codes) const noexcept {
        return first_row < end_row
                   ? (end_row + block_codes - 1) / block_codes - first_row / block_codes
                   : 0;
    }
};

/// Hands out a part of the base in runs of blocks, made as it goes where they are not there. The
/// part's blocks are counted along the segments, one after the other.
template <class Word>
class Runs {
public:
    /// No segments: the whole base.
    Runs(const Blocked<Word>& codes, const Part& part, std::span<const Segment> segments = {})
        : codes_(codes),
          whole_{0, codes.n},
          segments_(segments.empty() ? std::span<const Segment>(&whole_, 1) : segments),
          left_(part.n_blocks),
          limit_(std::max<std::int64_t>(codes.run_bytes / codes.block_bytes(), 1)),
          length_(std::clamp<std::int64_t>(first_rows / codes.block_codes, 1, limit_)) {
        if (codes.blocks == nullptr) {
            storage_.resize(limit_ * codes.block_words + alignment / sizeof(Word));
            void* start = storage_.data();
            std::size_t room = storage_.size() * sizeof(Word);
            made_ = static_cast<Word*>(std::align(alignment, alignment, start, room));
        }
        std::int64_t skipped = part.first_block;
        while (left_ > 0 && skipped >= segments_[segment_].n_blocks(codes.block_codes)) {
            skipped -= segments_[segment_++].n_blocks(codes.block_codes);
        }
        if (left_ > 0) {
            enter(skipped);
        }
    }

    Runs(const Runs&) = delete;
    Runs& operator=(const Runs&) = delete;

    std::int64_t max_rows() const noexcept { return limit_ * codes_.block_codes; }

    /// The segment of the last run, and how many rows of the run come before it.
    std::int64_t segment() const noexcept { return segment_; }
    int skipped_rows() const noexcept { return skipped_rows_; }

    /// Points the scan at the next run; false after the last.
    template <class Scan>
    bool next(Scan& scan) noexcept {
        if (left_ == 0) {
            return false;
        }
        while (blocks_left_ == 0) {
            ++segment_;
            enter(0);
        }
        const std::int64_t count = std::min({left_, blocks_left_, length_});
        const Segment& segment = segments_[segment_];
        scan.first_row = next_;
        scan.n_rows = std::min(segment.end_row - next_, count * codes_.block_codes);
        skipped_rows_ = static_cast<int>(std::max<std::int64_t>(segment.first_row - next_, 0));
        if (codes_.blocks != nullptr) {
            scan.blocks = codes_.blocks + next_ / codes_.block_codes * codes_.block_words;
        } else {
            codes_.make(next_, scan.n_rows, made_);
            scan.blocks = made_;
        }
        next_ += scan.n_rows;
        left_ -= count;
        blocks_left_ -= count;
        length_ = std::min(2 * length_, limit_);
        return true;
    }

private:
    static constexpr std::size_t alignment = 64;
    // Runs grow from here, so that few rows meet a bound that is still loose.
    static constexpr std::int64_t first_rows = 64;

    void enter(std::int64_t block) noexcept {
        const Segment& segment = segments_[segment_];
        next_ = (segment.first_row / codes_.block_codes + block) * codes_.block_codes;
        blocks_left_ = segment.n_blocks(codes_.block_codes) - block;
    }

    Blocked<Word> codes_;
    Segment whole_;
    std::span<const Segment> segments_;
    std::int64_t segment_ = 0;
    std::int64_t blocks_left_ = 0;  // of the segment
    std::int64_t left_;             // of the part
    std::int64_t next_ = 0;
    std::int64_t limit_;
    std::int64_t length_;
    int skipped_rows_ = 0;
    std::vector<Word> storage_;
    Word* made_ = nullptr;
};

/// Queries that one kernel call takes together.
struct Tile {
    std::int64_t first;
    int width;
};
inline constexpr int tile_limit = 32;

/// Cuts `n` queries into tiles of `widest`, a power of 2, then half of it, and so on down to 1.
inline std::vector<Tile> cut_tiles(std::int64_t n, int widest) {
    std::vector<Tile> tiles;
    for (std::int64_t first = 0; first < n; first += tiles.back().width) {
        const auto left = static_cast<unsigned>(std::min<std::int64_t>(n - first, widest));
        tiles.push_back({first, static_cast<int>(std::bit_floor(left))});
    }
    return tiles;
}

/// Scans all runs for the rows below each query's bound.
/// `aim(scan, tile)` points the scan at a tile's queries and says whether their bounds changed.
/// `bound(q)` is asked then, after hits, and as another segment begins. `take(q, keys, count)` gets
/// a run's hits. q counts within the part.
template <class Bound, class Scan, class Word, class Kernel, class Aim, class GetBound, class Take>
void scan_below(Runs<Word>& runs, Scan scan, const std::vector<Tile>& tiles, Kernel kernel, Aim aim,
                GetBound bound, Take take) {
    const std::int64_t room = runs.max_rows(), n_queries = tiles.back().first + tiles.back().width;
    const auto keys = std::make_unique_for_overwrite<Key[]>(tiles.front().width * room);
    Key* hits[tile_limit];
    for (int q = 0; q < tiles.front().width; ++q) {
        hits[q] = keys.get() + q * room;
    }
    std::vector<Bound> bounds(n_queries);
    const auto ask = [&](std::int64_t first, std::int64_t count) {
        for (std::int64_t q = first; q < first + count; ++q) {
            bounds[q] = static_cast<Bound>(bound(q));
        }
    };
    std::int64_t segment = -1;
    while (runs.next(scan)) {
        if (runs.segment() != segment) {
            segment = runs.segment();
            ask(0, n_queries);
        }
        for (const Tile& tile : tiles) {
            if (aim(scan, tile)) {
                ask(tile.first, tile.width);
            }
            std::int64_t n_hits[tile_limit] = {};
            kernel(scan, bounds.data() + tile.first, hits, n_hits);
            for (int i = 0; i < tile.width; ++i) {
                if (n_hits[i] != 0) {
                    const std::int64_t q = tile.first + i;
                    take(q, hits[i], n_hits[i]);
                    ask(q, 1);
                }
            }
        }
    }
}

}  // namespace tersevec
