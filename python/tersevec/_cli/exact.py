"""Exact search in float32 with NumPy: the truth, the yardstick, the second look at candidates."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tersevec._cli.rows import Rows
from tersevec._kernels import F32, I64

SCORE_FLOATS = 1 << 22  # scores of one tile of queries and base rows


def _scores(queries: F32, block: F32, metric: str) -> F32:
    """Larger is better: inner products; for "l2" q·b - |b|²/2, which ranks as the distance does."""
    scores: F32 = queries @ block.T
    if metric == "l2":
        scores -= np.float32(0.5) * np.einsum("ij,ij->i", block, block)
    return scores


def _best_first(scores: F32, indices: I64, k: int) -> tuple[F32, I64]:
    """The k best columns of every row, best first; ties: lower index."""
    if scores.shape[1] > k:
        part = np.argpartition(scores, -k, axis=1)[:, -k:]
        scores = np.take_along_axis(scores, part, axis=1)
        indices = np.take_along_axis(indices, part, axis=1)
    order = np.lexsort((indices, -scores))
    return np.take_along_axis(scores, order, axis=1), np.take_along_axis(indices, order, axis=1)


def search(
    queries: F32, base: Rows, k: int, advance: Callable[[int], object] = lambda rows: None
) -> I64:
    """The k best rows of every query by exact scores: int64 (nq, k), best first; needs k <= n.

    One matrix product and one `numpy.argpartition` per block of base rows: memory stays bounded.
    `advance` is told the number of rows after each block.
    """
    tile = max(1, SCORE_FLOATS // base.block_rows)
    best: list[tuple[F32, I64] | None] = [None] * -(-len(queries) // tile)
    for start, block in base.blocks():
        numbers = np.arange(start, start + len(block))
        for t in range(len(best)):
            some = queries[t * tile : (t + 1) * tile]
            scores = _scores(some, block, base.metric)
            indices = np.broadcast_to(numbers, scores.shape)
            found = _best_first(scores, indices, k)
            before = best[t]
            if before is not None:
                found = _best_first(
                    np.hstack([before[0], found[0]]), np.hstack([before[1], found[1]]), k
                )
            best[t] = found
        advance(len(block))
    return np.concatenate([found[1] for found in best if found is not None])


def rescore(queries: F32, base: Rows, candidates: I64, k: int) -> I64:
    """The k best of each query's candidates by exact scores: int64 (nq, k), best first.

    Candidates are row numbers (nq, c), c >= k, distinct within a query. One thread: gathering rows
    is most of the work, and NumPy gathers under the interpreter's lock.
    """
    scores = np.empty(candidates.shape, np.float32)
    for query, rows, out in zip(queries, candidates, scores, strict=True):
        vectors = base.take(rows)
        np.matmul(vectors, query, out=out)
        if base.metric == "l2":
            out -= np.float32(0.5) * np.einsum("ij,ij->i", vectors, vectors)
    return _best_first(scores, candidates, k)[1]
