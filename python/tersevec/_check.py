"""Argument checks that speak to people: argument first, then what was expected, then what came.

A wrong kind of object or type is a TypeError; a wrong shape, range or order a ValueError.
"""

from __future__ import annotations

import operator
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from tersevec import _backend
from tersevec._arrays import FLOATS, describe, view, view_floats
from tersevec._cuda._device import holds, module_of
from tersevec._kernels import F32, U8, ArrayIn

ROW_LIMIT = 2**31 - 1  # row numbers are 32-bit inside the kernels
SUBSPACE_LIMIT = 2**16
_WIDTH_LIMIT = 2**28 - 1  # bytes of one code: its distances stay below the int32 maximum
FLOAT32_MAX = float(np.finfo(np.float32).max)


def rows_within_limit(name: str, n: int) -> None:
    """Refuse a base that has more rows than the kernels can number."""
    if n > ROW_LIMIT:
        raise ValueError(f"{name}: expected at most 2**31 - 1 rows, got {n}; split the base")


def codes(name: str, x: ArrayIn, n_bytes: int | None = None, *, device: bool = False) -> U8:
    """Codes as uint8 (n, n_bytes) whose rows are contiguous; the rows themselves may be strided."""
    array = view(name, x, device=device)
    expected = f"expected uint8 of shape (?, {'?' if n_bytes is None else n_bytes})"
    if array.dtype != np.uint8:
        raise TypeError(f"{name}: {expected}, got {describe(array)}")
    if array.ndim != 2 or n_bytes not in (None, array.shape[1]):
        raise ValueError(f"{name}: {expected}, got {describe(array)}")
    if not 1 <= array.shape[1] <= _WIDTH_LIMIT:
        raise ValueError(f"{name}: expected 1 to 2**28 - 1 bytes a row, got {describe(array)}")
    rows_within_limit(name, len(array))
    return array if holds(array) else _with_plain_rows(name, array)


def _with_plain_rows(name: str, array: U8) -> U8:
    """`array` if kernels can walk its rows; strides that nobody walks are made plain."""
    n, n_bytes = array.shape
    row, byte = array.strides
    if (byte != 1 and n_bytes > 1 and n > 0) or (row < 0 and n > 1):
        raise ValueError(
            f"{name}: expected rows of adjacent bytes in ascending order, got strides "
            f"{array.strides}; pass np.ascontiguousarray({name})"
        )
    plain = (row if n > 1 else n_bytes, 1)
    if array.strides == plain:
        return array
    return np.lib.stride_tricks.as_strided(array, strides=plain, writeable=False)


def vectors(
    name: str, x: ArrayIn, dim: int | None = None, *, device: bool = False
) -> npt.NDArray[Any]:
    """Float vectors (n, dim) of any strides and float type, not converted yet."""
    array = view_floats(name, x, device=device)
    shape = f"of shape (?, {'?' if dim is None else dim})"
    if array.dtype.char not in "fed" and array.dtype not in FLOATS:
        raise TypeError(
            f"{name}: expected float16, bfloat16, float32 or float64 {shape}, got {describe(array)}"
        )
    if array.ndim != 2 or dim not in (None, array.shape[1]):
        raise ValueError(f"{name}: expected floats {shape}, got {describe(array)}")
    if array.shape[1] < 1:
        raise ValueError(f"{name}: expected at least 1 dimension, got {describe(array)}")
    rows_within_limit(name, len(array))
    return array


def finite(name: str, block: F32, start: int, limit: float = FLOAT32_MAX) -> None:
    """Refuse NaN, infinities and numbers beyond +-limit, naming the row; `start` is the first."""
    row = _backend.first_beyond(block, limit)
    if row < 0:
        return
    number = next(value for value in block[row].tolist() if not abs(value) <= limit)
    if np.isnan(number):
        raise ValueError(f"{name}: row {start + row} holds NaN")
    if np.isinf(number):
        raise ValueError(f"{name}: row {start + row} holds an infinity, or a number beyond float32")
    raise ValueError(
        f"{name}: row {start + row} holds {number:.4g}; beyond {limit:.2g} float32 distances "
        "overflow: scale the vectors down"
    )


def not_nan(name: str, block: F32, start: int) -> None:
    """Refuse NaN, naming the row."""
    row = _backend.first_beyond(block, np.inf)
    if row >= 0:
        raise ValueError(f"{name}: row {start + row} holds NaN")


