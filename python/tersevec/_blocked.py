"""Codes in the blocked layout that the scan kernels read, growing as rows are appended."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from tersevec import _arrays, _check
from tersevec._cuda._device import holds
from tersevec._kernels import U8, ArrayIn, Codes

_ALIGNMENT = 64  # bytes: a cache line, and the widest register


def _aligned_zeros(shape: tuple[int, ...], dtype: npt.DTypeLike, like: Codes) -> Codes:
    """Zeros in the memory that `like` lies in; CuPy aligns its own."""
    if holds(like):
        return np.zeros_like(like, dtype=dtype, shape=shape)
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.zeros(n_bytes + _ALIGNMENT, np.uint8)
    skip = -memory.ctypes.data % _ALIGNMENT
    return memory[skip : skip + n_bytes].view(dtype).reshape(shape)


class BlockedCodes:
    """What every family's packed codes share; the family says how blocks look and are written."""

    _block_dtype: type[np.generic]

    def __init__(self, n_bytes: int, block_codes: int, *block_shape: int) -> None:
        self._n_bytes, self._block_codes = n_bytes, block_codes
        self._storage: Codes = np.zeros((0, *block_shape), self._block_dtype)
        self._count(0)

    def _write(self, codes: U8, blocks: Codes, start: int) -> None:
        raise NotImplementedError

    def _read(self, blocks: Codes, n: int) -> U8:
        raise NotImplementedError

    def _rows(self, start: int, stop: int) -> U8:
        """Codes start to stop as rows; start is the first of a block."""
        return self._read(self._storage[start // self._block_codes :], stop - start)

    def _blocks_of(self, n: int) -> int:
        return -(-n // self._block_codes)

    def append(self, codes: ArrayIn) -> None:
        """Add codes behind those that are there.

        Parameters
        ----------
        codes : uint8 array, shape (n, n_bytes)
            As wide as those that are there. Rows may be strided.

        Raises
        ------
        TypeError, ValueError
            `codes` are not uint8, of another width, or more than 2**31 - 1 in all.

        Notes
        -----
        The storage grows by half where it is full, so that many small appends cost time linear in
        the rows. Searches that run in other threads meanwhile see the rows that were there when
        they began.
        """
        rows = _check.codes("codes", codes, self._n_bytes, device=True)
        if self._n > 0:
            _arrays.in_one_memory(**{"codes": rows, "codes before": self._storage})
        elif holds(rows) != holds(self._storage):
            self._move(rows)
        n = self._n + len(rows)
        _check.rows_within_limit("codes", n)
        if len(rows) == 0:
            return
        if self._blocks_of(n) > len(self._storage):
            self._grow(self._blocks_of(n))
        self._write(rows, self._storage, self._n)
        self._count(n)

    def remove(self, index: int) -> None:
        """Take out one code; the last one moves to its place.

        Parameters
        ----------
        index : int
            The code's number, from 0 to len(self) - 1.

        Raises
        ------
        TypeError, ValueError
            `index` is not an integer, or no code has this number.

        Notes
        -----
        Costs the same whatever the number of codes. No search may run in another thread meanwhile.
        """
        hole, last = _check.row("index", index, self._n), self._n - 1
        first = last // self._block_codes * self._block_codes
        moved = self._rows(first, last + 1)[-1:]
        self._write(moved, self._storage, hole)
        self._write(np.zeros_like(moved), self._storage, last)
        self._count(last)

    def _count(self, n: int) -> None:
        """n codes are there now, and their blocks are the ones to read."""
        self._blocks = self._storage[: self._blocks_of(n)].view()
        if not holds(self._blocks):
            self._blocks.flags.writeable = False
        self._n = n

    def _move(self, like: U8) -> None:
        """Room in the memory that `like` lies in, while there are no codes."""
        self._storage = _aligned_zeros(self._storage.shape, self._block_dtype, like)

    def _grow(self, needed: int) -> None:
        used = self._blocks_of(self._n)
        room = needed if used == 0 else max(needed, used + used // 2)
        shape = (room, *self._storage.shape[1:])
        larger = _aligned_zeros(shape, self._block_dtype, self._storage)
        larger[:used] = self._storage[:used]
        self._storage = larger

    def unpack(self) -> U8:
        """The codes as rows, as they were given: uint8 (len(self), n_bytes).

        Notes
        -----
        Exact: what `append` took comes back, padding bits aside.
        """
        return self._rows(0, self._n)

    @property
    def blocks(self) -> Codes:
        """A read-only view of the blocks in use; its first axis counts blocks."""
        return self._blocks

    @property
    def n_bytes(self) -> int:
        """Bytes of one code as a row."""
        return self._n_bytes

    @property
    def nbytes(self) -> int:
        """Bytes of the blocks in use."""
        return int(self.blocks.nbytes)

    def __len__(self) -> int:
        return self._n

    def __getstate__(self) -> dict[str, Any]:
        state = {**self.__dict__, "_storage": self._blocks}
        del state["_blocks"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        blocks = state["_storage"]
        self._storage = _aligned_zeros(blocks.shape, blocks.dtype, blocks)
        self._storage[:] = blocks
        self._count(self._n)

    def __deepcopy__(self, memo: dict[int, Any]) -> BlockedCodes:
        return copy.copy(self)
