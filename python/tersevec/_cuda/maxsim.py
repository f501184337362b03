"""MaxSim on a GPU: the twin of `_native.maxsim`.

Scores of float32, float16 and int8 documents equal the CPU's; those of bfloat16 agree within the
contract's bound. `threads` and `isa` change nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tersevec._cuda import _selection
from tersevec._cuda._device import WARP, Array, current, each

_THREADS = 128
# Words of 32 query tokens and 64 document tokens, and what four warps find.
_TILE_BYTES = 4 * 32 * (32 + 4 + 64 + 4) + 8 * 4 * 32
_KINDS = {"f4": 0, "f2": 1, "u2": 2, "i1": 3}
_GRID_Y = 65535  # queries of one launch


def rows() -> list[str]:
    """The paths of this family, fastest first."""
    return ["cuda"]


def _kind(tokens: Array) -> np.int32:
    return np.int32(_KINDS[tokens.dtype.str[1:]])


def _bits(tokens: Array) -> Array:
    """Halves as kernels take them."""
    plain = current().xp.ascontiguousarray(tokens)
    return plain.view(np.uint16) if plain.dtype == np.float16 else plain


def pack_int8(tokens: Array) -> tuple[Array, Array, Array]:
    """Rows as int8 from -127 to 127, what each is to be multiplied with, and its sum."""
    xp, (n, dim) = current().xp, tokens.shape
    packed, scales = xp.empty((n, dim), np.int8), xp.empty(n, np.float32)
    sums = xp.empty(n, np.int32)
    given = (_bits(tokens), _kind(tokens), np.int64(n), np.int64(dim))
    each("maxsim", "maxsim_pack_int8", n * WARP, *given, packed, scales, sums)
    return packed, scales, sums


def _sides(
    queries: Array, query_offsets: Array, documents: Array, scales: Array | None, offsets: Array
) -> tuple[Any, ...]:
    """The arguments that say what is multiplied with what."""
    query_scales = None
    if documents.dtype == np.int8:
        queries, query_scales, _ = pack_int8(queries)
    shape = (_kind(documents), np.int64(queries.shape[1]))
    base = (_bits(documents), scales, *shape, offsets)
    return (current().xp.ascontiguousarray(queries), query_scales, query_offsets, *base)


def _launch(kernel: str, sides: tuple[Any, ...], nq: int, count: int, *rest: Any) -> None:
    """A block for each query and document, or candidate; `rest` is told where queries begin."""
    if count == 0:
        return
    for first in range(0, nq, _GRID_Y):
        stop = min(nq, first + _GRID_Y)
        here = (*sides[:2], sides[2][first : stop + 1], *sides[3:])
        part = tuple(value(first, stop) if callable(value) else value for value in rest)
        grid = (count, stop - first)
        current().launch("maxsim", kernel, grid, _THREADS, (*here, *part), _TILE_BYTES)


def _rows(array: Array | None) -> Any:
    """Those of a launch's queries."""
    return None if array is None else lambda first, stop: array[first:stop]


def scores(
    queries: Array,
    query_offsets: Array,
    documents: Array,
    scales: Array | None,
    sums: Array | None,
    offsets: Array,
    weights: Array | None,
    threads: int,
    *,
    isa: str = "",
) -> Array:
    """Every score: (nq, n)."""
    nq, n = len(query_offsets) - 1, len(offsets) - 1
    out = current().xp.empty((nq, n), np.float32)
    sides = _sides(queries, query_offsets, documents, scales, offsets)
    rest = (weights, None, None, np.int64(n), _rows(out), None)
    _launch("maxsim_scores", sides, nq, n, *rest)
    return out


def candidates(
    queries: Array,
    query_offsets: Array,
    documents: Array,
    scales: Array | None,
    sums: Array | None,
    offsets: Array,
    weights: Array | None,
    candidates: Array,
    threads: int,
    *,
    isa: str = "",
) -> Array:
    """The scores of each query's own documents: (nq, c); -inf for candidate -1."""
    nq, count = candidates.shape
    out = current().xp.empty((nq, count), np.float32)
    sides = _sides(queries, query_offsets, documents, scales, offsets)
    rest = (weights, _rows(candidates), None, np.int64(count), _rows(out), None)
    _launch("maxsim_scores", sides, nq, count, *rest)
    return out


def topk(
    queries: Array,
    query_offsets: Array,
    documents: Array,
    scales: Array | None,
    sums: Array | None,
    offsets: Array,
    weights: Array | None,
    k: int,
    mask: Array | None,
    threads: int,
    *,
    isa: str = "",
) -> tuple[Array, Array]:
    """The k documents of the largest scores, best first, padded with (-inf, -1)."""
    xp, nq, n = current().xp, len(query_offsets) - 1, len(offsets) - 1
    sides = _sides(queries, query_offsets, documents, scales, offsets)
    keys = xp.full((nq, k), _selection.NO_HIT, np.uint64)
    for first, stop in _selection.query_tiles(nq, n):
        ordinals = xp.empty((stop - first, n), np.uint32)
        part = (*sides[:2], sides[2][first : stop + 1], *sides[3:])
        rest = (weights, None, mask, np.int64(n), None, ordinals)
        _launch("maxsim_scores", part, stop - first, n, *rest)
        keys[first:stop] = _selection.smallest(ordinals, k)
    values = np.float32(0) - _selection.floats_of(_selection.ordinals_of(keys))
    indices = _selection.rows_of(keys)
    values[indices < 0] = -np.inf
    return values, indices


def matches(
    queries: Array,
    query_offsets: Array,
    documents: Array,
    scales: Array | None,
    sums: Array | None,
    offsets: Array,
    candidates: Array,
    threads: int,
    *,
    isa: str = "",
) -> Array:
    """The place in each candidate of the token that matches best: (query tokens, c), or -1."""
    nq, count = candidates.shape
    places = current().xp.full((len(queries), count), -1, np.int32)
    sides = _sides(queries, query_offsets, documents, scales, offsets)
    rest = (_rows(candidates), np.int64(count), places)
    _launch("maxsim_matches", sides, nq, count, *rest)
    return places
