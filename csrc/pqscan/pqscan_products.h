// SPDX-License-Identifier: Apache-2.0
/// Scans by products: codes decoded to bytes, queries rounded to bytes.
///
/// For a query, value(row) = scale * product + offset of the row stands for the row's distance: for
/// every row, value + least <= distance <= value + most. Both ends are sums over sub-spaces of the
/// least and the largest difference, over all centroids, between the table's entry and what value
/// has for it; the rounding of floats is added. So a row can only have a distance <= theta if its
/// value is <= theta - least; and where k rows have values up to v, no row with a value above
/// v + most - least is among the best k. What is left is added again in float32, in order.
#pragma once

#include <cmath>
#include <limits>

#include "pqscan/pqscan_bytes.h"
#include "pqscan/pqscan_part.h"
#include "pqscan/pqscan_rescore.h"
#include "symdist/symdist.h"
#include "symdist/symdist_tiles.h"

namespace tersevec::pqscan {

/// What a value stands for.
template <class Layout>
class ProductQuery : public Rescorer<Layout> {
public:
    using Bound = float;
    static constexpr bool knows_most = true;

    ProductQuery(const float* table, const Codes& codes, const ByteQuery& bytes)
        : Rescorer<Layout>(table, codes), bytes_(bytes) {}

    const void* version() const noexcept { return nullptr; }

    static std::uint32_t key_of(Bound bound) noexcept { return ordered_bits(bound); }

    Bound bound(float theta, float bias) const noexcept {
        return above(double{theta} - double{bias} - bytes_.least + of_bias(bias));
    }
    float most(std::uint32_t value, float bias) const noexcept {
        return above(double{from_ordered_bits(value)} + double{bias} + bytes_.most + of_bias(bias));
    }

private:
    /// A float above the number.
    static float above(double number) noexcept {
        return std::nextafter(static_cast<float>(number), std::numeric_limits<float>::infinity());
    }
    /// The bias is one more addition in float32, rounded by no more than this.
    double of_bias(float bias) const noexcept {
        return (std::abs(double{bias}) + std::max(std::abs(bytes_.least), std::abs(bytes_.most))) *
               0x1p-22;
    }

    ByteQuery bytes_;
};

template <class Layout>
class ProductQueries {
public:
    using Query = ProductQuery<Layout>;
    static constexpr int block_codes = symdist::group_rows;

    ProductQueries(const Tables& tables, const Codes& codes, const Part& part,
                   const ByteCentroids& centroids, Isa at_most)
        : part_(part),
          codes_(codes),
          dims_(tables.queries.width),
          centroids_(centroids),
          below_(pick(symdist::rows(), &symdist::Kernels::below_offset, at_most)),
          decode_(pick(rows(), decoder<Layout>, at_most)),
          bytes_(part.n_queries, symdist::panel_lines(dims_)) {
        const TableKernels& kernels = *pick(rows(), &Kernels::tables, at_most);
        const std::int64_t entries = codes.m * codes.centroids();
        const float* mine = tables_of_part(tables, codes, part, kernels, made_);
        for (std::int64_t q = 0; q < part.n_queries; ++q, mine += entries) {
            const ByteQuery query(tables.queries[part.first_query + q], mine, centroids, codes,
                                  kernels, bytes_.numbers(q));
            bytes_.set_value(q, 0, query.scale);
            queries_.emplace_back(mine, codes, query);
        }
    }

    const Query& operator[](std::int64_t q) const noexcept { return queries_[q]; }

    /// Hands the part's rows below `bound(q, bias)` to `take(q, bias, keys, count)`.
    template <class GetBound, class Take>
    void scan(const Filter& filter, std::int64_t, GetBound bound, Take take) {
        std::vector<float> offsets;
        Runs runs(panels(offsets), part_, filter.segments);
        offsets.resize(runs.max_rows());
        const auto bias = [&](std::int64_t q) {
            return bias_of(filter, part_.first_query + q, runs.segment());
        };
        symdist::PanelScan scan{.lines = symdist::panel_lines(dims_),
                                .largest_number = centroids_.largest};
        scan.terms = offsets.data();
        scan_below<float>(
            runs, scan, bytes_.tiles(), below_,
            [&](symdist::PanelScan& run, const Tile& tile) {
                bytes_.aim(run, tile, filter.mask.from_query(part_.first_query + tile.first));
                run.skipped_rows = runs.skipped_rows();
                return false;
            },
            [&](std::int64_t q) { return bound(q, bias(q)); },
            [&](std::int64_t q, const Key* keys, std::int64_t count) {
                take(q, bias(q), keys, count);
            });
    }

private:
    /// Codes as panels, and their rows' offsets.
    Blocked<std::uint8_t> panels(std::vector<float>& offsets) {
        const std::int64_t lines = symdist::panel_lines(dims_);
        const Decode decode{.bytes = centroids_.bytes.data(),
                            .words = centroids_.words.data(),
                            .m = codes_.m,
                            .dims = centroids_.dims,
                            .n_centroids = codes_.centroids(),
                            .lines = lines,
                            .zero = centroids_.zero};
        return {
            nullptr,
            codes_.n,
            symdist::group_rows * symdist::line_dims * lines,
            symdist::group_rows,
            [this, decode, &offsets](std::int64_t row, std::int64_t count, std::uint8_t* panel) {
                const std::uint8_t* blocks =
                    codes_.blocks + row / Layout::block_codes * block_bytes_of<Layout>(codes_.m);
                if (codes_.blocks == nullptr) {
                    packed_.resize((count + Layout::block_codes - 1) / Layout::block_codes *
                                   block_bytes_of<Layout>(codes_.m));
                    pack(codes_.rows.slice(row, count), packed_.data(), codes_.m, codes_.n_bits, 0);
                    blocks = packed_.data();
                }
                squares_.resize(offsets.size());
                decode_(decode, blocks, count, panel, squares_.data());
                for (std::int64_t r = 0; r < count; ++r) {
                    offsets[r] = centroids_.unit * static_cast<float>(squares_[r]);
                }
            },
            symdist::panel_bytes_for(part_.n_queries)};
    }

    Part part_;
    Codes codes_;
    std::int64_t dims_;  // of a vector
    const ByteCentroids& centroids_;
    symdist::PanelBelow below_;
    DecodeGroups decode_;
    symdist::QueryTiles bytes_;
    std::unique_ptr<float[]> made_;
    std::vector<Query> queries_;
    std::vector<std::uint8_t> packed_;
    std::vector<std::int32_t> squares_;
};

/// A search by products.
template <class Layout>
struct ByProducts {
    using Queries = ProductQueries<Layout>;

    ByProducts(const Tables& all, const Codes& base, Isa level)
        : tables(all), codes(base), at_most(level), centroids(all, base, level) {}

    const Tables& tables;
    const Codes& codes;
    Isa at_most;
    ByteCentroids centroids;

    Queries operator()(const Part& part) const {
        return Queries(tables, codes, part, centroids, at_most);
    }
};

}  // namespace tersevec::pqscan
