// SPDX-License-Identifier: Apache-2.0
#include <pybind11/stl.h>

#include <optional>

#include "arrays.h"
#include "sparseproj/sparseproj.h"

namespace tersevec {
namespace {

using sparseproj::Held;
using sparseproj::Kind;
using I8 = py::array_t<std::int8_t>;
using I32 = py::array_t<std::int32_t>;
using I64 = py::array_t<std::int64_t>;
using F32 = py::array_t<float>;
using F64 = py::array_t<double>;

std::int64_t length_of(const py::array& array, const char* name) {
    require(array.ndim() == 1 && (array.flags() & py::array::c_style) != 0,
            (std::string(name) + ": expected a contiguous array of one dimension").c_str());
    return array.shape(0);
}

/// Floats of a length, or a null pointer for None.
const float* optional_floats(const std::optional<F32>& array, std::int64_t n, const char* name) {
    if (!array) {
        return nullptr;
    }
    require(length_of(*array, name) == n, (std::string(name) + ": wrong length").c_str());
    return array->data();
}

float* optional_writable(std::optional<F32>& array, std::int64_t n, const char* name) {
    optional_floats(array, n, name);
    return array ? writable(*array, name) : nullptr;
}

bool is_wide(const py::array& array, const char* name) {
    const bool wide = py::isinstance<I64>(array);
    if (!wide && !py::isinstance<I32>(array)) {
        throw py::type_error(std::string(name) + ": expected int32 or int64");
    }
    return wide;
}

/// Callers have checked that indices are below `n_columns` and that indptr does not fall.
sparseproj::Graph graph_of(const py::array& indptr, const py::array& indices,
                           const std::optional<F32>& weights) {
    const std::int64_t n = length_of(indptr, "indptr") - 1;
    const std::int64_t entries = length_of(indices, "indices");
    require(n >= 0, "indptr: expected at least one number");
    const sparseproj::Graph graph{indptr.data(),
                                  indices.data(),
                                  is_wide(indptr, "indptr"),
                                  is_wide(indices, "indices"),
                                  optional_floats(weights, entries, "weights"),
                                  n};
    require(graph.start(0) == 0 && graph.start(n) == entries,
            "indptr: expected 0 first and the number of indices last");
    return graph;
}

Held held_of(const py::array& values, const std::optional<F32>& scales, const char* name,
             bool writable) {
    const bool bytes = py::isinstance<I8>(values);
    const bool halves = py::isinstance<py::array_t<std::uint16_t>>(values);
    if (!bytes && !halves && !py::isinstance<F32>(values)) {
        throw py::type_error(std::string(name) + ": expected float32, uint16 or int8");
    }
    require(values.ndim() == 2 && (values.flags() & py::array::c_style) != 0,
            (std::string(name) + ": expected contiguous rows").c_str());
    require(!writable || values.writeable(), (std::string(name) + ": read-only").c_str());
    const bool ternary = bytes && !scales && !writable;
    require(
        values.shape(1) >= 1 &&
            values.shape(1) % (ternary ? sparseproj::ternary_group : sparseproj::held_group) == 0,
        (std::string(name) + ": expected whole groups of columns").c_str());
    require(bytes || !scales, (std::string(name) + ": only bytes have scales").c_str());
    require(!(writable && bytes) || scales, (std::string(name) + ": bytes need scales").c_str());
    const float* factors = optional_floats(scales, values.shape(0), name);
    return {const_cast<void*>(values.data()), const_cast<float*>(factors), values.shape(0),
            values.shape(1),
            bytes    ? Kind::i8
            : halves ? Kind::f16
                     : Kind::f32};
}

void ternary(const I64& ids, std::int64_t used, std::uint64_t seed, int threshold, I8& out,
             int threads, std::int64_t first, const std::string& isa) {
    require_scan(0, threads);
    const std::int64_t n = length_of(ids, "ids"), group = sparseproj::ternary_group;
    require(threshold >= 1 && threshold <= sparseproj::most_threshold, "threshold: 1 to 32768");
    require(out.ndim() == 2 && out.shape(0) == n && out.shape(1) % group == 0 && used >= 0 &&
                used <= out.shape(1),
            "out: expected a row for each id, whole groups of columns, at least those used");
    require(first >= 0 && first % group == 0, "first: expected whole groups of columns");
    const Isa at_most = isa_from_name(isa);
    std::int8_t* to = writable(out, "out");
    const std::int64_t width = out.shape(1);
    const std::int64_t* from = ids.data();
    const py::gil_scoped_release release;
    sparseproj::ternary(from, n, seed, first, used, threshold, width, threads, at_most, to);
}

void propagate(const py::array& indptr, const py::array& indices, const std::optional<F32>& weights,
               const std::optional<F32>& row_scales, bool self_loops, const py::array& source,
               const std::optional<F32>& source_scales, const std::optional<py::array>& target,
               const std::optional<F32>& target_scales, std::optional<F32>& out, float held,
               float made, bool normalize, bool add, int threads, const std::optional<I64>& places,
               std::optional<F32>& held_squares, std::optional<F32>& made_squares,
               std::optional<F64>& target_moments, const std::string& isa) {
    require_scan(0, threads);
    sparseproj::Step step{};
    step.graph = graph_of(indptr, indices, weights);
    step.source = held_of(source, source_scales, "source", false);
    step.row_scales = optional_floats(row_scales, step.graph.n, "row_scales");
    step.self_loops = self_loops;
    require(step.source.n >= step.graph.n || (!self_loops && held == 0.0f && !held_squares),
            "source: expected a row for each row of the graph");
    if (target) {
        step.target = held_of(*target, target_scales, "target", true);
        require(step.target.n == step.graph.n && step.target.width <= step.source.width,
                "target: expected a row for each row of the graph, no wider than the source");
    }
    if (out) {
        const auto rows = rows_of(*out, "out");
        require(rows.n == step.graph.n && rows.width <= step.source.width &&
                    rows.stride_bytes % static_cast<std::int64_t>(sizeof(float)) == 0,
                "out: expected a row for each row of the graph");
        step.sums = {out->mutable_data(),
                     rows.stride_bytes / static_cast<std::int64_t>(sizeof(float)),
                     rows.width,
                     add,
                     normalize,
                     held,
                     made,
                     nullptr,
                     nullptr,
                     nullptr};
        if (places) {
            require(length_of(*places, "places") == step.graph.n,
                    "places: expected one for each row of the graph");
            step.sums.places = places->data();
        }
    }
    step.sums.held_squares = optional_writable(held_squares, step.graph.n, "held_squares");
    step.sums.made_squares = optional_writable(made_squares, step.graph.n, "made_squares");
    if (target_moments) {
        const F64& sums = *target_moments;
        require(target && sums.ndim() == 2 && (sums.flags() & py::array::c_style) != 0 &&
                    sums.shape(0) == sums.shape(1) && sums.shape(0) >= 2 &&
                    sums.shape(0) <= step.target.width + 1,
                "target_moments: expected one row and column more than the target's columns");
        step.moments = {writable(*target_moments, "target_moments"), sums.shape(0) - 1};
    }
    const Isa at_most = isa_from_name(isa);
    const py::gil_scoped_release release;
    sparseproj::propagate(step, threads, at_most);
}

F32 widen(const py::array& source, const std::optional<F32>& scales, std::int64_t width,
          bool normalize, int threads, const std::string& isa) {
    require_scan(0, threads);
    const Held held = held_of(source, scales, "source", false);
    require(width >= 1 && width <= held.width, "width: expected at most the source's");
    const Isa at_most = isa_from_name(isa);
    auto result = empty<float>({held.n, width});
    float* out = result.mutable_data();
    const py::gil_scoped_release release;
    sparseproj::widen(held, normalize, width, threads, at_most, out);
    return result;
}

F64 moments(const py::array& source, const std::optional<F32>& scales, std::int64_t width,
            bool normalize, int threads, const std::string& isa) {
    require_scan(0, threads);
    const Held held = held_of(source, scales, "source", false);
    require(width >= 1 && width <= held.width, "width: expected at most the source's");
    const Isa at_most = isa_from_name(isa);
    auto result = empty<double>({width + 1, width + 1});
    const sparseproj::Moments out{result.mutable_data(), width};
    const py::gil_scoped_release release;
    sparseproj::moments(held, normalize, threads, at_most, out);
    return result;
}

void narrow(const F32& x, const py::array& target, const std::optional<F32>& scales, int threads,
            const std::string& isa) {
    require_scan(0, threads);
    const auto rows = rows_of(x, "x");
    const Held held = held_of(target, scales, "target", true);
    require(held.n == rows.n && rows.width <= held.width, "target: expected as many rows as x has");
    const Isa at_most = isa_from_name(isa);
    const py::gil_scoped_release release;
    sparseproj::narrow(rows, held, threads, at_most);
}

/// Callers have checked that `starts` do not fall, and what lists hold.
F32 project(const F32& x, const I64& starts, const I32& features, float scale, int threads,
            const std::string& isa) {
    require_scan(0, threads);
    const auto rows = rows_of(x, "x");
    const std::int64_t width = length_of(starts, "starts") / 2;
    require(width >= 1 && starts.shape(0) == 2 * width + 1 && starts.data()[0] == 0 &&
                starts.data()[2 * width] == length_of(features, "features"),
            "starts: expected 2 width + 1 numbers, from 0 to the number of features");
    const sparseproj::Lists lists{starts.data(), features.data(), width};
    const Isa at_most = isa_from_name(isa);
    auto result = empty<float>({rows.n, width});
    float* out = result.mutable_data();
    const py::gil_scoped_release release;
    sparseproj::project(rows, lists, scale, threads, at_most, out);
    return result;
}

/// Callers have checked that `starts` do not fall, and what lists hold.
sparseproj::Features features_of(const I64& starts, const I32& codes, std::int64_t width) {
    require(width >= 1 && length_of(starts, "starts") >= 1 && starts.data()[0] == 0 &&
                starts.data()[starts.shape(0) - 1] == length_of(codes, "codes"),
            "starts: expected numbers from 0 to the number of codes");
    return {starts.data(), codes.data(), nullptr, starts.shape(0) - 1, width};
}

py::array_t<std::uint32_t> make_words(const I64& starts, const I32& codes, std::int64_t width) {
    const auto features = features_of(starts, codes, width);
    auto result = empty<std::uint32_t>({features.n});
    std::uint32_t* out = result.mutable_data();
    const py::gil_scoped_release release;
    sparseproj::make_words(features, out);
    return result;
}

F32 project_sparse(const py::array& indptr, const py::array& indices,
                   const std::optional<F32>& values, const I64& starts, const I32& codes,
                   const py::array_t<std::uint32_t>& words, std::int64_t width, float scale,
                   int threads) {
    require_scan(0, threads);
    const auto graph = graph_of(indptr, indices, values);
    auto features = features_of(starts, codes, width);
    require(length_of(words, "words") == features.n, "words: expected one for each feature");
    features.words = words.data();
    auto result = empty<float>({graph.n, width});
    float* out = result.mutable_data();
    const py::gil_scoped_release release;
    sparseproj::project_sparse(graph, features, scale, threads, out);
    return result;
}

std::vector<std::string> rows() {
    std::vector<std::string> names;
    for (const auto* row : sparseproj::rows()) {
        names.emplace_back(isa_name(row->isa));
    }
    return names;
}

}  // namespace

void bind_sparseproj(py::module_& parent) {
    using namespace py::literals;
    auto module = parent.def_submodule("sparseproj", "Sparse random matrices and sparse rows.");
    module.def("rows", &rows);
    module.def("ternary", &ternary, "ids"_a.noconvert(), "used"_a, "seed"_a, "threshold"_a,
               "out"_a.noconvert(), "threads"_a, py::kw_only(), "first"_a = 0, "isa"_a = "");
    module.def("propagate", &propagate, "indptr"_a, "indices"_a, "weights"_a.noconvert(),
               "row_scales"_a.noconvert(), "self_loops"_a, "source"_a,
               "source_scales"_a.noconvert(), "target"_a, "target_scales"_a.noconvert(),
               "out"_a.noconvert(), "held"_a, "made"_a, "normalize"_a, "add"_a, "threads"_a,
               py::kw_only(), "places"_a.noconvert() = py::none(),
               "held_squares"_a.noconvert() = py::none(), "made_squares"_a.noconvert() = py::none(),
               "target_moments"_a.noconvert() = py::none(), "isa"_a = "");
    module.def("widen", &widen, "source"_a, "scales"_a.noconvert(), "width"_a, "normalize"_a,
               "threads"_a, py::kw_only(), "isa"_a = "");
    module.def("moments", &moments, "source"_a, "scales"_a.noconvert(), "width"_a, "normalize"_a,
               "threads"_a, py::kw_only(), "isa"_a = "");
    module.def("narrow", &narrow, "x"_a.noconvert(), "target"_a, "scales"_a.noconvert(),
               "threads"_a, py::kw_only(), "isa"_a = "");
    module.def("project", &project, "x"_a.noconvert(), "starts"_a.noconvert(),
               "features"_a.noconvert(), "scale"_a, "threads"_a, py::kw_only(), "isa"_a = "");
    module.def("make_words", &make_words, "starts"_a.noconvert(), "codes"_a.noconvert(), "width"_a);
    module.def("project_sparse", &project_sparse, "indptr"_a, "indices"_a, "values"_a.noconvert(),
               "starts"_a.noconvert(), "codes"_a.noconvert(), "words"_a.noconvert(), "width"_a,
               "scale"_a, "threads"_a);
}

}  // namespace tersevec
