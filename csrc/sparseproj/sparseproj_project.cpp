// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>
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

/// Adds numbers to the columns that add them or take them off, feature by feature.
class Scatter {
public:
    explicit Scatter(const Features& features)
        : features_(features), sums_(2 * features.width + spare_sums) {}

    template <class Index>
    void add(const Graph& graph, std::int64_t row) noexcept {
        const auto* indices = static_cast<const Index*>(graph.indices);
        for (std::int64_t entry = graph.start(row); entry < graph.start(row + 1); ++entry) {
            const std::int64_t* start = features_.starts + indices[entry];
            add_list(start[0], start[1], graph.weights == nullptr ? 1.0f : graph.weights[entry]);
        }
    }

    /// out (width) = scale * (what was added - what was taken off); begins anew.
    void finish(float scale, float* out) noexcept {
        for (std::int64_t c = 0; c < features_.width; ++c) {
            out[c] = scale * (sums_[c] - sums_[features_.width + c]);
        }
        std::fill(sums_.begin(), sums_.end(), 0.0f);
    }

protected:
    void add_list(std::int64_t start, std::int64_t end, float number) noexcept {
        for (std::int64_t i = start; i < end; ++i) {
            sums_[features_.codes[i]] += number;
        }
    }

    Features features_;
    std::vector<float> sums_;
};

/// A word for each feature: 0 without codes; else two codes, the second a spare sum's where there
/// is but one, of which neighbours have different ones; or `is_list` and which of the lists.
class Words {
public:
    static constexpr std::uint32_t is_list = 1u << 31;
    static constexpr int code_bits = 15;

    explicit Words(const Features& features) : words_(features.n) {
        const std::int64_t spare = 2 * features.width, limit = std::int64_t{1} << code_bits;
        for (std::int64_t feature = 0; feature < features.n; ++feature) {
            const std::int64_t start = features.starts[feature], end = features.starts[feature + 1];
            if (end - start > 2 || (end > start && spare + spare_sums > limit)) {
                words_[feature] = is_list | static_cast<std::uint32_t>(lists_.size());
                lists_.push_back({start, end});
            } else if (end > start) {
                const std::int64_t second =
                    end - start == 2 ? features.codes[start + 1] : spare + feature % spare_sums;
                words_[feature] =
                    static_cast<std::uint32_t>(features.codes[start] | second << code_bits);
            }
        }
    }

    std::uint32_t operator[](std::int64_t feature) const noexcept { return words_[feature]; }
    auto list(std::uint32_t word) const noexcept { return lists_[word & ~is_list]; }

private:
    std::vector<std::uint32_t> words_;
    std::vector<std::pair<std::int64_t, std::int64_t>> lists_;
};

/// The same by words. Most features of a very sparse matrix are in no column or in one, which no
/// CPU foresees: numbers that count are noted without asking, then added to two sums.
class WordScatter : public Scatter {
public:
    WordScatter(const Features& features, const Words& words) : Scatter(features), words_(words) {}

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

private:
    static constexpr std::int64_t most_noted = 256;

    template <class Index, class NumberOf>
    std::int64_t note(const Index* indices, std::int64_t count, NumberOf number_of) noexcept {
        std::int64_t noted = 0;
        for (std::int64_t i = 0; i < count; ++i) {
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
                const auto [start, end] = words_.list(word);
                add_list(start, end, number);
                continue;
            }
            sums_[word & code] += number;
            sums_[word >> Words::code_bits & code] += number;
        }
    }

    const Words& words_;
    std::uint32_t words_noted_[most_noted];
    float numbers_noted_[most_noted];
};

template <class MakeScatter>
void project_rows(const Graph& graph, std::int64_t width, float scale, int threads, float* out,
                  const MakeScatter& make_scatter) {
    for_rows(graph.n, threads, [&](std::int64_t first, std::int64_t count) {
        auto scatter = make_scatter();
        for (std::int64_t row = first; row < first + count; ++row) {
            graph.wide_indices ? scatter.template add<std::int64_t>(graph, row)
                               : scatter.template add<std::int32_t>(graph, row);
            scatter.finish(scale, out + row * width);
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
    if (graph.start(graph.n) < n_features) {  // words would take longer to make
        return project_rows(graph, width, scale, threads, out, [&] { return Scatter(features); });
    }
    const Words words(features);
    project_rows(graph, width, scale, threads, out, [&] { return WordScatter(features, words); });
}

}  // namespace tersevec::sparseproj
