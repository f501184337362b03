"""Tables made of others, in NumPy: rounded ones with their bounds, and those of codes."""

from __future__ import annotations

import numpy as np

from tersevec._kernels import F32, F64, U8
from tersevec._numpy.pqscan_codes import split


def of_pairs(pairs: F32, q_codes: U8) -> F32:
    """The rows of pairs (K, m, K) that the codes name: (nq, m, K)."""
    K, m, _ = pairs.shape
    tables: F32 = pairs[split(q_codes, m, K.bit_length() - 1), np.arange(m)]
    return tables


def _scale(tables: F32) -> F64:
    """Levels to a unit, for each query."""
    limit = 63.0 if tables.shape[2] in (32, 64) else 127.0
    most, least = tables.max(axis=2).astype(np.float64), tables.min(axis=2).astype(np.float64)
    spans = (most - least).max(axis=1)
    with np.errstate(divide="ignore", over="ignore"):
        return np.where(spans > 0, np.minimum(limit / spans, 1e30), 0.0)


def levels(tables: F32) -> F32:
    """The entries as whole numbers, rounded down: those of one query have one scale."""
    limit = np.float32(63 if tables.shape[2] in (32, 64) else 127)
    factor = (_scale(tables) * (1 - 2.0**-21)).astype(np.float32)[:, None, None]
    rounded: F32 = (tables - tables.min(axis=2, keepdims=True)) * factor
    np.trunc(rounded, out=rounded)
    np.minimum(limit, rounded, out=rounded)
    return rounded


def bounds(tables: F32, rounded: F32, sums: F32) -> tuple[F32, F32]:
    """What no float32 sum of entries lies below, or above, whose levels add up to `sums`.

    Everything in double and in this order, so that both twins agree to the last bit.
    """
    least, most = tables.min(axis=2).astype(np.float64), tables.max(axis=2).astype(np.float64)
    scale = _scale(tables)
    step = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    lost = tables - least[:, :, None] - rounded * step[:, None, None]
    base, error, magnitude = (
        np.cumsum(terms, axis=1)[:, -1:]  # one sub-space after the other, unlike `sum`
        for terms in (least, lost.max(axis=2), np.maximum(np.abs(least), np.abs(most)))
    )
    slack = (tables.shape[1] + 2) * magnitude * 2.0**-24 * 1.001
    middle = base + sums * step[:, None]
    with np.errstate(over="ignore"):
        lower, upper = (
            (middle - slack).astype(np.float32),
            (middle + error + slack).astype(np.float32),
        )
    return np.nextafter(lower, np.float32(-np.inf)), np.nextafter(upper, np.float32(np.inf))
