"""Held rows as floats, and back: float32, the bits of float16, or bytes that a scale multiplies."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tersevec._types import F32, F64

_GROUP, _PANEL = 16, 64  # columns whose squares are added side by side, and those of one sum
_TILE = 1 << 20  # numbers of one tile
_RUN = 2048  # rows whose moments are summed in float32
_LEAST_SIZE = np.float32(2.0**-100)


def floats_of(numbers: npt.NDArray[Any]) -> F32:
    """Held numbers as new floats, scales left out."""
    if numbers.dtype == np.uint16:
        numbers = numbers.view(np.float16)
    return numbers.astype(np.float32)


def scaled_floats(numbers: npt.NDArray[Any], scales: F32 | None) -> F32:
    """Held numbers as new floats."""
    floats = floats_of(numbers)
    if scales is not None:
        floats *= scales[:, None]
    return floats


def add_squares(total: F32, floats: F32) -> F32:
    """The total of each row and the squares of its numbers: 16 sums for each panel of columns."""
    for panel in range(0, floats.shape[1], _PANEL):
        sums = np.zeros((len(floats), _GROUP), np.float32)
        for first in range(panel, min(panel + _PANEL, floats.shape[1]), _GROUP):
            sums += np.square(floats[:, first : first + _GROUP])
        half = _GROUP // 2
        while half:
            sums = sums[:, :half] + sums[:, half:]
            half //= 2
        total = total + sums[:, 0]
    return total


def coefficients(weight: float, normalize: bool, floats: F32, squares: F32 | None = None) -> F32:
    """What each row counts: the weight, divided by the row's length if rows become unit rows."""
    found = np.full(len(floats), weight if not normalize else 0, np.float32)
    if not normalize:
        return found
    if squares is None:
        squares = add_squares(np.zeros(len(floats), np.float32), floats)
    lengths = np.sqrt(squares)
    return np.divide(np.float32(weight), lengths, out=found, where=lengths > 0)


def widen(
    source: npt.NDArray[Any],
    scales: F32 | None,
    width: int,
    normalize: bool,
    threads: int,
    *,
    isa: str = "",
) -> F32:
    """Held rows as floats (n, width), or as unit rows."""
    out = np.empty((len(source), width), np.float32)
    step = max(1, _TILE // source.shape[1])
    for start in range(0, len(source), step):
        part = slice(start, start + step)
        floats = scaled_floats(source[part], None if scales is None else scales[part])
        np.multiply(coefficients(1.0, normalize, floats)[:, None], floats[:, :width], out=out[part])
    return out


def moments(
    source: npt.NDArray[Any],
    scales: F32 | None,
    width: int,
    normalize: bool,
    threads: int,
    *,
    isa: str = "",
) -> F64:
    """The sum of the outer products of rows, or unit rows, with a 1 behind each, but zero rows."""
    total = np.zeros((width + 1, width + 1))
    for start in range(0, len(source), _RUN):
        run = slice(start, start + _RUN)
        rows = widen(source[run], None if scales is None else scales[run], width, normalize, 1)
        add_moments(total, rows)
    return total


def add_moments(total: F64, rows: F32) -> None:
    """Add those of some rows, by the products of the memory that they lie in."""
    total[:-1, :-1] += rows.T @ rows
    total[-1, :-1] += rows.sum(axis=0)
    total[-1, -1] += rows.any(axis=1).sum()
    total[:-1, -1] = total[-1, :-1]


def narrow(
    x: F32, target: npt.NDArray[Any], scales: F32 | None, threads: int, *, isa: str = ""
) -> None:
    """Floats into held rows: the nearest numbers, ties to even; columns that x lacks are zero."""
    step = max(1, _TILE // target.shape[1])
    for start in range(0, len(x), step):
        part = slice(start, start + step)
        held = target[part]
        held[:, x.shape[1] :] = 0
        numbers = held[:, : x.shape[1]]
        if target.dtype == np.float32:
            numbers[...] = x[part]
        elif target.dtype == np.uint16:
            with np.errstate(over="ignore"):  # infinities, as every path makes them
                numbers[...] = x[part].astype(np.float16).view(np.uint16)
        else:
            assert scales is not None
            numbers[...], scales[part] = _bytes_of(x[part])


def _bytes_of(x: F32) -> tuple[F32, F32]:
    """Whole numbers from -127 to 127, and what multiplies those of each row."""
    most = np.abs(x).max(axis=1, initial=0)
    there = most >= _LEAST_SIZE
    steps = np.divide(np.float32(127), most, out=np.zeros_like(most), where=there)
    scales = np.where(there, most / np.float32(127), np.float32(0))
    return np.rint(x * steps[:, None]), scales
