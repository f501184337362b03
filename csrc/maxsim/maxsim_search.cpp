// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

#include "core/kernel_table.h"
#include "core/lines.h"
#include "core/parallel.h"
#include "maxsim/maxsim.h"

namespace tersevec::maxsim {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

const Way& pick_way(TokenType type, Isa at_most) noexcept {
    switch (type) {
        case TokenType::float32: return *pick(rows(), &Kernels::float32, at_most);
        case TokenType::float16: return *pick(rows(), &Kernels::float16, at_most);
        case TokenType::bfloat16: return *pick(rows(), &Kernels::bfloat16, at_most);
        default: return *pick(rows(), &Kernels::int8, at_most);
    }
}

/// Query tokens [first, first + n) as panels, the last of them no wider than it must be.
class Panels {
public:
    Panels(const float* tokens, std::int64_t n, std::int64_t dims, const Way& way)
        : way_(way),
          n_(n),
          memory_((n + way.widest - 1) / way.widest * way.panel_bytes(dims, way.widest)) {
        const std::int64_t whole = way.panel_bytes(dims, way.widest);
        std::byte* at = memory_.data();
        for (std::int64_t i = 0; i < n; i += way.widest, at += whole) {
            const int width = n - i <= half_panel ? half_panel : way.widest;
            way.pack(tokens + i * dims, std::min<std::int64_t>(width, n - i), dims, width, at);
            panels_.push_back({at, width});
        }
    }

    /// Lanes of a row of maxima.
    std::int64_t lanes() const noexcept { return (n_ + half_panel - 1) / half_panel * half_panel; }

    void maxima(const Run& run, float* best) const noexcept {
        for (const Panel& panel : panels_) {
            way_.maxima(run, panel.data, panel.width, best, lanes());
            best += panel.width;
        }
    }
    void positions(const Run& run, std::int32_t* at) const noexcept {
        for (const Panel& panel : panels_) {
            way_.positions(run, panel.data, panel.width, at, lanes());
            at += panel.width;
        }
    }

private:
    struct Panel {
        const std::byte* data;
        int width;
    };
    const Way& way_;
    std::int64_t n_;
    Lines<std::byte> memory_;
    std::vector<Panel> panels_;
};

/// Documents that are scored together: their tokens, and a row of maxima for each, stay in L2.
constexpr std::int64_t run_bytes = 256 << 10, run_documents = 64;
/// Query tokens that share a run: panels of them stay in L2 too.
constexpr std::int64_t group_tokens = 1024;

/// The number of documents from `first` on, up to `end`, that make a run.
std::int64_t run_length(const Ragged& batch, const std::int64_t* ids, std::int64_t first,
                        std::int64_t end) noexcept {
    const std::int64_t token = batch.tokens.dims * token_bytes(batch.tokens.type);
    std::int64_t count = 0, bytes = 0;
    while (first + count < end && count < run_documents && bytes < run_bytes) {
        const std::int64_t at = first + count++;
        bytes += batch.length(ids == nullptr ? at : ids[at]) * token;
    }
    return count;
}

/// Queries [first, last) whose tokens share runs.
struct Group {
    std::int64_t first, last;
};

std::vector<Group> cut_queries(const Queries& queries) {
    std::vector<Group> groups;
    for (std::int64_t q = 0; q < queries.n; ++q) {
        if (groups.empty() ||
            queries.offsets[q + 1] - queries.offsets[groups.back().first] > group_tokens) {
            groups.push_back({q, q});
        }
        groups.back().last = q + 1;
    }
    return groups;
}

/// One group of queries and what scoring it needs.
class Scorer {
public:
    Scorer(const Queries& queries, const Group& group, const Documents& documents, Isa at_most)
        : queries_(queries),
          group_(group),
          documents_(documents),
          panels_(queries.tokens + queries.offsets[group.first] * documents.batch.tokens.dims,
                  queries.offsets[group.last] - queries.offsets[group.first],
                  documents.batch.tokens.dims, pick_way(documents.batch.tokens.type, at_most)),
          scratch_(scratch_floats(documents.batch.tokens.dims)),
          best_(run_documents * panels_.lanes()) {}

    /// Calls emit(query, i, score) for documents ids[i], or i, of [first, last), i ascending for
    /// every query.
    template <class Emit>
    void score(const std::int64_t* ids, std::int64_t first, std::int64_t last, Emit emit) {
        while (first < last) {
            const Ragged& batch = documents_.batch;
            const std::int64_t count = run_length(batch, ids, first, last);
            const Run run{&documents_, ids == nullptr ? nullptr : ids + first, first, count,
                          scratch_.data()};
            panels_.maxima(run, best_.data());
            for (std::int64_t i = 0; i < count; ++i) {
                const bool empty = batch.length(run.id(i)) == 0;
                for (std::int64_t q = group_.first; q < group_.last; ++q) {
                    emit(q, first + i, empty ? 0.0f : sum(q, best_.data() + i * panels_.lanes()));
                }
            }
            first += count;
        }
    }

private:
    float sum(std::int64_t q, const float* best) const noexcept {
        const std::int64_t start = queries_.offsets[group_.first];
        float total = 0.0f;
        for (std::int64_t t = queries_.offsets[q]; t < queries_.offsets[q + 1]; ++t) {
            const float largest = best[t - start];
            total += queries_.weights == nullptr ? largest : queries_.weights[t] * largest;
        }
        return total + 0.0f;  // no -0.0
    }

