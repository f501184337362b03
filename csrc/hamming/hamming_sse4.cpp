// SPDX-License-Identifier: Apache-2.0
// Hamming scan, SSE4.2 with POPCNT.
//   step       one word of one code and one query: xor, popcnt, add, all in general registers
//   registers  8 sums, one for each code of the block
//   tail       none here; the loop hands us whole blocks
//   why not    pshufb nibble counts: 16 bytes a step cost more than two popcnt
#include "hamming/hamming_popcnt.h"

namespace tersevec::hamming::sse4 {
namespace {

/// 8 signs at a time, each half reversed first: the first float belongs in the top bit.
void pack_bits(const float* x, std::int64_t dim, std::uint8_t* bits) noexcept {
    const auto nibble = [](const float* four) {
        const __m128 values = _mm_loadu_ps(four);
        const __m128 reversed = _mm_shuffle_ps(values, values, _MM_SHUFFLE(0, 1, 2, 3));
        return _mm_movemask_ps(_mm_cmpgt_ps(reversed, _mm_setzero_ps()));
    };
    std::int64_t i = 0;
    for (; i + 8 <= dim; i += 8) {
        bits[i / 8] = static_cast<std::uint8_t>(nibble(x + i) << 4 | nibble(x + i + 4));
    }
    pack_rest(x, i, dim, bits);
}

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels{.isa = Isa::sse4,
                                .below = &below<PopcntBlock>,
                                .distances = &distances<PopcntBlock>,
                                .pack_bits = &pack_bits};

}  // namespace tersevec::hamming::sse4
