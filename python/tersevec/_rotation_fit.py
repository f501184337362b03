"""What recurrent codes in closed form learn: a rotation of the data's axes that suits the grid."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tersevec._kernels import F32, F64
from tersevec._progress import bar
from tersevec._recurrent_judge import Judge, values_of
from tersevec._rotation import random_rotation
from tersevec._rounded_rotation import RoundedRotation, plain, weighed

TURNED = 20_000  # rows that rotations are fitted to
_ROUNDS_BETWEEN = 5  # looks
_WHITENINGS, _FLOORS = (0.0, 0.2), (0.5, np.inf)  # to choose from
_LEAST_ENERGY = 1e-3  # of an axis, in parts of the usual one, that whitening makes up for


def fit_rotation(
    rows: F32,
    m: int,
    n_levels: int,
    max_iter: int,
    rng: np.random.Generator,
    threads: int,
    *,
    progress: bool,
) -> tuple[RoundedRotation, float]:
    """The best of a few ways to weigh axes and errors, and its recall."""
    judge, moment = Judge(rows), second_moment(rows)
    chosen, recall = None, -1.0
    with bar(progress, len(_WHITENINGS) * max_iter, "rotation", "round") as swept:
        for whitening in _WHITENINGS:
            weights = learned_projection(
                rows,
                m,
                n_levels,
                judge=judge,
                whitening=whitening,
                max_iter=max_iter,
                rng=rng,
                threads=threads,
                swept=swept,
            )
            for floor in _FLOORS:
                tried = weighed(weights, n_levels, moment, floor)
                found = judge.recall(tried, threads)
                if found > recall:
                    chosen, recall = tried, found
    assert chosen is not None
    return chosen, recall


def learned_projection(
    rows: F32,
    m: int,
    n_levels: int,
    *,
    judge: Judge,
    whitening: float,
    max_iter: int,
    rng: np.random.Generator,
    threads: int,
    swept: Callable[[int], object],
) -> F32:
    """Projection of unit rows to m components, float32 (d, m).

    The data's axes of most energy, which `whitening` makes equal where it is 1, turned so that rows
    lie near the grid: rounds of rounding and of the rotation nearest to what was rounded. The
    rotation of the best recall is kept, judged by queries that took no part, and rounds end when
    two looks in turn have brought nothing.
    """
    energies, axes = (values[..., :m] for values in _axes(second_moment(rows)))
    usual = max(energies.mean(), np.finfo(np.float64).tiny)
    scales = np.maximum(energies / usual, _LEAST_ENERGY) ** (-whitening / 2)
    axes = (axes * scales).astype(np.float32)
    turn = random_rotation(m, rng)[: axes.shape[1]]
    coordinates = rows[judge.fitted][:TURNED] @ axes
    best, best_recall, fruitless = turn, -1.0, 0
    for done in range(max_iter + 1):
        if done % _ROUNDS_BETWEEN == 0 or done == max_iter:
            weights = np.ascontiguousarray(axes @ turn)
            recall = judge.recall(plain(weights, n_levels), threads)
            fruitless = 0 if recall > best_recall else fruitless + 1
            if recall > best_recall:
                best, best_recall = turn, recall
            if fruitless == 2:
                break
        if done < max_iter:
            turn = _turned(coordinates, turn, n_levels, threads)
            swept(1)
    return np.ascontiguousarray(axes @ best)


def second_moment(rows: F32) -> F64:
    """The mean of the rows' outer products: float64 (d, d)."""
    total = np.zeros((rows.shape[1],) * 2)
    for start in range(0, len(rows), 4096):
        block = rows[start : start + 4096].astype(np.float64)
        total += block.T @ block
    return total / max(1, len(rows))


def _axes(moment: F64) -> tuple[F64, F64]:
    """Eigenvalues and axes (d, d), most energy first.

    The largest coordinate of each axis is positive.
    """
    energies, axes = np.linalg.eigh(moment)
    energies, axes = energies[::-1], axes[:, ::-1]
    largest = np.abs(axes).argmax(axis=0)
    return energies, axes * np.where(axes[largest, np.arange(len(axes))] < 0, -1, 1)


def _turned(coordinates: F32, turn: F32, n_levels: int, threads: int) -> F32:
    """The rotation that brings coordinates nearest to what rounding made of them."""
    codes = values_of(plain(turn, n_levels), coordinates, threads)
    projected = coordinates @ turn
    steps = (projected * codes).sum(axis=1) / np.square(codes).sum(axis=1)
    left, _, right = np.linalg.svd(
        coordinates.T.astype(np.float64) @ (codes * steps[:, None]), full_matrices=False
    )
    return np.ascontiguousarray(left @ right, dtype=np.float32)
