"""How a product quantiser learns: which rows, which rotation, which codebooks, in that order."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tersevec import _anisotropic, _backend, _progress
from tersevec._centroid_order import ordered
from tersevec._kernels import F32
from tersevec._kmeans import kmeans, spread_start
from tersevec._rotation import learned_rotation, random_rotation


class Learned(NamedTuple):
    """What `fit` learns."""

    codebooks: F32
    rotation: F32 | None


def train(
    x: F32,
    m: int,
    K: int,
    *,
    rotation: str | None,
    loss: str,
    max_iter: int,
    rng: np.random.Generator,
    threads: int,
    progress: bool,
) -> Learned:
    """Codebooks float32 (m, K, d / m) and the rotation (d, d) before them, from rows of x.

    Every stage takes at most `max_iter` sweeps: a learned rotation, k-means, and where the loss is
    anisotropic its codebooks, which start from those of k-means. One bar counts them all.
    """
    kernels = _backend.pick("pqencode")
    stages = 1 + (rotation == "opq") + (loss == "anisotropic")
    with _progress.bar(progress, stages * max_iter, "fit", "sweep") as swept:
        turned, books = None, None
        if rotation == "opq":
            turned, books = learned_rotation(
                x, m, K, rounds=max_iter, rng=rng, kernels=kernels, threads=threads, swept=swept
            )
        elif rotation == "random":
            turned = random_rotation(x.shape[1], rng)
        if turned is not None:
            x = kernels.products(x, turned, threads)
        if books is None:
            books = spread_start(x, m, K, rng=rng, kernels=kernels, threads=threads)
        books = kmeans(x, books, max_iter=max_iter, kernels=kernels, threads=threads, swept=swept)
        if loss == "anisotropic":
            eta = _anisotropic.parallel_weight(x.shape[1])
            books = _anisotropic.refine(
                x, books, eta, max_iter=max_iter, kernels=kernels, threads=threads, swept=swept
            )
    return Learned(ordered(books), turned)
