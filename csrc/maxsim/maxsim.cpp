// SPDX-License-Identifier: Apache-2.0
#include "maxsim/maxsim.h"

#include <vector>

#include "simd/plain.h"
#include "simd/quantise.h"
#include "simd/widen.h"

namespace tersevec::maxsim {

namespace amx { extern const Kernels kernels; }
namespace avx512bf16 { extern const Kernels kernels; }
namespace avx512icl { extern const Kernels kernels; }
namespace avx512 { extern const Kernels kernels; }
namespace avx2 { extern const Kernels kernels; }
namespace sse4 { extern const Kernels kernels; }
namespace neondot { extern const Kernels kernels; }
namespace neon { extern const Kernels kernels; }
namespace scalar { extern const Kernels kernels; }

namespace {

constexpr const Kernels* table[] = {
#if defined(__x86_64__)
    &amx::kernels,    &avx512bf16::kernels, &avx512icl::kernels,
    &avx512::kernels, &avx2::kernels,       &sse4::kernels,
#elif defined(__aarch64__)
    &neondot::kernels,
    &neon::kernels,
#endif
    &scalar::kernels,
};

}  // namespace

std::span<const Kernels* const> rows() noexcept {
    return table;
}

void pack_int8(const Tokens& tokens, std::int64_t n, std::int8_t* numbers, float* scales,
               std::int32_t* sums) {
    std::vector<float> row(tokens.dims);
    for (std::int64_t i = 0; i < n; ++i) {
        widen<Plain>(tokens, i, 1, row.data());
        scales[i] = scale_of(row.data(), tokens.dims);
        sums[i] = 0;
        for (const float number : row) {
            *numbers = static_cast<std::int8_t>(quantised(number, scales[i]));
            sums[i] += *numbers++;
        }
    }
}

}  // namespace tersevec::maxsim