    const Queries& queries_;
    Group group_;
    const Documents& documents_;
    Panels panels_;
    Lines<float> scratch_, best_;
};

/// Ranges of documents of about equal work, several for each thread.
std::vector<std::int64_t> cut_documents(const Ragged& batch, std::int64_t n_groups, int threads) {
    const std::int64_t n_ranges =
        threads == 1 ? 1 : std::max<std::int64_t>(1, (4 * threads + n_groups - 1) / n_groups);
    std::vector<std::int64_t> starts{0};
    const std::int64_t n_tokens = batch.offsets[batch.n];
    for (std::int64_t i = 1; i < n_ranges; ++i) {
        const std::int64_t* at =
            std::lower_bound(batch.offsets, batch.offsets + batch.n, n_tokens / n_ranges * i);
        starts.push_back(std::max<std::int64_t>(starts.back(), at - batch.offsets));
    }
    starts.push_back(batch.n);
    return starts;
}

/// Calls task(group, first document, last) for all groups and ranges.
template <class Task>
void for_parts(const Queries& queries, const Documents& documents, int threads, Task task) {
    const std::vector<Group> groups = cut_queries(queries);
    const auto n_groups = static_cast<std::int64_t>(groups.size());
    if (n_groups == 0) {
        return;
    }
    const auto starts = cut_documents(documents.batch, n_groups, threads);
    const auto n_ranges = static_cast<std::int64_t>(starts.size()) - 1;
    parallel_for(threads, n_groups * n_ranges, [&](std::int64_t i) {
        const std::int64_t range = i % n_ranges;
        task(groups[i / n_ranges], starts[range], starts[range + 1]);
    });
}

/// Of keys: larger scores first, NaN as if it were infinite.
std::uint32_t order_of(float score) noexcept {
    return ordered_bits(score == score ? 0.0f - score : -infinity);  // no -0.0
}

/// Candidates of one query, without those that are -1: documents and where they stood.
struct Candidates {
    std::vector<std::int64_t> ids, places;

    Candidates(const std::int64_t* all, std::int64_t count) {
        for (std::int64_t i = 0; i < count; ++i) {
            if (all[i] >= 0) {
                ids.push_back(all[i]);
                places.push_back(i);
            }
        }
    }
    std::int64_t count() const noexcept { return static_cast<std::int64_t>(ids.size()); }
};

}  // namespace

void scores(const Queries& queries, const Documents& documents, int threads, Isa at_most,
            float* out) {
    const std::int64_t n = documents.batch.n;
    for_parts(queries, documents, threads,
              [&](const Group& group, std::int64_t first, std::int64_t last) {
                  Scorer(queries, group, documents, at_most)
                      .score(nullptr, first, last,
                             [&](std::int64_t q, std::int64_t i, float score) {
                                 out[q * n + i] = score;
                             });
              });
}

void candidates(const Queries& queries, const Documents& documents, const std::int64_t* candidates,
                std::int64_t per_query, int threads, Isa at_most, float* out) {
    constexpr std::int64_t step = 256;  // that a task scores
    const std::int64_t n_steps = (per_query + step - 1) / step;
    std::fill(out, out + queries.n * per_query, -infinity);
    parallel_for(threads, queries.n * n_steps, [&](std::int64_t i) {
        const std::int64_t q = i / n_steps, first = i % n_steps * step;
        const std::int64_t at = q * per_query + first;
        const Candidates picked(candidates + at, std::min(step, per_query - first));
        Scorer(queries, {q, q + 1}, documents, at_most)
            .score(picked.ids.data(), 0, picked.count(),
                   [&](std::int64_t, std::int64_t j, float score) {
                       out[at + picked.places[j]] = score;
                   });
    });
}

void topk(const Queries& queries, const Documents& documents, std::int64_t k, Mask mask,
          int threads, Isa at_most, Key* keys) {
    TopkMerger merger(keys, queries.n, k);
    for_parts(queries, documents, threads,
              [&](const Group& group, std::int64_t first, std::int64_t last) {
                  std::vector<ReservoirTopk> best(group.last - group.first, ReservoirTopk(k));
                  std::vector<std::int64_t> ids;
                  for (std::int64_t i = first; i < last; ++i) {
                      if (mask.bits == nullptr || (mask.bits[i / 8] >> (i % 8) & 1) != 0) {
                          ids.push_back(i);
                      }
                  }
                  Scorer(queries, group, documents, at_most)
                      .score(ids.data(), 0, static_cast<std::int64_t>(ids.size()),
                             [&](std::int64_t q, std::int64_t i, float score) {
                                 best[q - group.first].push(make_key(order_of(score), ids[i]));
                             });
                  for (std::int64_t q = group.first; q < group.last; ++q) {
                      merger.merge(q, best[q - group.first].finish());
                  }
              });
}

void matches(const Queries& queries, const Documents& documents, const std::int64_t* candidates,
             std::int64_t per_query, int threads, Isa at_most, std::int32_t* at) {
    const std::int64_t dims = documents.batch.tokens.dims;
    std::fill(at, at + queries.offsets[queries.n] * per_query, -1);
    parallel_for(threads, queries.n, [&](std::int64_t q) {
        const std::int64_t start = queries.offsets[q], n = queries.offsets[q + 1] - start;
        const Candidates picked(candidates + q * per_query, per_query);
        const Panels panels(queries.tokens + start * dims, n, dims,
                            pick_way(documents.batch.tokens.type, at_most));
        const Lines<float> scratch(scratch_floats(dims));
        std::vector<std::int32_t> found(panels.lanes());
        for (std::int64_t j = 0; j < picked.count(); ++j) {
            panels.positions({&documents, picked.ids.data() + j, 0, 1, scratch.data()},
                             found.data());
            for (std::int64_t t = 0; t < n; ++t) {
                at[(start + t) * per_query + picked.places[j]] = found[t];
            }
        }
    });
}

}  // namespace tersevec::maxsim
