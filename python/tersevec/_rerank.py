"""A second look: exact inner products of the rows that codes put first."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tersevec import _arrays, _check
from tersevec._kernels import F32, I64, ArrayIn

_AT_ONCE = 32  # rows that are read before what they taught is used


def vectors_of(name: str, x: ArrayIn, n: int, dim: int) -> npt.NDArray[Any]:
    """The base vectors (n, dim) of floats, not converted; a memory map is not read."""
    array = _check.vectors(name, x, dim)
    if len(array) != n:
        raise ValueError(f"{name}: expected a row for each of {n} codes, got {len(array)}")
    return array


def rerank(
    name: str, vectors: npt.NDArray[Any], query: F32, rows: I64, upper: F32, k: int
) -> tuple[F32, I64]:
    """The k largest inner products of a query and of these rows, best first, ties by lower row.

    Parameters
    ----------
    vectors : array of floats, shape (n, d)
    query : ndarray of float32, shape (d,)
    rows : ndarray of int64, shape (c,), c >= k
        Distinct; those that come first are read first.
    upper : ndarray of float32, shape (c,)
        What no product is above, for all that is known. A row is read only where this is not below
        the k-th largest product so far.

    Notes
    -----
    Products are added in float64 and rounded once, so that no value depends on which other rows
    were read.
    """
    products = np.full(len(rows), -np.inf, np.float32)
    least, waiting = -np.inf, np.arange(len(rows))
    step = max(k, _AT_ONCE)
    while len(waiting):
        now, waiting = waiting[:step], waiting[step:]
        now = now[np.argsort(rows[now])]  # in the order that a file has them
        products[now] = _products(name, vectors, query, rows[now])
        read = products[products > -np.inf]
        least = np.partition(read, len(read) - k)[len(read) - k]
        waiting = waiting[upper[waiting] >= least]
    best = np.lexsort((rows, -products))[:k]
    return products[best], rows[best]


def _products(name: str, vectors: npt.NDArray[Any], query: F32, rows: I64) -> F32:
    _, block = next(_arrays.float_blocks(vectors, len(rows), picked=rows))
    with np.errstate(invalid="ignore", over="ignore"):
        sums: F32 = np.multiply(block, query, dtype=np.float64).sum(axis=1).astype(np.float32)
    for place in np.flatnonzero(~np.isfinite(sums))[:1].tolist():
        _check.finite(name, block[place : place + 1], int(rows[place]))
        raise ValueError(f"{name}: the product with row {rows[place]} is beyond float32")
    return sums
