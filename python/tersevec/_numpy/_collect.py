"""Top-k and range results, gathered from tiles of 32-bit ordinals that sort as distances do."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from tersevec._kernels import F32, I64, U8, U64

U32 = npt.NDArray[np.uint32]
Tile = tuple[int, int, U32]  # first query, first row, ordinals (queries, rows)

_NOTHING = np.uint64(
    2**64 - 1
)  # sorts behind every key; as a limit, its upper half lets every ordinal pass
_INDEX_BITS = np.uint64(32)
_LOWER_HALF = np.uint64(2**32 - 1)


def of_queries(mask: U8, queries: slice) -> U8:
    """The mask, or the rows of these queries where there is one for each."""
    return mask if mask.ndim == 1 else mask[queries]


def row_spans(rows: range, step: int, mask: U8 | None) -> Iterator[tuple[int, int]]:
    """(start, stop) over the rows, without spans that the mask, or each of them, empties."""
    for start in rows[::step]:
        stop = min(rows.stop, start + step)
        if mask is None or mask[..., start // 8 : (stop + 7) // 8].any():
            yield start, stop


def _keys(ordinals: U32, rows: npt.NDArray[np.intp], start: int) -> U64:
    """Ordinal in the upper half, row number in the lower: keys sort as (value, index)."""
    return ordinals.astype(np.uint64) << _INDEX_BITS | (rows + start).astype(np.uint64)


def _allowed(mask: U8, start: int, count: int) -> npt.NDArray[np.bool_]:
    """The bits of so many rows of a mask, or of a mask for each query."""
    kept = start % 8
    bits = np.unpackbits(mask[..., start // 8 :], axis=-1, count=kept + count, bitorder="little")
    return bits[..., kept:].view(bool)


def _hits(tile: Tile, limits: U32, mask: U8 | None) -> Iterator[tuple[int, U64]]:
    """(query, keys) of the allowed rows of a tile whose ordinal is below the query's limit."""
    first, start, ordinals = tile
    queries = slice(first, first + len(ordinals))
    below = ordinals < limits[queries, None]
    if mask is not None:
        below &= _allowed(of_queries(mask, queries), start, ordinals.shape[1])
    for query in np.flatnonzero(below.any(axis=1)):
        rows = np.flatnonzero(below[query])
        yield first + int(query), _keys(ordinals[query, rows], rows, start)


def best(tiles: Iterator[Tile], nq: int, k: int, mask: U8 | None) -> tuple[U32, I64]:
    """The k smallest (ordinal, index) of each query, ascending, padded with (2**32 - 1, -1)."""
    indices = np.empty((nq, k), np.int64)
    keys = indices.view(np.uint64)  # the result's own memory holds the keys until the end
    keys.fill(_NOTHING)
    limits = np.full(nq, 2**32 - 1, np.uint32)
    for tile in tiles:
        for query, found in _hits(tile, limits, mask):
            merged = np.concatenate((keys[query], found))
            merged.partition(k - 1)
            keys[query] = merged[:k]
            limits[query] = (
                merged[k - 1] >> _INDEX_BITS
            )  # later rows lose ties, so they must be below
    keys.sort(axis=1)
    ordinals = np.empty((nq, k), np.uint32)
    np.right_shift(keys, _INDEX_BITS, out=ordinals, casting="unsafe")
    np.bitwise_and(
        keys, _LOWER_HALF, out=keys, where=keys != _NOTHING
    )  # the padding's bits are -1 already
    return ordinals, indices


def within(tiles: Iterator[Tile], nq: int, limit: int, mask: U8 | None) -> tuple[I64, I64, U32]:
    """(offsets, indices, ordinals) of the rows below `limit`, ascending in each query."""
    limits = np.full(nq, limit, np.uint32)
    found: list[list[U64]] = [[] for _ in range(nq)]
    for tile in tiles:
        for query, keys in _hits(tile, limits, mask):
            found[query].append(keys)
    offsets = np.zeros(nq + 1, np.int64)
    np.cumsum([sum(map(len, parts)) for parts in found], out=offsets[1:])
    ordered = np.empty(offsets[-1], np.uint64)
    for query, parts in enumerate(found):
        if parts:
            here = ordered[offsets[query] : offsets[query + 1]]
            np.concatenate(parts, out=here)
            here.sort()
            parts.clear()
    indices = (ordered & _LOWER_HALF).astype(np.int64)
    return offsets, indices, (ordered >> _INDEX_BITS).astype(np.uint32)


def ordinals_of(values: F32) -> U32:
    """Unsigned integers that sort as the floats do."""
    bits = values.view(np.uint32)
    return bits ^ np.where(bits >> 31, np.uint32(2**32 - 1), np.uint32(2**31))


def floats_of(ordinals: U32) -> F32:
    """The floats that `ordinals_of` took."""
    bits = ordinals ^ np.where(ordinals >> 31, np.uint32(2**31), np.uint32(2**32 - 1))
    return bits.view(np.float32)
