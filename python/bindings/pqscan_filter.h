// SPDX-License-Identifier: Apache-2.0
/// The rows of a base that a scan of product codes may find, from Python's arguments.
#pragma once

#include <vector>

#include "arrays.h"
#include "pqscan/pqscan.h"

namespace tersevec {

/// Holds what a filter points at.
struct Filter {
    std::vector<Segment> segments;
    pqscan::Filter view;

    Filter(const py::object& mask, const py::object& ranges, const py::object& bias,
           std::int64_t n_queries, std::int64_t n) {
        if (!mask.is_none()) {
            const auto bits = typed<std::uint8_t>(mask, "mask");
            const std::int64_t n_bytes = (n + 7) / 8;
            const bool shared = bits.ndim() == 1 && bits.shape(0) == n_bytes;
            require(shared || (bits.ndim() == 2 && bits.shape(0) == n_queries &&
                               bits.shape(1) == n_bytes),
                    "mask: expected ceil(n / 8) bytes, or so many for each query");
            view.mask = {contiguous(bits, "mask"), shared ? 0 : n_bytes};
        }
        if (!ranges.is_none()) {
            const auto ends = typed<std::int64_t>(ranges, "segments");
            require(ends.ndim() == 2 && ends.shape(1) == 2, "segments: expected shape (?, 2)");
            const std::int64_t* end = contiguous(ends, "segments");
            for (std::int64_t s = 0; s < ends.shape(0); ++s, end += 2) {
                require(0 <= end[0] && end[0] <= end[1] && end[1] <= n,
                        "segments: expected 0 <= start <= stop <= n");
                segments.push_back({end[0], end[1]});
            }
            if (segments.empty()) {
                segments.push_back({0, 0});
            }
            view.segments = segments;
        }
        if (!bias.is_none()) {
            const auto values = typed<float>(bias, "bias");
            require(!ranges.is_none() && values.ndim() == 2 && values.shape(0) == n_queries &&
                        values.shape(1) == typed<std::int64_t>(ranges, "segments").shape(0),
                    "bias: expected shape (queries, segments)");
            view.bias = segments.size() == 1 && segments[0].end_row == 0
                            ? nullptr
                            : contiguous(values, "bias");
        }
    }
};

}  // namespace tersevec
