"""Arrays that grow by rows, at a cost linear in the rows however many appends there are."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from tersevec._cuda._device import holds, module_of


class GrowingRows:
    """Rows that are there, and room for more, in the memory of the first ones."""

    def __init__(self, rows: npt.NDArray[Any]) -> None:
        self._storage, self._n = rows, len(rows)

    @property
    def rows(self) -> npt.NDArray[Any]:
        """A view of the rows that are there, read-only where arrays can be."""
        view = self._storage[: self._n]
        if not holds(view):
            view.flags.writeable = False
        return view

    def room(self, count: int) -> npt.NDArray[Any]:
        """Room for so many rows behind those that are there; views of these stay as they are."""
        needed = self._n + count
        if needed > len(self._storage):
            size = needed if self._n == 0 else max(needed, self._n + self._n // 2)
            empty = module_of(self._storage).empty
            larger = empty((size, *self._storage.shape[1:]), self._storage.dtype)
            larger[: self._n] = self._storage[: self._n]
            self._storage = larger
        return self._storage[self._n : needed]

    def filled(self, count: int) -> None:
        """So many rows of the room are there now."""
        self._n += count

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Copy more rows behind those that are there."""
        self.room(len(rows))[:] = rows
        self.filled(len(rows))

    def __getstate__(self) -> npt.NDArray[Any]:
        return self.rows.copy()

    def __setstate__(self, rows: npt.NDArray[Any]) -> None:
        self._storage, self._n = rows, len(rows)
