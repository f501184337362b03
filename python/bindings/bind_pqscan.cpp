// SPDX-License-Identifier: Apache-2.0
#include <pybind11/stl.h>

#include "arrays.h"
#include "core/checks.h"
#include "pqscan/pqscan.h"

namespace tersevec {
namespace {

using U8 = py::array_t<std::uint8_t>;
using F32 = py::array_t<float>;

std::int64_t subspaces_of(std::int64_t m) {
    require(m >= 1 && m <= 65536, "expected between 1 and 65536 sub-spaces");
    return m;
}

const float* tables_of(const F32& tables) {
    require(tables.ndim() == 3 && tables.shape(2) == pqscan::centroids,
            "tables: expected shape (queries, m, 16)");
    subspaces_of(tables.shape(1));
    return contiguous(tables, "tables");
}

/// Rows of bytes or blocks, of m sub-spaces.
pqscan::Codes codes_of(const U8& codes, std::int64_t n, std::int64_t m) {
    if (codes.ndim() == 2) {
        const auto rows = rows_of(codes, "codes");
        require(rows.n == n && rows.width == pqscan::code_bytes_of(m),
                "codes: expected n rows of ceil(m / 2) bytes");
        return {nullptr, rows, n, m};
    }
    require(codes.ndim() == 3 && codes.shape(0) * pqscan::block_codes >= n && codes.shape(1) == m &&
                codes.shape(2) == pqscan::centroids,
            "codes: expected blocks of n codes of m sub-spaces");
    return {contiguous(codes, "codes"), {}, n, m};
}

void pack(const U8& codes, U8 blocks, std::int64_t start) {
    const auto rows = rows_of(codes, "codes");
    require(blocks.ndim() == 3 && blocks.shape(2) == pqscan::centroids && start >= 0 &&
                blocks.shape(0) * pqscan::block_codes >= start + rows.n &&
                rows.width == pqscan::code_bytes_of(blocks.shape(1)),
            "blocks: expected room for the codes");
    std::uint8_t* out = writable(blocks, "blocks");
    const py::gil_scoped_release release;
    pqscan::pack(rows, out, blocks.shape(1) * pqscan::centroids, start);
}

U8 unpack(const U8& blocks, std::int64_t n) {
    require(blocks.ndim() == 3 && blocks.shape(2) == pqscan::centroids && n >= 0 &&
                blocks.shape(0) * pqscan::block_codes >= n,
            "blocks: expected blocks of n codes");
    const std::uint8_t* bytes = contiguous(blocks, "blocks");
    auto codes = empty<std::uint8_t>({n, pqscan::code_bytes_of(blocks.shape(1))});
    std::uint8_t* out = codes.mutable_data();
    const py::gil_scoped_release release;
    pqscan::unpack(bytes, n, blocks.shape(1), out);
    return codes;
}

/// The number of dimensions of a sub-space, after checking that x and the codebooks fit together.
std::int64_t dims_of(const Rows<float>& x, const F32& codebooks) {
    require(codebooks.ndim() == 3 && codebooks.shape(1) >= 1 && codebooks.shape(1) <= 256 &&
                codebooks.shape(2) >= 1,
            "codebooks: expected shape (m, n_centroids <= 256, dims)");
    require(x.width == subspaces_of(codebooks.shape(0)) * codebooks.shape(2),
            "x: expected m * dims columns");
    return codebooks.shape(2);
}

pqscan::Metric metric_of(const std::string& name) {
    require(name == "l2" || name == "ip", "metric: expected 'l2' or 'ip'");
    return name == "l2" ? pqscan::Metric::l2 : pqscan::Metric::ip;
}

U8 assign(const F32& x, const F32& codebooks, int threads, const std::string& isa) {
    require_scan(0, threads);
    const auto rows = rows_of(x, "x");
    const std::int64_t dims = dims_of(rows, codebooks);
    const pqscan::Assign task{
        rows, contiguous(codebooks, "codebooks"), nullptr, codebooks.shape(0), codebooks.shape(1),
        dims};
    const Isa at_most = isa_from_name(isa);
    auto assigned = empty<std::uint8_t>({rows.n, task.m});
    std::uint8_t* out = assigned.mutable_data();
    const py::gil_scoped_release release;
    pqscan::assign(task, threads, at_most, out);
    return assigned;
}

py::tuple centroid_sums(const F32& x, const U8& assigned, std::int64_t n_centroids, int threads) {
    require_scan(0, threads);
    const auto rows = rows_of(x, "x");
    require(assigned.ndim() == 2 && assigned.shape(0) == rows.n,
            "assigned: expected a row for each row of x");
    const std::int64_t m = subspaces_of(assigned.shape(1));
    const std::uint8_t* ids = contiguous(assigned, "assigned");
    require(rows.width % m == 0 && n_centroids >= 1 && n_centroids <= 256,
            "x: expected m * dims columns");
    require(
        std::all_of(ids, ids + assigned.size(), [&](std::uint8_t id) { return id < n_centroids; }),
        "assigned: expected values below n_centroids");
    auto sums = empty<double>({m, n_centroids, rows.width / m});
    auto counts = empty<std::int64_t>({m, n_centroids});
    double* sums_out = sums.mutable_data();
    std::int64_t* counts_out = counts.mutable_data();
    {
        const py::gil_scoped_release release;
        pqscan::centroid_sums(rows, ids, m, n_centroids, threads, sums_out, counts_out);
    }
    return py::make_tuple(sums, counts);
}

F32 lookup_tables(const F32& queries, const F32& codebooks, const std::string& metric,
                  int threads) {
    require_scan(0, threads);
    const auto rows = rows_of(queries, "queries");
    dims_of(rows, codebooks);
    const float* books = contiguous(codebooks, "codebooks");
    auto tables = empty<float>({rows.n, codebooks.shape(0), codebooks.shape(1)});
    float* out = tables.mutable_data();
    const py::gil_scoped_release release;
    pqscan::lookup_tables(rows, books, codebooks.shape(0), codebooks.shape(1), metric_of(metric),
                          threads, out);
    return tables;
}

F32 distances(const F32& tables, const U8& codes, std::int64_t n, int threads,
              const std::string& isa) {
    require_scan(n, threads);
    const float* entries = tables_of(tables);
    const auto base = codes_of(codes, n, tables.shape(1));
    const Isa at_most = isa_from_name(isa);
    auto result = empty<float>({tables.shape(0), n});
    float* out = result.mutable_data();
    const py::gil_scoped_release release;
    pqscan::distances(entries, tables.shape(0), base, threads, at_most, out);
    return result;
}

py::tuple topk(const F32& tables, const U8& codes, std::int64_t n, std::int64_t k,
               const py::object& mask, int threads, const std::string& isa) {
    require_scan(n, threads);
    require(k >= 1, "k: expected at least 1");
    const float* entries = tables_of(tables);
    const auto base = codes_of(codes, n, tables.shape(1));
    const Mask allowed = mask_of(mask, n);
    const Isa at_most = isa_from_name(isa);
    auto keys = empty<std::int64_t>({tables.shape(0), k});
    auto* out = reinterpret_cast<Key*>(keys.mutable_data());
    {
        const py::gil_scoped_release release;
        pqscan::topk({tables.shape(0), entries}, base, k, allowed, threads, at_most, out);
    }
    return topk_result<float>(keys, std::numeric_limits<float>::infinity(), &from_ordered_bits);
}

/// None where a number of the queries is beyond +-limit; then nothing was searched.
py::object search(const F32& queries, const F32& columns, const std::string& metric, float limit,
                  const U8& codes, std::int64_t n, std::int64_t k, const py::object& mask,
                  int threads, const std::string& isa) {
    require_scan(n, threads);
    require(k >= 1, "k: expected at least 1");
    const auto rows = rows_of(queries, "queries");
    require(columns.ndim() == 3 && columns.shape(2) == pqscan::centroids &&
                rows.width == subspaces_of(columns.shape(0)) * columns.shape(1),
            "columns: expected shape (m, dims, 16), and queries of m * dims numbers");
    const auto base = codes_of(codes, n, columns.shape(0));
    const Mask allowed = mask_of(mask, n);
    const Isa at_most = isa_from_name(isa);
    const pqscan::Tables tables{.n_queries = rows.n,
                                .queries = rows,
                                .columns = contiguous(columns, "columns"),
                                .metric = metric_of(metric)};
    auto keys = empty<std::int64_t>({rows.n, k});
    auto* out = reinterpret_cast<Key*>(keys.mutable_data());
    {
        const py::gil_scoped_release release;
        if (first_beyond(rows, limit) >= 0) {
            out = nullptr;
        } else {
            pqscan::topk(tables, base, k, allowed, threads, at_most, out);
        }
    }
    if (out == nullptr) {
        return py::none();
    }
    const float sign = tables.metric == pqscan::Metric::l2 ? 1.0f : -1.0f;
    return topk_result<float>(keys, sign * std::numeric_limits<float>::infinity(),
                              [sign](std::uint32_t bits) {
                                  const float distance = from_ordered_bits(bits);
                                  return sign > 0.0f ? distance : 0.0f - distance;  // no -0.0
                              });
}

py::tuple range_search(const F32& tables, const U8& codes, std::int64_t n, float radius,
                       const py::object& mask, int threads, const std::string& isa) {
    require_scan(n, threads);
    require(radius == radius, "radius: expected a number");
    const float* entries = tables_of(tables);
    const auto base = codes_of(codes, n, tables.shape(1));
    const Mask allowed = mask_of(mask, n);
    const Isa at_most = isa_from_name(isa);
    std::vector<std::vector<Key>> found;
    {
        const py::gil_scoped_release release;
        found = pqscan::range_search({tables.shape(0), entries}, base, radius, allowed, threads,
                                     at_most);
    }
    return range_result<float>(found, &from_ordered_bits);
}

std::vector<std::string> rows() {
    std::vector<std::string> names;
    for (const auto* row : pqscan::rows()) {
        names.emplace_back(isa_name(row->isa));
    }
    return names;
}

}  // namespace

void bind_pqscan(py::module_& parent) {
    using namespace py::literals;
    auto module = parent.def_submodule(
        "pqscan", "Product quantisation: assignment, tables, exact table scans.");
    module.attr("block_codes") = pqscan::block_codes;
    module.def("rows", &rows);
    module.def("pack", &pack, "codes"_a.noconvert(), "blocks"_a.noconvert(), "start"_a);
    module.def("unpack", &unpack, "blocks"_a.noconvert(), "n"_a);
    module.def("assign", &assign, "x"_a.noconvert(), "codebooks"_a.noconvert(), "threads"_a,
               py::kw_only(), "isa"_a = "");
    module.def("centroid_sums", &centroid_sums, "x"_a.noconvert(), "assigned"_a.noconvert(),
               "n_centroids"_a, "threads"_a);
    module.def("lookup_tables", &lookup_tables, "queries"_a.noconvert(), "codebooks"_a.noconvert(),
               "metric"_a, "threads"_a);
    module.def("distances", &distances, "tables"_a.noconvert(), "codes"_a.noconvert(), "n"_a,
               "threads"_a, py::kw_only(), "isa"_a = "");
    module.def("topk", &topk, "tables"_a.noconvert(), "codes"_a.noconvert(), "n"_a, "k"_a,
               "mask"_a.none(true), "threads"_a, py::kw_only(), "isa"_a = "");
    module.def("search", &search, "queries"_a.noconvert(), "columns"_a.noconvert(), "metric"_a,
               "limit"_a, "codes"_a.noconvert(), "n"_a, "k"_a, "mask"_a.none(true), "threads"_a,
               py::kw_only(), "isa"_a = "");
    module.def("range_search", &range_search, "tables"_a.noconvert(), "codes"_a.noconvert(), "n"_a,
               "radius"_a, "mask"_a.none(true), "threads"_a, py::kw_only(), "isa"_a = "");
}

}  // namespace tersevec
