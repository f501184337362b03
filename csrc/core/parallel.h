// SPDX-License-Identifier: Apache-2.0
/// Threads for one call: started when needed, joined before the call returns. Nothing survives a
/// call, so fork is safe.
#pragma once

#include <cstdint>
#include <functional>

namespace tersevec {

/// Runs `task(0) ... task(count - 1)` on at most `threads` threads, the caller's among them, in no
/// fixed order. The first exception that a task throws is thrown again here, after every thread has
/// ended.
void parallel_for(int threads, std::int64_t count, const std::function<void(std::int64_t)>& task);

/// One part of a scan: a group of queries against a range of blocks.
struct Part {
    std::int64_t first_query;
    std::int64_t n_queries;
    std::int64_t first_block;
    std::int64_t n_blocks;
};

/// How one scan is cut: groups of queries times ranges of blocks.
struct Split {
    std::int64_t n_queries;
    std::int64_t n_blocks;
    std::int64_t group_queries;  ///< queries of a group, but the last
    std::int64_t range_blocks;   ///< blocks of a range, but the last
    int threads;

    /// Runs `task(part)` for every part, as parallel_for does.
    void for_each(const std::function<void(const Part&)>& task) const;
};

/// Cuts `n_queries` x `n_blocks` for `threads` threads: queries first, the rows of the base where
/// queries are too few. `block_bytes` is what a scan reads of a block for each query: less work
/// than starting a thread costs stays on one. `state_bytes` is what a task holds for each query:
/// groups shrink so that all threads together hold little.
Split split_scan(std::int64_t n_queries, std::int64_t n_blocks, std::int64_t block_bytes,
                 std::int64_t state_bytes, int threads) noexcept;

}  // namespace tersevec
