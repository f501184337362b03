// SPDX-License-Identifier: Apache-2.0
#include <pybind11/stl.h>

#include "arrays.h"
#include "core/packed.h"
#include "symdist/symdist.h"

namespace tersevec {
namespace {

using U8 = py::array_t<std::uint8_t>;
using I8 = py::array_t<std::int8_t>;
using F32 = py::array_t<float>;

void require_shape(std::int64_t m, int n_bits) {
    require(m >= 1 && m <= 65536, "m: expected between 1 and 65536 numbers");
    require(n_bits >= 1 && n_bits <= symdist::max_bits, "n_bits: expected 1 to 8");
}

void require_blocks(const U8& blocks, std::int64_t n, std::int64_t m, int n_bits) {
    require_shape(m, n_bits);
    require(n >= 0 && blocks.ndim() == 3 && blocks.shape(0) * symdist::block_rows >= n &&
                blocks.shape(1) == symdist::block_lines(m, n_bits) &&
                blocks.shape(2) == symdist::line_bytes,
            "blocks: expected blocks of n codes of m numbers");
}

/// Rows of bytes or blocks, and a factor for each.
symdist::Codes codes_of(const U8& codes, std::int64_t n, std::int64_t m, int n_bits,
                        const F32& factors) {
    require_shape(m, n_bits);
    require(factors.ndim() == 1 && factors.shape(0) >= n, "factors: expected one for each code");
    symdist::Codes base{nullptr, {}, n, m, n_bits, contiguous(factors, "factors")};
    if (codes.ndim() == 2) {
        base.rows = rows_of(codes, "codes");
        require(base.rows.n == n && base.rows.width == packed_bytes_of(m, n_bits),
                "codes: expected n rows of ceil(m * n_bits / 8) bytes");
    } else {
        require_blocks(codes, n, m, n_bits);
        base.blocks = contiguous(codes, "codes");
    }
    return base;
}

symdist::Queries queries_of(const I8& queries, const F32& scales, int n_bits) {
    require(queries.ndim() == 2 && scales.ndim() == 1 && scales.shape(0) == queries.shape(0),
            "queries: expected shape (queries, m), and a scale for each");
    const std::int8_t* numbers = contiguous(queries, "queries");
    const int limit = n_bits == symdist::max_bits ? 63 : 127;
    require(std::all_of(numbers, numbers + queries.size(),
                        [&](std::int8_t number) { return number >= -limit && number <= limit; }),
            "queries: expected numbers from -127 to 127, or from -63 to 63 with 8 bits");
    return {numbers, contiguous(scales, "scales"), queries.shape(0)};
}

py::tuple block_shape(std::int64_t m, int n_bits) {
    require_shape(m, n_bits);
    return py::make_tuple(symdist::block_rows, symdist::block_lines(m, n_bits),
                          symdist::line_bytes);
}

U8 join(const U8& numbers, int n_bits) {
    require(numbers.ndim() == 2, "numbers: expected two dimensions");
    const std::int64_t n = numbers.shape(0), m = numbers.shape(1);
    require_shape(m, n_bits);
    const std::uint8_t* each = contiguous(numbers, "numbers");
    require(
        std::all_of(each, each + n * m, [&](std::uint8_t number) { return number >> n_bits == 0; }),
        "numbers: expected less than 2**n_bits");
    auto codes = empty<std::uint8_t>({n, packed_bytes_of(m, n_bits)});
    std::uint8_t* out = codes.mutable_data();
    const py::gil_scoped_release release;
    join_numbers(each, n, m, n_bits, out);
    return codes;
}

U8 split(const U8& codes, std::int64_t m, int n_bits) {
    require_shape(m, n_bits);
    const auto rows = rows_of(codes, "codes");
    require(rows.width == packed_bytes_of(m, n_bits),
            "codes: expected rows of ceil(m * n_bits / 8) bytes");
    auto numbers = empty<std::uint8_t>({rows.n, m});
    std::uint8_t* out = numbers.mutable_data();
    const py::gil_scoped_release release;
    split_numbers(rows, m, n_bits, out);
    return numbers;
}

void pack(const U8& codes, U8 blocks, std::int64_t m, int n_bits, std::int64_t start) {
    const auto rows = rows_of(codes, "codes");
    require(start >= 0, "start: expected at least 0");
    require_blocks(blocks, start + rows.n, m, n_bits);
    require(rows.width == packed_bytes_of(m, n_bits),
            "codes: expected rows of ceil(m * n_bits / 8) bytes");
    std::uint8_t* out = writable(blocks, "blocks");
    const py::gil_scoped_release release;
    symdist::pack(rows, out, m, n_bits, start);
}

U8 unpack(const U8& blocks, std::int64_t n, std::int64_t m, int n_bits) {
    require_blocks(blocks, n, m, n_bits);
    const std::uint8_t* bytes = contiguous(blocks, "blocks");
    auto codes = empty<std::uint8_t>({n, packed_bytes_of(m, n_bits)});
    std::uint8_t* out = codes.mutable_data();
    const py::gil_scoped_release release;
    symdist::unpack(bytes, n, m, n_bits, out);
    return codes;
}

F32 scores(const I8& queries, const F32& scales, const U8& codes, std::int64_t n, int n_bits,
           const F32& factors, int threads, const std::string& isa) {
    require_scan(n, threads);
    const auto wanted = queries_of(queries, scales, n_bits);
    const auto base = codes_of(codes, n, queries.shape(1), n_bits, factors);
    const Isa at_most = isa_from_name(isa);
    auto result = empty<float>({wanted.n, n});
    float* out = result.mutable_data();
    const py::gil_scoped_release release;
    symdist::scores(wanted, base, threads, at_most, out);
    return result;
}

constexpr float infinity = std::numeric_limits<float>::infinity();

float similarity(std::uint32_t bits) {
    return 0.0f - from_ordered_bits(bits);  // no -0.0
}

py::tuple topk(const I8& queries, const F32& scales, const U8& codes, std::int64_t n, int n_bits,
               const F32& factors, std::int64_t k, const py::object& mask, int threads,
               const std::string& isa) {
    require_scan(n, threads);
    require(k >= 1, "k: expected at least 1");
    const auto wanted = queries_of(queries, scales, n_bits);
    const auto base = codes_of(codes, n, queries.shape(1), n_bits, factors);
    const Mask allowed = mask_of(mask, n);
    const Isa at_most = isa_from_name(isa);
    auto keys = empty<std::int64_t>({wanted.n, k});
    auto* out = reinterpret_cast<Key*>(keys.mutable_data());
    {
        const py::gil_scoped_release release;
        symdist::topk(wanted, base, k, allowed, threads, at_most, out);
    }
    return topk_result<float>(keys, -infinity, &similarity);
}

py::tuple range_search(const I8& queries, const F32& scales, const U8& codes, std::int64_t n,
                       int n_bits, const F32& factors, float radius, const py::object& mask,
                       int threads, const std::string& isa) {
    require_scan(n, threads);
    require(radius == radius, "radius: expected a number");
    const auto wanted = queries_of(queries, scales, n_bits);
    const auto base = codes_of(codes, n, queries.shape(1), n_bits, factors);
    const Mask allowed = mask_of(mask, n);
    const Isa at_most = isa_from_name(isa);
    std::vector<std::vector<Key>> found;
    {
        const py::gil_scoped_release release;
        found = symdist::range_search(wanted, base, radius, allowed, threads, at_most);
    }
    return range_result<float>(found, &similarity);
}

}  // namespace

void bind_symdist(py::module_& parent) {
    using namespace pybind11::literals;
    auto module = parent.def_submodule("symdist", "Exact products of small whole numbers.");
    module.def("rows", [] {
        std::vector<std::string> names;
        for (const auto* row : symdist::rows()) {
            names.emplace_back(isa_name(row->isa));
        }
        return names;
    });
    module.def("block_shape", &block_shape, "m"_a, "n_bits"_a);
    module.def("join", &join, "numbers"_a.noconvert(), "n_bits"_a);
    module.def("split", &split, "codes"_a.noconvert(), "m"_a, "n_bits"_a);
    module.def("pack", &pack, "codes"_a.noconvert(), "blocks"_a.noconvert(), "m"_a, "n_bits"_a,
               "start"_a);
    module.def("unpack", &unpack, "blocks"_a.noconvert(), "n"_a, "m"_a, "n_bits"_a);
    module.def("scores", &scores, "queries"_a.noconvert(), "scales"_a.noconvert(),
               "codes"_a.noconvert(), "n"_a, "n_bits"_a, "factors"_a.noconvert(), "threads"_a,
               py::kw_only(), "isa"_a = "");
    module.def("topk", &topk, "queries"_a.noconvert(), "scales"_a.noconvert(),
               "codes"_a.noconvert(), "n"_a, "n_bits"_a, "factors"_a.noconvert(), "k"_a, "mask"_a,
               "threads"_a, py::kw_only(), "isa"_a = "");
    module.def("range_search", &range_search, "queries"_a.noconvert(), "scales"_a.noconvert(),
               "codes"_a.noconvert(), "n"_a, "n_bits"_a, "factors"_a.noconvert(), "radius"_a,
               "mask"_a, "threads"_a, py::kw_only(), "isa"_a = "");
}

}  // namespace tersevec
