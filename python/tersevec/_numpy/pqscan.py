"""Product codes of 4 bits, in NumPy: the twin of `_native.pqscan`.

Float32 throughout, each product, sum and difference rounded on its own and in the order that the
contract names, so that values equal the compiled ones to the last bit. Works on tiles, so that
temporaries stay below 32 MiB. `threads` and `isa` change nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from tersevec._kernels import F32, F64, I64, U8
from tersevec._numpy._collect import Tile, best, floats_of, ordinals_of, row_spans, within
from tersevec._numpy.checks import first_beyond

block_codes: int = 32

_TILE = 1 << 16  # distances of one tile
_SCORES = 1 << 16  # scores that are worked on at once: they stay in cache


def rows() -> list[str]:
    """The paths of this family, fastest first."""
    return ["numpy"]


def _split(codes: U8, m: int) -> U8:
    """The nibbles of dense rows: (n, ceil(m / 2)) -> (n, m)."""
    nibbles = np.empty((len(codes), m), np.uint8)
    nibbles[:, 0::2] = codes & 15
    nibbles[:, 1::2] = codes[:, : m // 2] >> 4
    return nibbles


def _span(m: int) -> int:
    """How many rows to pack at a time: a multiple of the block."""
    return int(max(1, (1 << 21) // m // block_codes) * block_codes)


def _lanes(blocks: U8) -> U8:
    """The nibbles of blocks, code after code: (n_blocks, m, 16) -> (32 n_blocks, m)."""
    halves = np.stack((blocks & 15, blocks >> 4), axis=1)
    return np.ascontiguousarray(halves.transpose(0, 1, 3, 2)).reshape(-1, blocks.shape[1])


def pack(codes: U8, blocks: U8, start: int) -> None:
    """Write the codes into `blocks` as codes start, start + 1, ..."""
    m = blocks.shape[1]
    step = _span(m)
    for first in range(0, len(codes), step):
        nibbles = _split(codes[first : first + step], m)
        block, kept = divmod(start + first, block_codes)
        stop = block + -(-(kept + len(nibbles)) // block_codes)
        lanes = np.zeros(((stop - block) * block_codes, m), np.uint8)
        lanes[:kept] = _lanes(blocks[block : block + 1])[:kept]
        lanes[kept : kept + len(nibbles)] = nibbles
        halves = lanes.reshape(-1, 2, 16, m)
        blocks[block:stop] = (halves[:, 0] | halves[:, 1] << 4).transpose(0, 2, 1)


def unpack(blocks: U8, n: int) -> U8:
    """The first n codes of `blocks` as dense rows."""
    m = blocks.shape[1]
    codes = np.empty((n, (m + 1) // 2), np.uint8)
    step = _span(m)
    for start in range(0, n, step):
        stop = min(n, start + step)
        lanes = _lanes(blocks[start // block_codes : -(-stop // block_codes)])[: stop - start]
        codes[start:stop] = lanes[:, 0::2]
        codes[start:stop, : m // 2] |= lanes[:, 1::2] << 4
    return codes


def assign(x: F32, codebooks: F32, threads: int, *, isa: str = "") -> U8:
    """The nearest centroid of each part of each row, ties to the lowest: (n, m)."""
    m, _, ds = codebooks.shape
    norms = np.zeros(codebooks.shape[:2], np.float32)
    for t in range(ds):
        norms += codebooks[:, :, t] * codebooks[:, :, t]
    halves = norms * np.float32(0.5)
    assigned = np.empty((len(x), m), np.uint8)
    step = max(1, _SCORES // m)
    for start in range(0, len(x), step):
        columns = np.ascontiguousarray(x[start : start + step].T).reshape(m, ds, -1)
        assigned[start : start + step] = _nearest(columns, codebooks, halves).T
    return assigned


def _nearest(columns: F32, codebooks: F32, halves: F32) -> U8:
    m, ds, n = columns.shape
    nearest = np.zeros((m, n), np.uint8)
    lowest = np.full((m, n), np.inf, np.float32)
    product = np.empty((m, n), np.float32)
    for k in range(codebooks.shape[1]):
        score = np.repeat(halves[:, k, None], n, axis=1)
        for t in range(ds):
            np.multiply(columns[:, t], codebooks[:, k, t, None], out=product)
            score -= product
        np.copyto(nearest, np.uint8(k), where=score < lowest)
        np.minimum(lowest, score, out=lowest)
    return nearest


def centroid_sums(x: F32, assigned: U8, n_centroids: int, threads: int) -> tuple[F64, I64]:
    """Float64 sums of each centroid's rows, in row order, and their counts.

    Shapes (m, n_centroids, ds) and (m, n_centroids).
    """
    m = assigned.shape[1]
    ds = x.shape[1] // m
    sums = np.empty((m, n_centroids, ds), np.float64)
    counts = np.empty((m, n_centroids), np.int64)
    for j in range(m):
        ids = assigned[:, j].astype(np.intp)
        counts[j] = np.bincount(ids, minlength=n_centroids)
        for t in range(ds):
            sums[j, :, t] = np.bincount(ids, weights=x[:, j * ds + t], minlength=n_centroids)
    return sums, counts


def lookup_tables(queries: F32, codebooks: F32, metric: str, threads: int) -> F32:
    """Squared distances ("l2") or inner products ("ip") of queries and centroids: (nq, m, K)."""
    m, K, ds = codebooks.shape
    tables = np.zeros((len(queries), m, K), np.float32)
    step = max(1, 4 * _SCORES // (m * K))
    for start in range(0, len(queries), step):
        parts = queries[start : start + step].reshape(-1, m, 1, ds)
        entries = tables[start : start + step]
        for t in range(ds):
            if metric == "l2":
                difference = parts[..., t] - codebooks[:, :, t]
                entries += difference * difference
            else:
                entries += parts[..., t] * codebooks[:, :, t]
    return tables


def _nibbles(codes: U8, start: int, stop: int, j: int) -> npt.NDArray[np.intp]:
    """The codes of rows start to stop in sub-space j."""
    if codes.ndim == 2:
        return (codes[start:stop, j // 2] >> 4 * (j % 2) & 15).astype(np.intp)
    bytes_ = codes[start // block_codes : -(-stop // block_codes), j]
    lanes = np.empty((len(bytes_), 2, 16), np.intp)
    lanes[:, 0] = bytes_ & 15
    lanes[:, 1] = bytes_ >> 4
    return lanes.reshape(-1)[: stop - start]


def _tiles(tables: F32, codes: U8, n: int, mask: U8 | None) -> Iterator[tuple[int, int, F32]]:
    """All distances, tile by tile: (first query, first row, (queries, rows)); rows ascend."""
    nq, m, _ = tables.shape
    group = min(max(nq, 1), 64)
    step = max(1, _TILE // group // block_codes) * block_codes
    for start, stop in row_spans(n, step, mask):
        for first in range(0, nq, group):
            entries = np.ascontiguousarray(tables[first : first + group].transpose(1, 2, 0))
            sums = np.zeros((stop - start, entries.shape[2]), np.float32)
            found = np.empty_like(sums)
            for j in range(m):
                np.take(entries[j], _nibbles(codes, start, stop, j), axis=0, out=found, mode="clip")
                sums += found
            yield first, start, np.ascontiguousarray(sums.T)


def _ordinal_tiles(tables: F32, codes: U8, n: int, mask: U8 | None) -> Iterator[Tile]:
    return (
        (first, start, ordinals_of(tile)) for first, start, tile in _tiles(tables, codes, n, mask)
    )


def distances(tables: F32, codes: U8, n: int, threads: int, *, isa: str = "") -> F32:
    """The sums of the tables' entries, one sub-space after the other: (nq, n)."""
    result = np.empty((len(tables), n), np.float32)
    for first, start, tile in _tiles(tables, codes, n, None):
        result[first : first + tile.shape[0], start : start + tile.shape[1]] = tile
    return result


