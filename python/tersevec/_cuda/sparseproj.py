"""Sparse random projections and rows of graphs on a GPU: the twin of `_native.sparseproj`.

Results equal the CPU's to the last bit. `threads` and `isa` change nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tersevec._cuda._device import WARP, Array, blocks_for, current, each

_THREADS = 256
_SHARED_BYTES = 48 << 10
_PART = 2048  # entries of a row that are summed together
_KINDS = {"f4": 0, "u2": 1, "i1": 2}
_TILE_ROWS = 4  # that `project` keeps in shared memory
_SELF_LOOPS, _NORMALIZE, _ADD = 1, 2, 4


def rows() -> list[str]:
    """The paths of this family, fastest first."""
    return ["cuda"]


class _Warps(NamedTuple):
    """A launch of a warp for each row, with so many floats of its own for each."""

    grid: tuple[int]
    block: int
    shared_bytes: int
    room: Array | None  # where they do not fit shared memory


def _warps(n: int, floats: int) -> _Warps:
    warps = min(_THREADS // WARP, _SHARED_BYTES // (4 * floats))
    blocks = min(blocks_for(n, max(1, warps)), 16 * current().multiprocessors())
    if warps > 0:
        return _Warps((blocks,), warps * WARP, 4 * warps * floats, None)
    return _Warps((blocks,), WARP, 0, current().xp.empty((blocks, floats), np.float32))


def _kind(held: Array) -> np.int32:
    return np.int32(_KINDS[held.dtype.str[1:]])


def _index_bytes(indptr: Array, indices: Array | None = None) -> np.int32:
    """How wide row starts and indices are, as kernels take it."""
    wide = 0 if indices is None else indices.dtype.itemsize
    return np.int32(indptr.dtype.itemsize | wide << 4)


def _stride(x: Array) -> np.int64:
    """Numbers from row to row."""
    return np.int64(x.strides[0] // x.dtype.itemsize if len(x) > 1 else x.shape[1])


def ternary(
    ids: Array, used: int, seed: int, threshold: int, out: Array, threads: int, *, isa: str = ""
) -> None:
    """The rows of a random matrix of -1, 0 and 1 that `ids` name: (n, whole groups of columns)."""
    n, width = out.shape
    given = (ids, np.int64(n), np.uint64(seed), np.int64(used), np.uint32(threshold))
    words = out.view(np.uint32)
    each("sparseproj_project", "sparseproj_ternary", words.size, *given, np.int64(width), words)


def _long_rows(
    graph: tuple[Array, ...], self_loops: bool, held: tuple[Array, ...], n: int
) -> tuple[Array | None, Array | None]:
    """Where each row's parts begin, and the sums of the parts of long rows."""
    indptr, indices, index_bytes, _ = graph
    # Rows of more than one part have more than half a part's entries for each.
    most = len(indices) // (_PART // 2)
    if len(indices) <= _PART:
        return None, None
    xp, width = current().xp, int(held[3])
    count, bases = xp.zeros(1, np.int32), xp.empty(n, np.int32)
    owners, sums = xp.empty(most, np.int32), xp.empty((most, width), np.float32)
    parts = (count, bases, owners)
    each("sparseproj", "sparseproj_parts", n, indptr, index_bytes, np.int64(n), *parts)
    given = (*graph, np.int32(self_loops), *held, *parts, sums)
    each("sparseproj", "sparseproj_part_sums", most * WARP, *given)
    return bases, sums


