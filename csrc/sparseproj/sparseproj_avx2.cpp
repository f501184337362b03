// SPDX-License-Identifier: Apache-2.0
// Sparse random projections and rows of graphs, AVX2.
//   step       8 columns of a neighbour: one load that widens, one addition; 32 of bytes
//   registers  8 sums of 8 columns, or of 32 bytes
//   tail       none: held rows come in groups of 16 columns; the last of the output is copied
//   why not    12 sums: groups of columns would no longer halve evenly
#include "simd/avx2.h"
#include "sparseproj/sparseproj_loop.h"

namespace tersevec::sparseproj::avx2 {
namespace {

struct Level : Avx2 {
    static constexpr int registers = 8, byte_registers = 8;
    static constexpr bool streams = true, fuses = true;
    static void stream(f32 numbers, float* to) noexcept { _mm256_stream_ps(to, numbers); }
    static void stream_half(f32 numbers, std::uint16_t* to) noexcept {
        _mm_stream_si128(reinterpret_cast<__m128i*>(to),
                         _mm256_cvtps_ph(numbers, _MM_FROUND_TO_NEAREST_INT));
    }
    static void fence() noexcept { _mm_sfence(); }
    static f32 widen_bytes(const std::int8_t* bytes) noexcept {
        const __m128i loaded = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes));
        return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(loaded));
    }
    static void narrow_bytes(f32 numbers, std::int8_t* bytes) noexcept {
        const __m256i whole = _mm256_cvtps_epi32(numbers);
        const __m128i words =
            _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
        _mm_storel_epi64(reinterpret_cast<__m128i*>(bytes), _mm_packs_epi16(words, words));
    }
    static float root(float number) noexcept {
        return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(number)));
    }
};

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels = kernels_of<Level>(Isa::avx2);

}  // namespace tersevec::sparseproj::avx2
