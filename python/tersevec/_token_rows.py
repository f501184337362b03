"""Rows of token vectors: the types they may have, the kernels' layout, and bad numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tersevec import _arrays, _backend, _check
from tersevec._arrays import BFLOAT16, FLOATS, describe
from tersevec._cuda._device import holds, module_of
from tersevec._kernels import F32, ArrayIn, Tokens

MOST_DIMENSIONS = 1 << 16
LARGEST = 1e15  # numbers up to this cannot overflow a float32 score
_BFLOAT16_MOST = int(np.float32(LARGEST).view(np.uint32)) >> 16
_FLOAT16_MOST = 0x7BFF
_BLOCK = 1 << 20  # numbers that are looked at at once
_DEVICE_BLOCK = 1 << 26  # on a GPU, where every look is waited for


def token_array(name: str, x: ArrayIn, *, device: bool = False) -> npt.NDArray[Any]:
    """Any array of numbers that tokens may be made of, of any shape and strides."""
    array = _arrays.view_floats(name, x, device=device)
    if array.dtype.char not in "fedb" and array.dtype != BFLOAT16:
        raise TypeError(
            f"{name}: expected float16, bfloat16, float32, float64, or int8 with scales, got "
            f"{describe(array)}"
        )
    return array


def in_layout(rows: npt.NDArray[Any]) -> bool:
    """Whether kernels can read these rows as they are."""
    return rows.dtype.char != "d" and rows.flags.c_contiguous


def layout(rows: npt.NDArray[Any]) -> Tokens:
    """The rows as kernels read them; a copy only where it must be."""
    if rows.dtype.char == "V":  # BFLOAT16
        rows = rows["bfloat16"]
    if in_layout(rows):
        return rows
    kept = np.float32 if rows.dtype == np.float64 else rows.dtype
    with np.errstate(over="ignore", under="ignore"):
        tokens: Tokens = module_of(rows).ascontiguousarray(rows, kept)
        return tokens


def first_beyond(tokens: Tokens) -> int:
    """The first row of floats that holds NaN or a number beyond LARGEST, -1 if there is none."""
    single, there = tokens.dtype.char == "f", holds(tokens)
    if single and not there:  # kernels need no block of their own
        return _backend.first_beyond(tokens, LARGEST)
    step = max(1, (_DEVICE_BLOCK if there else _BLOCK) // tokens.shape[1])
    for start in range(0, len(tokens), step):
        block = tokens[start : start + step]
        row = _backend.first_beyond(block, LARGEST) if single else _first_large(block)
        if row >= 0:
            return start + row
    return -1


def _first_large(tokens: Tokens) -> int:
    """`first_beyond` of 16-bit floats, whose bits without the sign are in the numbers' order."""
    most = _FLOAT16_MOST if tokens.dtype == np.float16 else _BFLOAT16_MOST
    bits = tokens.view(np.uint16) & np.uint16(0x7FFF)
    return -1 if int(bits.max()) <= most else int((bits > most).any(axis=1).argmax())


def refuse(name: str, row: int, token: Tokens) -> None:
    """Say what is wrong with one token, (1, d), that `first_beyond` found."""
    floats = token.view(BFLOAT16) if token.dtype == np.uint16 else token
    for _, block in _arrays.float_blocks(floats):
        _check.finite(name, block, row, LARGEST)


def checked_scales(name: str, x: ArrayIn, tokens: npt.NDArray[Any], *shape: int) -> F32 | None:
    """What int8 tokens are multiplied with, float32 of this shape; None for floats."""
    if tokens.dtype.char != "b":
        if x is not None:
            raise ValueError(f"{name}: expected None, since only int8 tokens have scales")
        return None
    if x is None:
        raise TypeError(
            f"{name}: expected floats of shape {shape} with int8 tokens, got None; `maxsim` takes "
            "them from maxsim_pack(..., scales=...)"
        )
    array = _arrays.view_floats(name, x, device=holds(tokens))
    if array.dtype not in FLOATS:
        raise TypeError(f"{name}: expected floats of shape {shape}, got {describe(array)}")
    if array.shape != shape:
        raise ValueError(f"{name}: expected floats of shape {shape}, got {describe(array)}")
    _arrays.in_one_memory(**{name: array, "tokens": tokens})
    column = array.reshape(-1, 1)
    numbers: F32 = module_of(array).empty(len(column), np.float32)
    for start, block in _arrays.float_blocks(column):
        _check.finite(name, block, start, LARGEST / 128)
        numbers[start : start + len(block)] = block[:, 0]
    return numbers.reshape(shape)
