"""Rows that are held between steps: float32, float16, or int8 with a scale for each row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from tersevec import _backend
from tersevec._cuda._device import holds, module_of
from tersevec._recycled import recycled
from tersevec._types import F32, U8

STATES = ("float16", "float32", "int8")
_KEPT = {"float16": np.uint16, "float32": np.float32, "int8": np.int8}
GROUP = 16  # columns
_SIGNS = 64  # columns of a random matrix come in such groups
_LINE = 64  # bytes
_HUGE_PAGE = 2 << 20  # bytes
_BLOCK = 1 << 20  # floats of rows that are widened at once
_DEVICE_BLOCK = 1 << 26  # the same on a GPU
_WORD = 16  # bytes that its kernels read at once


def aligned(
    shape: tuple[int, int], dtype: npt.DTypeLike, like: npt.NDArray[Any] | None = None
) -> npt.NDArray[Any]:
    """An array whose first number begins a cache line; numbers are whatever was there.

    Large ones lie on whole huge pages: what lies before the first and behind the last would come as
    hundreds of small pages, each dearer than a huge one. It lies in the memory that `like` lies in;
    CuPy aligns its own.
    """
    if holds(like):
        there: npt.NDArray[Any] = module_of(like).empty(shape, dtype)
        return there
    n_bytes = shape[0] * shape[1] * np.dtype(dtype).itemsize
    large = n_bytes >= 8 * _HUGE_PAGE
    unit = _HUGE_PAGE if large else _LINE
    room = (-(-n_bytes // unit) + 1) * unit
    memory = recycled(room) if large else np.empty(room, np.uint8)
    start = -memory.ctypes.data % unit
    return memory[start : start + n_bytes].view(dtype).reshape(shape)


def _placed(memory: U8, shape: tuple[int, int], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    n_bytes = shape[0] * shape[1] * np.dtype(dtype).itemsize
    return memory[:n_bytes].view(dtype).reshape(shape)


class Held:
    """Rows of d numbers as kernels hold them: `values` of whole groups of columns, and `scales`."""

    def __init__(self, values: npt.NDArray[Any], scales: F32 | None, d: int) -> None:
        """Rows that are there; `empty` makes some."""
        self.values, self.scales, self.d = values, scales, d

    @classmethod
    def empty(
        cls,
        n: int,
        d: int,
        state: str,
        memory: U8 | None = None,
        like: npt.NDArray[Any] | None = None,
    ) -> Held:
        """Rows to be written, all columns of them, in memory that is large enough, or like that."""
        shape = n, -(-d // GROUP) * GROUP
        kept = np.dtype(_KEPT[state])
        values = aligned(shape, kept, like) if memory is None else _placed(memory, shape, kept)
        return cls(values, module_of(values).empty(n, np.float32) if state == "int8" else None, d)

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.values)

    def part(self, rows: slice) -> Held:
        """Some rows, in the same memory."""
        scales = None if self.scales is None else self.scales[rows]
        return Held(self.values[rows], scales, self.d)

    def blocks(self, *, normalize: bool, threads: int) -> Iterator[tuple[Held, slice, F32]]:
        """Few rows at once: themselves, which, and as floats or as unit rows."""
        step = max(1, (_DEVICE_BLOCK if holds(self.values) else _BLOCK) // self.values.shape[1])
        kernels = _backend.pick("sparseproj", self.values)
        for start in range(0, len(self), step):
            rows = slice(start, min(start + step, len(self)))
            part = self.part(rows)
            yield part, rows, kernels.widen(part.values, part.scales, self.d, normalize, threads)

    def write(self, floats: F32, threads: int) -> None:
        """Hold these rows from now on."""
        _backend.pick("sparseproj", floats).narrow(floats, self.values, self.scales, threads)


def row_bytes(d: int, state: str) -> int:
    """Bytes of a row as it is held, or of one of a random matrix."""
    held = -(-d // GROUP) * GROUP * np.dtype(_KEPT[state]).itemsize
    return max(held, -(-d // _SIGNS) * _SIGNS)


class Memory:
    """Two regions, and the result's own while nobody needs it, for the rows E_0, E_1, ...

    A step reads one E_i, writes the next one, and may add to the result. So from the step `first`
    on, the first to do so, two regions take turns; before it one of them and the result do.
    """

    def __init__(self, n: int, row_bytes: int, first: int, out: npt.NDArray[Any]) -> None:
        """Room for n rows of at most so many bytes."""
        self._n_bytes, self._shape, self._first = n * row_bytes, (n, row_bytes), first
        self._regions: dict[str, U8] = {}
        self._like = out
        plain = _is_aligned(out) if holds(out) else type(out) is np.ndarray
        if plain and out.flags.c_contiguous and out.nbytes >= self._n_bytes:
            self._regions["result"] = out.reshape(-1).view(np.uint8)

    def of(self, i: int) -> U8:
        """Where E_i goes; E_(i-2) need not be there any more."""
        from_first = i - self._first
        other = "result" if from_first < 0 and "result" in self._regions else "other"
        name = other if from_first % 2 == 0 else "one"
        if name not in self._regions:
            self._regions[name] = aligned(self._shape, np.uint8, self._like).reshape(-1)
        return self._regions[name]


def _is_aligned(array: Any) -> bool:
    """Whether kernels on a GPU can read whole words from the first number on."""
    return int(array.__cuda_array_interface__["data"][0]) % _WORD == 0
