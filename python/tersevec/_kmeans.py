"""K-means in every sub-space at once, over the primitives that both backends compute alike.

Deterministic for a seed, whatever the backend and the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tersevec._arrays import float_blocks
from tersevec._kernels import F32, F64, I64, PqencodeKernels

_ROWS_PER_CENTROID, _ROWS_AT_LEAST = 512, 65_536  # of the training sample
_START_ROWS_PER_CENTROID, _START_ROWS_AT_LEAST = 32, 1024  # of the sample that starts are drawn of
_ENOUGH = 1e-4  # relative improvement of the objective below which a sub-space has settled
_JITTER = 1 / 1024


def sample_rows(n: int, K: int, rng: np.random.Generator) -> I64 | None:
    """Which of n rows to train on, ascending; None for all of them."""
    size = max(_ROWS_PER_CENTROID * K, _ROWS_AT_LEAST)
    if n <= size:
        return None
    return np.sort(rng.choice(n, size, replace=False, shuffle=False))


def kmeans(
    x: F32,
    codebooks: F32,
    *,
    max_iter: int,
    kernels: PqencodeKernels,
    threads: int,
    swept: Callable[[int], object],
) -> F32:
    """Centroids of the m parts of the rows of x, from those given: float32 (m, K, d / m).

    Parameters
    ----------
    x : ndarray of float32, shape (n, d), C-contiguous
        Finite, n >= 1.
    codebooks : ndarray of float32, shape (m, K, d / m)
        Where the centroids start; they are not changed.
    max_iter : int
        Lloyd sweeps at most; fewer where every sub-space improves by less than 1e-4.
    swept : callable
        Called as ``swept(1)`` after each sweep.

    Notes
    -----
    Lloyd's sweeps; sums in float64, centroids in float32. Where there are fewer distinct rows than
    K, centroids repeat. An empty cluster takes half of the largest one.
    """
    m, K, _ = codebooks.shape
    squares = _squares(x, m)
    error = np.full(m, np.inf)
    for sweep in range(max_iter):
        assigned = kernels.assign(x, codebooks, threads)
        sums, counts = kernels.centroid_sums(x, assigned, K, threads)
        means = sums / np.maximum(counts, 1)[:, :, None]
        centroids = np.where(counts[:, :, None] > 0, means, codebooks)
        before, error = error, np.maximum(squares - ((means**2).sum(2) * counts).sum(1), 0)
        swept(1)
        settled = bool(np.all(before - error <= _ENOUGH * before)) if sweep else False
        if not settled and sweep + 1 < max_iter:
            _refill(centroids, counts, np.sqrt(squares / x.size * m))
        codebooks = centroids.astype(np.float32)
        if settled:
            break
    return codebooks


def _squares(x: F32, m: int) -> F64:
    """The sum of squares of each part of x."""
    total = np.zeros(m)
    for _, block in float_blocks(x):
        total += np.square(block, dtype=np.float64).sum(0).reshape(m, -1).sum(1)
    return total


def spread_start(
    x: F32, m: int, K: int, *, rng: np.random.Generator, kernels: PqencodeKernels, threads: int
) -> F32:
    """A start for `kmeans`, float32 (m, K, d / m): rows, with odds of their squared distance.

    k-means++, but a quarter as many centroids at once as there are already: each is drawn from its
    own share of all distances, so that those of a batch lie apart too.
    """
    size = min(len(x), max(_START_ROWS_PER_CENTROID * K, _START_ROWS_AT_LEAST))
    sample = np.ascontiguousarray(
        x[np.sort(rng.choice(len(x), size, replace=False, shuffle=False))]
    )
    columns = np.ascontiguousarray(sample.T).reshape(m, -1, size)
    spaces = np.arange(m)[:, None]
    chosen = np.empty((m, K, columns.shape[1]), np.float32)
    nearest = np.full((m, size), np.inf, np.float32)
    drawn = rng.integers(0, size, (m, 1))
    n_chosen = 0
    while True:
        newest = np.ascontiguousarray(columns[spaces, :, drawn])
        chosen[:, n_chosen : n_chosen + drawn.shape[1]] = newest
        n_chosen += drawn.shape[1]
        if n_chosen == K:
            return chosen
        nearest = np.minimum(nearest, _distances(sample, columns, newest, kernels, threads))
        odds = np.cumsum(nearest, axis=1, dtype=np.float64)
        batch = min(max(1, n_chosen // 4), K - n_chosen)
        tickets = (np.arange(batch) + rng.random((m, batch))) / batch
        drawn = np.empty((m, batch), np.intp)
        for j, total in enumerate(odds[:, -1]):
            if total > 0:
                drawn[j] = np.searchsorted(odds[j], tickets[j] * total, side="right")
            else:  # every row is a centroid already
                drawn[j] = tickets[j] * size
        drawn = np.minimum(drawn, size - 1)


def _distances(
    sample: F32, columns: F32, centroids: F32, kernels: PqencodeKernels, threads: int
) -> F32:
    """Squared distances of each part of each row to the nearest of these centroids: (m, rows)."""
    nearest = kernels.assign(sample, centroids, threads).T.astype(np.intp)
    total = np.zeros(nearest.shape, np.float32)
    for t in range(columns.shape[1]):
        apart = columns[:, t] - np.take_along_axis(centroids[:, :, t], nearest, axis=1)
        total += apart * apart
    return total


def _refill(centroids: F64, counts: I64, scale: F64) -> None:
    """Split the largest cluster for each empty one: a pair a little apart, in place."""
    for j, empty in np.argwhere(counts == 0):
        largest = int(counts[j].argmax())
        if counts[j, largest] < 2:
            continue
        apart = _JITTER * (np.abs(centroids[j, largest]) + scale[j])
        apart[1::2] *= -1
        centroids[j, empty] = centroids[j, largest] + apart
        centroids[j, largest] -= apart
        counts[j, empty] = counts[j, largest] // 2
        counts[j, largest] -= counts[j, empty]
