// SPDX-License-Identifier: Apache-2.0
// Training and encoding of product codes, NEON.
//   step       a coordinate of a centroid: one broadcast, two products, two differences
//   registers  16 for 8 rows of 8 coordinates; 16 sums for 4 rows x 4 of columns
//   tail       rows that are missing repeat one that is there; columns are padded by zeros
//   why not    fused operations: they round once where other levels round twice
#include "pqencode/pqencode_anisotropic_loop.h"
#include "pqencode/pqencode_loop.h"
#include "pqencode/pqencode_products_loop.h"

namespace tersevec::pqencode::neon {

extern const Kernels kernels;
constinit const Kernels kernels{.isa = Isa::neon,
                                .assign = &assign<4>,
                                .assign_anisotropic = &assign_anisotropic<4>,
                                .products = &products<4, 4>};

}  // namespace tersevec::pqencode::neon
