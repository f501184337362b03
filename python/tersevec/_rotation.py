"""Rotations that make vectors easier to cut into parts: random ones, and those that are learned."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tersevec import _check
from tersevec._arrays import FLOATS, describe, float_blocks, view_floats
from tersevec._kernels import F32, F64, U8, ArrayIn, PqencodeKernels
from tersevec._kmeans import kmeans, spread_start

_ORTHOGONAL = 1e-3  # how far the products of a rotation's columns may be off


def given_rotation(name: str, x: ArrayIn, d: int) -> F32:
    """A copy of a user's rotation, float32 (d, d), if it is one."""
    array = view_floats(name, x)
    expected = f"expected None or floats of shape ({d}, {d})"
    if array.dtype not in FLOATS:
        raise TypeError(f"{name}: {expected}, got {describe(array)}")
    if array.shape != (d, d):
        raise ValueError(f"{name}: {expected}, got {describe(array)}")
    rotation = np.empty((d, d), np.float32)
    for start, block in float_blocks(array):
        _check.finite(name, block, start)
        rotation[start : start + len(block)] = block
    wide = rotation.astype(np.float64)
    away = float(np.abs(wide.T @ wide - np.eye(d)).max())
    if away > _ORTHOGONAL:
        raise ValueError(
            f"{name}: expected orthogonal columns of length 1, got products that are off by up to "
            f"{away:.2g}"
        )
    return rotation


def random_rotation(d: int, rng: np.random.Generator) -> F32:
    """A rotation that is as likely as any other: float32 (d, d)."""
    basis, triangle = np.linalg.qr(rng.standard_normal((d, d)))
    return np.asarray(basis * np.where(np.diag(triangle) < 0, -1, 1), np.float32)


def learned_rotation(
    x: F32,
    m: int,
    K: int,
    *,
    rounds: int,
    rng: np.random.Generator,
    kernels: PqencodeKernels,
    threads: int,
    swept: Callable[[int], object],
) -> tuple[F32, F32]:
    """The rotation (d, d) under which codes lose least, and codebooks (m, K, d / m) behind it.

    Principal axes dealt out so that every part has its share of the variance, then in turns: one
    sweep of k-means, and the rotation that brings the rows nearest to what their codes stand for.
    After Ge, He, Ke and Sun, "Optimized product quantization", 2013. `swept` is called as
    ``swept(1)`` after each round.
    """
    rotation = balanced_axes(x, m)
    rotated = kernels.products(x, rotation, threads)
    codebooks = spread_start(rotated, m, K, rng=rng, kernels=kernels, threads=threads)
    for _ in range(rounds):
        codebooks = kmeans(
            rotated, codebooks, max_iter=1, kernels=kernels, threads=threads, swept=swept
        )
        rotation = _nearest_rotation(x, kernels.assign(rotated, codebooks, threads), codebooks)
        rotated = kernels.products(x, rotation, threads)
    return rotation, codebooks


def balanced_axes(x: F32, m: int) -> F32:
    """The principal axes of x as columns, in an order that evens out the parts: float32 (d, d).

    Each axis, the one of largest variance first, goes to the part whose product of variances is
    smallest so far and that has room.
    """
    d = x.shape[1]
    mean, second = np.zeros(d), np.zeros((d, d))
    for _, block in float_blocks(x):
        mean += block.sum(axis=0, dtype=np.float64)
        second += block.T @ block
    mean /= len(x)
    variances, axes = np.linalg.eigh(second / len(x) - np.outer(mean, mean))
    most = max(float(variances[-1]), np.finfo(np.float64).tiny)
    variances = np.maximum(variances, most * 1e-12)
    shares = np.zeros(m)
    members: list[list[int]] = [[] for _ in range(m)]
    for axis in range(d - 1, -1, -1):
        part = int(np.argmin(shares))
        members[part].append(axis)
        shares[part] += np.log(variances[axis] / variances[0])
        if len(members[part]) == d // m:
            shares[part] = np.inf
    return np.ascontiguousarray(axes[:, np.concatenate(members)], np.float32)


def _nearest_rotation(x: F32, assigned: U8, codebooks: F32) -> F32:
    """The rotation of the rows of x that ends nearest to their decoded codes (Procrustes)."""
    m, _, ds = codebooks.shape
    together: F64 = np.zeros((x.shape[1], m * ds))
    for start, block in float_blocks(x):
        ids = assigned[start : start + len(block)]
        together += block.T @ decoded(ids, codebooks)
    left, _, right = np.linalg.svd(together)
    return np.asarray(left @ right, np.float32)


def decoded(assigned: U8, codebooks: F32) -> F32:
    """The centroids that the numbers (n, m) name, side by side: float32 (n, d)."""
    m, _, ds = codebooks.shape
    rows = np.empty((len(assigned), m, ds), np.float32)
    for j, book in enumerate(codebooks):
        rows[:, j] = book[assigned[:, j]]
    return rows.reshape(len(assigned), m * ds)
