"""Ternary matrices and what they multiply, on a GPU, for the twin in `sparseproj`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tersevec._cuda._device import WARP, Array, blocks_for, current, each

_THREADS = 256
_PROJECT_THREADS = 512
_SHARED_BYTES = 48 << 10
_MOST_TILE = 5  # 2**5 rows are the most that `project` keeps in shared memory


class Warps(NamedTuple):
    """A launch of a warp for each row, with so many floats of its own for each."""

    grid: tuple[int]
    block: int
    shared_bytes: int
    room: Array | None  # where they do not fit shared memory


def warps_for(n: int, floats: int) -> Warps:
    warps = min(_THREADS // WARP, _SHARED_BYTES // (4 * floats))
    blocks = min(blocks_for(n, max(1, warps)), 16 * current().multiprocessors())
    if warps > 0:
        return Warps((blocks,), warps * WARP, 4 * warps * floats, None)
    return Warps((blocks,), WARP, 0, current().xp.empty((blocks, floats), np.float32))


def index_bytes(indptr: Array, indices: Array | None = None) -> np.int32:
    """How wide row starts and indices are, as kernels take it."""
    wide = 0 if indices is None else indices.dtype.itemsize
    return np.int32(indptr.dtype.itemsize | wide << 4)


def stride_of(x: Array) -> np.int64:
    """Numbers from row to row."""
    return np.int64(x.strides[0] // x.dtype.itemsize if len(x) > 1 else x.shape[1])


def ternary(
    ids: Array,
    used: int,
    seed: int,
    threshold: int,
    out: Array,
    threads: int,
    *,
    first: int = 0,
    isa: str = "",
) -> None:
    """The rows of a random matrix of -1, 0 and 1 that `ids` name: (n, whole groups of columns)."""
    n, width = out.shape
    given = (ids, np.int64(n), np.uint64(seed), np.int64(first), np.int64(used))
    each(
        "sparseproj_project",
        "sparseproj_ternary",
        out.size // 16,
        *given,
        np.uint32(threshold),
        np.int64(width),
        out,
    )


def _tile(n: int, dim: int) -> int:
    """2**k rows for each block of `project`: what shared memory has room for; none: -1.

    Few rows are spread over the device, since more in a block only spare reads of lists.
    """
    room = (_SHARED_BYTES // (4 * dim)).bit_length() - 1
    spread = (n // (2 * current().multiprocessors())).bit_length()
    return min(room, spread, _MOST_TILE)


def project(
    x: Array, starts: Array, features: Array, scale: float, threads: int, *, isa: str = ""
) -> Array:
    """Rows times a ternary matrix that is listed by columns: (n, columns)."""
    n, dim = x.shape
    width = len(starts) // 2
    out = current().xp.empty((n, width), np.float32)
    if out.size > 0:
        k = _tile(n, dim)
        rows, in_place = 1 << max(0, k), k < 0
        given = (x, np.int64(n), np.int64(dim), stride_of(x), starts, features, np.int64(width))
        how = (np.float32(scale), np.int32(max(0, k)), np.int32(in_place), out)
        block = min(_PROJECT_THREADS, blocks_for(width * rows, WARP) * WARP)
        current().launch(
            "sparseproj_project",
            "sparseproj_project",
            (blocks_for(n, rows),),
            block,
            (*given, *how),
            4 + (0 if in_place else 4 * rows * dim),
        )
    return out


def make_words(starts: Array, codes: Array, width: int) -> None:
    """`project_sparse` reads lists alone."""


def project_sparse(
    indptr: Array,
    indices: Array,
    values: Array | None,
    starts: Array,
    codes: Array,
    words: Array | None,
    width: int,
    scale: float,
    threads: int,
) -> Array:
    """Sparse rows times a ternary matrix that is listed by rows: (n, width)."""
    n = len(indptr) - 1
    out = current().xp.empty((n, width), np.float32)
    if out.size > 0:
        here = warps_for(n, 2 * width)
        graph = (indptr, indices, index_bytes(indptr, indices), values, np.int64(n))
        given = (*graph, starts, codes, np.int64(width), np.float32(scale), here.room, out)
        shape = ("sparseproj_project_sparse", here.grid, here.block)
        current().launch("sparseproj_project", *shape, given, here.shared_bytes)
    return out
