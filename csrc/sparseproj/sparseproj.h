// SPDX-License-Identifier: Apache-2.0
/// Sparse random matrices of -1, 0 and 1, and what they and sparse rows multiply.
///
/// ternary: number c of row `id` follows from (seed, id, c) alone, with `sparseproj_random.h`:
///   key = mix(seed + golden), state = mix(key + id * golden), low and high the halves of it,
///   word b = mix(low + b (golden >> 32), high)
///   u = 2^15 + the signed bits 16 t ... 16 t + 15 of word b, for c = 64 g + 2 j + s where
///   2 b + t = 64 g + 32 s + j: of 64 columns even ones come from the first 16 words
///   1 if u < threshold, -1 if threshold <= u < 2 threshold, else 0: a share of 2 threshold / 2^16
///   is not zero.
/// propagate: a row of the graph is a sum of held rows, told at `Step`.
/// moments: sums of rows and of their outer products, told at `Moments`.
/// project: sums of some of a row's numbers less sums of others, told at `Lists`.
/// Exactness: every product, sum, quotient and root is rounded to float32 on its own, in the order
/// written, so that every level and every number of threads gives the same bytes and floats. But of
/// moments, products may be fused with sums: the same for every number of threads alone.
/// Limits: n < 2^31, numbers finite and small enough for sums and squares to be. Any alignment.
/// Floor: held rows of neighbours at the speed of the memory they lie in, about an instruction for
/// each register of floats; dense rows to project are read once; moments take width^2 / 2
/// multiply-adds a row.
#pragma once

#include <cstdint>
#include <span>

#include "core/isa.h"
#include "core/views.h"

namespace tersevec::sparseproj {

inline constexpr std::int64_t held_group = 16;     // columns of held rows come in such groups
inline constexpr std::int64_t ternary_group = 64;  // those of rows of -1, 0, 1 in such
inline constexpr std::int64_t most_threshold = 1 << 15;
inline constexpr std::int64_t square_panel = 64;  // columns whose squares are added side by side
/// Rows of more entries are summed in parts of so many, the parts then one after the other.
inline constexpr std::int64_t part_entries = 2048;
/// Rows that `project` works on at once, at most.
inline constexpr std::int64_t tile_rows = 64;

/// Rows whose moments are summed in float32, at most.
inline constexpr std::int64_t moments_rows = 2048;
/// Of them, how many are multiplied at once.
inline constexpr std::int64_t gram_rows = 32;

/// How rows are held: floats, the bits of halves, or bytes that a float of the row multiplies.
enum class Kind : std::uint8_t { f32, f16, i8 };

/// Rows of `width` numbers, a whole number of groups, those past the wanted columns zero. Bytes
/// without scales are -1, 0 and 1, and come in ternary groups.
struct Held {
    void* values;   // null: rows are not kept
    float* scales;  // of bytes
    std::int64_t n;
    std::int64_t width;
    Kind kind;
};

/// Compressed sparse rows; each index array is of 32 or of 64 bits.
struct Graph {
    const void* indptr;   // (n + 1)
    const void* indices;  // below the number of held rows
    bool wide_indptr, wide_indices;
    const float* weights;  // null: all 1
    std::int64_t n;

    std::int64_t start(std::int64_t row) const noexcept {
        return wide_indptr ? static_cast<const std::int64_t*>(indptr)[row]
                           : static_cast<const std::int32_t*>(indptr)[row];
    }
};

/// Where weighted rows are added up: the first `width` columns.
struct Sums {
    float* values;  // null: nowhere
    std::int64_t stride;
    std::int64_t width;
    bool add;                    // to what is there, else in its place
    bool normalize;              // rows count by their unit rows; a zero row stays zero
    float held, made;            // what the row's own source row counts, and the new row
    const std::int64_t* places;  // of rows, each other ones; null: row i is added up at i
    // x^2 of those rows where `normalize`, so far as they are of columns in other steps: added to
    // where there are no `values`, else in place of the row's own. Null: the row is all there is.
    float *held_squares, *made_squares;

