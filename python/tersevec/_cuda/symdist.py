"""Similarities by exact integer products on a GPU: the twin of `_native.symdist`.

Exact. Rows of bytes are written into blocks before a scan; codes that are searched more than once
are better packed. `threads` and `isa` change nothing.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from tersevec._cuda import _selection
from tersevec._cuda._device import Array, blocks_for, current, each
from tersevec._cuda.codes import join, split
from tersevec._numpy.symdist_codes import BLOCK_CODES, block_shape

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

_TILE_QUERIES = 4
_STEP_CODES = 128  # of a warp
_THREADS = 256
_NUMBERS = 256 << 20  # of codes that are bytes at once
_ZERO = np.float32(0)


def rows() -> list[str]:
    """The paths of this family, fastest first."""
    return ["cuda"]


def _held(n_bits: int) -> np.int32:
    """Bits in which a number lies in a block."""
    return np.int32(1 << (n_bits - 1).bit_length())


def pack(codes: Array, blocks: Array, m: int, n_bits: int, start: int) -> None:
    """Write the codes into `blocks` as codes start, start + 1, ...; other codes stay."""
    step, lines = max(1, _NUMBERS // m), blocks.shape[1]
    for first in range(0, len(codes), step):
        numbers = split(codes[first : first + step], m, n_bits)
        shape = (np.int64(len(numbers)), np.int64(m), np.int64(lines), _held(n_bits))
        place = (np.int64(start + first), blocks.view(np.uint32))
        each("symdist", "symdist_pack", len(numbers) * lines, numbers, *shape, *place)


def unpack(blocks: Array, n: int, m: int, n_bits: int) -> Array:
    """The first n codes of `blocks` as dense rows."""
    codes = current().xp.empty((n, (m * n_bits + 7) // 8), np.uint8)
    step = max(1, _NUMBERS // m // BLOCK_CODES) * BLOCK_CODES
    for first in range(0, n, step):
        count = min(step, n - first)
        numbers = current().xp.empty((count, m), np.uint8)
        shape = (np.int64(count), np.int64(m), np.int64(blocks.shape[1]), _held(n_bits))
        part = blocks[first // BLOCK_CODES :].view(np.uint32)
        each("symdist", "symdist_unpack", numbers.size, part, *shape, np.int32(n_bits), numbers)
        codes[first : first + count] = join(numbers, n_bits)
    return codes


class _Scan(NamedTuple):
    """The arguments that all scans share."""

    queries: tuple[Array, ...]  # quads, sums, scales, number
    base: tuple[Array, ...]  # blocks, lines, n, bits, factors
    n_queries: int
    n: int

    def tile(self, first: int, stop: int) -> _Scan:
        """That of some queries, from the first of a tile on."""
        quads, sums, scales, _ = self.queries
        part = quads[first // _TILE_QUERIES : blocks_for(stop, _TILE_QUERIES)]
        queries = (part, sums[first:stop], scales[first:stop], np.int64(stop - first))
        return self._replace(queries=queries, n_queries=stop - first)


def _scan(
    queries: Array, scales: Array, codes: Array, n: int, n_bits: int, factors: Array
) -> _Scan:
    xp = current().xp
    nq, m = queries.shape
    if codes.ndim == 2:
        block_codes, *line = block_shape(m, n_bits)
        blocks = xp.zeros((blocks_for(n, block_codes), *line), np.uint8)
        pack(codes, blocks, m, n_bits, 0)
    else:
        blocks = codes
    lines = blocks.shape[1]
    quads = lines * (8 // int(_held(n_bits)))
    padded = xp.zeros((blocks_for(nq, _TILE_QUERIES) * _TILE_QUERIES, 4 * quads), np.int8)
    padded[:nq, :m] = queries
    tiles = padded.view(np.int32).reshape(-1, _TILE_QUERIES, quads).transpose(0, 2, 1)
    sums = queries.astype(np.int32).sum(axis=1, dtype=np.int32)
    base = (blocks.view(np.uint32), np.int64(lines), np.int64(n), np.int32(n_bits), factors)
    given = (xp.ascontiguousarray(tiles), sums, xp.ascontiguousarray(scales), np.int64(nq))
    return _Scan(given, base, nq, n)


def _ordinals(scan: _Scan, mask: Array | None) -> Array:
    """Ordinals of all negated similarities; NO_ORDINAL where the mask forbids a row."""
    out = current().xp.empty((scan.n_queries, scan.n), np.uint32)
    if out.size > 0:
        threads = blocks_for(scan.n, _STEP_CODES) * 32
        grid = (blocks_for(threads, _THREADS), blocks_for(scan.n_queries, _TILE_QUERIES))
        arguments = (*scan.queries, *scan.base, mask, out)
        current().launch("symdist", "symdist_ordinals", grid, _THREADS, arguments, 0)
    return out


def _best(scan: _Scan, k: int, mask: Array | None) -> Array:
    """The k best keys of each query, by the warps' queues."""
    here = _selection.queues(k, _TILE_QUERIES)
    spans = _selection.grid_for(blocks_for(scan.n, _STEP_CODES), here.warps)
    lists = current().xp.empty((scan.n_queries, spans * here.warps, k), np.uint64)
    queue = (np.int32(k), np.int32(here.capacity), lists)
    arguments = (*scan.queries, *scan.base, mask, *queue)
    grid = (spans, blocks_for(scan.n_queries, _TILE_QUERIES))
    current().launch("symdist", "symdist_topk", grid, here.block, arguments, here.shared_bytes)
    return _selection.merge(lists.reshape(scan.n_queries, -1), k)


