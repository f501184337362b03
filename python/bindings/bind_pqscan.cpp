// SPDX-License-Identifier: Apache-2.0
#include <pybind11/stl.h>

#include "arrays.h"
#include "core/checks.h"
#include "core/packed.h"
#include "pqscan/pqscan_bytes.h"
#include "pqscan_filter.h"

namespace tersevec {
namespace {

using U8 = py::array_t<std::uint8_t>;
using F32 = py::array_t<float>;

std::int64_t subspaces_of(std::int64_t m) {
    require(m >= 1 && m <= 65536, "expected between 1 and 65536 sub-spaces");
    return m;
}

int bits_of(int n_bits) {
    require(n_bits >= 4 && n_bits <= 8, "n_bits: expected 4 to 8");
    return n_bits;
}

/// n_bits of 2**n_bits centroids.
int bits_of_centroids(std::int64_t n_centroids) {
    for (int n_bits = 4; n_bits <= 8; ++n_bits) {
        if (std::int64_t{1} << n_bits == n_centroids) {
            return n_bits;
        }
    }
    throw py::value_error("tables: expected 16, 32, 64, 128 or 256 entries a sub-space");
}

/// Tables as they are, (queries, m, K).
pqscan::Tables tables_of(const F32& tables) {
    require(tables.ndim() == 3, "tables: expected shape (queries, m, K)");
    subspaces_of(tables.shape(1));
    return {.n_queries = tables.shape(0), .given = contiguous(tables, "tables")};
}

/// Rows of bytes or blocks, of m sub-spaces of K centroids.
pqscan::Codes codes_of(const U8& codes, std::int64_t n, std::int64_t m, std::int64_t n_centroids) {
    const int n_bits = bits_of_centroids(n_centroids);
    if (codes.ndim() == 2) {
        const auto rows = rows_of(codes, "codes");
        require(rows.n == n && rows.width == packed_bytes_of(m, n_bits),
                "codes: expected n rows of ceil(m * n_bits / 8) bytes");
        return {nullptr, rows, n, m, n_bits};
    }
    const auto shape = pqscan::block_shape(m, n_bits);
    require(codes.ndim() == 3 && codes.shape(0) * shape.codes >= n &&
                codes.shape(1) == shape.lines && codes.shape(2) == shape.line_bytes,
            "codes: expected blocks of n codes of m sub-spaces");
    return {contiguous(codes, "codes"), {}, n, m, n_bits};
}

/// Blocks with room for n codes.
void require_blocks(const U8& blocks, std::int64_t n, std::int64_t m, int n_bits) {
    const auto shape = pqscan::block_shape(subspaces_of(m), bits_of(n_bits));
    require(n >= 0 && blocks.ndim() == 3 && blocks.shape(0) * shape.codes >= n &&
                blocks.shape(1) == shape.lines && blocks.shape(2) == shape.line_bytes,
            "blocks: expected blocks of n codes of m sub-spaces");
}

void pack(const U8& codes, U8 blocks, std::int64_t m, int n_bits, std::int64_t start) {
    const auto rows = rows_of(codes, "codes");
    require(start >= 0, "start: expected at least 0");
    require_blocks(blocks, start + rows.n, m, n_bits);
    require(rows.width == packed_bytes_of(m, n_bits),
            "codes: expected rows of ceil(m * n_bits / 8) bytes");
    std::uint8_t* out = writable(blocks, "blocks");
    const py::gil_scoped_release release;
    pqscan::pack(rows, out, m, n_bits, start);
}

U8 unpack(const U8& blocks, std::int64_t n, std::int64_t m, int n_bits) {
    require_blocks(blocks, n, m, n_bits);
    const std::uint8_t* bytes = contiguous(blocks, "blocks");
    auto codes = empty<std::uint8_t>({n, packed_bytes_of(m, n_bits)});
    std::uint8_t* out = codes.mutable_data();
    const py::gil_scoped_release release;
    pqscan::unpack(bytes, n, m, n_bits, out);
    return codes;
}

py::tuple block_shape(std::int64_t m, int n_bits) {
    const auto shape = pqscan::block_shape(subspaces_of(m), bits_of(n_bits));
    return py::make_tuple(shape.codes, shape.lines, shape.line_bytes);
}

U8 join(const U8& assigned, int n_bits) {
    require(assigned.ndim() == 2, "assigned: expected two dimensions");
    const std::int64_t n = assigned.shape(0), m = subspaces_of(assigned.shape(1));
    const std::uint8_t* numbers = contiguous(assigned, "assigned");
    require(std::all_of(numbers, numbers + n * m,
                        [&](std::uint8_t number) { return number >> bits_of(n_bits) == 0; }),
            "assigned: expected numbers below 2**n_bits");
    auto codes = empty<std::uint8_t>({n, packed_bytes_of(m, n_bits)});
    std::uint8_t* out = codes.mutable_data();
    const py::gil_scoped_release release;
    join_numbers(numbers, n, m, n_bits, out);
    return codes;
}

U8 split(const U8& codes, std::int64_t m, int n_bits) {
    const auto rows = rows_of(codes, "codes");
    require(rows.width == packed_bytes_of(subspaces_of(m), bits_of(n_bits)),
            "codes: expected rows of ceil(m * n_bits / 8) bytes");
    auto numbers = empty<std::uint8_t>({rows.n, m});
    std::uint8_t* out = numbers.mutable_data();
    const py::gil_scoped_release release;
    split_numbers(rows, m, n_bits, out);
    return numbers;
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

F32 lookup_tables(const F32& queries, const F32& codebooks, const std::string& metric, int threads,
                  const std::string& isa) {
    require_scan(0, threads);
    const auto rows = rows_of(queries, "queries");
    dims_of(rows, codebooks);
    bits_of_centroids(codebooks.shape(1));
    const float* books = contiguous(codebooks, "codebooks");
    const Isa at_most = isa_from_name(isa);
    auto tables = empty<float>({rows.n, codebooks.shape(0), codebooks.shape(1)});
    float* out = tables.mutable_data();
    const py::gil_scoped_release release;
    pqscan::lookup_tables(rows, books, codebooks.shape(0), codebooks.shape(1), metric_of(metric),
                          threads, at_most, out);
    return tables;
}

F32 distances(const F32& tables, const U8& codes, std::int64_t n, int threads,
              const std::string& isa) {
    require_scan(n, threads);
    const auto given = tables_of(tables);
    const auto base = codes_of(codes, n, tables.shape(1), tables.shape(2));
    const Isa at_most = isa_from_name(isa);
    auto result = empty<float>({given.n_queries, n});
    float* out = result.mutable_data();
    const py::gil_scoped_release release;
    pqscan::distances(given.given, given.n_queries, base, threads, at_most, out);
    return result;
}

constexpr float infinity = std::numeric_limits<float>::infinity();

py::tuple find_best(const pqscan::Tables& tables, const pqscan::Codes& codes, std::int64_t k,
                    const Filter& filter, int threads, const std::string& isa) {
    require_scan(codes.n, threads);
    require(k >= 1, "k: expected at least 1");
    const Isa at_most = isa_from_name(isa);
    auto keys = empty<std::int64_t>({tables.n_queries, k});
    auto* out = reinterpret_cast<Key*>(keys.mutable_data());
    {
        const py::gil_scoped_release release;
        pqscan::topk(tables, codes, k, filter.view, threads, at_most, out);
    }
    return topk_result<float>(keys, infinity, &from_ordered_bits);
}

py::tuple find_within(const pqscan::Tables& tables, const pqscan::Codes& codes, float radius,
                      const Filter& filter, int threads, const std::string& isa) {
    require_scan(codes.n, threads);
    require(radius == radius, "radius: expected a number");
    const Isa at_most = isa_from_name(isa);
    std::vector<std::vector<Key>> found;
    {
        const py::gil_scoped_release release;
        found = pqscan::range_search(tables, codes, radius, filter.view, threads, at_most);
    }
    return range_result<float>(found, &from_ordered_bits);
}

py::tuple topk(const F32& tables, const U8& codes, std::int64_t n, std::int64_t k,
               const py::object& mask, int threads, const py::object& segments,
               const py::object& bias, const std::string& isa) {
    const auto given = tables_of(tables);
    const auto base = codes_of(codes, n, tables.shape(1), tables.shape(2));
    const Filter filter(mask, segments, bias, given.n_queries, n);
    return find_best(given, base, k, filter, threads, isa);
}

py::tuple range_search(const F32& tables, const U8& codes, std::int64_t n, float radius,
                       const py::object& mask, int threads, const py::object& segments,
                       const py::object& bias, const std::string& isa) {
    const auto given = tables_of(tables);
    const auto base = codes_of(codes, n, tables.shape(1), tables.shape(2));
    const Filter filter(mask, segments, bias, given.n_queries, n);
    return find_within(given, base, radius, filter, threads, isa);
}

/// The tables of every two centroids, (K, m, K), and the codes that choose from them.
pqscan::Tables tables_of_pairs(const F32& pairs, const U8& q_codes) {
    require(pairs.ndim() == 3 && pairs.shape(0) == pairs.shape(2),
            "pairs: expected shape (K, m, K)");
    const int n_bits = bits_of_centroids(pairs.shape(2));
    const auto rows = rows_of(q_codes, "q_codes");
    require(rows.width == packed_bytes_of(subspaces_of(pairs.shape(1)), n_bits),
            "q_codes: expected rows of ceil(m * n_bits / 8) bytes");
    return {.n_queries = rows.n, .pairs = contiguous(pairs, "pairs"), .codes = rows};
}

py::tuple symmetric_topk(const F32& pairs, const U8& q_codes, const U8& codes, std::int64_t n,
                         std::int64_t k, const py::object& mask, int threads,
                         const std::string& isa) {
    const auto tables = tables_of_pairs(pairs, q_codes);
    const auto base = codes_of(codes, n, pairs.shape(1), pairs.shape(2));
    const Filter filter(mask, py::none(), py::none(), tables.n_queries, n);
    return find_best(tables, base, k, filter, threads, isa);
}

py::tuple symmetric_range(const F32& pairs, const U8& q_codes, const U8& codes, std::int64_t n,
                          float radius, const py::object& mask, int threads,
                          const py::object& segments, const std::string& isa) {
    const auto tables = tables_of_pairs(pairs, q_codes);
    const auto base = codes_of(codes, n, pairs.shape(1), pairs.shape(2));
    const Filter filter(mask, segments, py::none(), tables.n_queries, n);
    return find_within(tables, base, radius, filter, threads, isa);
}

/// Tables that are made of queries and columns (m, dims, K).
pqscan::Tables tables_of_columns(const F32& queries, const F32& columns,
                                 const std::string& metric) {
    const auto rows = rows_of(queries, "queries");
    require(columns.ndim() == 3 && rows.width == subspaces_of(columns.shape(0)) * columns.shape(1),
            "columns: expected shape (m, dims, K), and queries of m * dims numbers");
    return {.n_queries = rows.n,
            .columns = contiguous(columns, "columns"),
            .queries = rows,
            .metric = metric_of(metric)};
}

/// What `search` of these queries asks before it chooses its way.
bool products_pay(const F32& queries, const F32& columns, const std::string& isa) {
    const auto tables = tables_of_columns(queries, columns, "l2");
    const int n_bits = bits_of_centroids(columns.shape(2));
    const pqscan::Codes codes{nullptr, {}, 0, columns.shape(0), n_bits};
    return pqscan::products_pay(tables, codes, isa_from_name(isa));
}

/// None where a number of the queries is beyond +-limit; then nothing was searched.
py::object search(const F32& queries, const F32& columns, const std::string& metric, float limit,
                  const U8& codes, std::int64_t n, std::int64_t k, const py::object& mask,
                  int threads, const py::object& segments, const py::object& bias,
                  const std::string& isa) {
    require_scan(n, threads);
    require(k >= 1, "k: expected at least 1");
    const auto tables = tables_of_columns(queries, columns, metric);
    const auto base = codes_of(codes, n, columns.shape(0), columns.shape(2));
    Filter filter(mask, segments, bias, tables.n_queries, n);
    const Isa at_most = isa_from_name(isa);
    const float sign = tables.metric == pqscan::Metric::l2 ? 1.0f : -1.0f;
    std::vector<float> negated;
    if (sign < 0.0f && filter.view.bias != nullptr) {
        const auto n_segments = static_cast<std::int64_t>(filter.segments.size());
        std::transform(filter.view.bias, filter.view.bias + tables.n_queries * n_segments,
                       std::back_inserter(negated), std::negate<>());
        filter.view.bias = negated.data();
    }
    auto keys = empty<std::int64_t>({tables.n_queries, k});
    auto* out = reinterpret_cast<Key*>(keys.mutable_data());
    {
        const py::gil_scoped_release release;
        if (first_beyond(tables.queries, limit) >= 0) {
            out = nullptr;
        } else {
            pqscan::topk(tables, base, k, filter.view, threads, at_most, out);
        }
    }
    if (out == nullptr) {
        return py::none();
    }
    return topk_result<float>(keys, sign * infinity, [sign](std::uint32_t bits) {
        const float distance = from_ordered_bits(bits);
        return sign > 0.0f ? distance : 0.0f - distance;  // no -0.0
    });
}

py::tuple quantised_topk(const F32& tables, const U8& codes, std::int64_t n, std::int64_t k,
                         const py::object& mask, int threads, const py::object& segments,
                         const std::string& isa) {
    require_scan(n, threads);
    require(k >= 1, "k: expected at least 1");
    const auto given = tables_of(tables);
    const auto base = codes_of(codes, n, tables.shape(1), tables.shape(2));
    const Filter filter(mask, segments, py::none(), given.n_queries, n);
    const Isa at_most = isa_from_name(isa);
    auto indices = empty<std::int64_t>({given.n_queries, k});
    auto lower = empty<float>({given.n_queries, k});
    auto upper = empty<float>({given.n_queries, k});
    auto* keys = reinterpret_cast<Key*>(indices.mutable_data());
    float* lowest = lower.mutable_data();
    float* highest = upper.mutable_data();
    const py::gil_scoped_release release;
    pqscan::quantised_topk(given, base, k, filter.view, threads, at_most, keys, lowest, highest);
    for (std::int64_t i = 0; i < given.n_queries * k; ++i) {
        keys[i] = keys[i] == no_hit ? no_hit : static_cast<Key>(key_row(keys[i]));  // no_hit is -1
    }
    const py::gil_scoped_acquire acquire;
    return py::make_tuple(lower, upper, indices);
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
    auto module =
        parent.def_submodule("pqscan", "Product quantisation: layouts, tables, exact table scans.");
    module.def("rows", &rows);
    module.def("block_shape", &block_shape, "m"_a, "n_bits"_a);
    module.def("join", &join, "assigned"_a.noconvert(), "n_bits"_a);
    module.def("split", &split, "codes"_a.noconvert(), "m"_a, "n_bits"_a);
    module.def("pack", &pack, "codes"_a.noconvert(), "blocks"_a.noconvert(), "m"_a, "n_bits"_a,
               "start"_a);
    module.def("unpack", &unpack, "blocks"_a.noconvert(), "n"_a, "m"_a, "n_bits"_a);
    module.def("lookup_tables", &lookup_tables, "queries"_a.noconvert(), "codebooks"_a.noconvert(),
               "metric"_a, "threads"_a, py::kw_only(), "isa"_a = "");
    module.def("distances", &distances, "tables"_a.noconvert(), "codes"_a.noconvert(), "n"_a,
               "threads"_a, py::kw_only(), "isa"_a = "");
    module.def("topk", &topk, "tables"_a.noconvert(), "codes"_a.noconvert(), "n"_a, "k"_a,
               "mask"_a.none(true), "threads"_a, py::kw_only(), "segments"_a = py::none(),
               "bias"_a = py::none(), "isa"_a = "");
    module.def("products_pay", &products_pay, "queries"_a.noconvert(), "columns"_a.noconvert(),
               py::kw_only(), "isa"_a = "");
    module.def("search", &search, "queries"_a.noconvert(), "columns"_a.noconvert(), "metric"_a,
               "limit"_a, "codes"_a.noconvert(), "n"_a, "k"_a, "mask"_a.none(true), "threads"_a,
               py::kw_only(), "segments"_a = py::none(), "bias"_a = py::none(), "isa"_a = "");
    module.def("range_search", &range_search, "tables"_a.noconvert(), "codes"_a.noconvert(), "n"_a,
               "radius"_a, "mask"_a.none(true), "threads"_a, py::kw_only(),
               "segments"_a = py::none(), "bias"_a = py::none(), "isa"_a = "");
    module.def("quantised_topk", &quantised_topk, "tables"_a.noconvert(), "codes"_a.noconvert(),
               "n"_a, "k"_a, "mask"_a.none(true), "threads"_a, py::kw_only(),
               "segments"_a = py::none(), "isa"_a = "");
    module.def("symmetric_topk", &symmetric_topk, "pairs"_a.noconvert(), "q_codes"_a.noconvert(),
               "codes"_a.noconvert(), "n"_a, "k"_a, "mask"_a.none(true), "threads"_a, py::kw_only(),
               "isa"_a = "");
    module.def("symmetric_range", &symmetric_range, "pairs"_a.noconvert(), "q_codes"_a.noconvert(),
               "codes"_a.noconvert(), "n"_a, "radius"_a, "mask"_a.none(true), "threads"_a,
               py::kw_only(), "segments"_a = py::none(), "isa"_a = "");
}

}  // namespace tersevec
