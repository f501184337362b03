// SPDX-License-Identifier: Apache-2.0
#include <pybind11/stl.h>

#include "arrays.h"
#include "hamming/hamming.h"

namespace tersevec {
namespace {

using U8 = py::array_t<std::uint8_t>;
using U64 = py::array_t<std::uint64_t>;

/// Rows of bytes or blocks of words, as wide as the queries.
hamming::Codes codes_of(const py::array& codes, std::int64_t n, std::int64_t n_bytes) {
    const std::int64_t n_words = hamming::words_of(n_bytes);
    require(n_bytes >= 1 && n_bytes < (1 << 28), "queries: expected between 1 and 2**28 - 1 bytes");
    if (codes.ndim() == 2) {
        const auto rows = rows_of(typed<std::uint8_t>(codes, "codes"), "codes");
        require(rows.n == n && rows.width == n_bytes,
                "codes: expected n rows, as wide as the queries");
        return {nullptr, rows, n, n_words};
    }
    const auto blocks = typed<std::uint64_t>(codes, "codes");
    require(blocks.ndim() == 3 && blocks.shape(0) >= (n + 7) / 8 && blocks.shape(1) == n_words &&
                blocks.shape(2) == hamming::block_codes,
            "codes: expected blocks of n codes, as wide as the queries");
    return {contiguous(blocks, "codes"), {}, n, n_words};
}

void pack(const py::array& codes, U64 blocks, std::int64_t start) {
    const auto rows = rows_of(typed<std::uint8_t>(codes, "codes"), "codes");
    require(blocks.ndim() == 3 && blocks.shape(2) == hamming::block_codes && start >= 0 &&
                blocks.shape(0) * hamming::block_codes >= start + rows.n &&
                blocks.shape(1) == hamming::words_of(rows.width),
            "blocks: expected room for the codes");
    std::uint64_t* out = writable(blocks, "blocks");
    const py::gil_scoped_release release;
    hamming::pack(rows, out, blocks.shape(1) * hamming::block_codes, start);
}

U8 unpack(const U64& blocks, std::int64_t n, std::int64_t n_bytes) {
    require(blocks.ndim() == 3 && blocks.shape(2) == hamming::block_codes && n >= 0 &&
                n_bytes >= 0 && blocks.shape(0) * hamming::block_codes >= n &&
                blocks.shape(1) == hamming::words_of(n_bytes),
            "blocks: expected blocks of n codes");
    const std::uint64_t* words = contiguous(blocks, "blocks");
    auto codes = empty<std::uint8_t>({n, n_bytes});
    std::uint8_t* out = codes.mutable_data();
    const py::gil_scoped_release release;
    hamming::unpack(words, n, n_bytes, out);
    return codes;
}

U8 pack_bits(const py::array& x, int threads, const std::string& isa) {
    require_scan(0, threads);
    const auto rows = rows_of(typed<float>(x, "x"), "x");
    auto bits = empty<std::uint8_t>({rows.n, (rows.width + 7) / 8});
    std::uint8_t* out = bits.mutable_data();
    const Isa at_most = isa_from_name(isa);
    const py::gil_scoped_release release;
    hamming::pack_bits(rows, threads, at_most, out);
    return bits;
}

py::array_t<std::int32_t> distances(const py::array& a, const py::array& b, int threads,
                                    const std::string& isa) {
    const auto queries = rows_of(typed<std::uint8_t>(a, "a"), "a");
    require_scan(b.ndim() == 2 ? b.shape(0) : 0, threads);
    const auto codes = codes_of(b, b.ndim() == 2 ? b.shape(0) : 0, queries.width);
    auto result = empty<std::int32_t>({queries.n, codes.n});
    std::int32_t* out = result.mutable_data();
    const Isa at_most = isa_from_name(isa);
    const py::gil_scoped_release release;
    hamming::distances(queries, codes, threads, at_most, out);
    return result;
}

py::tuple topk(const py::array& queries, const py::array& codes, std::int64_t n, std::int64_t k,
               const py::object& mask, int threads, const std::string& isa) {
    require_scan(n, threads);
    require(k >= 1, "k: expected at least 1");
    const auto rows = rows_of(typed<std::uint8_t>(queries, "queries"), "queries");
    const auto base = codes_of(codes, n, rows.width);
    const Mask allowed = mask_of(mask, n);
    const Isa at_most = isa_from_name(isa);
    auto keys = empty<std::int64_t>({rows.n, k});
    auto* out = reinterpret_cast<Key*>(keys.mutable_data());
    {
        const py::gil_scoped_release release;
        hamming::topk(rows, base, k, allowed, threads, at_most, out);
    }
    return topk_result<std::int32_t>(
        keys, std::numeric_limits<std::int32_t>::max(),
        [](std::uint32_t value) { return static_cast<std::int32_t>(value); });
}

py::tuple range_search(const py::array& queries, const py::array& codes, std::int64_t n,
                       std::int64_t radius, const py::object& mask, int threads,
                       const std::string& isa) {
    require_scan(n, threads);
    require(radius >= 0, "radius: expected at least 0");
    const auto rows = rows_of(typed<std::uint8_t>(queries, "queries"), "queries");
    const auto base = codes_of(codes, n, rows.width);
    const Mask allowed = mask_of(mask, n);
    const Isa at_most = isa_from_name(isa);
    std::vector<std::vector<Key>> found;
    {
        const py::gil_scoped_release release;
        found = hamming::range_search(rows, base, radius, allowed, threads, at_most);
    }
    return range_result<std::int32_t>(
        found, [](std::uint32_t value) { return static_cast<std::int32_t>(value); });
}

std::vector<std::string> rows() {
    std::vector<std::string> names;
    for (const auto* row : hamming::rows()) {
        names.emplace_back(isa_name(row->isa));
    }
    return names;
}

}  // namespace

void bind_hamming(py::module_& parent) {
    using namespace py::literals;
    auto module = parent.def_submodule("hamming", "Hamming distances between binary codes.");
    module.attr("block_codes") = hamming::block_codes;
    module.def("rows", &rows);
    module.def("pack", &pack, "codes"_a, "blocks"_a.noconvert(), "start"_a);
    module.def("unpack", &unpack, "blocks"_a.noconvert(), "n"_a, "n_bytes"_a);
    module.def("pack_bits", &pack_bits, "x"_a, "threads"_a, py::kw_only(), "isa"_a = "");
    module.def("distances", &distances, "a"_a, "b"_a, "threads"_a, py::kw_only(), "isa"_a = "");
    module.def("topk", &topk, "queries"_a, "codes"_a, "n"_a, "k"_a, "mask"_a.none(true),
               "threads"_a, py::kw_only(), "isa"_a = "");
    module.def("range_search", &range_search, "queries"_a, "codes"_a, "n"_a, "radius"_a,
               "mask"_a.none(true), "threads"_a, py::kw_only(), "isa"_a = "");
}

}  // namespace tersevec
