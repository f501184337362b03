// SPDX-License-Identifier: Apache-2.0
// Sparse random projections and rows of graphs, NEON.
//   step       4 columns of a neighbour: one load, widened where it must be, one addition
//   registers  16 sums of 4 columns, or of 16 bytes
//   tail       none: held rows come in groups of 16 columns; the last of the output is copied
//   why not    halves added as halves: sums would lose what they are for
#include "simd/neon.h"
#include "sparseproj/sparseproj_loop.h"

namespace tersevec::sparseproj::neon {
namespace {

struct Level : Neon {
    static constexpr int registers = 16, byte_registers = 16;
    static constexpr bool streams = false, fuses = true;
    static f32 widen_bytes(const std::int8_t* bytes) noexcept {
        std::int32_t four;
        __builtin_memcpy(&four, bytes, sizeof four);
        const int8x8_t loaded = vreinterpret_s8_s32(vdup_n_s32(four));
        return (f32)vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(loaded))));
    }
    static void narrow_bytes(f32 numbers, std::int8_t* bytes) noexcept {
        const int16x4_t words = vmovn_s32(vcvtnq_s32_f32((float32x4_t)numbers));
        const int8x8_t four = vmovn_s16(vcombine_s16(words, words));
        __builtin_memcpy(bytes, &four, 4);
    }
    static float root(float number) noexcept {
        return vget_lane_f32(vsqrt_f32(vdup_n_f32(number)), 0);
    }
};

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels = kernels_of<Level>(Isa::neon);

}  // namespace tersevec::sparseproj::neon
