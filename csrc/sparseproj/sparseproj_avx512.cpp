// SPDX-License-Identifier: Apache-2.0
// Sparse random projections and rows of graphs, AVX-512.
//   step       16 columns of a neighbour: one load that widens, one addition; 64 of bytes
//   registers  16 sums of 16 columns, or 4 of 64 bytes
//   tail       none: held rows come in groups of 16 columns; the last of the output is copied
//   why not    masks of -1 and of 1 in place of bytes: moving them to mask registers costs more
#include "simd/avx512.h"
#include "sparseproj/sparseproj_loop.h"

namespace tersevec::sparseproj::avx512 {
namespace {

struct Level : Avx512 {
    static constexpr int registers = 16, byte_registers = 4;
    static constexpr bool streams = true, fuses = true;
    static void stream(f32 numbers, float* to) noexcept { _mm512_stream_ps(to, numbers); }
    static void stream_half(f32 numbers, std::uint16_t* to) noexcept {
        _mm256_stream_si256(reinterpret_cast<__m256i*>(to),
                            _mm512_cvtps_ph(numbers, _MM_FROUND_TO_NEAREST_INT));
    }
    static void fence() noexcept { _mm_sfence(); }
    static f32 widen_bytes(const std::int8_t* bytes) noexcept {
        const __m128i loaded = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
        return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(loaded));
    }
    static void narrow_bytes(f32 numbers, std::int8_t* bytes) noexcept {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(bytes),
                         _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(numbers)));
    }
    static float root(float number) noexcept {
        return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(number)));
    }
};

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels = kernels_of<Level>(Isa::avx512);

}  // namespace tersevec::sparseproj::avx512
