// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <vector>

#include "core/kernel_table.h"
#include "core/parallel.h"
#include "sparseproj/sparseproj.h"
#include "sparseproj/sparseproj_tasks.h"

namespace tersevec::sparseproj {
namespace {

constexpr std::int64_t spare_sums = 64;  // that nobody reads

/// Adds numbers to the columns that add them or take them off. Most features of a very sparse
/// matrix are in no column or in one: numbers that count are noted without asking, then added to
/// two sums.
class Scatter {
public:
    explicit Scatter(const Features& features)
        : features_(features), sums_(2 * features.width + spare_sums) {}

    template <class Index>
    void add(const Graph& graph, std::int64_t row) noexcept {
        const auto* indices = static_cast<const Index*>(graph.indices);
        const std::int64_t end = graph.start(row + 1);
        for (std::int64_t first = graph.start(row); first < end; first += most_noted) {
            const std::int64_t count = std::min(end - first, most_noted);
            add_noted(graph.weights == nullptr
                          ? note(indices + first, count, [](std::int64_t) { return 1.0f; })
                          : note(indices + first, count,
                                 [w = graph.weights + first](std::int64_t i) { return w[i]; }));
        }
    }

    /// out (width) = scale * (what was added - what was taken off); begins anew.
    void finish(float scale, float* out) noexcept {
        for (std::int64_t c = 0; c < features_.width; ++c) {
            out[c] = scale * (sums_[c] - sums_[features_.width + c]);
        }
        std::fill(sums_.begin(), sums_.end(), 0.0f);
    }

private:
    static constexpr std::int64_t most_noted = 256, entries_ahead = 16;

    template <class Index, class NumberOf>
    std::int64_t note(const Index* indices, std::int64_t count, NumberOf number_of) noexcept {
        std::int64_t noted = 0;
        for (std::int64_t i = 0; i < count; ++i) {
            __builtin_prefetch(&features_.words[indices[std::min(i + entries_ahead, count - 1)]]);
            const std::uint32_t word = features_.words[indices[i]];
            words_noted_[noted] = word;
            numbers_noted_[noted] = number_of(i);
            noted += word != 0;
        }
        return noted;
    }

    void add_noted(std::int64_t noted) noexcept {
        constexpr std::uint32_t code = (1u << word_code_bits) - 1;
        for (std::int64_t i = 0; i < noted; ++i) {
            const std::uint32_t word = words_noted_[i];
            const float number = numbers_noted_[i];
            if ((word & word_is_list) != 0) [[unlikely]] {
                const std::int64_t* starts = features_.starts + (word & ~word_is_list);
                for (std::int64_t at = starts[0]; at < starts[1]; ++at) {
                    sums_[features_.codes[at]] += number;
                }
                continue;
            }
            sums_[word & code] += number;
            sums_[word >> word_code_bits & code] += number;
        }
    }

    Features features_;
    std::vector<float> sums_;
    std::uint32_t words_noted_[most_noted];
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

/// Masks and no branches: two codes are read whether or not they are there, which no CPU foresees.
void make_words(const Features& features, std::uint32_t* words) {
    const std::int64_t last = features.starts[features.n] - 1;
    const bool fit = last >= 0 && 2 * features.width + spare_sums <= std::int64_t{1}
                                                                         << word_code_bits;
    for (std::int64_t feature = 0; feature < features.n; ++feature) {
        const std::int64_t start = features.starts[feature];
        const std::int64_t n = features.starts[feature + 1] - start;
        if (n > 2 || !fit) {
            words[feature] = n > 0 ? word_is_list | static_cast<std::uint32_t>(feature) : 0;
            continue;
        }
        const auto first = static_cast<std::uint32_t>(features.codes[std::min(start, last)]);
        const auto next = static_cast<std::uint32_t>(features.codes[std::min(start + 1, last)]);
        const auto spare = static_cast<std::uint32_t>(2 * features.width + feature % spare_sums);
        const std::uint32_t two = 0u - (n == 2), some = 0u - (n != 0);
        words[feature] = (first | ((next & two) | (spare & ~two)) << word_code_bits) & some;
    }
}

void project_sparse(const Graph& graph, const Features& features, float scale, int threads,
                    float* out) {
    for_rows(graph.n, threads, [&](std::int64_t first, std::int64_t count) {
        Scatter scatter(features);
        for (std::int64_t row = first; row < first + count; ++row) {
            graph.wide_indices ? scatter.add<std::int64_t>(graph, row)
                               : scatter.add<std::int32_t>(graph, row);
            scatter.finish(scale, out + row * features.width);
        }
    });
}

}  // namespace tersevec::sparseproj
