// SPDX-License-Identifier: Apache-2.0
// Training and encoding of product codes, NEON.
//   step       a coordinate of a centroid: one broadcast, two fused differences of products
//   registers  16 for 8 rows of 8 coordinates; 16 sums for 4 rows x 4 of columns
//   tail       rows that are missing repeat one that is there; columns are padded by zeros
//   why not    fused operations alone: they round once where other levels round twice
#include <arm_neon.h>

#include "pqencode/pqencode_anisotropic_loop.h"
#include "pqencode/pqencode_grid_loop.h"
#include "pqencode/pqencode_loop.h"
#include "pqencode/pqencode_products_loop.h"

namespace tersevec::pqencode::neon {
namespace {

struct Fused {
    static constexpr int centroids = 1;  // side by side
    static float32x4_t less_product(float32x4_t from, float32x4_t a, float32x4_t b) noexcept {
        return vfmsq_f32(from, a, b);
    }
    static float32x4_t min(float32x4_t a, float32x4_t b) noexcept { return vminq_f32(a, b); }
    static float32x4_t max(float32x4_t a, float32x4_t b) noexcept { return vmaxq_f32(a, b); }
};

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels{.isa = Isa::neon,
                                .assign = &assign<4, Fused>,
                                .assign_anisotropic = &assign_anisotropic<4>,
                                .grid = &grid<4>,
                                .products = &products<4, 4>};

}  // namespace tersevec::pqencode::neon
