// SPDX-License-Identifier: Apache-2.0
/// Dense rows of numbers of 1 to 8 bits, least significant bit first, and the numbers themselves.
///
/// Floor: bytes in and bytes out, each once; a thread writes one byte, neighbours write neighbours.
#include "core/portable.cuh"

using namespace tersevec::cuda;

/// numbers (n, m) of dense rows (n, row_bytes); a thread for each number.
extern "C" __global__ void codes_split(const u8* codes, i64 n, i64 row_bytes, i64 m, i32 n_bits,
                                       u8* numbers) {
    const i64 item = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (item >= n * m) {
        return;
    }
    const i64 bit = item % m * n_bits, byte = bit / 8;
    const u8* const row = codes + item / m * row_bytes;
    const u32 low = row[byte], high = byte + 1 < row_bytes ? row[byte + 1] : 0;
    numbers[item] = static_cast<u8>((low | high << 8) >> bit % 8 & ((1u << n_bits) - 1));
}

/// Dense rows (n, row_bytes) of numbers (n, m), padded with zeros; a thread for each byte.
extern "C" __global__ void codes_join(const u8* numbers, i64 n, i64 m, i32 n_bits, i64 row_bytes,
                                      u8* codes) {
    const i64 item = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (item >= n * row_bytes) {
        return;
    }
    const u8* const row = numbers + item / row_bytes * m;
    const i64 first = item % row_bytes * 8;
    u32 byte = 0;
    for (i64 j = first / n_bits; j < m && j * n_bits < first + 8; ++j) {
        const i64 shift = j * n_bits - first;
        byte |= shift < 0 ? static_cast<u32>(row[j]) >> -shift : static_cast<u32>(row[j]) << shift;
    }
    codes[item] = static_cast<u8>(byte);
}
