"""Rows to project, dense or sparse, block by block, and their products with a ternary matrix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tersevec import _backend
from tersevec import _check as check
from tersevec._arrays import describe, float_blocks, like, plain_float32, view
from tersevec._cuda._device import holds, module_of
from tersevec._sparse_rows import SparseRows, is_sparse, sparse_rows
from tersevec._ternary import TernaryLists
from tersevec._types import F32, I32, I64, U32, ArrayIn

_BLOCK = 1 << 20  # numbers that are widened at once
_DEVICE_BLOCK = 1 << 26  # the same on a GPU


class DenseRows(NamedTuple):
    """Checked rows, not converted: floats, int8, or packed bits of `bits` dimensions."""

    name: str
    array: npt.NDArray[Any]
    bits: int | None

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return len(self.array)

    @property
    def memory(self) -> npt.NDArray[Any]:
        """An array in the memory in which the rows lie."""
        return self.array

    @property
    def n_columns(self) -> int:
        """The number of dimensions."""
        return int(self.array.shape[1]) if self.bits is None else self.bits

    def blocks(self) -> Iterator[tuple[int, F32]]:
        """(start, float32 rows), block by block, float32 at once; bits are -1 and 1."""
        step = max(1, (_DEVICE_BLOCK if holds(self.array) else _BLOCK) // self.n_columns)
        if self.array.dtype.kind not in "iu":
            step = max(1, self.n_rows) if plain_float32(self.array) else step
            yield from float_blocks(self.array, step)
            return
        for start in range(0, self.n_rows, step):
            part = self.array[start : start + step]
            if self.bits is not None:  # CuPy unpacks flat arrays only
                bits = module_of(part).unpackbits(part.ravel()).reshape(len(part), -1)
                part = 2 * bits[:, : self.bits].astype(np.int8) - 1
            yield start, part.astype(np.float32, order="C")


def projectable(
    name: str,
    x: ArrayIn,
    n_features: int | None = None,
    bits: int | None = None,
    *,
    device: bool = False,
) -> DenseRows | SparseRows:
    """Rows of any kind that can be projected, checked but for finite numbers in dense ones.

    With `device` dense ones may lie in CUDA memory.
    """
    if is_sparse(x):
        if bits is not None:
            raise TypeError(f"bits: expected None for a sparse {name}, got {bits}")
        return sparse_rows(name, x, n_features)
    if bits is not None:
        n_bits = check.positive("bits", bits)
        if n_features not in (None, n_bits):
            raise ValueError(f"bits: expected {n_features}, as in fit, got {n_bits}")
        codes = check.codes(name, x, (n_bits + 7) // 8, device=device)
        return DenseRows(name, codes, n_bits)
    array = view(name, x, device=device)
    if array.dtype == np.uint8:
        raise TypeError(
            f"{name}: expected floats, int8 or a sparse matrix, got {describe(array)}; "
            "for packed bits pass bits=, the number of dimensions"
        )
    if array.dtype != np.int8:
        return DenseRows(name, check.vectors(name, x, n_features, device=device), None)
    if array.ndim != 2 or n_features not in (None, array.shape[1]) or array.shape[1] < 1:
        wanted = "?" if n_features is None else n_features
        raise ValueError(f"{name}: expected int8 of shape (?, {wanted}), got {describe(array)}")
    check.rows_within_limit(name, len(array))
    return DenseRows(name, array, None)


class Projector:
    """A ternary matrix in the two orders that dense and sparse rows ask for."""

    def __init__(self, lists: TernaryLists, scale: float) -> None:
        """Products are multiplied by `scale`."""
        self.lists, self.scale = lists, scale
        self._columns: tuple[I64, I32] | None = None
        self._words: U32 | None = None

    def __call__(self, rows: DenseRows | SparseRows, threads: int) -> F32:
        """The projected rows: (n, columns of the matrix)."""
        width = self.lists.matrix.n_columns
        if isinstance(rows, SparseRows):
            kernels, lists = _backend.pick("sparseproj"), (self.lists.starts, self.lists.codes)
            if self._words is None:
                self._words = kernels.make_words(*lists, width)
            return kernels.project_sparse(
                rows.indptr,
                rows.indices,
                rows.values,
                *lists,
                self._words,
                width,
                self.scale,
                threads,
            )
        if self._columns is None:
            self._columns = self.lists.by_columns()
        starts, features = (like(rows.array, numbers) for numbers in self._columns)
        project = _backend.pick("sparseproj", rows.array).project
        out: F32 = module_of(rows.array).empty((rows.n_rows, width), np.float32)
        for start, block in rows.blocks():
            part = project(block, starts, features, self.scale, threads)
            _refuse_nan(rows.name, part, block, start)
            if len(block) == rows.n_rows:
                return part
            out[start : start + len(block)] = part
        return out


def _refuse_nan(name: str, part: F32, block: F32, start: int) -> None:
    """Tell the first row that cannot be projected: its products are NaN, or beyond float32."""
    row = _backend.first_beyond(part, check.FLOAT32_MAX)
    if row < 0:
        return
    check.finite(name, block[row : row + 1], start + row)
    raise ValueError(f"{name}: row {start + row} is too large: its projection is beyond float32")
