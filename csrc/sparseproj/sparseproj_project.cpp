// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <vector>

#include "core/kernel_table.h"
#include "core/parallel.h"
#include "sparseproj/sparseproj.h"
#include "sparseproj/sparseproj_tasks.h"

namespace tersevec::sparseproj {
namespace {

/// A ternary matrix by rows, one for each feature, as `project_sparse` takes it.
struct Features {
    const std::int64_t* starts;
    const std::int32_t* codes;
    std::int64_t n, width;
};

constexpr std::int64_t spare_sums = 64;  // that nobody reads

/// A feature's codes as a word: 0 without any; else two, the second a spare sum's where there is
/// but one, of which neighbours have different ones; or `is_list` and the feature.
class Words {
public:
    static constexpr std::uint32_t is_list = 1u << 31;
    static constexpr int code_bits = 15;

    explicit Words(const Features& features) noexcept
        : features_(features),
          last_(features.starts[features.n] - 1),
          fit_(last_ >= 0 && 2 * features.width + spare_sums <= std::int64_t{1} << code_bits) {}

    /// Masks and no branches: two codes are read whether or not they are there, which no CPU
    /// foresees.
    std::uint32_t operator[](std::int64_t feature) const noexcept {
        const std::int64_t start = features_.starts[feature];
        const std::int64_t n = features_.starts[feature + 1] - start;
        if (n > 2 || !fit_) [[unlikely]] {
            return n > 0 ? is_list | static_cast<std::uint32_t>(feature) : 0;
        }
        const auto first = static_cast<std::uint32_t>(features_.codes[std::min(start, last_)]);
        const auto next = static_cast<std::uint32_t>(features_.codes[std::min(start + 1, last_)]);
        const auto spare = static_cast<std::uint32_t>(2 * features_.width + feature % spare_sums);
        const std::uint32_t two = 0u - (n == 2), some = 0u - (n != 0);
        return (first | ((next & two) | (spare & ~two)) << code_bits) & some;
    }

    void prefetch(std::int64_t feature) const noexcept {
        __builtin_prefetch(features_.starts + feature);
    }

private:
    Features features_;
    std::int64_t last_;  // place of the last code
    bool fit_;           // whether codes and spare sums have room in a word
};

/// All of them, made before.
struct MadeWords {
    std::vector<std::uint32_t> words;

    std::uint32_t operator[](std::int64_t feature) const noexcept { return words[feature]; }
    void prefetch(std::int64_t feature) const noexcept { __builtin_prefetch(&words[feature]); }
};

/// Adds numbers to the columns that add them or take them off. Most features of a very sparse
/// matrix are in no column or in one: numbers that count are noted without asking, then added to
/// two sums.
/// `WordOf`: `Words` or `MadeWords`.
template <class WordOf>
class Scatter {
public:
    Scatter(const Features& features, const WordOf& words)
        : features_(features), words_(words), sums_(2 * features.width + spare_sums) {}

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
            words_.prefetch(indices[std::min(i + entries_ahead, count - 1)]);
            const std::uint32_t word = words_[indices[i]];
            words_noted_[noted] = word;
            numbers_noted_[noted] = number_of(i);
            noted += word != 0;
        }
        return noted;
    }

    void add_noted(std::int64_t noted) noexcept {
        constexpr std::uint32_t code = (1u << Words::code_bits) - 1;
        for (std::int64_t i = 0; i < noted; ++i) {
            const std::uint32_t word = words_noted_[i];
            const float number = numbers_noted_[i];
            if ((word & Words::is_list) != 0) [[unlikely]] {
                const std::int64_t* starts = features_.starts + (word & ~Words::is_list);
                for (std::int64_t at = starts[0]; at < starts[1]; ++at) {
                    sums_[features_.codes[at]] += number;
                }
                continue;
            }
            sums_[word & code] += number;
            sums_[word >> Words::code_bits & code] += number;
        }
    }

    Features features_;
    const WordOf& words_;
    std::vector<float> sums_;
    std::uint32_t words_noted_[most_noted];
    float numbers_noted_[most_noted];
};

template <class WordOf>
void project_rows(const Graph& graph, const Features& features, const WordOf& words, float scale,
                  int threads, float* out) {
    for_rows(graph.n, threads, [&](std::int64_t first, std::int64_t count) {
        Scatter<WordOf> scatter(features, words);
        for (std::int64_t row = first; row < first + count; ++row) {
            graph.wide_indices ? scatter.template add<std::int64_t>(graph, row)
                               : scatter.template add<std::int32_t>(graph, row);
            scatter.finish(scale, out + row * features.width);
        }
    });
}

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
    const Features features{starts, codes, n_features, width};
    const Words words(features);
    if (2 * graph.start(graph.n) < n_features) {  // to make all of them would take longer
        return project_rows(graph, features, words, scale, threads, out);
    }
    MadeWords made{std::vector<std::uint32_t>(n_features)};
    for (std::int64_t feature = 0; feature < n_features; ++feature) {
        made.words[feature] = words[feature];
    }
    project_rows(graph, features, made, scale, threads, out);
}

}  // namespace tersevec::sparseproj
