"""Rotations and nearest centroids on a GPU: what encoding and searching need of `_native.pqencode`.

Training stays on the CPU. Results equal the CPU's to the last bit. `threads` and `isa` change
nothing.
"""

from __future__ import annotations

import numpy as np

from tersevec._cuda._device import Array, current, each


def products(x: Array, columns: Array, threads: int, *, isa: str = "") -> Array:
    """The matrix product of x (n, d) and columns (d, c), added term by term: (n, c)."""
    out = current().xp.empty((len(x), columns.shape[1]), np.float32)
    plain = current().xp.ascontiguousarray(x)
    rows = (plain, np.int64(len(x)), np.int64(x.shape[1]))
    each("pqencode", "pqencode_products", out.size, *rows, columns, np.int64(out.shape[1]), out)
    return out


def assign(x: Array, codebooks: Array, threads: int, *, isa: str = "") -> Array:
    """The nearest centroid of each part of each row, ties to the lowest: (n, m)."""
    xp = current().xp
    m, n_centroids, dims = codebooks.shape
    out = xp.empty((len(x), m), np.uint8)
    norms = xp.zeros((m, n_centroids), np.float32)
    for i in range(dims):  # in order, each sum rounded
        norms += codebooks[:, :, i] * codebooks[:, :, i]
    rows = (xp.ascontiguousarray(x), np.int64(len(x)), np.int64(m), np.int64(dims))
    books = (codebooks, norms * np.float32(0.5), np.int64(n_centroids))
    each("pqencode", "pqencode_assign", out.size, *rows, *books, out)
    return out
