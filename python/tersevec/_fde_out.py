"""Where encodings go: the caller's arrays, or new ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tersevec import _arrays
from tersevec._cuda._device import holds, module_of
from tersevec._kernels import F32, ArrayIn
from tersevec._results import ScaledInt8

_DTYPES = tuple(map(np.dtype, ("float32", "float16", "int8")))


def results(
    out: ArrayIn, dtype: npt.DTypeLike, shape: tuple[int, int], memory: Any
) -> tuple[npt.NDArray[Any], F32 | None]:
    """Rows (n, width) of this type, and scales (n,) with int8, in the memory of an array."""
    xp = module_of(memory)
    try:
        wanted = np.dtype(dtype)
    except TypeError:
        wanted = np.dtype(object)
    if wanted not in _DTYPES:
        raise ValueError(f"dtype: expected one of {', '.join(map(str, _DTYPES))}, got {dtype!r}")
    scaled = wanted.char == "b"
    if out is None:
        return xp.empty(shape, wanted), xp.empty(shape[:1], np.float32) if scaled else None
    if scaled:
        if not isinstance(out, tuple) or len(out) != 2:
            raise TypeError(
                "out: expected a pair of int8 rows and float32 scales with dtype='int8', got "
                f"{_arrays.describe(out)}"
            )
        return (
            _writable("out[0]", out[0], wanted, shape, memory),
            _writable("out[1]", out[1], np.dtype(np.float32), shape[:1], memory),
        )
    return _writable("out", out, wanted, shape, memory), None


def _writable(
    name: str, x: ArrayIn, dtype: np.dtype[Any], shape: tuple[int, ...], memory: Any
) -> npt.NDArray[Any]:
    """The caller's array, if kernels can write it."""
    there = holds(x)
    if there != holds(memory):
        _arrays.in_one_memory(**{name: x, "tokens": memory})
    kind: type[Exception] | None = None
    if not isinstance(x, module_of(memory).ndarray) or x.dtype != dtype:
        kind = TypeError
    elif x.shape != shape or not x.flags.c_contiguous or not (there or x.flags.writeable):
        kind = ValueError  # CuPy's arrays are writable
    if kind is not None:
        raise kind(
            f"{name}: expected a writable, C-contiguous array of {dtype} and shape {shape}, got "
            f"{_arrays.describe(x)}"
        )
    array: npt.NDArray[Any] = x
    return array


def given_back(rows: npt.NDArray[Any], scales: F32 | None) -> npt.NDArray[Any] | ScaledInt8:
    """What the caller gets."""
    return rows if scales is None else ScaledInt8(rows, scales)
