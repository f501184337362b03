"""Sums of table entries, tile by tile, in NumPy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tersevec._kernels import F32, I64, U8
from tersevec._numpy._collect import Tile, ordinals_of, row_spans
from tersevec._numpy.pqscan_codes import numbers, span

_TILE = 1 << 16  # distances of one tile
_ENTRIES = 1 << 21  # table entries that are turned at once


def tiles(
    tables: F32,
    codes: U8,
    n: int,
    mask: U8 | None = None,
    segments: I64 | None = None,
    bias: F32 | None = None,
) -> Iterator[tuple[int, int, F32]]:
    """All distances, tile by tile: (first query, first row, (queries, rows)); rows ascend."""
    nq, m, K = tables.shape
    group = max(1, min(nq, 64, _ENTRIES // (m * K)))
    step = min(span(m), max(64, _TILE // group))
    for segment, inside in _in_order(n, segments):
        for start, stop in row_spans(inside, step, mask):
            columns = numbers(codes, start, stop, m, K.bit_length() - 1)
            for first in range(0, nq, group):
                tile = _sums(tables[first : first + group], columns)
                if bias is not None:
                    tile += bias[first : first + group, segment, None]
                yield first, start, tile


def ordinal_tiles(
    tables: F32,
    codes: U8,
    n: int,
    mask: U8 | None,
    segments: I64 | None,
    bias: F32 | None,
) -> Iterator[Tile]:
    """`tiles` whose distances are ordinals."""
    for first, start, tile in tiles(tables, codes, n, mask, segments, bias):
        yield first, start, ordinals_of(tile)


def _in_order(n: int, segments: I64 | None) -> Iterator[tuple[int, range]]:
    """The number and rows of each segment, as rows ascend; without segments there is one."""
    if segments is None:
        yield 0, range(n)
        return
    for segment in np.argsort(segments[:, 0]).tolist():
        yield segment, range(*segments[segment].tolist())


def _sums(tables: F32, columns: U8) -> F32:
    """The entries that the columns (m, rows) name, added one sub-space after the other."""
    entries = np.ascontiguousarray(tables.transpose(1, 2, 0))
    sums = np.zeros((columns.shape[1], len(tables)), np.float32)
    found = np.empty_like(sums)
    for entry, column in zip(entries, columns, strict=True):
        np.take(entry, column, axis=0, out=found, mode="clip")
        sums += found
    return np.ascontiguousarray(sums.T)
