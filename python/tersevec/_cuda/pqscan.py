"""Product codes of 4 to 8 bits on a GPU: the twin of `_native.pqscan`.

Distances are float32 sums in the contract's order, so results equal the CPU's to the last bit. Rows
of bytes are written into blocks before a scan; codes that are searched more than once are better
packed. `threads` and `isa` change nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from tersevec._cuda import _pqscan_tables, _selection
from tersevec._cuda._device import Array, current
from tersevec._cuda._pqscan_codes import pack as pack
from tersevec._cuda._pqscan_codes import unpack as unpack
from tersevec._cuda._pqscan_scan import best, scan_of, sums
from tersevec._cuda.codes import join as dense
from tersevec._cuda.codes import split as split
from tersevec._numpy._collect import of_queries
from tersevec._numpy.pqscan_codes import block_shape as block_shape
from tersevec._results import joined_hits

_TABLE_BYTES = 256 << 20  # of tables that are made at once


def rows() -> list[str]:
    """The paths of this family, fastest first."""
    return ["cuda"]


def join(assigned: Array, n_bits: int) -> Array:
    """Numbers as dense rows, least significant bit first: (n, m) -> (n, ceil(m * n_bits / 8))."""
    return dense(assigned, n_bits)


def lookup_tables(
    queries: Array, codebooks: Array, metric: str, threads: int, *, isa: str = ""
) -> Array:
    """Squared distances ("l2") or inner products ("ip") of queries and centroids: (nq, m, K)."""
    return _pqscan_tables.lookup_tables(queries, codebooks, metric, columns=False, negative=False)


def distances(tables: Array, codes: Array, n: int, threads: int, *, isa: str = "") -> Array:
    """The sums of the tables' entries, one sub-space after the other: (nq, n)."""
    return sums(scan_of(tables, codes, n, None), ordered=False).view(np.float32)


def topk(
    tables: Array,
    codes: Array,
    n: int,
    k: int,
    mask: Array | None,
    threads: int,
    *,
    segments: Array | None = None,
    bias: Array | None = None,
    isa: str = "",
) -> tuple[Array, Array]:
    """The k nearest codes of each query by (distance, index), padded with (+inf, -1)."""
    keys = best(scan_of(tables, codes, n, mask, segments, bias), k)
    values = _selection.floats_of(_selection.ordinals_of(keys))
    indices = _selection.rows_of(keys)
    values[indices < 0] = math.inf
    return values, indices


def products_pay(queries: Array, columns: Array, *, isa: str = "") -> bool:
    """Whether `search` multiplies bytes instead of adding table entries: never here."""
    return False


def search(
    queries: Array,
    columns: Array,
    metric: str,
    limit: float,
    codes: Array,
    n: int,
    k: int,
    mask: Array | None,
    threads: int,
    *,
    segments: Array | None = None,
    bias: Array | None = None,
    isa: str = "",
) -> tuple[Array, Array] | None:
    """`topk` of the tables of queries and columns (m, ds, K); similarities descend for "ip".

    None where a number of the queries is beyond +-limit; then nothing was searched. To know that,
    it waits for the device once.
    """
    xp = current().xp
    if not bool(xp.all(xp.abs(queries) <= np.float32(limit))):
        return None
    negative = metric == "ip"
    values, indices = xp.empty((len(queries), k), np.float32), xp.empty((len(queries), k), np.int64)
    for part in _batches(len(queries), columns[:, 0].size):
        tables = _pqscan_tables.lookup_tables(
            queries[part], columns, metric, columns=True, negative=negative
        )
        allowed = None if mask is None else of_queries(mask, part)
        added = None if bias is None else -bias[part] if negative else bias[part]
        found = topk(tables, codes, n, k, allowed, threads, segments=segments, bias=added)
        values[part], indices[part] = found
    return np.float32(0) - values if negative else values, indices


def range_search(
    tables: Array,
    codes: Array,
    n: int,
    radius: float,
    mask: Array | None,
    threads: int,
    *,
    segments: Array | None = None,
    bias: Array | None = None,
    isa: str = "",
) -> tuple[Array, Array, Array]:
    """The codes within `radius` of each query, in the order (distance, index)."""
    scan = scan_of(tables, codes, n, mask, segments, bias)
    limit = _selection.ordinal_of(float(np.float32(radius) + np.float32(0))) + 1  # -0.0 is 0.0
    offsets, keys = _selection.within(
        len(tables), n, limit, lambda a, b: sums(scan.tile(a, b), ordered=True)
    )
    values = _selection.floats_of(_selection.ordinals_of(keys))
    return offsets, _selection.rows_of(keys), values


def quantised_topk(
    tables: Array,
    codes: Array,
    n: int,
    k: int,
    mask: Array | None,
    threads: int,
    *,
    segments: Array | None = None,
    isa: str = "",
) -> tuple[Array, Array, Array]:
    """Certified (lower, upper) bounds of the k least integer sums, by (sum, index), and indices."""
    rounded = _pqscan_tables.levels(current().xp.ascontiguousarray(tables))
    found, indices = topk(rounded.tables, codes, n, k, mask, threads, segments=segments)
    lower, upper = rounded.bounds(found)
    lower[indices < 0] = upper[indices < 0] = math.inf
    return lower, upper, indices


def symmetric_topk(
    pairs: Array,
    q_codes: Array,
    codes: Array,
    n: int,
    k: int,
    mask: Array | None,
    threads: int,
    *,
    isa: str = "",
) -> tuple[Array, Array]:
    """`topk` of the tables that the queries' codes pick from those of pairs (K, m, K)."""
    xp, nq = current().xp, len(q_codes)
    values, indices = xp.empty((nq, k), np.float32), xp.empty((nq, k), np.int64)
    for part in _batches(nq, pairs[0].size):
        allowed = None if mask is None else of_queries(mask, part)
        tables = _pqscan_tables.of_pairs(pairs, q_codes[part])
        values[part], indices[part] = topk(tables, codes, n, k, allowed, threads)
    return values, indices


def symmetric_range(
    pairs: Array,
    q_codes: Array,
    codes: Array,
    n: int,
    radius: float,
    mask: Array | None,
    threads: int,
    *,
    segments: Array | None = None,
    isa: str = "",
) -> tuple[Array, Array, Array]:
    """`range_search` of the tables that the queries' codes pick from those of pairs (K, m, K)."""
    parts = []
    for part in _batches(max(1, len(q_codes)), pairs[0].size):
        allowed = None if mask is None else of_queries(mask, part)
        tables = _pqscan_tables.of_pairs(pairs, q_codes[part])
        parts.append(range_search(tables, codes, n, radius, allowed, threads, segments=segments))
    return joined_hits(parts)


def _batches(n_queries: int, entries: int) -> Iterator[slice]:
    """Queries whose tables have so many entries, as many as are made at once."""
    step = max(1, _TABLE_BYTES // (16 * entries)) * 4
    for start in range(0, n_queries, step):
        yield slice(start, start + step)
