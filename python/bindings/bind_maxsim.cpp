// SPDX-License-Identifier: Apache-2.0
#include <pybind11/stl.h>

#include "maxsim/maxsim.h"
#include "tokens.h"

namespace tersevec {
namespace {

using F32 = py::array_t<float>;
using I64 = py::array_t<std::int64_t>;
using I32 = py::array_t<std::int32_t>;

constexpr float infinity = std::numeric_limits<float>::infinity();

maxsim::Documents documents_of(const py::array& tokens, const py::object& scales,
                               const py::object& sums, const I64& offsets) {
    maxsim::Documents documents{
        ragged_of(tokens_of(tokens, scales, "documents"), tokens.shape(0), offsets, "offsets"),
        nullptr};
    if (documents.batch.tokens.type == TokenType::int8) {
        const auto each = typed<std::int32_t>(sums, "sums");
        require(each.ndim() == 1 && each.shape(0) == tokens.shape(0),
                "sums: expected one for each token");
        documents.sums = contiguous(each, "sums");
    }
    require(documents.batch.n <= std::numeric_limits<std::int32_t>::max(),
            "offsets: expected at most 2**31 - 1 documents");
    return documents;
}

maxsim::Queries queries_of(const F32& tokens, const I64& offsets, const py::object& weights,
                           const maxsim::Documents& documents, int threads) {
    require(threads >= 1, "threads: expected at least 1");
    require(tokens.ndim() == 2 && tokens.shape(1) == documents.batch.tokens.dims,
            "queries: expected tokens as wide as the documents'");
    const float* each = contiguous(tokens, "queries");
    const Ragged batch = ragged_of({each, TokenType::float32, tokens.shape(1), nullptr},
                                   tokens.shape(0), offsets, "query_offsets");
    maxsim::Queries queries{each, batch.offsets, batch.n, nullptr};
    if (!weights.is_none()) {
        const auto of_tokens = typed<float>(weights, "weights");
        require(of_tokens.ndim() == 1 && of_tokens.shape(0) == tokens.shape(0),
                "weights: expected one for each query token");
        queries.weights = contiguous(of_tokens, "weights");
    }
    return queries;
}

const std::int64_t* candidates_of(const I64& candidates, std::int64_t n_queries, std::int64_t n) {
    require(candidates.ndim() == 2 && candidates.shape(0) == n_queries,
            "candidates: expected a row for each query");
    const std::int64_t* each = contiguous(candidates, "candidates");
    require(std::all_of(each, each + candidates.size(),
                        [&](std::int64_t id) { return id >= -1 && id < n; }),
            "candidates: expected documents, or -1");
    return each;
}

F32 scores(const F32& queries, const I64& query_offsets, const py::array& documents,
           const py::object& scales, const py::object& sums, const I64& offsets,
           const py::object& weights, int threads, const std::string& isa) {
    const auto base = documents_of(documents, scales, sums, offsets);
    const auto wanted = queries_of(queries, query_offsets, weights, base, threads);
    const Isa at_most = isa_from_name(isa);
    auto result = empty<float>({wanted.n, base.batch.n});
    float* out = result.mutable_data();
    const py::gil_scoped_release release;
    maxsim::scores(wanted, base, threads, at_most, out);
    return result;
}

F32 candidates(const F32& queries, const I64& query_offsets, const py::array& documents,
               const py::object& scales, const py::object& sums, const I64& offsets,
               const py::object& weights, const I64& candidates, int threads,
               const std::string& isa) {
    const auto base = documents_of(documents, scales, sums, offsets);
    const auto wanted = queries_of(queries, query_offsets, weights, base, threads);
    const std::int64_t* ids = candidates_of(candidates, wanted.n, base.batch.n);
    const std::int64_t per_query = candidates.shape(1);
    const Isa at_most = isa_from_name(isa);
    auto result = empty<float>({wanted.n, per_query});
    float* out = result.mutable_data();
    const py::gil_scoped_release release;
    maxsim::candidates(wanted, base, ids, per_query, threads, at_most, out);
    return result;
}

py::tuple topk(const F32& queries, const I64& query_offsets, const py::array& documents,
               const py::object& scales, const py::object& sums, const I64& offsets,
               const py::object& weights, std::int64_t k, const py::object& mask, int threads,
               const std::string& isa) {
    require(k >= 1, "k: expected at least 1");
    const auto base = documents_of(documents, scales, sums, offsets);
    const auto wanted = queries_of(queries, query_offsets, weights, base, threads);
    const Mask allowed = mask_of(mask, base.batch.n);
    const Isa at_most = isa_from_name(isa);
    auto keys = empty<std::int64_t>({wanted.n, k});
    auto* out = reinterpret_cast<Key*>(keys.mutable_data());
    {
        const py::gil_scoped_release release;
        maxsim::topk(wanted, base, k, allowed, threads, at_most, out);
    }
    return topk_result<float>(keys, -infinity, [](std::uint32_t bits) {
        return 0.0f - from_ordered_bits(bits);  // no -0.0
    });
}

I32 matches(const F32& queries, const I64& query_offsets, const py::array& documents,
            const py::object& scales, const py::object& sums, const I64& offsets,
            const I64& candidates, int threads, const std::string& isa) {
    const auto base = documents_of(documents, scales, sums, offsets);
    const auto wanted = queries_of(queries, query_offsets, py::none(), base, threads);
    const std::int64_t* ids = candidates_of(candidates, wanted.n, base.batch.n);
    const std::int64_t per_query = candidates.shape(1);
    const Isa at_most = isa_from_name(isa);
    auto result = empty<std::int32_t>({queries.shape(0), per_query});
    std::int32_t* out = result.mutable_data();
    const py::gil_scoped_release release;
    maxsim::matches(wanted, base, ids, per_query, threads, at_most, out);
    return result;
}

py::tuple pack_int8(const py::array& tokens) {
    const Tokens each = tokens_of(tokens, py::none(), "tokens");
    if (each.type == TokenType::int8) {
        throw py::type_error("tokens: expected float32, float16 or uint16 (bfloat16's bits)");
    }
    auto numbers = empty<std::int8_t>({tokens.shape(0), tokens.shape(1)});
    auto scales = empty<float>({tokens.shape(0)});
    auto sums = empty<std::int32_t>({tokens.shape(0)});
    std::int8_t* out = numbers.mutable_data();
    float* out_scales = scales.mutable_data();
    std::int32_t* out_sums = sums.mutable_data();
    {
        const py::gil_scoped_release release;
        maxsim::pack_int8(each, scales.shape(0), out, out_scales, out_sums);
    }
    return py::make_tuple(numbers, scales, sums);
}

}  // namespace

void bind_maxsim(py::module_& parent) {
    using namespace pybind11::literals;
    auto module = parent.def_submodule("maxsim", "Sums of best matches between bags of tokens.");
    module.def("rows", [] {
        std::vector<std::string> names;
        for (const auto* row : maxsim::rows()) {
            names.emplace_back(isa_name(row->isa));
        }
        return names;
    });
    module.def("pack_int8", &pack_int8, "tokens"_a);
    module.def("scores", &scores, "queries"_a.noconvert(), "query_offsets"_a.noconvert(),
               "documents"_a, "scales"_a, "sums"_a, "offsets"_a.noconvert(), "weights"_a,
               "threads"_a, py::kw_only(), "isa"_a = "");
    module.def("candidates", &candidates, "queries"_a.noconvert(), "query_offsets"_a.noconvert(),
               "documents"_a, "scales"_a, "sums"_a, "offsets"_a.noconvert(), "weights"_a,
               "candidates"_a.noconvert(), "threads"_a, py::kw_only(), "isa"_a = "");
    module.def("topk", &topk, "queries"_a.noconvert(), "query_offsets"_a.noconvert(), "documents"_a,
               "scales"_a, "sums"_a, "offsets"_a.noconvert(), "weights"_a, "k"_a, "mask"_a,
               "threads"_a, py::kw_only(), "isa"_a = "");
    module.def("matches", &matches, "queries"_a.noconvert(), "query_offsets"_a.noconvert(),
               "documents"_a, "scales"_a, "sums"_a, "offsets"_a.noconvert(),
               "candidates"_a.noconvert(), "threads"_a, py::kw_only(), "isa"_a = "");
}

}  // namespace tersevec
