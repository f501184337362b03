"""Vectors to odd integers by one matrix and the grid: the recurrence in closed form."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tersevec import _backend
from tersevec._kernels import F32, F64, U8
from tersevec._recurrence import Map, linear

_SWEEPS = 3  # over a row's numbers: the fourth changes next to nothing


class RoundedRotation(NamedTuple):
    """How a direction becomes numbers: projected, then rounded by what errors count."""

    weights: F32  # (d, m)
    metric: F32  # (m, m)
    shaping: F32  # (m, m): what is below the diagonal of the metric's unit factor
    n_levels: int
    sweeps: int = _SWEEPS

    @property
    def shape(self) -> tuple[int, int, int]:
        """Dimensions of a vector, components of a code, and bits of each."""
        return *self.weights.shape, self.n_levels

    def numbers(self, x: F32, threads: int) -> U8:
        """Numbers from 0 to 2**n_levels - 1 of unit rows: (n, m)."""
        kernels = _backend.pick("pqencode")
        projected = kernels.products(x, self.weights, threads)
        rounding = self.metric, self.shaping, self.n_levels, self.sweeps
        return kernels.grid(projected, *rounding, threads)

    def decoder(self) -> Map:
        """The map from odd integers to vectors of any length."""
        return linear(np.linalg.pinv(self.weights.astype(np.float64)))

    def adapted(self, adapter: F32) -> RoundedRotation:
        """The same codes for unit rows that `adapter` (d_new, d) maps to those of this model."""
        return self._replace(weights=np.ascontiguousarray(adapter @ self.weights))


def plain(weights: F32, n_levels: int, sweeps: int = 0) -> RoundedRotation:
    """Components whose errors count alike, rounded one by one."""
    identity: F32 = np.eye(weights.shape[1], dtype=np.float32)
    return RoundedRotation(weights, identity, identity, n_levels, sweeps)


def weighed(weights: F32, n_levels: int, moment: F64, floor: float) -> RoundedRotation:
    """Components whose errors count by what they do to inner products with such data as seen.

    `moment` is the data's; `floor` is added for data that is not seen; infinity makes all errors
    count alike.
    """
    m = weights.shape[1]
    if np.isinf(floor):
        return plain(weights, n_levels, _SWEEPS)
    wide = weights.astype(np.float64)
    energy = wide.T @ moment @ wide
    usual = np.trace(energy) / min(weights.shape)
    metric = (energy / usual if usual > 0 else energy * 0) + floor * np.eye(m)
    rounded: F32 = ((metric + metric.T) / 2).astype(np.float32)
    lower = np.linalg.cholesky(rounded.astype(np.float64))
    shaping: F32 = (lower / np.diag(lower)).astype(np.float32)
    return RoundedRotation(weights, rounded, shaping, n_levels)
