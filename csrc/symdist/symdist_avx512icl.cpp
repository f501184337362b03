// SPDX-License-Identifier: Apache-2.0
// Products of small whole numbers, AVX-512 with VNNI.
//   step       a line: 4 dimensions of 16 rows times 4 bytes of a query, broadcast, one vpdpbusd
//   registers  16 sums for 4 queries and 64 rows, 4 lines, 1 query
//   tail       none here: panels are whole groups of 64 rows, lines are whole
//   why not    more queries at a time: the sums are stored once for all lines, so little is left
#include "symdist/symdist_vnni.h"

namespace tersevec::symdist::avx512icl {
extern const Kernels kernels;
constinit const Kernels kernels = with_stored(kernels_of<VnniLevel>(Isa::avx512icl, 1.25f));

}  // namespace tersevec::symdist::avx512icl