def positive(name: str, value: object, most: int = ROW_LIMIT) -> int:
    """An integer from 1 to `most`, of Python or NumPy; a bool is none."""
    if type(value) is int and 1 <= value <= most:
        return value
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__"):
        raise TypeError(f"{name}: expected an integer of at least 1, got {value!r}")
    number = operator.index(value)
    if not 1 <= number <= most:
        limit = "2**31 - 1" if most == ROW_LIMIT else most
        raise ValueError(f"{name}: expected an integer from 1 to {limit}, got {number}")
    return number


def between(name: str, value: object, least: int, most: int) -> int:
    """An integer from `least` to `most`, of Python or NumPy; a bool is none."""
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__"):
        raise TypeError(f"{name}: expected an integer from {least} to {most}, got {value!r}")
    number = operator.index(value)
    if not least <= number <= most:
        raise ValueError(f"{name}: expected an integer from {least} to {most}, got {number}")
    return number


def code_bits(name: str, value: object) -> int:
    """Bits of a sub-space that product codes may have."""
    if not isinstance(value, (int, np.integer)) or not 4 <= value <= 8:
        raise ValueError(f"{name}: expected 4, 5, 6, 7 or 8, got {value!r}")
    return int(value)


def row(name: str, index: object, n: int) -> int:
    """The number of one of n rows; negative ones do not count from the end."""
    if isinstance(index, (bool, np.bool_)) or not hasattr(index, "__index__"):
        raise TypeError(f"{name}: expected an integer, got {index!r}")
    number = operator.index(index)
    if not 0 <= number < n:
        raise ValueError(f"{name}: expected an integer of at least 0 and below {n}, got {number}")
    return number


def hamming_radius(radius: object, n_bytes: int) -> int:
    """A number of bits, cut to the bits that a code has."""
    if isinstance(radius, (bool, np.bool_)) or not hasattr(radius, "__index__"):
        raise TypeError(f"radius: expected an integer of at least 0, got {radius!r}")
    bits = operator.index(radius)
    if bits < 0:
        raise ValueError(f"radius: expected an integer of at least 0, got {bits}")
    return min(bits, 8 * n_bytes)


def float_radius(radius: object, name: str = "radius") -> float:
    """A number, possibly infinite, but not NaN."""
    if isinstance(radius, (bool, np.bool_)) or not isinstance(radius, Real):
        raise TypeError(f"{name}: expected a number, got {radius!r}")
    value = float(radius)
    if np.isnan(value):
        raise ValueError(f"{name}: expected a number, got NaN")
    return value


def mask(
    name: str, x: ArrayIn, n: int, nq: int | None = None, *, device: bool = False
) -> U8 | None:
    """Allowed rows as uint8 (ceil(n / 8),), lowest bit first, bits past n cleared, or None.

    With nq, also a row of these for each query: (nq, ceil(n / 8)).
    """
    if x is None:
        return None
    array = view(name, x, device=device)
    n_bytes = (n + 7) // 8
    whose = "" if nq is None else f"for all queries or for each of {nq} "
    expected = f"expected {whose}bool of shape ({n},) or uint8 of shape ({n_bytes},)"
    if array.dtype not in (np.bool_, np.uint8):
        raise TypeError(f"{name}: {expected}, got {describe(array)}")
    width = n if array.dtype == np.bool_ else n_bytes
    if array.shape != (width,) and (nq is None or array.shape != (nq, width)):
        raise ValueError(f"{name}: {expected} for {n} rows, got {describe(array)}")
    if array.dtype == np.bool_:
        return _packed(array)
    packed: U8 = module_of(array).ascontiguousarray(array)
    if n % 8 and (holds(packed) or (packed[..., -1] >> (n % 8)).any()):  # a look would wait there
        packed = packed.copy()
        packed[..., -1] &= np.uint8((1 << n % 8) - 1)
    return packed


def _packed(mask: npt.NDArray[np.bool_]) -> U8:
    """The bits of each row in bytes, lowest first; CuPy packs flat arrays only."""
    n = mask.shape[-1]
    if n % 8:
        whole = np.zeros_like(mask, shape=(*mask.shape[:-1], n + 7 & ~7))
        whole[..., :n] = mask
        mask = whole
    packed: U8 = module_of(mask).packbits(mask.ravel(), bitorder="little")
    return packed.astype(np.uint8, copy=False).reshape(*mask.shape[:-1], mask.shape[-1] // 8)
