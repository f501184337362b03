"""Moments of rows, and what makes their covariance the identity."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from tersevec._held import Held
from tersevec._types import F32, F64

_LEAST = 1e-7  # of the largest variance: less is rounding


class Moments(NamedTuple):
    """Of the rows that are not zero: how many, their sum and the sum of their outer products."""

    n_rows: int
    total: F64
    gram: F64


class Whitening(NamedTuple):
    """Rows x become (x - mean) @ matrix."""

    mean: F32
    matrix: F32

    def apply(self, rows: F32) -> F32:
        """Whitened rows; zero rows stay zero."""
        white = np.asarray((rows - self.mean) @ self.matrix, np.float32)
        white[~rows.any(axis=1)] = 0
        return white


def moments(blocks: Iterable[F32], d: int) -> Moments:
    """The moments of rows of d numbers; blocks are added in float64, one after the other."""
    count, total = 0, np.zeros(d)
    gram = np.zeros((d, d))
    for rows in blocks:
        count += int(rows.any(axis=1).sum())
        total += rows.sum(axis=0, dtype=np.float64)
        gram += np.asarray(rows.T @ rows, np.float64)
    return Moments(count, total, gram)


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
        part.write(white.apply(rows), threads)
