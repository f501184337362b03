"""Sparse random projections and rows of graphs on a GPU: the twin of `_native.sparseproj`.

Results equal the CPU's to the last bit. `threads` and `isa` change nothing.
"""

from __future__ import annotations

import numpy as np

from tersevec._cuda._device import WARP, Array, current, each
from tersevec._cuda.sparseproj_project import (
    index_bytes,
    make_words,
    project,
    project_sparse,
    stride_of,
    ternary,
    warps_for,
)
from tersevec._numpy.sparseproj_held import add_moments

__all__ = [
    "make_words",
    "moments",
    "narrow",
    "project",
    "project_sparse",
    "propagate",
    "rows",
    "ternary",
    "widen",
]

_PART = 2048  # entries of a row that are summed together
_RUN = 2048  # rows whose moments are summed in float32
_KINDS = {"f4": 0, "u2": 1, "i1": 2}
_SELF_LOOPS, _NORMALIZE, _ADD = 1, 2, 4


def rows() -> list[str]:
    """The paths of this family, fastest first."""
    return ["cuda"]


def _kind(held: Array) -> np.int32:
    return np.int32(_KINDS[held.dtype.str[1:]])


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
    places: Array | None = None,
    held_squares: Array | None = None,
    made_squares: Array | None = None,
    target_moments: Array | None = None,
    isa: str = "",
) -> None:
    """Rows of the graph times held rows: into `target`, and weighted into `out`.

    Row i of the graph is added to row `places[i]` of `out`, by default to row i.
    """
    n, width = len(indptr) - 1, source.shape[1]
    if target_moments is not None:
        target_moments[...] = 0
    if n == 0:
        return
    graph = (indptr, indices, index_bytes(indptr, indices), weights)
    source_rows = (source, source_scales, _kind(source), np.int64(width))
    bases, part_sums = _long_rows(graph, self_loops, source_rows, n)
    kept = (target, target_scales, np.int32(0), np.int64(0))
    if target is not None:
        kept = (target, target_scales, _kind(target), np.int64(target.shape[1]))
    sums = (None, np.int64(0), np.int64(0), places)
    if out is not None:
        sums = (out, stride_of(out), np.int64(out.shape[1]), places)
    flags = _SELF_LOOPS * self_loops | _NORMALIZE * normalize | _ADD * add
    squares = (held_squares, made_squares)
    weighed = (np.float32(held), np.float32(made), *squares, np.int32(flags))
    here = warps_for(n, 2 * width)
    arguments = (*graph, row_scales, np.int64(n), *source_rows, bases, part_sums, *kept, *sums)
    current().launch(
        "sparseproj",
        "sparseproj_propagate",
        here.grid,
        here.block,
        (*arguments, *weighed, here.room),
        here.shared_bytes,
    )
    if target_moments is not None:
        assert target is not None
        columns = len(target_moments) - 1
        target_moments[...] = moments(target, target_scales, columns, True, threads)


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
        here = warps_for(n, held)
        sizes = (np.int64(n), np.int64(held), np.int32(normalize))
        given = (source, scales, _kind(source), *sizes, out, np.int64(width), here.room)
        shape = (here.grid, here.block)
        current().launch("sparseproj", "sparseproj_widen", *shape, given, here.shared_bytes)
    return out


def moments(
    source: Array,
    scales: Array | None,
    width: int,
    normalize: bool,
    threads: int,
    *,
    isa: str = "",
) -> Array:
    """The sum of the outer products of rows, or unit rows, with a 1 behind each, but zero rows.

    Products are CuPy's.
    """
    total = current().xp.zeros((width + 1, width + 1), np.float64)
    for start in range(0, len(source), _RUN):
        run = slice(start, start + _RUN)
        rows = widen(source[run], None if scales is None else scales[run], width, normalize, 1)
        add_moments(total, rows)
    return total


def narrow(x: Array, target: Array, scales: Array | None, threads: int, *, isa: str = "") -> None:
    """Floats into held rows: the nearest numbers, ties to even; columns that x lacks are zero."""
    n, width = x.shape
    given = (x, np.int64(n), stride_of(x), np.int64(width))
    held = (target, scales, _kind(target), np.int64(target.shape[1]))
    each("sparseproj", "sparseproj_narrow", n * WARP, *given, *held)
