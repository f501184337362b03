// SPDX-License-Identifier: Apache-2.0
/// Runs of rows as tasks of threads, and their scratch memory.
#pragma once

#include <algorithm>
#include <memory>

#include "core/parallel.h"

namespace tersevec::sparseproj {

inline constexpr std::int64_t task_rows = 512;

/// Calls `run(first, count)` for every run of task_rows rows.
template <class Run>
void for_rows(std::int64_t n, int threads, const Run& run) {
    parallel_for(threads, (n + task_rows - 1) / task_rows, [&](std::int64_t task) {
        const std::int64_t first = task * task_rows;
        run(first, std::min(task_rows, n - first));
    });
}

inline auto floats(std::int64_t count) {
    return std::make_unique_for_overwrite<float[]>(count);
}

}  // namespace tersevec::sparseproj
