// SPDX-License-Identifier: Apache-2.0
/// Rows rounded to the grid of odd numbers, lanes are rows: every number of the metric is broadcast
/// once for all of them.
#pragma once

#include "pqencode/pqencode_vector.h"

namespace tersevec::pqencode {
namespace {

/// Steps of the grid that a row is tried at, times its mean size: around that of normal numbers.
constexpr float grid_widths[8][12] = {
    {},
    {},
    {0.75f, 0.85f, 0.95f, 1.05f, 1.15f, 1.25f, 1.35f, 1.45f, 1.55f, 1.65f, 1.8f, 2.0f},
    {0.44f, 0.5f, 0.56f, 0.62f, 0.68f, 0.73f, 0.78f, 0.84f, 0.9f, 0.97f, 1.05f, 1.15f},
    {0.24f, 0.28f, 0.31f, 0.34f, 0.37f, 0.4f, 0.43f, 0.46f, 0.5f, 0.54f, 0.59f, 0.65f},
    {0.14f, 0.16f, 0.175f, 0.19f, 0.205f, 0.22f, 0.235f, 0.25f, 0.27f, 0.29f, 0.32f, 0.35f},
    {0.08f, 0.09f, 0.1f, 0.108f, 0.115f, 0.122f, 0.13f, 0.138f, 0.147f, 0.157f, 0.17f, 0.19f},
    {0.044f, 0.05f, 0.055f, 0.059f, 0.063f, 0.067f, 0.071f, 0.076f, 0.081f, 0.087f, 0.094f, 0.1f}};

/// A register of rows while their numbers are found.
template <int Lanes>
class GridRows {
public:
    using f32 = typename Vector<Lanes>::f32;
    using i32 = typename Vector<Lanes>::i32;

    /// `scratch`: 4 * Lanes * m floats, the first Lanes * m the rows, column after column.
    GridRows(const Grid& task, float* scratch) noexcept
        : task_(task),
          m_(task.x.width),
          most_(broadcast<f32>(static_cast<float>((1 << task.n_bits) - 1))),
          x_(scratch),
          numbers_(scratch + Lanes * m_),
          errors_(scratch + 2 * Lanes * m_),
          weighed_(scratch + 3 * Lanes * m_) {}

    void find() noexcept {
        start();
        if (task_.sweeps == 0 || !any(step_ > least_step)) {
            return;
        }
        shape();
        weigh(x_, weighed_);
        for (int sweep = 0; sweep < task_.sweeps; ++sweep) {
            this->sweep();
        }
    }

    /// Lane's number j, from 0 up.
    std::uint8_t number(std::int64_t j, int lane) const noexcept {
        const float c = numbers_[j * Lanes + lane];
        return static_cast<std::uint8_t>((static_cast<int>(c) + (1 << task_.n_bits) - 1) / 2);
    }

private:
    static f32 floor(f32 number) noexcept {  // of numbers that fit an int
        const f32 whole = __builtin_convertvector(__builtin_convertvector(number, i32), f32);
        return whole > number ? whole - 1.0f : whole;
    }
    static bool any(i32 truths) noexcept {
        std::int32_t found = 0;
        for (int lane = 0; lane < Lanes; ++lane) {
            found |= truths[lane];
        }
        return found != 0;
    }
    static f32 size_of(f32 number) noexcept { return number < 0.0f ? -number : number; }

    f32 at(const float* rows, std::int64_t j) const noexcept { return load<f32>(rows + j * Lanes); }

    f32 grid(f32 number) const noexcept {
        number = number < most_ ? number : most_;
        number = number > -most_ ? number : -most_;
        return 2.0f * floor(number * 0.5f) + 1.0f;
    }

    f32 level(f32 size, f32 width) const noexcept {
        const f32 last = broadcast<f32>(static_cast<float>((1 << (task_.n_bits - 1)) - 1));
        const f32 steps = size / width;
        return 2.0f * floor(steps < last ? steps : last) + 1.0f;
    }

