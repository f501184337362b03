"""Searches by similarities to which each query adds a number of its own, in float32.

The number changes no order but where the sum rounds two similarities to one: then the lower row
comes first, which the kernels, who rank before it is added, cannot know.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tersevec import _backend
from tersevec._kernels import F32, I8, I64, U8
from tersevec._numpy._collect import floats_of, ordinals_of
from tersevec._results import joined_hits

_INFINITY = np.float32(np.inf)
_SPARE = 4  # rows behind the last that is wanted, to see where its equals end


class Queries(NamedTuple):
    """As the kernels take them, and what each adds to its similarities: float32 (nq,)."""

    integers: I8
    scales: F32
    offsets: F32

    def of(self, query: int) -> tuple[I8, F32]:
        """One of them, as kernels take it."""
        return self.integers[query : query + 1], self.scales[query : query + 1]


class Base(NamedTuple):
    """The arguments of kernels that say what to scan."""

    codes: U8
    n: int
    n_bits: int
    factors: F32


def scores(queries: Queries, base: Base, threads: int) -> F32:
    """Every sum: (nq, n)."""
    sums = _backend.pick("symdist").scores(queries.integers, queries.scales, *base, threads)
    sums += queries.offsets[:, None]
    return sums


def topk(queries: Queries, base: Base, k: int, mask: U8 | None, threads: int) -> tuple[F32, I64]:
    """The k largest sums of each query, ties by lower row, padded with (-inf, -1)."""
    asked = min(k + _SPARE, max(1, base.n))
    kernels = _backend.pick("symdist")
    found = kernels.topk(queries.integers, queries.scales, *base, asked, mask, threads)
    values, indices = _best_first(found[0] + queries.offsets[:, None], found[1])
    if asked < base.n:
        open_ended = (values[:, -1] == values[:, k - 1]) & (indices[:, -1] >= 0)
        for query in np.flatnonzero(open_ended).tolist():  # so rare that each is asked alone
            least = least_terms(values[query, k - 1 : k], queries.offsets[query : query + 1])
            given = (*queries.of(query), *base, float(least[0]), mask, threads)
            _, rows, terms = kernels.range_search(*given)
            best = _best_first((terms + queries.offsets[query])[None], rows[None])
            values[query, :k], indices[query, :k] = best[0][0, :k], best[1][0, :k]
    if asked >= k:
        return values[:, :k], indices[:, :k]
    lacking = ((0, 0), (0, k - asked))
    values = np.pad(values, lacking, constant_values=-_INFINITY)
    return values, np.pad(indices, lacking, constant_values=-1)


def range_search(
    queries: Queries, base: Base, least: np.float32, mask: U8 | None, threads: int
) -> tuple[I64, I64, F32]:
    """The rows whose sum is at least `least`, best first; one scan for each query."""
    kernels, parts = _backend.pick("symdist"), []
    terms = least_terms(np.full(len(queries.offsets), least), queries.offsets)
    for query, term in enumerate(terms.tolist()):
        given = (*queries.of(query), *base, term, mask, threads)
        offsets, rows, similarities = kernels.range_search(*given)
        sums = (similarities + queries.offsets[query])[None]
        values, indices = _best_first(sums, rows[None])
        parts.append((offsets, indices[0], values[0]))
    return joined_hits(parts)


def _best_first(values: F32, indices: I64) -> tuple[F32, I64]:
    """Each row in the order (largest value, lowest index)."""
    order = np.lexsort((indices, -values))
    return np.take_along_axis(values, order, axis=1), np.take_along_axis(indices, order, axis=1)


def least_terms(sums: F32, offsets: F32) -> F32:
    """The least float32 that, added to each offset, gives at least the sum.

    Bisected over all floats, since float32 addition never falls as its terms rise.
    """
    ends = ordinals_of(np.array([-_INFINITY, _INFINITY])).astype(np.int64)
    low, high = (np.full(len(sums), end) for end in ends)
    with np.errstate(over="ignore"):
        enough = -_INFINITY + offsets >= sums
        while (high - low > 1).any():
            middle = (low + high) // 2
            reaches = floats_of(middle.astype(np.uint32)) + offsets >= sums
            low, high = np.where(reaches, low, middle), np.where(reaches, middle, high)
    terms = floats_of(np.where(enough, ends[0], high).astype(np.uint32))
    return terms + np.float32(0)  # -0.0 becomes 0.0
