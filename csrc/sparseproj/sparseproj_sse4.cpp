// SPDX-License-Identifier: Apache-2.0
// Sparse random projections and rows of graphs, SSE4.
//   step       4 columns of a neighbour: one load that widens, one addition; 16 of bytes
//   registers  8 sums of 4 columns, or of 16 bytes
//   tail       none: held rows come in groups of 16 columns; the last of the output is copied
//   why not    halves by instructions of their own, F16C: it comes with AVX; integers widen and
//              round them
#include "simd/sse4.h"
#include "sparseproj/sparseproj_loop.h"

namespace tersevec::sparseproj::sse4 {
namespace {

struct Level : Sse4 {
    static constexpr int registers = 8, byte_registers = 8;
    static constexpr bool streams = false, fuses = false;
    static f32 widen_bytes(const std::int8_t* bytes) noexcept {
        return _mm_cvtepi32_ps(_mm_cvtepi8_epi32(_mm_loadu_si32(bytes)));
    }
    static void narrow_bytes(f32 numbers, std::int8_t* bytes) noexcept {
        const __m128i whole = _mm_cvtps_epi32(numbers);
        const __m128i words = _mm_packs_epi32(whole, whole);
        _mm_storeu_si32(bytes, _mm_packs_epi16(words, words));
    }
    static float root(float number) noexcept {
        return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(number)));
    }
};

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels = kernels_of<Level>(Isa::sse4);

}  // namespace tersevec::sparseproj::sse4
