"""Large blocks of memory, used again once nobody holds them."""

from __future__ import annotations

import contextlib
import mmap
import weakref
from collections import deque

import numpy as np

from tersevec._types import U8

_MOST = 1 << 29  # bytes of blocks that are kept
_HUGE_PAGES: int = getattr(mmap, "MADV_HUGEPAGE", -1)
_MAY_TAKE: int = getattr(mmap, "MADV_FREE", -1)
KEEPS = _HUGE_PAGES >= 0 and _MAY_TAKE >= 0  # on Linux
# Blocks that nobody holds, the oldest first. Linux takes their pages when it is short of memory.
_spare: deque[mmap.mmap] = deque()


def recycled(n_bytes: int) -> U8:
    """Bytes of any value, on huge pages where Linux has some.

    It clears pages that it hands out, which takes as long as writing them. So blocks whose arrays
    are gone are kept for the next call of that size, marked as memory that Linux may take back.
    """
    if not KEEPS or n_bytes > _MOST:
        return np.empty(n_bytes, np.uint8)
    block = _spare_block(n_bytes)
    if block is None:
        block = mmap.mmap(-1, n_bytes, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        with contextlib.suppress(OSError):  # a kernel may be built without
            block.madvise(_HUGE_PAGES)
    memory = np.frombuffer(block, np.uint8)
    weakref.finalize(memory, _keep, block).atexit = False
    return memory


def _spare_block(n_bytes: int) -> mmap.mmap | None:
    for block in tuple(_spare):
        if len(block) == n_bytes:
            with contextlib.suppress(ValueError):  # another thread has it
                _spare.remove(block)
                return block
    return None


def _keep(block: mmap.mmap) -> None:
    try:
        block.madvise(_MAY_TAKE)
    except OSError:
        return
    _spare.append(block)
    while sum(map(len, tuple(_spare))) > _MOST:
        with contextlib.suppress(IndexError):
            _spare.popleft()
