"""Scans of product codes on a GPU: all sums, and the k best keys."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from tersevec._cuda import _selection
from tersevec._cuda._device import WARP, Array, blocks_for, current
from tersevec._cuda._pqscan_codes import blocks_of
from tersevec._cuda._pqscan_tables import TILE_QUERIES, slots_of, words

STEP_CODES = 256  # of a warp
SEGMENT_GRAIN = 64  # where a segment's first step begins
_STAGED = 4 * (STEP_CODES + STEP_CODES // WARP)  # bytes of a warp, to write sums in order
_WAITING = 8 * 2 * WARP  # bytes of a warp, for rows that wait
_THREADS = 256
_SHARED = 32 << 10  # of a block, so that two share a multiprocessor
_LEAST_TABLES = 12 << 10  # for tables, however much queues take
# Words pay where some queries share them, and where what they save outweighs some more launches.
WORD_LOOKUPS = 1 << 27
_WORD_QUERIES, _WORD_SUBSPACES = 3, 1024  # of more sub-spaces, sums leave 16 bits
_SAMPLE_STEPS = 4  # the least sample


class Scan(NamedTuple):
    """Tables, a base, and what of it may be found."""

    tables: Array
    blocks: Array
    n: int
    mask: Array | None
    segments: Array | None
    steps: Array | None  # the first of each segment, and their number
    bias: Array | None

    @property
    def n_bits(self) -> int:
        return int(self.tables.shape[2]).bit_length() - 1

    @property
    def held(self) -> int:
        """Queries whose tables and queues a block has room for."""
        return 1 if len(self.tables) == 1 else TILE_QUERIES

    def most_steps(self) -> int:
        """Steps of the whole base; segments may have fewer."""
        return blocks_for(self.n, STEP_CODES) + (0 if self.steps is None else len(self.steps))

    def tile(self, first: int, stop: int) -> Scan:
        """That of some queries."""
        mask, bias = self.mask, self.bias
        return self._replace(
            tables=self.tables[first:stop],
            mask=mask[first:stop] if mask is not None and mask.ndim == 2 else mask,
            bias=None if bias is None else bias[first:stop],
        )

    def arguments(self) -> tuple[Any, ...]:
        """What all kernels that scan are given first."""
        mask, segments = self.mask, self.segments
        base = (self.blocks, np.int32(self.tables.shape[1]), np.uint32(self.n))
        n_segments = np.int32(-1 if segments is None else len(segments))
        mask_bytes = np.int64(mask.shape[1] if mask is not None and mask.ndim == 2 else 0)
        return (
            *(self.tables, np.int64(len(self.tables)), *base, np.int32(self.n_bits)),
            *(segments, self.steps, n_segments, mask, mask_bytes, self.bias),
        )

    def chunk(self, taken: int, entry_bytes: int) -> tuple[np.int32, int]:
        """Sub-spaces whose tables have room beside what is taken, and all the bytes."""
        m, table = int(self.tables.shape[1]), entry_bytes * slots_of(self.n_bits)
        room = max(_LEAST_TABLES, _SHARED - taken) // table
        fits = m if m <= room else max(4, room // 4 * 4)
        return np.int32(fits), taken + fits * table

    def grid(self, steps: int, warps: int) -> tuple[int, int]:
        """Tiles of queries, and blocks that share the steps out: enough to fill the device."""
        tiles = blocks_for(len(self.tables), TILE_QUERIES)
        wanted = blocks_for(8 * current().multiprocessors(), tiles)
        return tiles, max(1, min(wanted, blocks_for(steps, warps)))


def scan_of(
    tables: Array,
    codes: Array,
    n: int,
    mask: Array | None,
    segments: Array | None = None,
    bias: Array | None = None,
) -> Scan:
    xp, (_, m, K) = current().xp, tables.shape
    blocks, steps = blocks_of(codes, n, m, K.bit_length() - 1), None
    if segments is not None:
        segments = xp.ascontiguousarray(segments)
        first, stop = segments[:, 0], segments[:, 1]
        rows = stop - first // SEGMENT_GRAIN * SEGMENT_GRAIN
        counts = xp.where(stop > first, (rows + STEP_CODES - 1) // STEP_CODES, 0)
        steps = xp.zeros(len(segments) + 1, np.int64)
        steps[1:] = xp.cumsum(counts)
    given = (None if mask is None else xp.ascontiguousarray(mask), segments, steps)
    added = None if bias is None else xp.ascontiguousarray(bias)
    return Scan(xp.ascontiguousarray(tables), blocks, n, *given, added)


def sums(scan: Scan, *, ordered: bool) -> Array:
    """All distances as their bits, or as ordinals: uint32 (nq, n), NO_ORDINAL for what is out."""
    xp, shape = current().xp, (len(scan.tables), scan.n)
    whole = scan.segments is None
    out = xp.empty(shape, np.uint32) if whole else xp.full(shape, _selection.NO_ORDINAL, np.uint32)
    if out.size > 0:
        steps = scan.most_steps()
        warps = min(_THREADS // WARP, steps)
        chunk, shared_bytes = scan.chunk(warps * _STAGED, 4 * scan.held)
        arguments = (*scan.arguments(), chunk, np.int32(ordered), out)
        grid = scan.grid(steps, warps)
        current().launch("pqscan", "pqscan_sums", grid, warps * WARP, arguments, shared_bytes)
    return out


def best(scan: Scan, k: int) -> Array:
    """The k best keys of each query, ascending, padded with NO_HIT."""
    xp, nq = current().xp, len(scan.tables)
    if k <= _selection.QUEUE_LIMIT and nq > 0:
        return _by_words(scan, k) if _words_pay(scan) else _by_floats(scan, k, 1)
    keys = xp.empty((nq, k), np.uint64)
    for first, stop in _selection.query_tiles(nq, scan.n):
        keys[first:stop] = _selection.smallest(sums(scan.tile(first, stop), ordered=True), k)
    return keys


def _words_pay(scan: Scan) -> bool:
    nq, m, _ = scan.tables.shape
    many = nq >= _WORD_QUERIES and nq * scan.n * m >= WORD_LOOKUPS
    return bool(many and m <= _WORD_SUBSPACES)


def _by_floats(scan: Scan, k: int, every: int) -> Array:
    """The k best of every so many steps, by float tables."""
    steps = blocks_for(scan.most_steps(), every)
    here = _queues(k, scan.held, steps)
    chunk, shared_bytes = scan.chunk(here.shared_bytes, 4 * scan.held)
    tiles, spans = scan.grid(steps, here.warps)
    lists = current().xp.empty((len(scan.tables), spans, k), np.uint64)
    queue = (np.int32(k), np.int32(here.capacity))
    arguments = (*scan.arguments(), chunk, np.uint32(every), *queue, lists)
    current().launch("pqscan", "pqscan_topk", (tiles, spans), here.block, arguments, shared_bytes)
    return _merged(lists)


def _by_words(scan: Scan, k: int) -> Array:
    """The k best by rounded tables, once a sample has told how near they are at least.

    One step of `every` is sampled by float tables, and lets pass about k * every rows to be added
    again: `every` gives both about as many rows.
    """
    steps = scan.most_steps()
    every = max(1, min(math.isqrt(scan.n // (4 * k)), steps // _SAMPLE_STEPS))
    seeds = _selection.ordinals_of(_by_floats(scan, k, every)[:, k - 1])
    rounded = words(scan.tables)
    here = _queues(k, TILE_QUERIES, steps)
    chunk, shared_bytes = scan.chunk(here.shared_bytes + here.warps * _WAITING, 4)
    tiles, spans = scan.grid(steps, here.warps)
    lists = current().xp.empty((len(scan.tables), spans, k), np.uint64)
    queue = (np.int32(k), np.int32(here.capacity))
    arguments = (*rounded, seeds, *scan.arguments(), chunk, *queue, lists)
    grid = (tiles, spans)
    current().launch("pqscan_bytes", "pqscan_search", grid, here.block, arguments, shared_bytes)
    return _merged(lists)


def _queues(k: int, held: int, steps: int) -> _selection.Queues:
    """Queues for a block of no more warps than there are steps."""
    here = _selection.queues(k, held)
    warps = max(1, min(here.warps, steps))
    shared_bytes = here.shared_bytes // here.warps * warps
    return here._replace(block=warps * WARP, shared_bytes=shared_bytes)


def _merged(lists: Array) -> Array:
    """The k best of the blocks' lists (nq, blocks, k), each of them sorted."""
    nq, spans, k = lists.shape
    return lists.reshape(nq, k) if spans == 1 else _selection.merge(lists.reshape(nq, -1), k)
