"""Codebooks for inner products: errors along a vector's own direction weigh more than others.

After Guo, Sun, Lindgren, Geng, Simcha, Chern and Kumar, "Accelerating large-scale inference with
anisotropic vector quantization", 2020.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tersevec._kernels import F32, F64, I64, U8, PqencodeKernels

_THRESHOLD = 0.2  # of the cosine: only products above it matter
_ENOUGH = 1e-3  # relative improvement of the loss below which the codebooks have settled


def parallel_weight(d: int) -> float:
    """How many times an error along the vector counts, for d dimensions; 1 where few leave that."""
    return max(1.0, (d - 1) * _THRESHOLD**2 / (1 - _THRESHOLD**2))


def refine(
    x: F32,
    codebooks: F32,
    eta: float,
    *,
    max_iter: int,
    kernels: PqencodeKernels,
    threads: int,
    swept: Callable[[int], object],
) -> F32:
    """Codebooks of lower anisotropic loss, from those given: float32 (m, K, d / m).

    In turns: the codes of all rows, and for one sub-space after the other the centroids that are
    best for these codes, a weighted least squares problem each. `swept` is called as ``swept(1)``
    after each turn, of which there are at most `max_iter`.
    """
    lengths = np.einsum("nt,nt->n", x, x, dtype=np.float64)
    weights = np.zeros(len(x))
    np.divide(eta - 1, lengths, out=weights, where=lengths > 0)
    loss = np.inf
    for _ in range(max_iter):
        assigned = kernels.assign_anisotropic(x, codebooks, eta, threads)
        grams, counts = _grams(x, weights, assigned, codebooks, kernels, threads)
        before = loss
        codebooks, loss = _solved(
            x, lengths, weights, assigned, codebooks, grams, counts, kernels, threads
        )
        swept(1)
        if loss >= (1 - _ENOUGH) * before:
            break
    return codebooks


def _grams(
    x: F32, weights: F64, assigned: U8, codebooks: F32, kernels: PqencodeKernels, threads: int
) -> tuple[F64, I64]:
    """Each centroid's matrix, its count times I + the sum of w x x^T of its rows, and the counts.

    One diagonal after the other, so that no more than a copy of x is needed at a time.
    """
    m, K, ds = codebooks.shape
    parts = x.reshape(len(x), m, ds)
    scaled = parts * weights.astype(np.float32)[:, None, None]
    grams = np.empty((m, K, ds, ds))
    for offset in range(ds):
        terms = (scaled[:, :, : ds - offset] * parts[:, :, offset:]).reshape(len(x), -1)
        sums, counts = kernels.centroid_sums(terms, assigned, K, threads)
        rows = np.arange(ds - offset)
        grams[:, :, rows, rows + offset] = sums
        grams[:, :, rows + offset, rows] = sums
    grams[:, :, np.arange(ds), np.arange(ds)] += counts[:, :, None]
    return grams, counts


def _solved(
    x: F32,
    lengths: F64,
    weights: F64,
    assigned: U8,
    codebooks: F32,
    grams: F64,
    counts: I64,
    kernels: PqencodeKernels,
    threads: int,
) -> tuple[F32, float]:
    """The codebooks, each solved for given the others, and the loss that the old ones had."""
    m, K, ds = codebooks.shape
    parts = x.reshape(len(x), m, ds)
    own = np.empty((m, len(x)), np.float32)  # the products of each part with its centroid
    norms = np.zeros(len(x))
    for j, book in enumerate(codebooks):
        own[j] = np.einsum("nt,nt->n", parts[:, j], book[assigned[:, j]])
        norms += np.square(book, dtype=np.float64).sum(axis=1)[assigned[:, j]]
    products = own.sum(axis=0, dtype=np.float64)
    along = lengths - products
    loss = float((lengths - 2 * products + norms + weights * along**2).sum())
    learned = codebooks.copy()
    for j in range(m):
        part, ids = np.ascontiguousarray(parts[:, j]), np.ascontiguousarray(assigned[:, j : j + 1])
        others = along + own[j]
        pull = (1 + weights * others).astype(np.float32)
        sums, _ = kernels.centroid_sums(part * pull[:, None], ids, K, threads)
        used = counts[j] > 0
        learned[j, used] = np.linalg.solve(grams[j, used], sums[0, used, :, None])[:, :, 0]
        along = others - np.einsum("nt,nt->n", part, learned[j][ids[:, 0]])
    return learned, loss
