// SPDX-License-Identifier: Apache-2.0
// MaxSim of bfloat16 tokens, AVX-512 BF16.
//   step       2 dimensions of 12 tokens, each times 32 query tokens
//   registers  24 of 32: sums; 2 of query tokens, 2 of maxima, a token's pair
//   tail       4 tokens, then single ones; the pair of a last odd dimension is filled with 0
//   why not    float32 in parts of bfloat16: sums would not be those of other levels
#include "maxsim/maxsim_bfloat16.h"
#include "simd/avx512.h"

namespace tersevec::maxsim::avx512bf16 {
namespace {

struct Pairs : PlainRows<2> {
    using Sum = Avx512::f32;

    const char* lines;

    explicit Pairs(const void* panel) noexcept : lines(static_cast<const char*>(panel)) {}

    static Sum start(const Run&, std::int64_t) noexcept { return Sum{}; }
    static Sum add(Sum sums, const char* lanes, std::int32_t four) noexcept {
        return _mm512_dpbf16_ps(sums, (__m512bh)_mm512_loadu_si512(lanes),
                                (__m512bh)_mm512_set1_epi32(four));
    }
    template <int Registers, class Keep>
    static void show(const Run&, std::int64_t, std::int64_t t, const Sum (&sums)[Registers],
                     Keep& keep) noexcept {
        keep.see(t, sums);
    }
};

template <int Width>
using Tile = FoursTile<Avx512, Pairs, Width>;
using Panel = Bfloat16Panel<2>;

constexpr Way way{whole_panel, &Panel::bytes, &Panel::pack, &maxima<Avx512, Tile>,
                  &positions<Avx512, Tile>};

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels{.isa = Isa::avx512bf16, .bfloat16 = &way};

}  // namespace tersevec::maxsim::avx512bf16
