// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <vector>

#include "core/kernel_table.h"
#include "core/parallel.h"
#include "sparseproj/sparseproj.h"
#include "sparseproj/sparseproj_tasks.h"

namespace tersevec::sparseproj {
namespace {

/// Numbers on their way to the columns that add them or take them off. Most features of a very
/// sparse matrix are in no column or in one, which no CPU foresees: two are noted without asking.
class Scatter {
public:
    Scatter(std::int64_t width, const std::int32_t* codes, std::int64_t n_codes)
        : width_(width), codes_(codes), n_codes_(n_codes), sums_(2 * width) {}

    template <class Index>
    void add(const Graph& graph, std::int64_t row, const std::int64_t* starts) noexcept {
        const auto* features = static_cast<const Index*>(graph.indices);
        const std::int64_t last = graph.start(graph.n) - 1, end_of_row = graph.start(row + 1);
        std::int64_t noted = 0;
        for (std::int64_t entry = graph.start(row); entry < end_of_row; ++entry) {
            __builtin_prefetch(starts + features[std::min(entry + entries_ahead, last)]);
            std::int64_t i = starts[features[entry]];
            const std::int64_t end = starts[features[entry] + 1];
            const float number = graph.weights == nullptr ? 1.0f : graph.weights[entry];
            if (end - i > 2 || i + 2 > n_codes_ || noted + 2 > most_noted) [[unlikely]] {
                flush(noted);
                for (noted = 0; i < end; ++i) {
                    sums_[codes_[i]] += number;
                }
                continue;
            }
            codes_noted_[noted] = codes_[i], codes_noted_[noted + 1] = codes_[i + 1];
            numbers_noted_[noted] = number, numbers_noted_[noted + 1] = number;
            noted += end - i;
        }
        flush(noted);
    }

    /// out (width) = scale * (what was added - what was taken off); begins anew.
    void finish(float scale, float* out) noexcept {
        for (std::int64_t c = 0; c < width_; ++c) {
            out[c] = scale * (sums_[c] - sums_[width_ + c]);
        }
        std::fill(sums_.begin(), sums_.end(), 0.0f);
    }

private:
    static constexpr std::int64_t most_noted = 256, entries_ahead = 16;

    void flush(std::int64_t noted) noexcept {
        for (std::int64_t i = 0; i < noted; ++i) {
            sums_[codes_noted_[i]] += numbers_noted_[i];
        }
    }

    std::int64_t width_;
    const std::int32_t* codes_;
    std::int64_t n_codes_;
    std::vector<float> sums_;
    std::int32_t codes_noted_[most_noted];
    float numbers_noted_[most_noted];
};

}  // namespace

void project(Rows<float> x, const Lists& lists, float scale, int threads, Isa at_most, float* out) {
    const auto kernel = pick(rows(), &Kernels::project, at_most);
    for_rows(x.n, threads, [&](std::int64_t first, std::int64_t count) {
        const auto scratch = floats(tile_rows * x.width);
        kernel(x.slice(first, count), lists, scale, scratch.get(), out + first * lists.width);
    });
}

void project_sparse(const Graph& graph, const std::int64_t* starts, const std::int32_t* codes,
                    std::int64_t width, float scale, std::int64_t n_features, int threads,
                    float* out) {
    for_rows(graph.n, threads, [&](std::int64_t first, std::int64_t count) {
        Scatter scatter(width, codes, starts[n_features]);
        for (std::int64_t row = first; row < first + count; ++row) {
            graph.wide_indices ? scatter.add<std::int64_t>(graph, row, starts)
                               : scatter.add<std::int32_t>(graph, row, starts);
            scatter.finish(scale, out + row * width);
        }
    });
}

}  // namespace tersevec::sparseproj
