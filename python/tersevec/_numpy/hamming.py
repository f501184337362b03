"""Hamming distances between packed bits, in NumPy: the twin of `_native.hamming`.

Exact. Works on tiles of queries and rows, so that its temporaries stay below 32 MiB. `threads` and
`isa` change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from tersevec._kernels import F32, I32, I64, U8, U64, Codes
from tersevec._numpy._collect import U32, Tile, best, row_spans, within

block_codes: int = 8

_TILE = 1 << 16  # distances of one tile
_WORDS = 1 << 20  # words of one span of rows


def rows() -> list[str]:
    """The paths of this family, fastest first."""
    return ["numpy"]


def _count_words(words: npt.NDArray[Any]) -> U8:
    """Bits set in each uint64, by a table of 16-bit words: for NumPy before 2.0."""
    global _bits_of_u16
    if _bits_of_u16 is None:
        _bits_of_u16 = np.unpackbits(
            np.arange(1 << 16, dtype=np.uint16).view(np.uint8).reshape(-1, 2), axis=1
        ).sum(1, dtype=np.uint8)
    counts: U8 = (
        _bits_of_u16[words.view(np.uint16)].reshape(*words.shape, 4).sum(-1, dtype=np.uint8)
    )
    return counts


_bits_of_u16: U8 | None = None
_popcount: Callable[[npt.NDArray[Any]], U8] = getattr(np, "bitwise_count", _count_words)


def _words(codes: U8) -> U64:
    """Rows of bytes as rows of zero-padded 64-bit words."""
    n, n_bytes = codes.shape
    padded = np.zeros((n, (n_bytes + 7) // 8 * 8), np.uint8)
    padded[:, :n_bytes] = codes
    return padded.view(np.uint64)


def pack(codes: U8, blocks: U64, start: int) -> None:
    """Write the codes into `blocks` as codes start, start + 1, ...; other codes stay."""
    step = _span(blocks.shape[1])
    for first in range(0, len(codes), step):
        words = _words(codes[first : first + step])
        block, kept = divmod(start + first, block_codes)
        stop = block + -(-(kept + len(words)) // block_codes)
        lanes = blocks[block:stop].transpose(0, 2, 1).reshape(-1, words.shape[1])
        lanes[kept : kept + len(words)] = words
        blocks[block:stop] = lanes.reshape(-1, block_codes, words.shape[1]).transpose(0, 2, 1)


def unpack(blocks: U64, n: int, n_bytes: int) -> U8:
    """The first n codes of `blocks` as rows."""
    codes = np.empty((n, n_bytes), np.uint8)
    step = _span(blocks.shape[1])
    for start in range(0, n, step):
        stop = min(n, start + step)
        words = np.ascontiguousarray(_columns(blocks, start, stop).T)
        codes[start:stop] = words.view(np.uint8)[:, :n_bytes]
    return codes


def pack_bits(x: F32, threads: int, *, isa: str = "") -> U8:
    """One bit per number, set where it is above zero, most significant bit first."""
    codes = np.empty((len(x), (x.shape[1] + 7) // 8), np.uint8)
    step = max(1, (1 << 22) // x.shape[1])
    for start in range(0, len(x), step):
        codes[start : start + step] = np.packbits(x[start : start + step] > 0, axis=1)
    return codes


def _span(words: int, queries: int = 1) -> int:
    """How many rows to take at a time: a multiple of the block."""
    return int(
        max(1, min(_TILE // max(1, min(queries, 8)), _WORDS // words) // block_codes) * block_codes
    )


def _columns(codes: Codes, start: int, stop: int) -> U64:
    """The words of codes start to stop, one row per word: (words, stop - start)."""
    if codes.ndim == 2:
        return np.ascontiguousarray(_words(codes[start:stop]).T)
    blocks = codes[start // block_codes : -(-stop // block_codes)]
    lanes = np.ascontiguousarray(blocks.transpose(1, 0, 2)).reshape(blocks.shape[1], -1)
    return lanes[:, : stop - start]


def _tiles(queries: U8, codes: Codes, n: int, mask: U8 | None) -> Iterator[Tile]:
    """All distances, tile by tile, rows ascending for every query."""
    wanted = _words(queries)
    step = _span(wanted.shape[1], len(wanted))
    for start, stop in row_spans(range(n), step, mask):
        columns = _columns(codes, start, stop)
        group = max(1, _TILE // (stop - start))
        for first in range(0, len(wanted), group):
            yield first, start, _distances(wanted[first : first + group], columns)


def _distances(queries: U64, columns: U64) -> U32:
    sums = np.zeros((len(queries), columns.shape[1]), np.uint32)
    for word, column in enumerate(columns):
        sums += _popcount(queries[:, word, None] ^ column)
    return sums


def distances(a: U8, b: U8, threads: int, *, isa: str = "") -> I32:
    """All distances between the rows of a and b."""
    result = np.empty((len(a), len(b)), np.int32)
    for first, start, tile in _tiles(a, b, len(b), None):
        result[first : first + tile.shape[0], start : start + tile.shape[1]] = tile
    return result


def topk(
    queries: U8, codes: Codes, n: int, k: int, mask: U8 | None, threads: int, *, isa: str = ""
) -> tuple[I32, I64]:
    """The k nearest codes of each query by (distance, index), padded with (2**31 - 1, -1)."""
    ordinals, indices = best(_tiles(queries, codes, n, mask), len(queries), k, mask)
    return np.minimum(ordinals, np.uint32(2**31 - 1), out=ordinals).view(np.int32), indices


def range_search(
    queries: U8, codes: Codes, n: int, radius: int, mask: U8 | None, threads: int, *, isa: str = ""
) -> tuple[I64, I64, I32]:
    """The codes within `radius` of each query, in the order (distance, index)."""
    offsets, indices, ordinals = within(
        _tiles(queries, codes, n, mask), len(queries), radius + 1, mask
    )
    return offsets, indices, ordinals.view(np.int32)
