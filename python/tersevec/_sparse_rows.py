"""Sparse matrices in: compressed rows of any finite numbers, or a clear refusal."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tersevec import _backend
from tersevec import _check as check
from tersevec._arrays import BFLOAT16, describe, float_blocks, view
from tersevec._types import F32, ArrayIn


class SparseRows(NamedTuple):
    """Compressed sparse rows: int32 or int64 indices; `values` are float32, or None for ones."""

    indptr: npt.NDArray[Any]
    indices: npt.NDArray[Any]
    values: F32 | None
    n_columns: int

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return len(self.indptr) - 1

    @property
    def memory(self) -> npt.NDArray[Any]:
        """An array in the memory in which the rows lie."""
        return self.indptr


def is_sparse(x: object) -> bool:
    """Whether this is a matrix of ``scipy.sparse``, which is not imported."""
    return hasattr(x, "tocsr") and hasattr(x, "shape")


def sparse_rows(name: str, x: Any, n_columns: int | None = None) -> SparseRows:
    """A ``scipy.sparse`` matrix or array as checked rows; CSR index arrays are not copied."""
    shape = tuple(x.shape)
    if len(shape) != 2 or n_columns not in (None, shape[1]):
        raise ValueError(f"{name}: expected shape (?, {n_columns or '?'}), got {shape}")
    check.rows_within_limit(name, max(shape))
    rows = x.tocsr()  # CSR gives itself
    indptr, indices = _index(name, rows.indptr), _index(name, rows.indices)
    if len(indptr) != shape[0] + 1 or indptr[0] != 0 or (indptr[1:] < indptr[:-1]).any():
        raise ValueError(f"{name}: expected an indptr that starts at 0 and never falls")
    entries = int(indptr[-1])
    if entries > min(len(indices), len(rows.data)):
        raise ValueError(f"{name}: expected {entries} indices, as indptr says, got {len(indices)}")
    indices = indices[:entries]
    unsigned = indices.view(f"u{indices.itemsize}")  # below 0 is beyond all
    if entries and int(unsigned.max()) >= shape[1]:
        raise ValueError(f"{name}: expected indices of at least 0 and below {shape[1]}")
    return SparseRows(indptr, indices, _values(name, rows.data[:entries], indptr), shape[1])


def _index(name: str, x: ArrayIn) -> npt.NDArray[Any]:
    numbers = view(name, x)
    if numbers.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected integer indices, got {describe(numbers)}")
    kept = numbers.dtype in (np.int32, np.int64)
    return np.ascontiguousarray(numbers, numbers.dtype if kept else np.int64)


def _values(name: str, values: npt.NDArray[Any], indptr: npt.NDArray[Any]) -> F32 | None:
    array = view(name, values)
    if array.dtype.kind not in "biuf" and array.dtype != BFLOAT16:
        raise TypeError(f"{name}: expected real numbers, got {describe(array)}")
    if array.dtype.kind in "biu":
        array = array.astype(np.float32)
    _, numbers = next(float_blocks(array[None, :], 1))
    floats: F32 = numbers.reshape(-1)
    if not len(floats):
        return None
    if _backend.first_beyond(floats[None, :], check.FLOAT32_MAX) >= 0:
        at = int(np.flatnonzero(~(np.abs(floats) <= check.FLOAT32_MAX))[0])
        what = "NaN" if np.isnan(floats[at]) else "an infinity, or a number beyond float32"
        row = int(np.searchsorted(indptr, at, side="right")) - 1
        raise ValueError(f"{name}: row {row} holds {what}")
    return None if floats[0] == 1 and (floats == 1).all() else floats
