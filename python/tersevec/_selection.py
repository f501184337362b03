"""What a search may find: masks, and segments of rows with what is added to their distances."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tersevec import _arrays, _check
from tersevec._cuda._device import module_of
from tersevec._kernels import F32, I64, U8, ArrayIn


class Selection(NamedTuple):
    """As the kernels take it."""

    mask: U8 | None = None
    segments: I64 | None = None
    bias: F32 | None = None

    def of(self, queries: slice) -> Selection:
        """That of some of the queries."""
        mask, segments, bias = self
        return Selection(
            mask if mask is None or mask.ndim == 1 else mask[queries],
            segments,
            None if bias is None else bias[queries],
        )

    def negated(self) -> Selection:
        """For similarities, which kernels know as distances."""
        return self if self.bias is None else self._replace(bias=-self.bias)


def select(
    mask: ArrayIn, segments: ArrayIn, bias: ArrayIn, n: int, queries: npt.NDArray[Any]
) -> Selection:
    """The checked selection of n rows, in the memory of the queries.

    A mask lies there; segments and biases are few, are checked on the CPU and go where they must.
    """
    nq, xp = len(queries), module_of(queries)
    allowed = _check.mask("mask", mask, n, nq, device=True)
    _arrays.in_one_memory(mask=allowed, Q=queries)
    if segments is None:
        if bias is not None:
            raise ValueError("bias: expected segments too, got a bias alone")
        return Selection(allowed)
    ranges = _segments(segments, n)
    added = None if bias is None else xp.asarray(_bias(bias, nq, len(ranges)))
    return Selection(allowed, xp.asarray(ranges), added)


def _segments(segments: ArrayIn, n: int) -> I64:
    """Ranges [start, stop) of rows as int64 (s, 2)."""
    array = _arrays.view("segments", segments)
    expected = "segments: expected integers of shape (?, 2)"
    if array.dtype.kind not in "iu" or not np.can_cast(array.dtype, np.int64):
        raise TypeError(f"{expected}, got {_arrays.describe(array)}")
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f"{expected}, got {_arrays.describe(array)}")
    ranges: I64 = np.ascontiguousarray(array, np.int64)
    starts, stops = ranges.T
    bad = np.flatnonzero((starts < 0) | (starts > stops) | (stops > n))
    if len(bad):
        raise ValueError(
            f"segments: expected 0 <= start <= stop <= {n}, got {_shown(ranges[bad[0]])}"
        )
    filled = ranges[starts < stops]
    filled = filled[np.argsort(filled[:, 0])]
    bad = np.flatnonzero(filled[:-1, 1] > filled[1:, 0])
    if len(bad):
        first, second = filled[bad[0]], filled[bad[0] + 1]
        raise ValueError(
            f"segments: expected ranges that do not overlap, got {_shown(first)} and "
            f"{_shown(second)}"
        )
    return ranges


def _shown(segment: npt.NDArray[Any]) -> str:
    return str(tuple(segment.tolist()))


def _bias(bias: ArrayIn, nq: int, count: int) -> F32:
    """What is added to the distances of each query and segment: float32 (nq, count)."""
    array = _arrays.view_floats("bias", bias)
    expected = f"bias: expected floats of shape ({nq}, {count})"
    if array.dtype not in _arrays.FLOATS:
        raise TypeError(f"{expected}, got {_arrays.describe(array)}")
    if array.shape != (nq, count):
        raise ValueError(f"{expected}, got {_arrays.describe(array)}")
    added = np.empty((nq, count), np.float32)
    for start, block in _arrays.float_blocks(array):
        _check.finite("bias", block, start, _check.FLOAT32_MAX / 2)
        added[start : start + len(block)] = block
    return added
