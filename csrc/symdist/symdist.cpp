// SPDX-License-Identifier: Apache-2.0
#include "symdist/symdist.h"

#include "core/packed.h"

namespace tersevec::symdist {

namespace amx { extern const Kernels kernels; }
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
    &amx::kernels,    &avx512icl::kernels, &avx512::kernels, &avx2::kernels, &sse4::kernels,
#elif defined(__aarch64__)
    &neondot::kernels,
    &neon::kernels,
#endif
    &scalar::kernels,
};

/// Where a code's number j lies in its block.
struct Place {
    std::int64_t byte;
    int shift;
};
Place place_of(std::int64_t j, int code, int held) noexcept {
    const std::int64_t line = j / line_dims, parts = 8 / held;
    return {line / parts * line_bytes + line_dims * code + j % line_dims,
            static_cast<int>(line % parts) * held};
}

}  // namespace

std::span<const Kernels* const> rows() noexcept {
    return table;
}

void pack(Rows<std::uint8_t> codes, std::uint8_t* blocks, std::int64_t m, int n_bits,
          std::int64_t start) noexcept {
    const std::int64_t block_bytes = line_bytes * block_lines(m, n_bits);
    const int held = held_bits(n_bits), bits = (1 << held) - 1;
    for (std::int64_t i = 0; i < codes.n; ++i) {
        const std::int64_t row = start + i;
        std::uint8_t* block = blocks + row / block_rows * block_bytes;
        const PackedNumbers numbers(codes[i], n_bits);
        for (std::int64_t j = 0; j < m; ++j) {
            const Place place = place_of(j, static_cast<int>(row % block_rows), held);
            std::uint8_t& byte = block[place.byte];
            byte = static_cast<std::uint8_t>((byte & ~(bits << place.shift)) | numbers[j]
                                                                                   << place.shift);
        }
    }
}

void unpack(const std::uint8_t* blocks, std::int64_t n, std::int64_t m, int n_bits,
            std::uint8_t* codes) noexcept {
    const std::int64_t block_bytes = line_bytes * block_lines(m, n_bits);
    const int held = held_bits(n_bits), bits = (1 << held) - 1;
    std::uint8_t numbers[64];
    for (std::int64_t row = 0; row < n; ++row, codes += packed_bytes_of(m, n_bits)) {
        const std::uint8_t* block = blocks + row / block_rows * block_bytes;
        for (std::int64_t j = 0; j < m; j += 64) {  // 64 numbers end at a byte's end
            const std::int64_t count = m - j < 64 ? m - j : 64;
            for (std::int64_t i = 0; i < count; ++i) {
                const Place place = place_of(j + i, static_cast<int>(row % block_rows), held);
                numbers[i] = static_cast<std::uint8_t>(block[place.byte] >> place.shift & bits);
            }
            join_numbers(numbers, 1, count, n_bits, codes + packed_bytes_of(j, n_bits));
        }
    }
}

}  // namespace tersevec::symdist
