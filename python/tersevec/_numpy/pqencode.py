"""What trains and encodes product codes, in NumPy: the twin of `_native.pqencode`.

Float32 throughout, each product, sum, difference and quotient rounded on its own and in the order
that the contract names, so that results equal the compiled ones to the last bit. Works on tiles, so
that temporaries stay below 32 MiB. `threads` and `isa` change nothing.
"""

from __future__ import annotations

import numpy as np

from tersevec._kernels import F32, F64, I64, U8
from tersevec._numpy.pqencode_grid import grid

__all__ = ["assign", "assign_anisotropic", "centroid_sums", "grid", "products", "rows"]

_SCORES = 1 << 16  # scores that are worked on at once: they stay in cache
_PRODUCTS = 1 << 20  # of rows with all their centroids, where a code depends on all sub-spaces

_MOST_PASSES = 10
_LEAST_LENGTH = np.float32(2.0**-100)


def rows() -> list[str]:
    """The paths of this family, fastest first."""
    return ["numpy"]


def _half_norms(codebooks: F32) -> F32:
    norms = np.zeros(codebooks.shape[:2], np.float32)
    for t in range(codebooks.shape[2]):
        norms += codebooks[:, :, t] * codebooks[:, :, t]
    return norms * np.float32(0.5)


def assign(x: F32, codebooks: F32, threads: int, *, isa: str = "") -> U8:
    """The nearest centroid of each part of each row, ties to the lowest: (n, m)."""
    m, _, ds = codebooks.shape
    halves = _half_norms(codebooks)
    assigned = np.empty((len(x), m), np.uint8)
    step = max(1, _SCORES // m)
    for start in range(0, len(x), step):
        columns = np.ascontiguousarray(x[start : start + step].T).reshape(m, ds, -1)
        assigned[start : start + step] = _nearest(columns, codebooks, halves).T
    return assigned


def _nearest(columns: F32, codebooks: F32, halves: F32) -> U8:
    m, ds, n = columns.shape
    nearest = np.zeros((m, n), np.uint8)
    lowest = np.full((m, n), np.inf, np.float32)
    product = np.empty((m, n), np.float32)
    for k in range(codebooks.shape[1]):
        score = np.repeat(halves[:, k, None], n, axis=1)
        for t in range(ds):
            np.multiply(columns[:, t], codebooks[:, k, t, None], out=product)
            score -= product
        np.copyto(nearest, np.uint8(k), where=score < lowest)
        np.minimum(lowest, score, out=lowest)
    return nearest


def assign_anisotropic(x: F32, codebooks: F32, eta: float, threads: int, *, isa: str = "") -> U8:
    """Codes of low error, along a row's own direction counted eta times: (n, m)."""
    m, K, ds = codebooks.shape
    halves = _half_norms(codebooks)
    half_weight = np.float32(0.5) * (np.float32(eta) - np.float32(1))
    assigned = np.empty((len(x), m), np.uint8)
    step = max(1, _PRODUCTS // (m * K))
    for start in range(0, len(x), step):
        columns = np.ascontiguousarray(x[start : start + step].T).reshape(m, ds, -1)
        with np.errstate(over="ignore", under="ignore"):
            codes = _descend(columns, codebooks, halves, half_weight)
        assigned[start : start + step] = codes.T
    return assigned


def _descend(columns: F32, codebooks: F32, halves: F32, half_weight: np.float32) -> I64:
    """Passes over the sub-spaces, from the nearest centroids, until no code changes: (m, n)."""
    m, ds, n = columns.shape
    length = np.zeros(n, np.float32)
    for column in columns.reshape(m * ds, n):
        length += column * column
    products = np.zeros((m, codebooks.shape[1], n), np.float32)
    for t in range(ds):
        products += columns[:, None, t] * codebooks[:, :, t, None]
    weight = np.zeros(n, np.float32)
    np.divide(half_weight, length, out=weight, where=length >= _LEAST_LENGTH)
    codes: I64 = (halves[:, :, None] - products).argmin(axis=1)
    own = np.take_along_axis(products, codes[:, None], axis=1)[:, 0]
    for _ in range(_MOST_PASSES):
        before, error = codes.copy(), length.copy()
        for j in range(m):
            error -= own[j]
        for j, p in enumerate(products):
            others = error + own[j]
            errors = others - p
            codes[j] = ((halves[j, :, None] - p) + (weight * errors) * errors).argmin(axis=0)
            own[j] = p[codes[j], np.arange(n)]
            error = others - own[j]
        if np.array_equal(codes, before):
            break
    return codes


def centroid_sums(x: F32, assigned: U8, n_centroids: int, threads: int) -> tuple[F64, I64]:
    """Float64 sums of each centroid's rows, in row order, and their counts.

    Shapes (m, n_centroids, ds) and (m, n_centroids).
    """
    m = assigned.shape[1]
    ds = x.shape[1] // m
    sums = np.empty((m, n_centroids, ds), np.float64)
    counts = np.empty((m, n_centroids), np.int64)
    for j in range(m):
        ids = assigned[:, j].astype(np.intp)
        counts[j] = np.bincount(ids, minlength=n_centroids)
        for t in range(ds):
            sums[j, :, t] = np.bincount(ids, weights=x[:, j * ds + t], minlength=n_centroids)
    return sums, counts


def products(x: F32, columns: F32, threads: int, *, isa: str = "") -> F32:
    """The matrix product of x (n, d) and columns (d, c), added term by term: (n, c)."""
    result = np.zeros((len(x), columns.shape[1]), np.float32)
    step = max(1, _SCORES // max(1, columns.shape[1]))
    for start in range(0, len(x), step):
        part, sums = x[start : start + step], result[start : start + step]
        for t in range(x.shape[1]):
            sums += part[:, t, None] * columns[t]
    return result
