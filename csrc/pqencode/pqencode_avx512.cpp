// SPDX-License-Identifier: Apache-2.0
// Training and encoding of product codes, AVX-512.
//   step       a coordinate of a centroid: one broadcast, two fused differences of products
//   registers  16 for 32 rows of 8 coordinates; 16 sums for 4 rows x 4 of columns
//   tail       rows that are missing repeat one that is there; columns are padded by zeros
//   why not    fused operations alone: they round once where other levels round twice
#include <immintrin.h>

#include "pqencode/pqencode_anisotropic_loop.h"
#include "pqencode/pqencode_grid_loop.h"
#include "pqencode/pqencode_loop.h"
#include "pqencode/pqencode_products_loop.h"

namespace tersevec::pqencode::avx512 {
namespace {

struct Fused {
    static constexpr int centroids = 1;  // side by side
    static __m512 less_product(__m512 from, __m512 a, __m512 b) noexcept {
        return _mm512_fnmadd_ps(a, b, from);
    }
    static __m512 min(__m512 a, __m512 b) noexcept { return _mm512_min_ps(a, b); }
    static __m512 max(__m512 a, __m512 b) noexcept { return _mm512_max_ps(a, b); }
};

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels{.isa = Isa::avx512,
                                .assign = &assign<16, Fused>,
                                .assign_anisotropic = &assign_anisotropic<16>,
                                .grid = &grid<16>,
                                .products = &products<16, 4>};

}  // namespace tersevec::pqencode::avx512
