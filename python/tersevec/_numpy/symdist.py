"""Similarities by exact integer products, in NumPy: the twin of `_native.symdist`.

The products are sums of integers below 2**24, which float32 adds without rounding in any order: a
matrix product is exact. Works on tiles, so that temporaries stay below 32 MiB. `threads` and `isa`
change nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tersevec._kernels import F32, I8, I32, I64, U8
from tersevec._numpy._collect import Tile, best, floats_of, ordinals_of, row_spans, within
from tersevec._numpy.pqscan_codes import span
from tersevec._numpy.symdist_codes import block_shape, join, pack, split, unpack, values

__all__ = [
    "block_shape",
    "join",
    "pack",
    "range_search",
    "rows",
    "scores",
    "split",
    "topk",
    "unpack",
]

_TILE = 1 << 18  # similarities of one tile
_EXACT = 1 << 24  # float32 holds every integer up to this one
_ZERO = np.float32(0)


def rows() -> list[str]:
    """The paths of this family, fastest first."""
    return ["numpy"]


def _products(queries: I8, odd: F32, n_bits: int) -> I32:
    """The integer products of queries (nq, m) and odd integers (n, m): (nq, n)."""
    step = _EXACT // (127 * (2**n_bits - 1))
    sums = np.zeros((len(queries), len(odd)), np.int32)
    for start in range(0, odd.shape[1], step):
        part = slice(start, start + step)
        sums += (queries[:, part].astype(np.float32) @ odd[:, part].T).astype(np.int32)
    return sums


def _tiles(
    queries: I8,
    scales: F32,
    codes: U8,
    n: int,
    n_bits: int,
    factors: F32,
    mask: U8 | None = None,
) -> Iterator[tuple[int, int, F32]]:
    """All similarities, tile by tile: (first query, first row, (queries, rows)); rows ascend."""
    m = queries.shape[1]
    step = min(span(m), _TILE)
    group = max(1, _TILE // step)
    for start, stop in row_spans(range(n), step, mask):
        odd = values(codes, start, stop, m, n_bits)
        for first in range(0, len(queries), group):
            part = slice(first, first + group)
            tile = _products(queries[part], odd, n_bits).astype(np.float32)
            tile *= scales[part, None]
            tile *= factors[start:stop]
            tile += _ZERO  # -0.0 becomes 0.0
            yield first, start, tile


def _ordinal_tiles(
    queries: I8,
    scales: F32,
    codes: U8,
    n: int,
    n_bits: int,
    factors: F32,
    mask: U8 | None,
) -> Iterator[Tile]:
    """Tiles of ordinals that ascend from the best similarity to the worst."""
    for first, start, tile in _tiles(queries, scales, codes, n, n_bits, factors, mask):
        yield first, start, ordinals_of(np.subtract(_ZERO, tile, out=tile))


def scores(
    queries: I8,
    scales: F32,
    codes: U8,
    n: int,
    n_bits: int,
    factors: F32,
    threads: int,
    *,
    isa: str = "",
) -> F32:
    """Every similarity: (nq, n)."""
    result = np.empty((len(queries), n), np.float32)
    for first, start, tile in _tiles(queries, scales, codes, n, n_bits, factors):
        result[first : first + tile.shape[0], start : start + tile.shape[1]] = tile
    return result


def topk(
    queries: I8,
    scales: F32,
    codes: U8,
    n: int,
    n_bits: int,
    factors: F32,
    k: int,
    mask: U8 | None,
    threads: int,
    *,
    isa: str = "",
) -> tuple[F32, I64]:
    """The k most similar codes of each query, best first, padded with (-inf, -1)."""
    found = _ordinal_tiles(queries, scales, codes, n, n_bits, factors, mask)
    ordinals, indices = best(found, len(queries), k, mask)
    similarities = _ZERO - floats_of(ordinals)
    similarities[indices < 0] = -np.inf
    return similarities, indices


def range_search(
    queries: I8,
    scales: F32,
    codes: U8,
    n: int,
    n_bits: int,
    factors: F32,
    radius: float,
    mask: U8 | None,
    threads: int,
    *,
    isa: str = "",
) -> tuple[I64, I64, F32]:
    """The codes whose similarity is at least `radius`, a float32 number, best first."""
    least = _ZERO - np.array([radius], np.float32)
    limit = int(ordinals_of(least)[0]) + 1
    found = _ordinal_tiles(queries, scales, codes, n, n_bits, factors, mask)
    offsets, indices, ordinals = within(found, len(queries), limit, mask)
    return offsets, indices, _ZERO - floats_of(ordinals)
