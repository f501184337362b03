"""Moments of rows, and what makes their covariance the identity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from tersevec._held import Held
from tersevec._types import F32, F64, I64

_LEAST = 1e-7  # of the largest variance: less is rounding
_RUN = 2048  # rows


class Moments(NamedTuple):
    """Of the rows that are not zero: how many, their sum and the sum of their outer products."""

    n_rows: int
    total: F64
    gram: F64


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


def moments(blocks: Iterable[F32], d: int) -> Moments:
    """The moments of rows of d numbers; runs of rows are added in float64, one after the other."""
    count, total = 0, np.zeros(d)
    gram = np.zeros((d, d))
    for block in blocks:
        for run in _runs(len(block)):
            rows = block[run]
            count += len(rows) - len(_zero_rows(rows))
            total += rows.sum(axis=0)
            gram += rows.T @ rows
    return Moments(count, total, gram)


def _zero_rows(rows: F32) -> I64:
    """Numbers of the rows that are zero; few begin with a zero."""
    some = np.flatnonzero(rows[:, 0] == 0)
    zero: I64 = some[~rows[some].any(axis=1)]
    return zero


def _runs(n: int) -> Iterator[slice]:
    """So few rows at once that float32 sums stay exact enough, and the rows in cache."""
    return (slice(start, start + _RUN) for start in range(0, n, _RUN))


def whitening(of: Moments) -> Whitening:
    """The symmetric matrix that whitens; directions without variance become zero."""
    count = max(of.n_rows, 1)
    mean = of.total / count
    variances, axes = np.linalg.eigh(of.gram / count - np.outer(mean, mean))
    there = variances > _LEAST * max(variances[-1], np.finfo(np.float32).tiny)
    axes = axes[:, there]
    matrix = axes * variances[there] ** -0.5 @ axes.T
    return Whitening(mean.astype(np.float32), matrix.astype(np.float32))


def whiten_held(held: Held, threads: int) -> None:
    """Unit rows, their mean taken off and their covariance made the identity, in place."""
    unit_rows = (rows for _, _, rows in held.blocks(normalize=True, threads=threads))
    white = whitening(moments(unit_rows, held.d))
    for part, _, rows in held.blocks(normalize=True, threads=threads):
        white.apply(rows, rows)
        part.write(rows, threads)
