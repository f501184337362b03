"""Rows rounded to the grid of odd whole numbers, in NumPy: as `pqencode.h` tells it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tersevec._kernels import F32, U8

_NUMBERS = 1 << 18  # of the rows that are worked on at once
_LEAST_STEP = np.float32(1e-30)
WIDTHS = {
    2: (0.75, 0.85, 0.95, 1.05, 1.15, 1.25, 1.35, 1.45, 1.55, 1.65, 1.8, 2.0),
    3: (0.44, 0.5, 0.56, 0.62, 0.68, 0.73, 0.78, 0.84, 0.9, 0.97, 1.05, 1.15),
    4: (0.24, 0.28, 0.31, 0.34, 0.37, 0.4, 0.43, 0.46, 0.5, 0.54, 0.59, 0.65),
    5: (0.14, 0.16, 0.175, 0.19, 0.205, 0.22, 0.235, 0.25, 0.27, 0.29, 0.32, 0.35),
    6: (0.08, 0.09, 0.1, 0.108, 0.115, 0.122, 0.13, 0.138, 0.147, 0.157, 0.17, 0.19),
    7: (0.044, 0.05, 0.055, 0.059, 0.063, 0.067, 0.071, 0.076, 0.081, 0.087, 0.094, 0.1),
}


def grid(
    x: F32,
    metric: F32,
    shaping: F32,
    n_bits: int,
    sweeps: int,
    threads: int,
    *,
    isa: str = "",
) -> U8:
    """Numbers from 0 to 2**n_bits - 1, whose odd integers are the rows but for a step: (n, m)."""
    m = x.shape[1]
    numbers = np.empty((len(x), m), np.uint8)
    top = 2**n_bits - 1
    step = max(1, _NUMBERS // m)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        for start in range(0, len(x), step):
            columns = np.ascontiguousarray(x[start : start + step].T)
            found = _found(columns, metric, shaping, n_bits, sweeps)
            numbers[start : start + step] = (found.T.astype(np.int64) + top) // 2
    return numbers


def _found(x: F32, metric: F32, shaping: F32, n_bits: int, sweeps: int) -> F32:
    c = _start(x, n_bits)
    step = _sum(x * c) / _sum(c * c)
    counts = step > _LEAST_STEP
    if sweeps == 0 or not counts.any():
        return c
    top = np.float32(2**n_bits - 1)
    errors = x.copy()
    for j in reversed(range(len(x))):
        c[j] = np.where(counts, _odd(errors[j] / step, top), c[j])
        error = x[j] - step * c[j]
        errors[:j] += shaping[j, :j, None] * error
    weighed = _weighed(metric, x)
    for _ in range(sweeps):
        errors = _weighed(metric, c)
        better = _sum(x * errors) / _sum(c * errors)
        step = np.where(better > _LEAST_STEP, better, step)
        errors = weighed - step * errors
        for j in range(len(x)):
            before = c[j].copy()
            number = _odd(before + errors[j] / (metric[j, j] * step), top)
            c[j] = np.where(counts, number, before)
            errors -= metric[j, :, None] * (step * (c[j] - before))
    return c


def _start(x: F32, n_bits: int) -> F32:
    """Signs times the levels of the step that is best of those tried."""
    size = np.abs(x)
    levels = np.ones_like(x)
    if n_bits > 1:
        mean = _sum(size) / np.float32(len(x))
        best = np.full(x.shape[1], -1, np.float32)
        width = np.ones(x.shape[1], np.float32)
        last = np.float32(2 ** (n_bits - 1) - 1)
        for relative in np.array(WIDTHS[n_bits], np.float32):
            tried = relative * mean
            tried = np.where(tried > _LEAST_STEP, tried, _LEAST_STEP)
            found = _level(size, tried, last)
            product = _sum(size * found)
            score = product * product / _sum(found * found)
            better = score > best
            width, best = np.where(better, tried, width), np.where(better, score, best)
        levels = _level(size, width, last)
    return np.where(x < 0, -levels, levels)


def _level(size: F32, width: F32, last: np.float32) -> F32:
    steps = size / width
    return np.float32(2) * np.floor(np.where(steps < last, steps, last)) + np.float32(1)


def _odd(number: F32, top: np.float32) -> F32:
    """The grid's number below the next even one."""
    cut = np.where(number < top, number, top)
    cut = np.where(cut > -top, cut, -top)
    return np.float32(2) * np.floor(cut * np.float32(0.5)) + np.float32(1)


def _sum(rows: npt.NDArray[np.float32]) -> F32:
    """The rows added one after the other."""
    total = np.zeros(rows.shape[1], np.float32)
    for row in rows:
        total += row
    return total


def _weighed(metric: F32, rows: F32) -> F32:
    """The metric times the rows, added one after the other."""
    total = np.zeros_like(rows)
    for weights, row in zip(metric, rows, strict=True):
        total += weights[:, None] * row
    return total
