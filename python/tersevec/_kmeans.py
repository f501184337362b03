"""K-means in every sub-space at once, over the primitives that both backends compute alike.

Deterministic for a seed, whatever the backend and the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from tersevec._arrays import float_blocks
from tersevec._kernels import F32, F64, I64, PqscanKernels

_ROWS_PER_CENTROID, _ROWS_AT_LEAST = 256, 65_536  # of the training sample
_SEEDING_ROWS = 64  # per centroid
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
    m: int,
    K: int,
    *,
    max_iter: int,
    rng: np.random.Generator,
    kernels: PqscanKernels,
    threads: int,
    swept: Callable[[int], object],
) -> F32:
    """Centroids of the m parts of the rows of x: float32 (m, K, d / m).

    Parameters
    ----------
    x : ndarray of float32, shape (n, d), C-contiguous
        Finite, n >= 1.
    max_iter : int
        Lloyd sweeps at most; fewer where every sub-space improves by less than 1e-4.
    swept : callable
        Called as ``swept(1)`` after each sweep.

    Notes
    -----
    k-means++ start on a sample, then Lloyd's sweeps; sums in float64, centroids in float32. Where
    there are fewer distinct rows than K, centroids repeat. An empty cluster takes half of the
    largest one.
    """
    squares = _squares(x, m)
    codebooks = _spread_start(x, m, K, rng, kernels, threads)
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


def _spread_start(
    x: F32, m: int, K: int, rng: np.random.Generator, kernels: PqscanKernels, threads: int
) -> F32:
    """k-means++: each next centroid is a row, with odds of its squared distance to those before."""
    size = min(len(x), _SEEDING_ROWS * K)
    sample = np.ascontiguousarray(
        x[np.sort(rng.choice(len(x), size, replace=False, shuffle=False))]
    )
    parts = sample.reshape(size, m, -1)
    spaces = np.arange(m)
    chosen = np.empty((m, K, parts.shape[2]), np.float32)
    nearest = np.full((size, m), np.inf, np.float32)
    drawn: npt.NDArray[Any] = rng.integers(0, size, m)
    for k in range(K):
        chosen[:, k] = parts[drawn, spaces]
        newest = np.ascontiguousarray(chosen[:, k : k + 1])
        np.minimum(
            nearest, kernels.lookup_tables(sample, newest, "l2", threads)[:, :, 0], out=nearest
        )
        odds = np.cumsum(nearest, axis=0, dtype=np.float64)
        ticket = rng.random(m)
        drawn = np.minimum((odds <= ticket * odds[-1]).sum(0), size - 1)
        drawn = np.where(
            odds[-1] > 0, drawn, (ticket * size).astype(np.intp)
        )  # every row is a centroid already
    return chosen


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
