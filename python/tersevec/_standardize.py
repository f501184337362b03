"""Columns of mean 0 and variance 1, in place and block by block."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tersevec._types import F32

_BLOCK = 1 << 20  # numbers


def standardize(rows: F32) -> None:
    """Take off each column's mean and divide by its deviation; constant columns become 0."""
    n, d = rows.shape
    if n == 0:
        return
    mean = sum((block.sum(axis=0, dtype=np.float64) for block in _blocks(rows)), np.zeros(d)) / n
    squares = np.zeros(d)
    for block in _blocks(rows):
        squares += np.square(block - mean).sum(axis=0)
    deviation = np.sqrt(squares / n)
    constant = deviation <= 1e-6 * np.abs(mean)  # float32 does not tell it from rounding
    factor = np.divide(1.0, deviation, out=np.zeros(d), where=~constant & (deviation > 0))
    for block in _blocks(rows):
        block[...] = (block - mean) * factor


def _blocks(rows: F32) -> Iterator[F32]:
    step = max(1, _BLOCK // rows.shape[1])
    for start in range(0, len(rows), step):
        yield rows[start : start + step]