    bool used() const noexcept {
        return values != nullptr || held_squares != nullptr || made_squares != nullptr;
    }
};

/// The sum of the outer products of rows with a 1 behind each; rows that are zero do not count.
/// Products g_ij of columns are within 2^-12 sqrt(g_ii g_jj) of the exact ones, sums of a column
/// within 2^-12 of that of its sizes.
struct Moments {
    double* sums;        // (width + 1, width + 1); null: not wanted
    std::int64_t width;  // the first columns
};

/// new row i = row_scale[i] * (s + f_1 x_1 + f_2 x_2 + ...), entries in order, where x are the
/// source's numbers as held, f = the weight, the scale of the bytes, their product, or left out;
/// s = the row's own held row, where `self_loops`, times its scale if any, else 0. Rows of more
/// than part_entries entries: parts are summed like rows, the first with s, and added in order.
/// Without weights and scales, bytes and s are summed as integers, whole, then become floats.
///   target = the new rows. Halves: the nearest, ties to even. Bytes: scale = most / 127 of the
///            largest size in the row, numbers = the nearest to x * (127 / most), ties to even
///   sums     out = (out +) held * u(source row i) + made * u(new row i); a summand of weight 0 is
///            left out, u(x) = x, or c x with c = weight / sqrt(x^2) in place of the weight;
///            x^2: panel by panel, squares of columns 16 k + t are added by t, then t and t + 8,
///            + 4, + 2, + 1, and these sums in order
struct Step {
    Graph graph;
    Held source;
    Held target;
    const float* row_scales;  // null: 1
    bool self_loops;
    Sums sums;
    Moments moments = {};                             // of the target's unit rows
    bool stream_target = false, stream_sums = false;  // set by `propagate`: past the caches
    std::int64_t rows_ahead =
        0;  // set by `propagate`: where source rows are prefetched, 0: nowhere
};

/// A random matrix by columns: column c adds features[starts[2 c]] ... and takes off those from
/// starts[2 c + 1] on, up to starts[2 c + 2].
struct Lists {
    const std::int64_t* starts;  // (2 width + 1)
    const std::int32_t* features;
    std::int64_t width;
};

inline constexpr std::uint32_t word_is_list = 1u << 31;
inline constexpr int word_code_bits = 15;

/// The same by rows, one for each feature: starts (n + 1) of codes, c where column c adds the
/// feature, width + c where it takes it off. A feature's word is 0 without codes; else two of them,
/// the second that of a spare sum where there is but one, of which neighbours have different ones;
/// or word_is_list and the feature, where there are more or they have no room.
struct Features {
    const std::int64_t* starts;
    const std::int32_t* codes;
    const std::uint32_t* words;  // as `make_words` leaves them
    std::int64_t n, width;
};

/// A part of a long row, or the whole of a short one.
struct Part {
    std::int64_t row, first, count;  // entries
};

struct Kernels {
    Isa isa;
    /// Rows of the ternary matrix from column `first` on, a whole number of ternary groups: out
    /// (n, width), width whole ternary groups, zero from `used` on.
    void (*ternary)(const std::int64_t* ids, std::int64_t n, std::uint64_t seed, std::int64_t first,
                    std::int64_t used, int threshold, std::int64_t width,
                    std::int8_t* out) noexcept = nullptr;
    /// sums (source.width) of a part, not scaled.
    void (*part)(const Step&, const Part&, float* sums) noexcept = nullptr;
    /// Rows first ... first + count - 1. `parts`: those of long rows among them, by row and first
    /// entry, one of row -1 after the last of all; `part_sums`: theirs; `scratch`: a row of
    /// source.width floats.
    void (*rows)(const Step&, std::int64_t first, std::int64_t count, const Part* parts,
                 const float* part_sums, float* scratch) noexcept = nullptr;
    /// out (count, width): held rows as floats, or as unit rows.
    void (*widen)(const Held&, std::int64_t first, std::int64_t count, bool normalize,
                  std::int64_t width, float* scratch, float* out) noexcept = nullptr;
    /// Floats to held rows, from row `first` on.
    void (*narrow)(Rows<float> x, const Held&, std::int64_t first,
                   float* scratch) noexcept = nullptr;
    /// Adds held rows, or unit rows, to `sums` (width + 1, width): their outer products, above and
    /// on the diagonal, then the rows. Returns how many are not zero. `block`: gram_rows rows of
    /// width + held_group floats.
    std::int64_t (*moments)(const Held&, std::int64_t first, std::int64_t count, bool normalize,
                            float* sums, float* block) noexcept = nullptr;
    /// out[i * width + c] = scale * (p - m): p the sum of x over the features that column c adds, m
    /// of those it takes off, each from 0 in the order of the list; NaN in all columns where a row
    /// holds NaN or an infinity anywhere. `scratch`: tile_rows rows.
    void (*project)(Rows<float> x, const Lists&, float scale, float* scratch,
                    float* out) noexcept = nullptr;
};
std::span<const Kernels* const> rows() noexcept;

/// out (n, width), see Kernels::ternary.
void ternary(const std::int64_t* ids, std::int64_t n, std::uint64_t seed, std::int64_t first,
             std::int64_t used, int threshold, std::int64_t width, int threads, Isa at_most,
             std::int8_t* out);

/// See Step. Parts of long rows and runs of rows are tasks of their own.
void propagate(const Step& step, int threads, Isa at_most);

void widen(const Held& held, bool normalize, std::int64_t width, int threads, Isa at_most,
           float* out);
void narrow(Rows<float> x, const Held& held, int threads, Isa at_most);

/// Of held rows, or of unit rows.
void moments(const Held& held, bool normalize, int threads, Isa at_most, const Moments& out);

/// out (x.n, lists.width), see Kernels::project.
void project(Rows<float> x, const Lists& lists, float scale, int threads, Isa at_most, float* out);

/// One word for each feature, out (features.n).
void make_words(const Features& features, std::uint32_t* out);

/// Sparse rows to project, entries in order; graph.indices are features. out (graph.n, width).
void project_sparse(const Graph& graph, const Features& features, float scale, int threads,
                    float* out);

}  // namespace tersevec::sparseproj
