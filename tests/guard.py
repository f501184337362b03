"""Arrays beside memory that cannot be read or written: a kernel that strays dies at once."""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Iterator

import numpy as np

PAGE = mmap.PAGESIZE
HERE = sys.platform != "win32"
WHY_NOT = "no mprotect on this system"


def _fenced(n_bytes: int) -> tuple[mmap.mmap, int]:
    """Memory of at least so many bytes between two pages that nobody may touch; its size."""
    size = -(-max(n_bytes, 1) // PAGE) * PAGE
    memory = mmap.mmap(-1, size + 2 * PAGE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for page in (address, address + PAGE + size):
        if libc.mprotect(page, PAGE, 0) != 0:
            raise OSError(ctypes.get_errno(), "mprotect")
    return memory, size


def before_a_wall(array: np.ndarray) -> np.ndarray:
    """A copy whose last byte is the last before an unreadable page."""
    memory, size = _fenced(array.nbytes)
    return _copied(memory, PAGE + size - array.nbytes, array)


def behind_a_wall(array: np.ndarray) -> np.ndarray:
    """A copy whose first byte is the first behind an unreadable page."""
    memory, _ = _fenced(array.nbytes)
    return _copied(memory, PAGE, array)


def rows_before_a_wall(array: np.ndarray) -> np.ndarray:
    """A copy with bytes between its rows; the last row ends before an unreadable page."""
    gap, n_bytes = 3 * array.itemsize, array.shape[1] * array.itemsize
    memory, size = _fenced(len(array) * (n_bytes + gap))
    used = len(array) * (n_bytes + gap) - gap
    flat = np.frombuffer(memory, np.uint8, used, PAGE + size - used)
    view = np.lib.stride_tricks.as_strided(
        flat[:n_bytes].view(array.dtype), array.shape, (n_bytes + gap, array.itemsize)
    )
    view[...] = array
    return view


def _copied(memory: mmap.mmap, place: int, array: np.ndarray) -> np.ndarray:
    flat = np.frombuffer(memory, array.dtype, array.size, place)
    flat[:] = array.ravel()
    return flat.reshape(array.shape)


def placements(*arrays: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """All arrays before walls, then all behind walls."""
    yield tuple(before_a_wall(array) for array in arrays)
    yield tuple(behind_a_wall(array) for array in arrays)