    void start() noexcept {
        f32 total = {};
        for (std::int64_t j = 0; j < m_; ++j) {
            total += size_of(at(x_, j));
        }
        const f32 mean = total / static_cast<float>(m_);
        f32 best = broadcast<f32>(-1.0f), best_width = broadcast<f32>(1.0f);
        if (task_.n_bits > 1) {
            for (const float relative : grid_widths[task_.n_bits]) {
                f32 width = relative * mean;
                width = width > least_step ? width : broadcast<f32>(least_step);
                f32 product = {}, squares = {};
                for (std::int64_t j = 0; j < m_; ++j) {
                    const f32 size = size_of(at(x_, j)), found = level(size, width);
                    product += size * found;
                    squares += found * found;
                }
                const f32 score = product * product / squares;
                best_width = score > best ? width : best_width;
                best = score > best ? score : best;
            }
        }
        f32 product = {}, squares = {};
        for (std::int64_t j = 0; j < m_; ++j) {
            const f32 x = at(x_, j);
            const f32 found =
                task_.n_bits > 1 ? level(size_of(x), best_width) : broadcast<f32>(1.0f);
            const f32 number = x < 0.0f ? -found : found;
            product += x * number;
            squares += number * number;
            store(numbers_ + j * Lanes, number);
        }
        step_ = product / squares;
        counts_ = step_ > least_step;
    }

    /// Numbers of lanes that count.
    void put(std::int64_t j, f32 number) noexcept {
        store(numbers_ + j * Lanes, counts_ ? number : at(numbers_, j));
    }

    void shape() noexcept {
        for (std::int64_t i = 0; i < Lanes * m_; ++i) {
            errors_[i] = x_[i];
        }
        for (std::int64_t j = m_ - 1; j >= 0; --j) {
            put(j, grid(at(errors_, j) / step_));
            const f32 error = at(x_, j) - step_ * at(numbers_, j);
            const float* row = task_.shaping + j * m_;
            for (std::int64_t i = 0; i < j; ++i) {
                store(errors_ + i * Lanes, at(errors_, i) + row[i] * error);
            }
        }
    }

    /// out = metric times rows.
    void weigh(const float* rows, float* out) const noexcept {
        for (std::int64_t i = 0; i < Lanes * m_; ++i) {
            out[i] = 0.0f;
        }
        for (std::int64_t j = 0; j < m_; ++j) {
            const f32 number = at(rows, j);
            const float* row = task_.metric + j * m_;
            for (std::int64_t i = 0; i < m_; ++i) {
                store(out + i * Lanes, at(out, i) + row[i] * number);
            }
        }
    }

    void sweep() noexcept {
        weigh(numbers_, errors_);
        f32 product = {}, squares = {};
        for (std::int64_t j = 0; j < m_; ++j) {
            product += at(x_, j) * at(errors_, j);
            squares += at(numbers_, j) * at(errors_, j);
        }
        const f32 step = product / squares;
        step_ = step > least_step ? step : step_;
        for (std::int64_t j = 0; j < m_; ++j) {
            store(errors_ + j * Lanes, at(weighed_, j) - step_ * at(errors_, j));
        }
        for (std::int64_t j = 0; j < m_; ++j) {
            const float* row = task_.metric + j * m_;
            const f32 before = at(numbers_, j);
            put(j, grid(before + at(errors_, j) / (row[j] * step_)));
            const f32 moved = step_ * (at(numbers_, j) - before);
            if (!any(moved != 0.0f)) {
                continue;
            }
            for (std::int64_t i = 0; i < m_; ++i) {
                store(errors_ + i * Lanes, at(errors_, i) - row[i] * moved);
            }
        }
    }

    const Grid& task_;
    std::int64_t m_;
    f32 most_;
    const float* x_;
    float* numbers_;
    float* errors_;   // of the shaping, then what the metric makes of them
    float* weighed_;  // what it makes of the rows
    f32 step_ = {};
    i32 counts_ = {};
};

template <int Lanes>
void grid(const Grid& task, std::int64_t first_row, std::int64_t n_rows, float* scratch,
          std::uint8_t* out) noexcept {
    const std::int64_t m = task.x.width;
    for (std::int64_t i = 0; i < n_rows; i += Lanes) {
        const std::int64_t lanes = n_rows - i < Lanes ? n_rows - i : Lanes;
        for (std::int64_t lane = 0; lane < Lanes; ++lane) {  // rows that are missing repeat one
            const float* row = task.x[first_row + i + (lane < lanes ? lane : 0)];
            for (std::int64_t j = 0; j < m; ++j) {
                scratch[j * Lanes + lane] = row[j];
            }
        }
        GridRows<Lanes> rows(task, scratch);
        rows.find();
        for (int lane = 0; lane < lanes; ++lane) {
            for (std::int64_t j = 0; j < m; ++j) {
                out[(i + lane) * m + j] = rows.number(j, lane);
            }
        }
    }
}

}  // namespace
}  // namespace tersevec::pqencode
