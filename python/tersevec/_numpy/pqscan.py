"""Product codes of 4 to 8 bits, in NumPy: the twin of `_native.pqscan`.

Float32 throughout, each product, sum and difference rounded on its own and in the order that the
contract names, so that values equal the compiled ones to the last bit. Works on tiles, so that
temporaries stay below 32 MiB. `threads` and `isa` change nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tersevec._kernels import F32, I64, U8
from tersevec._numpy._collect import best, floats_of, of_queries, ordinals_of, within
from tersevec._numpy.checks import first_beyond
from tersevec._numpy.pqscan_codes import block_shape, join, pack, split, unpack
from tersevec._numpy.pqscan_tables import bounds, levels, of_pairs
from tersevec._numpy.pqscan_tiles import ordinal_tiles, tiles
from tersevec._results import joined_hits

__all__ = [
    "block_shape",
    "distances",
    "join",
    "lookup_tables",
    "pack",
    "products_pay",
    "quantised_topk",
    "range_search",
    "rows",
    "search",
    "split",
    "symmetric_range",
    "symmetric_topk",
    "topk",
    "unpack",
]

_SCORES = 1 << 16  # scores that are worked on at once: they stay in cache


def rows() -> list[str]:
    """The paths of this family, fastest first."""
    return ["numpy"]


def lookup_tables(queries: F32, codebooks: F32, metric: str, threads: int, *, isa: str = "") -> F32:
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


def distances(tables: F32, codes: U8, n: int, threads: int, *, isa: str = "") -> F32:
    """The sums of the tables' entries, one sub-space after the other: (nq, n)."""
    result = np.empty((len(tables), n), np.float32)
    for first, start, tile in tiles(tables, codes, n):
        result[first : first + tile.shape[0], start : start + tile.shape[1]] = tile
    return result


def topk(
    tables: F32,
    codes: U8,
    n: int,
    k: int,
    mask: U8 | None,
    threads: int,
    *,
    segments: I64 | None = None,
    bias: F32 | None = None,
    isa: str = "",
) -> tuple[F32, I64]:
    """The k nearest codes of each query by (distance, index), padded with (+inf, -1)."""
    found = ordinal_tiles(tables, codes, n, mask, segments, bias)
    ordinals, indices = best(found, len(tables), k, mask)
    values = floats_of(ordinals)
    values[indices < 0] = np.inf
    return values, indices


def products_pay(queries: F32, columns: F32, *, isa: str = "") -> bool:
    """Whether `search` multiplies bytes instead of adding table entries: never here."""
    return False


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
    segments: I64 | None = None,
    bias: F32 | None = None,
    isa: str = "",
) -> tuple[F32, I64] | None:
    """`topk` of the tables of queries and columns (m, ds, K); similarities descend for "ip".

    None where a number of the queries is beyond +-limit; then nothing was searched.
    """
    if first_beyond(queries, limit) >= 0:
        return None
    codebooks = np.ascontiguousarray(columns.transpose(0, 2, 1))
    values, indices = np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
    for part in _batches(len(queries), codebooks[..., 0].size):
        tables = lookup_tables(queries[part], codebooks, metric, threads)
        allowed = None if mask is None else of_queries(mask, part)
        added = None if bias is None else bias[part]
        if metric == "ip":
            np.negative(tables, out=tables)
            added = None if added is None else -added
        found = topk(tables, codes, n, k, allowed, threads, segments=segments, bias=added)
        values[part], indices[part] = found
    return np.float32(0) - values if metric == "ip" else values, indices


def range_search(
    tables: F32,
    codes: U8,
    n: int,
    radius: float,
    mask: U8 | None,
    threads: int,
    *,
    segments: I64 | None = None,
    bias: F32 | None = None,
    isa: str = "",
) -> tuple[I64, I64, F32]:
    """The codes within `radius` of each query, in the order (distance, index)."""
    inclusive = np.array([radius], np.float32) + np.float32(0)  # -0.0 becomes 0.0
    limit = int(ordinals_of(inclusive)[0]) + 1
    found = ordinal_tiles(tables, codes, n, mask, segments, bias)
    offsets, indices, ordinals = within(found, len(tables), limit, mask)
    return offsets, indices, floats_of(ordinals)


def quantised_topk(
    tables: F32,
    codes: U8,
    n: int,
    k: int,
    mask: U8 | None,
    threads: int,
    *,
    segments: I64 | None = None,
    isa: str = "",
) -> tuple[F32, F32, I64]:
    """Certified (lower, upper) bounds of the k least integer sums, by (sum, index), and indices."""
    rounded = levels(tables)
    sums, indices = topk(rounded, codes, n, k, mask, threads, segments=segments)
    lower, upper = bounds(tables, rounded, np.where(indices < 0, np.float32(0), sums))
    lower[indices < 0] = upper[indices < 0] = np.inf
    return lower, upper, indices


def symmetric_topk(
    pairs: F32,
    q_codes: U8,
    codes: U8,
    n: int,
    k: int,
    mask: U8 | None,
    threads: int,
    *,
    isa: str = "",
) -> tuple[F32, I64]:
    """`topk` of the tables that the queries' codes pick from those of pairs (K, m, K)."""
    values, indices = np.empty((len(q_codes), k), np.float32), np.empty((len(q_codes), k), np.int64)
    for part in _batches(len(q_codes), pairs[0].size):
        allowed = None if mask is None else of_queries(mask, part)
        tables = of_pairs(pairs, q_codes[part])
        values[part], indices[part] = topk(tables, codes, n, k, allowed, threads)
    return values, indices


def symmetric_range(
    pairs: F32,
    q_codes: U8,
    codes: U8,
    n: int,
    radius: float,
    mask: U8 | None,
    threads: int,
    *,
    segments: I64 | None = None,
    isa: str = "",
) -> tuple[I64, I64, F32]:
    """`range_search` of the tables that the queries' codes pick from those of pairs (K, m, K)."""
    parts = []
    for part in _batches(len(q_codes), pairs[0].size):
        allowed = None if mask is None else of_queries(mask, part)
        tables = of_pairs(pairs, q_codes[part])
        parts.append(range_search(tables, codes, n, radius, allowed, threads, segments=segments))
    return joined_hits(parts)


def _batches(n_queries: int, entries: int) -> Iterator[slice]:
    """Few queries at once, whose tables have so many entries."""
    step = max(1, 4 * _SCORES // entries)
    for start in range(0, n_queries, step):
        yield slice(start, start + step)
