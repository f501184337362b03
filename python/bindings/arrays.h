// SPDX-License-Identifier: Apache-2.0
/// NumPy arrays as views, and results as NumPy arrays. Checks here are those that memory safety
/// needs; the sentences for people are in Python.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/topk.h"
#include "core/views.h"

namespace tersevec {

namespace py = pybind11;

inline void require(bool condition, const char* message) {
    if (!condition) {
        throw py::value_error(message);
    }
}

/// Exactly this dtype, no conversion.
template <class T>
py::array_t<T> typed(const py::object& object, const char* name) {
    if (!py::array_t<T>::check_(object)) {
        throw py::type_error(std::string(name) + ": expected an array of dtype " +
                             py::str(py::dtype::of<T>()).cast<std::string>());
    }
    return py::reinterpret_borrow<py::array_t<T>>(object);
}

/// Contiguous rows, any distance between them.
template <class T>
Rows<T> rows_of(const py::array_t<T>& array, const char* name) {
    const bool rows = array.ndim() == 2 &&
                      (array.size() == 0 || array.shape(1) == 1 || array.strides(1) == sizeof(T));
    require(rows, (std::string(name) + ": expected two dimensions and contiguous rows").c_str());
    return {array.data(), array.shape(0), array.shape(1), array.strides(0)};
}

template <class T>
const T* contiguous(const py::array_t<T>& array, const char* name) {
    require((array.flags() & py::array::c_style) != 0,
            (std::string(name) + ": expected a C-contiguous array").c_str());
    return array.data();
}

template <class T>
T* writable(py::array_t<T>& array, const char* name) {
    contiguous(array, name);
    return array.mutable_data();  // refuses read-only arrays
}

inline Mask mask_of(const py::object& object, std::int64_t n) {
    if (object.is_none()) {
        return {nullptr};
    }
    const auto bits = typed<std::uint8_t>(object, "mask");
    require(bits.ndim() == 1 && bits.shape(0) == (n + 7) / 8, "mask: expected ceil(n / 8) bytes");
    return {contiguous(bits, "mask")};
}

template <class T>
py::array_t<T> empty(std::initializer_list<std::int64_t> shape) {
    return py::array_t<T>(std::vector<py::ssize_t>(shape.begin(), shape.end()));
}

inline void require_scan(std::int64_t n, int threads) {
    require(n >= 0 && n <= std::numeric_limits<std::int32_t>::max(),
            "n: expected at most 2**31 - 1 rows");
    require(threads >= 1, "threads: expected at least 1");
}

/// Top-k keys, written where the indices go, become values and indices. `value(bits)` undoes the
/// key's ordering.
template <class T, class Value>
py::tuple topk_result(py::array_t<std::int64_t> keys, T worst, Value value) {
    auto values = empty<T>({keys.shape(0), keys.shape(1)});
    std::int64_t* indices = keys.mutable_data();
    T* out = values.mutable_data();
    for (std::int64_t i = 0; i < keys.size(); ++i) {
        const auto key = static_cast<Key>(indices[i]);
        out[i] = key == no_hit ? worst : value(key_value(key));
        indices[i] = key == no_hit ? -1 : key_row(key);
    }
    return py::make_tuple(values, keys);
}

/// Sorted keys of each query become offsets, indices and values.
template <class T, class Value>
py::tuple range_result(const std::vector<std::vector<Key>>& found, Value value) {
    const auto n_queries = static_cast<std::int64_t>(found.size());
    auto offsets = empty<std::int64_t>({n_queries + 1});
    std::int64_t* ends = offsets.mutable_data();
    ends[0] = 0;
    for (std::int64_t q = 0; q < n_queries; ++q) {
        ends[q + 1] = ends[q] + static_cast<std::int64_t>(found[q].size());
    }
    auto indices = empty<std::int64_t>({ends[n_queries]});
    auto values = empty<T>({ends[n_queries]});
    std::int64_t* index = indices.mutable_data();
    T* out = values.mutable_data();
    for (const auto& keys : found) {
        for (const Key key : keys) {
            *index++ = key_row(key);
            *out++ = value(key_value(key));
        }
    }
    return py::make_tuple(offsets, indices, values);
}

}  // namespace tersevec
