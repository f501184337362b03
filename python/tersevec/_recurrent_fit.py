"""What recurrent binary codes learn: a rotation of the data's axes that suits the grid."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from tersevec import _backend
from tersevec._kernels import F32, F64, I64
from tersevec._symmetric_codes import integers_of

ROWS = 50_000  # at most, to learn from
_TURNED, _ROUNDS_BETWEEN = 20_000, 5  # rows that rotations are fitted to; rounds between looks
_BASE, _QUERIES, _K = 10_000, 500, 10  # held out from the fit of rotations
_SMALLEST = 200  # rows below which a look says nothing
_LEAST_ENERGY = 1e-3  # of an axis, in parts of the usual one, that whitening makes up for


class Geometry(NamedTuple):
    """How a direction becomes numbers: projected, then rounded by what errors count."""

    weights: F32  # (d, m)
    metric: F32  # (m, m)
    shaping: F32  # (m, m): what is below the diagonal of the metric's unit factor


def learn(
    rows: F32,
    m: int,
    n_levels: int,
    *,
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
    turn = _random_rotation(m, rng)[: axes.shape[1]]
    judge = Judge(rows)
    coordinates = rows[judge.fitted][:_TURNED] @ axes
    best, best_recall, fruitless = turn, -1.0, 0
    for done in range(max_iter + 1):
        if done % _ROUNDS_BETWEEN == 0 or done == max_iter:
            weights = np.ascontiguousarray(axes @ turn)
            recall = judge.recall(partial(_plain, weights, n_levels, threads))
            fruitless = 0 if recall > best_recall else fruitless + 1
            if recall > best_recall:
                best, best_recall = turn, recall
            if fruitless == 2:
                break
        if done < max_iter:
            turn = _turned(coordinates, turn, n_levels, threads)
            swept(1)
    return np.ascontiguousarray(axes @ best)


def geometry(weights: F32, moment: F64, floor: float) -> Geometry:
    """The metric of errors of components: what they do to inner products with such data as seen.

    `floor` is added for data that is not; infinity makes all errors count alike.
    """
    m = weights.shape[1]
    if np.isinf(floor):
        identity: F32 = np.eye(m, dtype=np.float32)
        return Geometry(weights, identity, identity)
    wide = weights.astype(np.float64)
    energy = wide.T @ moment @ wide
    usual = np.trace(energy) / min(weights.shape)
    metric = (energy / usual if usual > 0 else energy * 0) + floor * np.eye(m)
    rounded: F32 = ((metric + metric.T) / 2).astype(np.float32)
    lower = np.linalg.cholesky(rounded.astype(np.float64))
    shaping: F32 = (lower / np.diag(lower)).astype(np.float32)
    return Geometry(weights, rounded, shaping)


def second_moment(rows: F32) -> F64:
    """The mean of the rows' outer products: float64 (d, d)."""
    total = np.zeros((rows.shape[1],) * 2)
    for start in range(0, len(rows), 4096):
        block = rows[start : start + 4096].astype(np.float64)
        total += block.T @ block
    return total / max(1, len(rows))


def _plain(weights: F32, n_levels: int, threads: int, x: F32) -> F32:
    """The odd integers of rows rounded one by one, float32 (n, m)."""
    identity: F32 = np.eye(weights.shape[1], dtype=np.float32)
    return codes_of(Geometry(weights, identity, identity), n_levels, 0, threads, x)


def codes_of(geometry: Geometry, n_levels: int, sweeps: int, threads: int, x: F32) -> F32:
    """The odd integers of unit rows, as float32 (n, m)."""
    kernels = _backend.pick("pqencode")
    projected = kernels.products(x, geometry.weights, threads)
    numbers = kernels.grid(projected, geometry.metric, geometry.shaping, n_levels, sweeps, threads)
    return integers_of(numbers, n_levels).astype(np.float32)


class Judge:
    """Rows held out, whose neighbours are known, to tell how many of them codes find."""

    def __init__(self, rows: F32) -> None:
        n = len(rows)
        self.trusted = n >= _SMALLEST
        n_queries = min(_QUERIES, n // 10)
        n_base = min(_BASE, n // 2)
        self.fitted = slice(0, n - n_queries)
        self._queries, self._base = rows[n - n_queries :], rows[:n_base]
        self._truth = _nearest(self._queries, self._base)

    def parts(self, rows: F32) -> tuple[F32, F32]:
        """The queries and the base of as many rows, in the same order."""
        return rows[self.fitted.stop :], rows[: len(self._base)]

    def recall(self, codes_of: Callable[[F32], F32]) -> float:
        """The share of true neighbours that cosines of these codes find; 0 with too few rows."""
        if not self.trusted:
            return 0.0
        return self.shared(codes_of(self._queries), codes_of(self._base))

    def shared(self, queries: F32, base: F32) -> float:
        """The same of codes that are there."""
        if not self.trusted:
            return 0.0
        found = _nearest(queries, base / np.linalg.norm(base, axis=1, keepdims=True))
        pairs = zip(found, self._truth, strict=True)
        shared = sum(len(np.intersect1d(a, b)) for a, b in pairs)
        return shared / found.size


def _nearest(queries: F32, base: F32) -> I64:
    similarities = queries @ base.T
    k = min(_K, max(1, base.shape[0] - 1))
    found: I64 = np.argpartition(-similarities, k - 1, axis=1)[:, :k]
    return found


def _axes(moment: F64) -> tuple[F64, F64]:
    """Eigenvalues and axes (d, d), most energy first.

    The largest coordinate of each axis is positive.
    """
    energies, axes = np.linalg.eigh(moment)
    energies, axes = energies[::-1], axes[:, ::-1]
    largest = np.abs(axes).argmax(axis=0)
    return energies, axes * np.where(axes[largest, np.arange(len(axes))] < 0, -1, 1)


def _random_rotation(m: int, rng: np.random.Generator) -> F32:
    q, r = np.linalg.qr(rng.standard_normal((m, m)))
    return (q * np.where(np.diag(r) < 0, -1, 1)).astype(np.float32)


def _turned(coordinates: F32, turn: F32, n_levels: int, threads: int) -> F32:
    """The rotation that brings coordinates nearest to what rounding made of them."""
    codes = _plain(turn, n_levels, threads, coordinates)
    projected = coordinates @ turn
    steps = (projected * codes).sum(axis=1) / np.square(codes).sum(axis=1)
    left, _, right = np.linalg.svd(
        coordinates.T.astype(np.float64) @ (codes * steps[:, None]), full_matrices=False
    )
    return np.ascontiguousarray(left @ right, dtype=np.float32)
