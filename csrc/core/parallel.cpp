// SPDX-License-Identifier: Apache-2.0
#include "core/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace tersevec {
namespace {

constexpr std::int64_t group_limit = 64;          // queries whose top-k state stays in the L2 cache
constexpr std::int64_t state_limit = 24ll << 20;  // bytes of top-k state of all threads
constexpr std::int64_t thread_bytes =
    1ll << 20;  // reading less than this is over before a thread starts

std::int64_t ceil_div(std::int64_t a, std::int64_t b) noexcept {
    return (a + b - 1) / b;
}

}  // namespace

void parallel_for(int threads, std::int64_t count, const std::function<void(std::int64_t)>& task) {
    std::atomic<std::int64_t> next{0};
    std::mutex lock;
    std::exception_ptr failure;
    const auto work = [&] {
        try {
            for (std::int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) {
                task(i);
            }
        } catch (...) {
            next.store(count, std::memory_order_relaxed);
            const std::lock_guard guard(lock);
            failure = failure ? failure : std::current_exception();
        }
    };
    std::vector<std::thread> others;
    const std::int64_t n_others = std::min<std::int64_t>(threads, count) - 1;
    try {
        for (std::int64_t i = 0; i < n_others; ++i) {
            others.emplace_back(work);
        }
    } catch (
        ...) {  // the system has no more threads: those that started, and this one, do all the work
    }
    work();
    for (std::thread& other : others) {
        other.join();
    }
    if (failure) {
        std::rethrow_exception(failure);
    }
}

Split split_scan(std::int64_t n_queries, std::int64_t n_blocks, std::int64_t block_bytes,
                 std::int64_t state_bytes, int threads) noexcept {
    const double bytes = static_cast<double>(n_queries) * static_cast<double>(n_blocks) *
                         static_cast<double>(block_bytes);
    threads = static_cast<int>(
        std::clamp(bytes / static_cast<double>(thread_bytes), 1.0, static_cast<double>(threads)));
    const std::int64_t affordable = state_limit / (state_bytes * threads);
    const std::int64_t group = std::clamp<std::int64_t>(affordable, 1, group_limit);
    const std::int64_t n_groups = ceil_div(n_queries, group);
    // Few groups: ranges of rows give every thread work. Two for each thread even out cores of
    // unequal speed.
    const bool cut_rows = threads > 1 && n_groups < 4 * threads;
    const std::int64_t wanted =
        cut_rows ? ceil_div(2 * threads, std::max<std::int64_t>(n_groups, 1)) : 1;
    const std::int64_t range = ceil_div(std::max<std::int64_t>(n_blocks, 1), wanted);
    return {n_queries, n_blocks, group, range, threads};
}

void Split::for_each(const std::function<void(const Part&)>& task) const {
    const std::int64_t n_groups = ceil_div(n_queries, group_queries);
    const std::int64_t n_ranges = ceil_div(n_blocks, range_blocks);
    parallel_for(threads, n_groups * n_ranges, [&](std::int64_t i) {
        const std::int64_t query = i / n_ranges * group_queries;
        const std::int64_t block = i % n_ranges * range_blocks;
        task({query, std::min(group_queries, n_queries - query), block,
              std::min(range_blocks, n_blocks - block)});
    });
}

}  // namespace tersevec
