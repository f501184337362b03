// SPDX-License-Identifier: Apache-2.0
#include <pybind11/stl.h>

#include "fde/fde.h"
#include "tokens.h"

namespace tersevec {
namespace {

using F32 = py::array_t<float>;

/// Buckets and signs of the count sketch, or nothing.
void set_sketch(fde::Encoder& encoder, const py::object& buckets, const py::object& signs) {
    if (buckets.is_none()) {
        require(encoder.width == encoder.n_repetitions * encoder.block_width(),
                "out: expected repetitions * 2**n_bits * n_dims columns");
        return;
    }
    const auto places = typed<std::int32_t>(buckets, "buckets");
    const auto each = typed<std::int8_t>(signs, "signs");
    const std::int64_t count = encoder.n_repetitions * encoder.block_width();
    require(places.ndim() == 1 && places.shape(0) == count && each.ndim() == 1 &&
                each.shape(0) == count,
            "buckets, signs: expected one for each number of the blocks");
    encoder.buckets = contiguous(places, "buckets");
    encoder.signs = contiguous(each, "signs");
    require(std::all_of(encoder.buckets, encoder.buckets + count,
                        [&](std::int32_t place) { return place >= 0 && place < encoder.width; }),
            "buckets: expected places below the columns of out");
}

fde::Output output_of(py::array& out, const py::object& scales, std::int64_t n) {
    require(out.ndim() == 2 && out.shape(0) == n && (out.flags() & py::array::c_style) != 0 &&
                out.writeable(),
            "out: expected writable C-contiguous rows, one for each document");
    const TokenType type = token_type(out, "out");
    if (type == TokenType::bfloat16) {
        throw py::type_error("out: expected float32, float16 or int8");
    }
    float* each = nullptr;
    if (type == TokenType::int8) {
        auto of_rows = typed<float>(scales, "out_scales");
        require(of_rows.ndim() == 1 && of_rows.shape(0) == n, "out_scales: expected one a row");
        each = writable(of_rows, "out_scales");
    }
    return {out.mutable_data(), type, each};
}

void encode(const py::array& tokens, const py::object& scales,
            const py::array_t<std::int64_t>& offsets, const F32& hashes,
            const py::object& projections, std::int64_t n_repetitions, int n_bits,
            std::int64_t n_dims, bool documents, bool fill, const py::object& buckets,
            const py::object& signs, py::array out, const py::object& out_scales, int threads,
            const std::string& isa) {
    const Ragged batch =
        ragged_of(tokens_of(tokens, scales, "tokens"), tokens.shape(0), offsets, "offsets");
    const std::int64_t dims = batch.tokens.dims;
    require(threads >= 1, "threads: expected at least 1");
    require(n_bits >= 0 && n_bits <= fde::max_bits, "n_bits: expected 0 to 30");
    require(n_repetitions >= 1 && n_repetitions <= 1 << 20, "n_repetitions: expected at least 1");
    require(n_dims >= 1 && n_dims <= 65536, "n_dims: expected at least 1");
    for (std::int64_t i = 0; i < batch.n; ++i) {
        require(batch.length(i) <= fde::max_tokens,
                "offsets: expected at most 2**27 - 1 tokens a document");
    }
    fde::Encoder encoder{rows_of(hashes, "hashes"),
                         {},
                         n_repetitions,
                         n_bits,
                         n_dims,
                         documents,
                         fill,
                         nullptr,
                         nullptr,
                         out.ndim() == 2 ? out.shape(1) : 0};
    require(encoder.hashes.n == dims && encoder.hashes.width == n_repetitions * n_bits,
            "hashes: expected shape (dims, repetitions * n_bits)");
    if (projections.is_none()) {
        require(n_dims == dims, "n_dims: expected the tokens' without projections");
    } else {
        encoder.projections = rows_of(typed<float>(projections, "projections"), "projections");
        require(
            encoder.projections.n == dims && encoder.projections.width == n_repetitions * n_dims,
            "projections: expected shape (dims, repetitions * n_dims)");
    }
    set_sketch(encoder, buckets, signs);
    const fde::Output result = output_of(out, out_scales, batch.n);
    const Isa at_most = isa_from_name(isa);
    const py::gil_scoped_release release;
    fde::encode(batch, encoder, result, threads, at_most);
}

}  // namespace

void bind_fde(py::module_& parent) {
    using namespace pybind11::literals;
    auto module = parent.def_submodule("fde", "Fixed-dimensional encodings of bags of tokens.");
    module.def("rows", [] {
        std::vector<std::string> names;
        for (const auto* row : fde::rows()) {
            names.emplace_back(isa_name(row->isa));
        }
        return names;
    });
    module.def("encode", &encode, "tokens"_a, "scales"_a, "offsets"_a.noconvert(),
               "hashes"_a.noconvert(), "projections"_a, "n_repetitions"_a, "n_bits"_a, "n_dims"_a,
               "documents"_a, "fill"_a, "buckets"_a, "signs"_a, "out"_a, "out_scales"_a,
               "threads"_a, py::kw_only(), "isa"_a = "");
}

}  // namespace tersevec
