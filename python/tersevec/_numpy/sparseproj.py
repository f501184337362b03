"""Sparse random projections and rows of graphs, in NumPy: the twin of `_native.sparseproj`.

Float32 throughout, each product, sum, quotient and root rounded on its own and in the order that
the contract names, so that results equal the compiled ones to the last bit. Works on tiles, so that
temporaries stay below 32 MiB. `threads` and `isa` change nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tersevec._numpy.sparseproj_held import (
    add_squares,
    coefficients,
    floats_of,
    moments,
    narrow,
    scaled_floats,
    widen,
)
from tersevec._types import F32, F64, I8, I32, I64, U32, U64

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
_TILE = 1 << 20  # numbers of one tile
_RANDOM_TILE = 1 << 16  # the same where much is done to each number: it stays in cache
_GROUP = 64  # columns of a random matrix whose halves take turns
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_STEP = np.uint32(0x9E3779B9)  # its upper half


def rows() -> list[str]:
    """The paths of this family, fastest first."""
    return ["numpy"]


def _mix(x: U64) -> U64:
    x = (x ^ x >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ x >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return x ^ x >> np.uint64(31)


def _finish(x: U32, key: U32) -> U32:
    x = (x ^ x >> np.uint32(16)) * np.uint32(0x21F0AAAD) + key
    x = (x ^ x >> np.uint32(15)) * np.uint32(0xD35A2D97)
    return x ^ x >> np.uint32(15)


def ternary(
    ids: I64,
    used: int,
    seed: int,
    threshold: int,
    out: I8,
    threads: int,
    *,
    first: int = 0,
    isa: str = "",
) -> None:
    """The rows of a random matrix of -1, 0 and 1 that `ids` name: (n, whole groups of columns)."""
    width = out.shape[1]
    places = np.arange(first // 2, (first + width) // 2, dtype=np.uint32) * _STEP
    key = _mix(np.array([seed], np.uint64) + _GOLDEN)
    step = max(1, _RANDOM_TILE // width)
    for start in range(0, len(ids), step):
        part = slice(start, start + step)
        state = _mix(key + ids[part].astype(np.uint64) * _GOLDEN)[:, None]
        low, high = state.astype(np.uint32), (state >> np.uint64(32)).astype(np.uint32)
        words = _finish(low + places, high)
        lanes = words.astype("<u4", copy=False).view("<u2") ^ np.uint16(0x8000)
        above = lanes - np.uint16(threshold)
        plus, minus = lanes < threshold, above < threshold
        signs = plus.view(np.int8) - minus.view(np.int8)
        pairs = out[part].reshape(len(words), -1, _GROUP // 2, 2)
        pairs[...] = signs.reshape(len(words), -1, 2, _GROUP // 2).swapaxes(2, 3)
        out[part, used:] = 0


def _part_sums(
    firsts: I64,
    counts: I64,
    sums: F32,
    indices: npt.NDArray[Any],
    source: npt.NDArray[Any],
    factors: F32 | None,
) -> None:
    """Adds the source rows of each part's entries to its sums, in the order of the entries."""
    order = np.argsort(-counts, kind="stable")  # parts of about equal length go side by side
    step = max(1, _TILE // sums.shape[1])
    for start in range(0, len(order), step):
        parts = order[start : start + step]
        tile, falling = sums[parts], -counts[parts]
        for place in range(-falling[0]):
            active = int(np.searchsorted(falling, -place))  # parts that are longer
            entries = firsts[parts[:active]] + place
            terms = floats_of(source[indices[entries]])
            if factors is not None:
                terms *= factors[entries, None]
            tile[:active] += terms
        sums[parts] = tile


def _row_sums(
    starts: I64,
    own: F32 | None,
    indices: npt.NDArray[Any],
    source: npt.NDArray[Any],
    factors: F32 | None,
) -> F32:
    """The sums of some rows, which begin with `own`; parts of long ones are added in order."""
    lengths = np.diff(starts)
    n_parts = np.maximum(-(-lengths // _PART), 1)
    ends = np.cumsum(n_parts)
    place = np.arange(ends[-1]) - np.repeat(ends - n_parts, n_parts)
    firsts = np.repeat(starts[:-1], n_parts) + place * _PART
    counts = np.minimum(np.repeat(starts[1:], n_parts) - firsts, _PART)
    sums = np.zeros((len(place), source.shape[1]), np.float32)
    if own is not None:
        sums[place == 0] = own
    _part_sums(firsts, counts, sums, indices, source, factors)
    total: F32 = sums[place == 0]
    for later in range(1, int(n_parts.max())):
        total[n_parts > later] += sums[place == later]
    return total


def propagate(
    indptr: npt.NDArray[Any],
    indices: npt.NDArray[Any],
    weights: F32 | None,
    row_scales: F32 | None,
    self_loops: bool,
    source: npt.NDArray[Any],
    source_scales: F32 | None,
    target: npt.NDArray[Any] | None,
    target_scales: F32 | None,
    out: F32 | None,
    held: float,
    made: float,
    normalize: bool,
    add: bool,
    threads: int,
    *,
    places: I64 | None = None,
    held_squares: F32 | None = None,
    made_squares: F32 | None = None,
    target_moments: F64 | None = None,
    isa: str = "",
) -> None:
    """Rows of the graph times held rows: into `target`, and weighted into `out`.

    Row i of the graph is added to row `places[i]` of `out`, by default to row i.
    """
    factors = weights
    if source_scales is not None:
        factors = source_scales[indices] if weights is None else weights * source_scales[indices]
    step = max(1, _TILE // source.shape[1])
    for start in range(0, len(indptr) - 1, step):
        part = slice(start, min(start + step, len(indptr) - 1))
        own = None
        if self_loops or (out is not None and held != 0) or held_squares is not None:
            own = scaled_floats(
                source[part], None if source_scales is None else source_scales[part]
            )
        starts = indptr[part.start : part.stop + 1].astype(np.int64)
        sums = _row_sums(starts, own if self_loops else None, indices, source, factors)
        if row_scales is not None:
            sums *= row_scales[part, None]
        if target is not None:
            scales = None if target_scales is None else target_scales[part]
            narrow(sums[:, : target.shape[1]], target[part], scales, threads)
        rows = [
            (weight, floats, None if squares is None else squares[part])
            for weight, floats, squares in ((held, own, held_squares), (made, sums, made_squares))
            if floats is not None
        ]
        if out is None:
            for _, floats, squares in rows:
                if squares is not None:
                    squares[...] = add_squares(squares, floats)
            continue
        terms = [
            coefficients(weight, normalize, floats, squares)[:, None] * floats[:, : out.shape[1]]
            for weight, floats, squares in rows
            if weight != 0
        ]
        there = part if places is None else places[part]
        total = [out[there], *terms] if add else terms
        out[there] = sum(total[1:], total[0]) if total else 0
    if target_moments is not None:
        assert target is not None
        width = len(target_moments) - 1
        target_moments[...] = moments(target, target_scales, width, True, threads)


def project(
    x: F32, starts: I64, features: I32, scale: float, threads: int, *, isa: str = ""
) -> F32:
    """Rows times a ternary matrix that is listed by columns: (n, columns)."""
    width = len(starts) // 2
    out = np.empty((len(x), width), np.float32)
    step = max(1, _TILE // x.shape[1])
    for start in range(0, len(x), step):
        columns = np.ascontiguousarray(x[start : start + step].T)
        sums = np.zeros((2 * width, columns.shape[1]), np.float32)
        for column in range(2 * width):
            for feature in features[starts[column] : starts[column + 1]]:
                with np.errstate(over="ignore", invalid="ignore"):
                    sums[column] += columns[feature]
        with np.errstate(invalid="ignore"):
            products = np.float32(scale) * (sums[::2] - sums[1::2])
            products += (np.float32(0) * columns).sum(axis=0)  # 0, or NaN of what is not finite
        out[start : start + step] = products.T
    return out


def make_words(starts: I64, codes: I32, width: int) -> None:
    """`project_sparse` reads lists alone."""


def project_sparse(
    indptr: npt.NDArray[Any],
    indices: npt.NDArray[Any],
    values: F32 | None,
    starts: I64,
    codes: I32,
    words: U32 | None,
    width: int,
    scale: float,
    threads: int,
) -> F32:
    """Sparse rows times a ternary matrix that is listed by rows: (n, width)."""
    n = len(indptr) - 1
    out = np.empty((n, width), np.float32)
    lengths = np.diff(starts)
    step = max(1, _TILE // (2 * width))
    for start in range(0, n, step):
        stop = min(start + step, n)
        entries = slice(int(indptr[start]), int(indptr[stop]))
        there = indices[entries]
        rows = np.repeat(np.arange(stop - start), np.diff(indptr[start : stop + 1]))
        counts = lengths[there]
        ends = np.cumsum(counts)
        places = np.repeat(starts[there] - (ends - counts), counts) + np.arange(counts.sum())
        cells = np.repeat(rows, counts) * (2 * width) + codes[places]
        numbers = np.float32(1) if values is None else np.repeat(values[entries], counts)
        sums = np.zeros((stop - start, 2, width), np.float32)
        np.add.at(sums.reshape(-1), cells, numbers)  # one after the other
        out[start:stop] = np.float32(scale) * (sums[:, 0] - sums[:, 1])
    return out