def propagate(
    indptr: Array,
    indices: Array,
    weights: Array | None,
    row_scales: Array | None,
    self_loops: bool,
    source: Array,
    source_scales: Array | None,
    target: Array | None,
    target_scales: Array | None,
    out: Array | None,
    held: float,
    made: float,
    normalize: bool,
    add: bool,
    threads: int,
    *,
    isa: str = "",
) -> None:
    """Rows of the graph times held rows: into `target`, and weighted into `out`."""
    n, width = len(indptr) - 1, source.shape[1]
    if n == 0:
        return
    graph = (indptr, indices, _index_bytes(indptr, indices), weights)
    source_rows = (source, source_scales, _kind(source), np.int64(width))
    bases, part_sums = _long_rows(graph, self_loops, source_rows, n)
    kept = (target, target_scales, np.int32(0), np.int64(0))
    if target is not None:
        kept = (target, target_scales, _kind(target), np.int64(target.shape[1]))
    sums = (None, np.int64(0), np.int64(0))
    if out is not None:
        sums = (out, _stride(out), np.int64(out.shape[1]))
    flags = _SELF_LOOPS * self_loops | _NORMALIZE * normalize | _ADD * add
    weighed = (np.float32(held), np.float32(made), np.int32(flags))
    here = _warps(n, 2 * width)
    arguments = (*graph, row_scales, np.int64(n), *source_rows, bases, part_sums, *kept, *sums)
    current().launch(
        "sparseproj",
        "sparseproj_propagate",
        here.grid,
        here.block,
        (*arguments, *weighed, here.room),
        here.shared_bytes,
    )


def widen(
    source: Array,
    scales: Array | None,
    width: int,
    normalize: bool,
    threads: int,
    *,
    isa: str = "",
) -> Array:
    """Held rows as floats (n, width), or as unit rows."""
    n, held = source.shape
    out = current().xp.empty((n, width), np.float32)
    if out.size > 0:
        here = _warps(n, held)
        sizes = (np.int64(n), np.int64(held), np.int32(normalize))
        given = (source, scales, _kind(source), *sizes, out, np.int64(width), here.room)
        shape = (here.grid, here.block)
        current().launch("sparseproj", "sparseproj_widen", *shape, given, here.shared_bytes)
    return out


def narrow(x: Array, target: Array, scales: Array | None, threads: int, *, isa: str = "") -> None:
    """Floats into held rows: the nearest numbers, ties to even; columns that x lacks are zero."""
    n, width = x.shape
    given = (x, np.int64(n), _stride(x), np.int64(width))
    held = (target, scales, _kind(target), np.int64(target.shape[1]))
    each("sparseproj", "sparseproj_narrow", n * WARP, *given, *held)


def project(
    x: Array, starts: Array, features: Array, scale: float, threads: int, *, isa: str = ""
) -> Array:
    """Rows times a ternary matrix that is listed by columns: (n, columns)."""
    n, dim = x.shape
    width = len(starts) // 2
    out = current().xp.empty((n, width), np.float32)
    if out.size > 0:
        tile_bytes = 4 * _TILE_ROWS * dim
        tile = (_TILE_ROWS, tile_bytes) if tile_bytes <= _SHARED_BYTES else (1, 0)
        given = (x, np.int64(n), np.int64(dim), _stride(x), starts, features, np.int64(width))
        arguments = (*given, np.float32(scale), np.int32(tile[0]), out)
        grid = (blocks_for(n, tile[0]),)
        block = min(_THREADS, blocks_for(width, WARP) * WARP)
        module = "sparseproj_project"
        current().launch(module, "sparseproj_project", grid, block, arguments, tile[1])
    return out


def project_sparse(
    indptr: Array,
    indices: Array,
    values: Array | None,
    starts: Array,
    codes: Array,
    width: int,
    scale: float,
    threads: int,
) -> Array:
    """Sparse rows times a ternary matrix that is listed by rows: (n, width)."""
    n = len(indptr) - 1
    out = current().xp.empty((n, width), np.float32)
    if out.size > 0:
        here = _warps(n, 2 * width)
        graph = (indptr, indices, _index_bytes(indptr, indices), values, np.int64(n))
        given = (*graph, starts, codes, np.int64(width), np.float32(scale), here.room, out)
        shape = ("sparseproj_project_sparse", here.grid, here.block)
        current().launch("sparseproj_project", *shape, given, here.shared_bytes)
    return out