def scores(
    queries: Array,
    scales: Array,
    codes: Array,
    n: int,
    n_bits: int,
    factors: Array,
    threads: int,
    *,
    isa: str = "",
) -> Array:
    """Every similarity: (nq, n)."""
    scan = _scan(queries, scales, codes, n, n_bits, factors)
    result = current().xp.empty((len(queries), n), np.float32)
    for first, stop in _selection.query_tiles(len(queries), n, _TILE_QUERIES):
        ordinals = _ordinals(scan.tile(first, stop), None)
        result[first:stop] = _ZERO - _selection.floats_of(ordinals)
    return result


def topk(
    queries: Array,
    scales: Array,
    codes: Array,
    n: int,
    n_bits: int,
    factors: Array,
    k: int,
    mask: Array | None,
    threads: int,
    *,
    isa: str = "",
) -> tuple[Array, Array]:
    """The k most similar codes of each query, best first, padded with (-inf, -1)."""
    scan = _scan(queries, scales, codes, n, n_bits, factors)
    keys = _selection.best(
        len(queries),
        n,
        k,
        lambda a, b: _best(scan.tile(a, b), k, mask),
        lambda a, b: _ordinals(scan.tile(a, b), mask),
        _TILE_QUERIES,
    )
    similarities = _ZERO - _selection.floats_of(_selection.ordinals_of(keys))
    indices = _selection.rows_of(keys)
    similarities[indices < 0] = -math.inf
    return similarities, indices


def range_search(
    queries: Array,
    scales: Array,
    codes: Array,
    n: int,
    n_bits: int,
    factors: Array,
    radius: float,
    mask: Array | None,
    threads: int,
    *,
    isa: str = "",
) -> tuple[Array, Array, Array]:
    """The codes whose similarity is at least `radius`, a float32 number, best first."""
    scan = _scan(queries, scales, codes, n, n_bits, factors)
    limit = _selection.ordinal_of(float(_ZERO - np.float32(radius))) + 1
    offsets, keys = _selection.within(
        len(queries), n, limit, lambda a, b: _ordinals(scan.tile(a, b), mask), _TILE_QUERIES
    )
    similarities = _ZERO - _selection.floats_of(_selection.ordinals_of(keys))
    return offsets, _selection.rows_of(keys), similarities
