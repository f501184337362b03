// SPDX-License-Identifier: Apache-2.0
// Products of small whole numbers, plain C++: the reference.
#include "symdist/symdist_loop.h"

namespace tersevec::symdist::scalar {
namespace {

struct Level : Plain<Level> {
    static constexpr int rows = block_rows, queries = 1;
    using Plain::Plain;

    template <int Q>
    static void products(const std::int8_t* query, std::int64_t, const std::uint8_t* block,
                         std::int64_t lines, std::int32_t* sums) noexcept {
        static_assert(Q == 1);
        for (int r = 0; r < rows; ++r) {
            sums[r] = 0;
            for (std::int64_t i = 0; i < line_dims * lines; ++i) {
                sums[r] +=
                    query[i] * block[i / line_dims * line_bytes + line_dims * r + i % line_dims];
            }
        }
    }
};

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels = kernels_of<Level>(Isa::scalar, 300.0f);

}  // namespace tersevec::symdist::scalar
