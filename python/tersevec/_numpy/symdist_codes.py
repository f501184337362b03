"""Integer codes as rows, as numbers and as blocks, in NumPy: the contract's layouts."""

from __future__ import annotations

import numpy as np

from tersevec._kernels import F32, U8
from tersevec._numpy import pqscan_codes
from tersevec._numpy.pqscan_codes import spans

BLOCK_CODES = 16
_LINE_BYTES = 64
_QUAD = 4  # dimensions whose bytes lie beside each other


def _held_bits(n_bits: int) -> int:
    """Bits in which a number lies in a block: the least power of two that it fits into."""
    return 1 << (n_bits - 1).bit_length()


def block_shape(m: int, n_bits: int) -> tuple[int, int, int]:
    """(codes of a block, its lines, bytes of a line)."""
    return BLOCK_CODES, -(-m // (_QUAD * (8 // _held_bits(n_bits)))), _LINE_BYTES


def join(numbers: U8, n_bits: int) -> U8:
    """Numbers as dense rows, least significant bit first: (n, m) -> (n, ceil(m * n_bits / 8))."""
    return pqscan_codes.join(numbers, n_bits)


def split(codes: U8, m: int, n_bits: int) -> U8:
    """What `join` took: (n, m)."""
    return pqscan_codes.split(codes, m, n_bits)


def pack(codes: U8, blocks: U8, m: int, n_bits: int, start: int) -> None:
    """Write the codes into `blocks` as codes start, start + 1, ...; other codes stay."""
    for first, last in spans(len(codes), m):
        block, kept = divmod(start + first, BLOCK_CODES)
        touched = blocks[block : -(-(start + last) // BLOCK_CODES)]
        lanes = _of_blocks(touched, m, n_bits)
        lanes[kept : kept + last - first] = split(codes[first:last], m, n_bits)
        touched[...] = _to_blocks(lanes, n_bits)


def unpack(blocks: U8, n: int, m: int, n_bits: int) -> U8:
    """The first n codes of `blocks` as dense rows."""
    codes = np.empty((n, (m * n_bits + 7) // 8), np.uint8)
    for start, stop in spans(n, m):
        codes[start:stop] = join(_numbers(blocks, start, stop, m, n_bits), n_bits)
    return codes


def values(codes: U8, start: int, stop: int, m: int, n_bits: int) -> F32:
    """The odd integers that codes start to stop stand for: (stop - start, m)."""
    odd = _numbers(codes, start, stop, m, n_bits).astype(np.float32)
    odd *= 2
    odd -= 2**n_bits - 1
    return odd


def _numbers(codes: U8, start: int, stop: int, m: int, n_bits: int) -> U8:
    if codes.ndim == 2:
        return split(codes[start:stop], m, n_bits)
    lanes = _of_blocks(codes[start // BLOCK_CODES : -(-stop // BLOCK_CODES)], m, n_bits)
    return lanes[start % BLOCK_CODES :][: stop - start]


def _shifts(n_bits: int) -> U8:
    """Where the numbers of a byte begin."""
    return np.arange(0, 8, _held_bits(n_bits), dtype=np.uint8)[:, None]


def _of_blocks(blocks: U8, m: int, n_bits: int) -> U8:
    """(n_blocks, lines, bytes of a line) -> (codes of all lanes, m)."""
    n_blocks, lines, _ = blocks.shape
    held = blocks.reshape(n_blocks, lines, BLOCK_CODES, 1, _QUAD) >> _shifts(n_bits)
    held &= np.uint8(2**n_bits - 1)
    return held.transpose(0, 2, 1, 3, 4).reshape(n_blocks * BLOCK_CODES, -1)[:, :m]


def _to_blocks(lanes: U8, n_bits: int) -> U8:
    """(codes of all lanes, m) -> (n_blocks, lines, bytes of a line)."""
    n_lanes, m = lanes.shape
    _, lines, line_bytes = block_shape(m, n_bits)
    shifts = _shifts(n_bits)
    padded = np.zeros((n_lanes, lines * len(shifts) * _QUAD), np.uint8)
    padded[:, :m] = lanes
    held = padded.reshape(-1, BLOCK_CODES, lines, len(shifts), _QUAD) << shifts
    quads: U8 = np.bitwise_or.reduce(held, axis=3)
    return quads.transpose(0, 2, 1, 3).reshape(-1, lines, line_bytes)
