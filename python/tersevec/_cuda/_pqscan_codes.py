"""Product codes as rows, as numbers and as blocks, on a GPU."""

from __future__ import annotations

import numpy as np

from tersevec._cuda._device import Array, blocks_for, current, each
from tersevec._cuda.codes import join, split
from tersevec._numpy.pqscan_codes import block_shape

_NUMBERS = 256 << 20  # of codes that are bytes at once


def pack(codes: Array, blocks: Array, m: int, n_bits: int, start: int) -> None:
    """Write the codes into `blocks` as codes start, start + 1, ...; other codes stay."""
    in_block, lines, line_bytes = block_shape(m, n_bits)
    step = max(1, _NUMBERS // m)
    for first in range(0, len(codes), step):
        numbers = split(codes[first : first + step], m, n_bits)
        begin, end = start + first, start + first + len(numbers)
        n_bytes = (blocks_for(end, in_block) - begin // in_block) * lines * line_bytes
        sizes = (np.int64(len(numbers)), np.int32(m), np.int32(n_bits), np.int64(begin))
        each("pqscan", "pqscan_pack", n_bytes, numbers, *sizes, np.int64(n_bytes), blocks)


def unpack(blocks: Array, n: int, m: int, n_bits: int) -> Array:
    """The first n codes of `blocks` as dense rows."""
    xp, in_block = current().xp, block_shape(m, n_bits)[0]
    codes = xp.empty((n, (m * n_bits + 7) // 8), np.uint8)
    step = max(1, _NUMBERS // m // in_block) * in_block
    for first in range(0, n, step):
        numbers = xp.empty((min(step, n - first), m), np.uint8)
        sizes = (np.int64(len(numbers)), np.int32(m), np.int32(n_bits))
        part = blocks[first // in_block :]
        each("pqscan", "pqscan_unpack", numbers.size, part, *sizes, numbers)
        codes[first : first + len(numbers)] = join(numbers, n_bits)
    return codes


def blocks_of(codes: Array, n: int, m: int, n_bits: int) -> Array:
    """Blocks as they are, rows packed into them."""
    if codes.ndim == 3:
        return codes
    in_block, *lines = block_shape(m, n_bits)
    blocks = current().xp.zeros((blocks_for(n, in_block), *lines), np.uint8)
    pack(codes, blocks, m, n_bits, 0)
    return blocks
