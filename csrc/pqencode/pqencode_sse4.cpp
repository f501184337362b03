// SPDX-License-Identifier: Apache-2.0
// Training and encoding of product codes, SSE4.
//   step       a coordinate of a centroid: one broadcast, two products, two differences
//   registers  8 sums for 4 rows x 2 of columns, 2 columns, 1 row; rows to assign stay in memory
//   tail       rows that are missing repeat one that is there; columns are padded by zeros
//   why not    more columns at once: their sums would leave the 16 registers
#include "pqencode/pqencode_anisotropic_loop.h"
#include "pqencode/pqencode_grid_loop.h"
#include "pqencode/pqencode_loop.h"
#include "pqencode/pqencode_products_loop.h"

namespace tersevec::pqencode::sse4 {

extern const Kernels kernels;
constinit const Kernels kernels{.isa = Isa::sse4,
                                .assign = &assign<4>,
                                .assign_anisotropic = &assign_anisotropic<4>,
                                .grid = &grid<4>,
                                .products = &products<4, 2>};

}  // namespace tersevec::pqencode::sse4
