// SPDX-License-Identifier: Apache-2.0
// Hamming scan, AVX2: of few queries word by word by POPCNT, of many by look-ups.
//   step       3 places of 64 codes and two queries: 6 look-ups by vpshufb, whose sum stays below
//              16 in each half of a byte; halves are added to bytes, and those, before they can
//              overflow, to 16 bits
//   registers  4 byte counts, 3 tables; distances wait in memory
//   tail       codes that are missing count as zeros; who asks leaves them out
//   why not    nibble counts by vpshufb: on a Zen 1 they take a sixth more time for one query, more
//              than twice as much for many; carry-save adders: 5 operations for each bit of 256
//              codes
#include "hamming/hamming_avx2_lookup.h"
#include "hamming/hamming_popcnt.h"

namespace tersevec::hamming::avx2 {
namespace {

/// 8 signs at a time, the floats reversed first: the first one belongs in the most significant bit.
void pack_bits(const float* x, std::int64_t dim, std::uint8_t* bits) noexcept {
    const __m256i last_first = _mm256_setr_epi32(7, 6, 5, 4, 3, 2, 1, 0);
    std::int64_t i = 0;
    for (; i + 8 <= dim; i += 8) {
        const __m256 values = _mm256_permutevar8x32_ps(_mm256_loadu_ps(x + i), last_first);
        const __m256 positive = _mm256_cmp_ps(values, _mm256_setzero_ps(), _CMP_GT_OQ);
        bits[i / 8] = static_cast<std::uint8_t>(_mm256_movemask_ps(positive));
    }
    pack_rest(x, i, dim, bits);
}

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels{.isa = Isa::avx2,
                                .below = &below<PopcntBlock>,
                                .distances = &distances<PopcntBlock>,
                                .pack_bits = &pack_bits,
                                .lookup = &lookup};

}  // namespace tersevec::hamming::avx2
