// SPDX-License-Identifier: Apache-2.0
/// What trains and encodes: nearest centroids, their sums, anisotropic codes, matrix products.
///
/// Vectors and centroids have their sub-spaces side by side: sub-space j of a row x is
/// x[j * dims] ... x[(j + 1) * dims - 1], its centroids are codebooks[j].
/// Exactness: every product, sum, difference and quotient below is rounded to float32 on its own,
/// in the order written, on every level; so every level gives the same bytes and floats.
/// Ties: the lower centroid.
/// Limits: 1 <= m <= 65536, 1 to 256 centroids, n < 2^31, numbers whose squares and products stay
/// finite when summed. No alignment needed.
/// Floor: a multiplication and an addition for each coordinate and centroid, two in a cycle; rows
/// are read once.
#pragma once

#include <cstdint>
#include <span>

#include "core/isa.h"
#include "core/views.h"

namespace tersevec::pqencode {

/// Longest sub-vector that the vector levels encode; the reference takes all.
inline constexpr std::int64_t vector_dims = 256;
/// Most rows that a level works on at once: scratch memory is for so many.
inline constexpr std::int64_t most_lanes = 16;
/// Anisotropic codes settle within a few passes; the last pass is taken as it is.
inline constexpr int most_passes = 10;
/// Rows of less squared length have no direction to speak of.
inline constexpr float least_length = 0x1p-100f;
/// Columns that `products` works on at once.
inline constexpr std::int64_t panel_columns = 64;

/// Rows to encode, and centroids.
struct Encode {
    Rows<float> x;                 // (n, m * dims)
    const float* codebooks;        // (m, n_centroids, dims)
    const float* half_norms;       // (m, n_centroids): 0.5 * |c|^2, summed in order
    const float* most_half_norms;  // (m): the largest of each sub-space
    std::int64_t m;
    std::int64_t n_centroids;  // at most 256
    std::int64_t dims;
};

/// Some columns of a matrix, `stride` floats from row to row.
struct Panel {
    const float* columns;  // (depth, panel_columns), all readable
    std::int64_t stride;
    std::int64_t width;  // columns that are wanted, from the first
};

/// Rows to round to the grid of odd whole numbers c from -(2^n_bits - 1) to 2^n_bits - 1.
struct Grid {
    Rows<float> x;         // (n, m)
    const float* metric;   // (m, m), symmetric: errors e count as e * metric * e
    const float* shaping;  // (m, m): metric = L D L', L with a unit diagonal; what is below it
    int n_bits;            // 1 to 7
    int sweeps;            // over a row's numbers; none: the metric does not count
};

inline constexpr float least_step = 1e-30f;

inline std::int64_t scratch_floats(const Grid& task) noexcept {
    return 4 * most_lanes * task.x.width;
}

inline std::int64_t scratch_floats(const Encode& task) noexcept {
    return most_lanes * task.m * (task.n_centroids + 2);
}

struct Kernels {
    Isa isa;
    /// out[i * m + j] = the centroid with the lowest score 0.5 |c|^2 - <x, c>; the product is taken
    /// off term by term.
    void (*assign)(const Encode&, std::int64_t first_row, std::int64_t n_rows,
                   std::uint8_t* out) noexcept = nullptr;
    /// out[i * m + j]: codes of low |r|^2 + (eta - 1) <r, x>^2 / |x|^2 with r = x - decoded row.
    ///   p[j][k]  = 0 + <x, c>, term by term;  length = |x|^2, over all coordinates
    ///   weight   = half_weight / length, 0 where length < least_length;  half_weight = (eta-1) / 2
    ///   start    the lowest 0.5 |c|^2 - p of each sub-space
    ///   a pass   e = length - p[0][code] - p[1][code] - ...; then for each j
    ///            a = e + p[j][code], code = the lowest (0.5 |c|^2 - p) + (weight * b) * b of
    ///            b = a - p[j][k], e = a - p[j][code]
    /// until a pass changes no code of the row, `most_passes` of them at most.
    void (*assign_anisotropic)(const Encode&, float half_weight, std::int64_t first_row,
                               std::int64_t n_rows, float* scratch,
                               std::uint8_t* out) noexcept = nullptr;
    /// out[i * m + j] = (c + 2^n_bits - 1) / 2. Sums start at 0 and go from j = 0 up.
    ///   start    c = the sign of x (of 0: 1) times 2 min(floor(|x| / w), 2^(n_bits - 1) - 1) + 1,
    ///            at the w = max(width * (sum |x| / m), least_step) of the largest
    ///            (sum |x| |c|)^2 / sum c^2, the first of equals;  step = sum x c / sum c^2
    ///   where step > least_step, and there are sweeps; grid(t): the odd number below t's next even
    ///   one, t cut to the ends of the grid before:
    ///   shaping  t = x; for j from m - 1 down: c[j] = grid(t[j] / step), e = x[j] - step c[j],
    ///            t[i] += shaping[j][i] e for i < j
    ///   a sweep  y[i] = sum over j of metric[j][i] c[j];  r likewise of x
    ///            step = sum x y / sum c y if that is above least_step;  g = r - step y
    ///            for each j: t = c[j] + g[j] / (metric[j][j] step), moved = step (grid(t) - c[j]),
    ///            g[i] -= metric[j][i] moved for all i, c[j] = grid(t)
    void (*grid)(const Grid&, std::int64_t first_row, std::int64_t n_rows, float* scratch,
                 std::uint8_t* out) noexcept = nullptr;
    /// out[i * out_stride + c] = 0 + x[i][0] * column c [0] + x[i][1] * column c [1] + ...
    void (*products)(Rows<float> x, Panel panel, float* out,
                     std::int64_t out_stride) noexcept = nullptr;
};
std::span<const Kernels* const> rows() noexcept;

/// out (n, m), see Kernels::assign. Norms of `task` are filled in here.
void assign(Encode task, int threads, Isa at_most, std::uint8_t* out);

/// out (n, m), see Kernels::assign_anisotropic. Holds scratch_floats for each thread.
void assign_anisotropic(Encode task, float eta, int threads, Isa at_most, std::uint8_t* out);

/// out (n, m), see Kernels::grid. Holds scratch_floats for each thread.
void grid(const Grid& task, int threads, Isa at_most, std::uint8_t* out);

/// sums (m, n_centroids, dims) and counts (m, n_centroids) of the rows assigned to each centroid:
/// float64, in row order.
void centroid_sums(Rows<float> x, const std::uint8_t* assigned, std::int64_t m,
                   std::int64_t n_centroids, int threads, double* sums, std::int64_t* counts);

/// out (x.n, n_columns) of columns (x.width, n_columns), see Kernels::products.
void products(Rows<float> x, const float* columns, std::int64_t n_columns, int threads, Isa at_most,
              float* out);

}  // namespace tersevec::pqencode
