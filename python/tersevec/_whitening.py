"""What makes the covariance of rows of known moments the identity."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tersevec._held import Held
from tersevec._types import F32, F64, I64

_LEAST = 1e-7  # of the largest variance: less is rounding
_RUN = 2048  # rows


class Whitening(NamedTuple):
    """Rows x become (x - mean) @ matrix."""

    mean: F32
    matrix: F32

    def apply(self, rows: F32, out: F32) -> None:
        """Write whitened rows to `out`, which may be the rows themselves; zero rows stay zero."""
        for run in _runs(len(rows)):
            white, zero = out[run], _zero_rows(rows[run])
            np.matmul(rows[run] - self.mean, self.matrix, out=white)
            white[zero] = 0


def _zero_rows(rows: F32) -> I64:
    """Numbers of the rows that are zero; few begin with a zero."""
    some = np.flatnonzero(rows[:, 0] == 0)
    zero: I64 = some[~rows[some].any(axis=1)]
    return zero


def _runs(n: int) -> Iterator[slice]:
    """So few rows at once that they stay in cache."""
    return (slice(start, start + _RUN) for start in range(0, n, _RUN))


def whitening(moments: F64) -> Whitening:
    """The symmetric matrix that whitens; directions without variance become zero."""
    count = max(moments[-1, -1], 1)
    mean = moments[-1, :-1] / count
    variances, axes = np.linalg.eigh(moments[:-1, :-1] / count - np.outer(mean, mean))
    there = variances > _LEAST * max(variances[-1], np.finfo(np.float32).tiny)
    axes = axes[:, there]
    matrix = axes * variances[there] ** -0.5 @ axes.T
    return Whitening(mean.astype(np.float32), matrix.astype(np.float32))


def whiten_held(held: Held, moments: F64, threads: int) -> None:
    """Unit rows, of these moments, their mean taken off and their covariance made the identity."""
    white = whitening(moments)
    for part, _, rows in held.blocks(normalize=True, threads=threads):
        white.apply(rows, rows)
        part.write(rows, threads)
