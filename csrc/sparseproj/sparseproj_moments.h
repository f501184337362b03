// SPDX-License-Identifier: Apache-2.0
/// Moments as tasks of threads: each sums rows in float32, and what they found is added in float64,
/// one task after the other, so that nothing depends on the number of threads.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "core/lines.h"
#include "core/parallel.h"
#include "sparseproj/sparseproj.h"

namespace tersevec::sparseproj {

/// What one task sums.
class TaskMoments {
public:
    explicit TaskMoments(std::int64_t width)
        : width_(width), floats_((width + 1) * width + gram_rows * (width + held_group)) {
        std::fill_n(floats_.data(), (width + 1) * width, 0.0f);
    }
    void add(decltype(Kernels::moments) kernel, const Held& held, std::int64_t first,
             std::int64_t count, bool normalize) noexcept {
        float* sums = floats_.data();
        n_rows_ += kernel(held, first, count, normalize, sums, sums + (width_ + 1) * width_);
    }
    /// Above and on the diagonal.
    void add_to(const Moments& total) const noexcept {
        const std::int64_t d = total.width;
        const float *gram = floats_.data(), *row_sums = gram + width_ * width_;
        for (std::int64_t i = 0; i < d; ++i) {
            double* out = total.sums + i * (d + 1);
            for (std::int64_t j = i; j < d; ++j) {
                out[j] += gram[i * width_ + j];
            }
            out[d] += row_sums[i];
        }
        total.sums[d * (d + 1) + d] += static_cast<double>(n_rows_);
    }

private:
    std::int64_t width_, n_rows_ = 0;
    Lines<float> floats_;
};

/// The order of tasks: parallel_for begins them in it, so those that one waits for are under way.
class Turns {
public:
    /// A task's turn, passed on when it ends, also where it fails.
    class Turn {
    public:
        Turn(Turns& turns, std::int64_t task) noexcept : turns_(turns), task_(task) {}
        Turn(const Turn&) = delete;
        ~Turn() {
            wait();
            const std::lock_guard guard(turns_.lock_);
            ++turns_.next_;
            turns_.moved_.notify_all();
        }
        void wait() const {
            std::unique_lock guard(turns_.lock_);
            turns_.moved_.wait(guard, [&] { return turns_.next_ == task_; });
        }

    private:
        Turns& turns_;
        std::int64_t task_;
    };

private:
    std::mutex lock_;
    std::condition_variable moved_;
    std::int64_t next_ = 0;
};

/// Writes the moments of held rows (width) that `sum(task, TaskMoments&)` adds up for each task.
template <class Sum>
void add_moments(const Moments& out, std::int64_t width, std::int64_t n_tasks, int threads,
                 const Sum& sum) {
    const std::int64_t d = out.width;
    std::fill_n(out.sums, (d + 1) * (d + 1), 0.0);
    Turns turns;
    parallel_for(threads, n_tasks, [&](std::int64_t task) {
        const Turns::Turn turn(turns, task);
        TaskMoments moments(width);
        sum(task, moments);
        turn.wait();
        moments.add_to(out);
    });
    for (std::int64_t i = 0; i <= d; ++i) {
        for (std::int64_t j = 0; j < i; ++j) {
            out.sums[i * (d + 1) + j] = out.sums[j * (d + 1) + i];
        }
    }
}

}  // namespace tersevec::sparseproj
