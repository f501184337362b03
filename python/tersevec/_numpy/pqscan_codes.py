"""Product codes as rows, as numbers and as blocks, in NumPy: the layouts that `_kernels` tells."""

from __future__ import annotations

import numpy as np

from tersevec._kernels import U8

_NUMBERS = 1 << 21  # numbers of codes that are worked on at once


def block_shape(m: int, n_bits: int) -> tuple[int, int, int]:
    """(codes of a block, its lines, bytes of a line)."""
    if n_bits == 4:
        return 32, m, 16
    return 64, m // 4 * 3 + m % 4 if n_bits < 7 else m, 64


def join(assigned: U8, n_bits: int) -> U8:
    """Numbers as dense rows, least significant bit first: (n, m) -> (n, ceil(m * n_bits / 8))."""
    n, m = assigned.shape
    codes = np.empty((n, (m * n_bits + 7) // 8), np.uint8)
    for start, stop in spans(n, m):
        bits = np.unpackbits(assigned[start:stop, :, None], axis=2, count=n_bits, bitorder="little")
        bits = bits.reshape(stop - start, m * n_bits)
        codes[start:stop] = np.packbits(bits, axis=1, bitorder="little")
    return codes


def split(codes: U8, m: int, n_bits: int) -> U8:
    """What `join` took: (n, m)."""
    assigned = np.empty((len(codes), m), np.uint8)
    for start, stop in spans(len(codes), m):
        assigned[start:stop] = numbers(codes, start, stop, m, n_bits).T
    return assigned


def pack(codes: U8, blocks: U8, m: int, n_bits: int, start: int) -> None:
    """Write the codes into `blocks` as codes start, start + 1, ...; other codes stay."""
    in_block = block_shape(m, n_bits)[0]
    for first, last in spans(len(codes), m):
        block, kept = divmod(start + first, in_block)
        touched = blocks[block : -(-(start + last) // in_block)]
        lanes = _of_blocks(touched, m, n_bits)
        lanes[:, kept : kept + last - first] = numbers(codes, first, last, m, n_bits)
        touched[...] = _to_blocks(lanes, n_bits)


def unpack(blocks: U8, n: int, m: int, n_bits: int) -> U8:
    """The first n codes of `blocks` as dense rows."""
    codes = np.empty((n, (m * n_bits + 7) // 8), np.uint8)
    for start, stop in spans(n, m):
        rows = np.ascontiguousarray(numbers(blocks, start, stop, m, n_bits).T)
        codes[start:stop] = join(rows, n_bits)
    return codes


def span(m: int) -> int:
    """How many codes to take at a time: a multiple of every block."""
    return max(64, _NUMBERS // m // 64 * 64)


def spans(n: int, m: int) -> list[tuple[int, int]]:
    return [(start, min(n, start + span(m))) for start in range(0, n, span(m))]


def numbers(codes: U8, start: int, stop: int, m: int, n_bits: int) -> U8:
    """The numbers of codes start to stop, a row for each sub-space: (m, stop - start)."""
    if codes.ndim == 2:
        return _of_rows(codes[start:stop], m, n_bits)
    in_block = block_shape(m, n_bits)[0]
    lanes = _of_blocks(codes[start // in_block : -(-stop // in_block)], m, n_bits)
    return lanes[:, start % in_block :][:, : stop - start]


def _of_rows(codes: U8, m: int, n_bits: int) -> U8:
    """(n, bytes) -> (m, n); a number lies in one byte, or in that and the next."""
    columns = np.ascontiguousarray(codes.T)
    at, shift = np.divmod(n_bits * np.arange(m), 8)
    low = columns[at] >> shift.astype(np.uint8)[:, None]
    after = np.minimum(at + 1, len(columns) - 1)  # of a number in the last byte, masked away
    low |= columns[after] << (8 - shift).astype(np.uint8)[:, None]
    low &= np.uint8(2**n_bits - 1)
    return low


def _of_blocks(blocks: U8, m: int, n_bits: int) -> U8:
    """(n_blocks, lines, line bytes) -> (m, codes of all lanes)."""
    lines = np.ascontiguousarray(blocks.transpose(1, 0, 2))
    if n_bits == 4:
        return np.stack((lines & 15, lines >> 4), axis=2).reshape(m, -1)
    lines = lines.reshape(len(lines), -1)
    if n_bits > 6:
        return lines
    fours, thirds = m // 4 * 4, m // 4 * 3
    lanes = np.zeros((m, lines.shape[1]), np.uint8)
    lanes[fours:] = lines[thirds:]
    for i in range(3):
        lanes[i:fours:4] = lines[i:thirds:3] & 63
        lanes[3:fours:4] |= lines[i:thirds:3] >> 6 << 2 * i
    return lanes


def _to_blocks(lanes: U8, n_bits: int) -> U8:
    """(m, codes of all lanes) -> (n_blocks, lines, line bytes)."""
    m = len(lanes)
    _, n_lines, line_bytes = block_shape(m, n_bits)
    lines = lanes
    if n_bits == 4:
        halves = lanes.reshape(m, -1, 2, 16)
        lines = halves[:, :, 0] | halves[:, :, 1] << np.uint8(4)
    elif n_bits < 7:
        fours, thirds = m // 4 * 4, m // 4 * 3
        lines = np.empty((n_lines, lanes.shape[1]), np.uint8)
        lines[thirds:] = lanes[fours:]
        for i in range(3):
            lines[i:thirds:3] = lanes[i:fours:4] | (lanes[3:fours:4] >> 2 * i) << 6
    return lines.reshape(n_lines, -1, line_bytes).transpose(1, 0, 2)