def topk(
    tables: F32, codes: U8, n: int, k: int, mask: U8 | None, threads: int, *, isa: str = ""
) -> tuple[F32, I64]:
    """The k nearest codes of each query by (distance, index), padded with (+inf, -1)."""
    ordinals, indices = best(_ordinal_tiles(tables, codes, n, mask), len(tables), k, mask)
    values = floats_of(ordinals)
    values[indices < 0] = np.inf
    return values, indices


def search(
    queries: F32,
    columns: F32,
    metric: str,
    limit: float,
    codes: U8,
    n: int,
    k: int,
    mask: U8 | None,
    threads: int,
    *,
    isa: str = "",
) -> tuple[F32, I64] | None:
    """`topk` of the tables of queries and columns (m, ds, 16); similarities descend for "ip".

    None where a number of the queries is beyond +-limit; then nothing was searched.
    """
    if first_beyond(queries, limit) >= 0:
        return None
    codebooks = np.ascontiguousarray(columns.transpose(0, 2, 1))
    values, indices = np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
    step = max(1, 4 * _SCORES // codebooks[..., 0].size)
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        tables = lookup_tables(queries[part], codebooks, metric, threads)
        if metric == "l2":
            values[part], indices[part] = topk(tables, codes, n, k, mask, threads)
        else:
            distances, indices[part] = topk(-tables, codes, n, k, mask, threads)
            values[part] = np.float32(0) - distances
    return values, indices


def range_search(
    tables: F32, codes: U8, n: int, radius: float, mask: U8 | None, threads: int, *, isa: str = ""
) -> tuple[I64, I64, F32]:
    """The codes within `radius` of each query, in the order (distance, index)."""
    inclusive = np.array([radius], np.float32) + np.float32(0)  # -0.0 becomes 0.0
    limit = int(ordinals_of(inclusive)[0]) + 1
    offsets, indices, ordinals = within(
        _ordinal_tiles(tables, codes, n, mask), len(tables), limit, mask
    )
    return offsets, indices, floats_of(ordinals)
