"""Lookup tables on a GPU: of queries, of codes, and rounded ones with what their sums stand for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tersevec._cuda._device import WARP, Array, blocks_for, current, each
from tersevec._cuda.codes import split

TILE_QUERIES = 4
WORD_LIMIT = 63  # four of them add up in a byte
_ROUNDING = "pqscan_rounding"


def lookup_tables(
    queries: Array, centroids: Array, metric: str, *, columns: bool, negative: bool
) -> Array:
    """Tables (nq, m, K) of centroids (m, K, ds), or (m, ds, K) as columns; negatives if asked."""
    if columns:
        m, dims, K = centroids.shape
        steps = (np.int64(1), np.int64(K))
    else:
        m, K, dims = centroids.shape
        steps = (np.int64(dims), np.int64(1))
    xp = current().xp
    tables = xp.empty((len(queries), m, K), np.float32)
    rows = (xp.ascontiguousarray(queries), np.int64(len(queries)), np.int64(m), np.int64(dims))
    kind = (np.int32(metric == "l2"), np.int32(negative))
    books = (xp.ascontiguousarray(centroids), np.int64(K), *steps)
    each("pqscan", "pqscan_tables", tables.size, *rows, *books, *kind, tables)
    return tables


def of_pairs(pairs: Array, q_codes: Array) -> Array:
    """The rows of pairs (K, m, K) that the codes name: (nq, m, K)."""
    K, m, _ = pairs.shape
    numbers = split(q_codes, m, K.bit_length() - 1)
    return pairs[numbers.astype(np.int64), current().xp.arange(m)]


def slots_of(n_bits: int) -> int:
    """Entries of a table in shared memory: of the widest numbers in the same layout."""
    return 16 if n_bits == 4 else 64 if n_bits <= 6 else 256


class Rounded(NamedTuple):
    """How the tables of each query are rounded."""

    ranges: Array  # float32 (3, nq, m): least, largest and mean entries
    scales: Array  # float64 (nq, 4): sums of the least entries, and of magnitudes; scale, step


def _rounded(tables: Array, limit: int, cut: bool) -> Rounded:
    xp, (nq, m, K) = current().xp, tables.shape
    ranges, scales = xp.empty((3, nq, m), np.float32), xp.empty((nq, 4), np.float64)
    n_bits = np.int32(K.bit_length() - 1)
    each(_ROUNDING, "pqscan_ranges", nq * m * WARP, tables, np.int64(nq * m), n_bits, ranges)
    sizes = (np.int64(nq), np.int32(m), np.int32(limit), np.int32(cut))
    each(_ROUNDING, "pqscan_scales", nq, ranges, *sizes, scales, block=WARP)
    return Rounded(ranges, scales)


def words(tables: Array) -> tuple[Array, Array]:
    """Bytes that bound the entries from below, four queries a word, and their scales."""
    nq, m, K = tables.shape
    n_bits = K.bit_length() - 1
    ranges, scales = _rounded(tables, WORD_LIMIT, cut=True)
    tiles = (blocks_for(nq, TILE_QUERIES), m, slots_of(n_bits))
    out = current().xp.empty(tiles, np.uint32)
    sizes = (np.int64(nq), np.int32(m), np.int32(n_bits))
    shape = (np.int64(out.size), np.int32(tiles[2]))
    each(_ROUNDING, "pqscan_words", out.size, tables, ranges, scales, *sizes, *shape, out)
    return out, scales


class Levels(NamedTuple):
    """Tables of whole numbers, rounded down, and what tells the bounds of their sums."""

    tables: Array
    scales: Array
    errors: Array

    def bounds(self, sums: Array) -> tuple[Array, Array]:
        """(lower, upper): float32 sums of entries whose levels add up to `sums` lie within."""
        out = current().xp.empty((2, *sums.shape), np.float32)
        shape = (np.int64(sums.size), np.int64(sums.shape[1]))
        given = (self.scales, self.errors, np.int32(self.tables.shape[1]), sums, *shape)
        each(_ROUNDING, "pqscan_bounds", sums.size, *given, out)
        return out[0], out[1]


def levels(tables: Array) -> Levels:
    """The tables of each query rounded by one scale, as the contract of `quantised_topk` says."""
    xp, (nq, m, K) = current().xp, tables.shape
    limit = 63 if K in (32, 64) else 127
    ranges, scales = _rounded(tables, limit, cut=False)
    out, lost, errors = xp.empty_like(tables), xp.empty((nq, m)), xp.empty(nq)
    shape = (np.int64(nq * m), np.int32(m), np.int32(K.bit_length() - 1), np.int32(limit))
    each(_ROUNDING, "pqscan_levels", nq * m * WARP, tables, ranges, scales, *shape, out, lost)
    each(_ROUNDING, "pqscan_errors", nq, lost, np.int64(nq), np.int32(m), errors, block=WARP)
    return Levels(out, scales, errors)
