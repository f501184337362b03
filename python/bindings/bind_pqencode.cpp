// SPDX-License-Identifier: Apache-2.0
#include <pybind11/stl.h>

#include "arrays.h"
#include "pqencode/pqencode.h"

namespace tersevec {
namespace {

using U8 = py::array_t<std::uint8_t>;
using F32 = py::array_t<float>;

/// Rows and codebooks that fit together.
pqencode::Encode task_of(const F32& x, const F32& codebooks, int threads) {
    require_scan(0, threads);
    require(codebooks.ndim() == 3 && codebooks.shape(0) >= 1 && codebooks.shape(0) <= 65536 &&
                codebooks.shape(1) >= 1 && codebooks.shape(1) <= 256 && codebooks.shape(2) >= 1,
            "codebooks: expected shape (m <= 65536, n_centroids <= 256, dims)");
    const auto rows = rows_of(x, "x");
    require(rows.width == codebooks.shape(0) * codebooks.shape(2), "x: expected m * dims columns");
    return {rows,
            contiguous(codebooks, "codebooks"),
            nullptr,
            nullptr,
            codebooks.shape(0),
            codebooks.shape(1),
            codebooks.shape(2)};
}

U8 assign(const F32& x, const F32& codebooks, int threads, const std::string& isa) {
    const auto task = task_of(x, codebooks, threads);
    const Isa at_most = isa_from_name(isa);
    auto assigned = empty<std::uint8_t>({task.x.n, task.m});
    std::uint8_t* out = assigned.mutable_data();
    const py::gil_scoped_release release;
    pqencode::assign(task, threads, at_most, out);
    return assigned;
}

U8 assign_anisotropic(const F32& x, const F32& codebooks, float eta, int threads,
                      const std::string& isa) {
    const auto task = task_of(x, codebooks, threads);
    const Isa at_most = isa_from_name(isa);
    auto assigned = empty<std::uint8_t>({task.x.n, task.m});
    std::uint8_t* out = assigned.mutable_data();
    const py::gil_scoped_release release;
    pqencode::assign_anisotropic(task, eta, threads, at_most, out);
    return assigned;
}

py::tuple centroid_sums(const F32& x, const U8& assigned, std::int64_t n_centroids, int threads) {
    require_scan(0, threads);
    const auto rows = rows_of(x, "x");
    require(assigned.ndim() == 2 && assigned.shape(0) == rows.n && assigned.shape(1) >= 1 &&
                assigned.shape(1) <= 65536,
            "assigned: expected a row for each row of x");
    const std::int64_t m = assigned.shape(1);
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
        pqencode::centroid_sums(rows, ids, m, n_centroids, threads, sums_out, counts_out);
    }
    return py::make_tuple(sums, counts);
}

F32 products(const F32& x, const F32& columns, int threads, const std::string& isa) {
    require_scan(0, threads);
    const auto rows = rows_of(x, "x");
    require(columns.ndim() == 2 && columns.shape(0) == rows.width,
            "columns: expected a row for each column of x");
    const float* from = contiguous(columns, "columns");
    const Isa at_most = isa_from_name(isa);
    auto result = empty<float>({rows.n, columns.shape(1)});
    float* out = result.mutable_data();
    const py::gil_scoped_release release;
    pqencode::products(rows, from, columns.shape(1), threads, at_most, out);
    return result;
}

U8 grid(const F32& x, const F32& metric, const F32& shaping, int n_bits, int sweeps, int threads,
        const std::string& isa) {
    require_scan(0, threads);
    const auto rows = rows_of(x, "x");
    require(rows.width >= 1 && n_bits >= 1 && n_bits <= 7 && sweeps >= 0,
            "x: expected at least 1 column; n_bits: 1 to 7; sweeps: at least 0");
    for (const F32* matrix : {&metric, &shaping}) {
        require(
            matrix->ndim() == 2 && matrix->shape(0) == rows.width && matrix->shape(1) == rows.width,
            "metric, shaping: expected shape (m, m)");
    }
    const pqencode::Grid task{rows, contiguous(metric, "metric"), contiguous(shaping, "shaping"),
                              n_bits, sweeps};
    const Isa at_most = isa_from_name(isa);
    auto numbers = empty<std::uint8_t>({rows.n, rows.width});
    std::uint8_t* out = numbers.mutable_data();
    const py::gil_scoped_release release;
    pqencode::grid(task, threads, at_most, out);
    return numbers;
}

std::vector<std::string> rows() {
    std::vector<std::string> names;
    for (const auto* row : pqencode::rows()) {
        names.emplace_back(isa_name(row->isa));
    }
    return names;
}

}  // namespace

void bind_pqencode(py::module_& parent) {
    using namespace py::literals;
    auto module = parent.def_submodule(
        "pqencode", "Product quantisation: what trains codebooks and encodes vectors.");
    module.def("rows", &rows);
    module.def("assign", &assign, "x"_a.noconvert(), "codebooks"_a.noconvert(), "threads"_a,
               py::kw_only(), "isa"_a = "");
    module.def("assign_anisotropic", &assign_anisotropic, "x"_a.noconvert(),
               "codebooks"_a.noconvert(), "eta"_a, "threads"_a, py::kw_only(), "isa"_a = "");
    module.def("centroid_sums", &centroid_sums, "x"_a.noconvert(), "assigned"_a.noconvert(),
               "n_centroids"_a, "threads"_a);
    module.def("grid", &grid, "x"_a.noconvert(), "metric"_a.noconvert(), "shaping"_a.noconvert(),
               "n_bits"_a, "sweeps"_a, "threads"_a, py::kw_only(), "isa"_a = "");
    module.def("products", &products, "x"_a.noconvert(), "columns"_a.noconvert(), "threads"_a,
               py::kw_only(), "isa"_a = "");
}

}  // namespace tersevec
