// SPDX-License-Identifier: Apache-2.0
// Training and encoding of product codes, AVX2.
//   step       a coordinate of a centroid: one broadcast, two fused differences of products
//   registers  8 sums for 4 rows x 2 of columns, 2 columns, 1 row; rows to assign stay in memory
//   tail       rows that are missing repeat one that is there; columns are padded by zeros
//   why not    fused operations alone: they round once where other levels round twice
#include <immintrin.h>

#include "pqencode/pqencode_anisotropic_loop.h"
#include "pqencode/pqencode_grid_loop.h"
#include "pqencode/pqencode_loop.h"
#include "pqencode/pqencode_products_loop.h"

namespace tersevec::pqencode::avx2 {
namespace {

struct Fused {
    static constexpr int centroids = 2;  // side by side
    static __m256 less_product(__m256 from, __m256 a, __m256 b) noexcept {
        return _mm256_fnmadd_ps(a, b, from);
    }
    static __m256 min(__m256 a, __m256 b) noexcept { return _mm256_min_ps(a, b); }
    static __m256 max(__m256 a, __m256 b) noexcept { return _mm256_max_ps(a, b); }
};

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels{.isa = Isa::avx2,
                                .assign = &assign<8, Fused>,
                                .assign_anisotropic = &assign_anisotropic<8>,
                                .grid = &grid<8>,
                                .products = &products<8, 2>};

}  // namespace tersevec::pqencode::avx2
