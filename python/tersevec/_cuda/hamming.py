"""Hamming distances between packed bits on a GPU: the twin of `_native.hamming`.

Exact. Rows of bytes are written into blocks before a scan; codes that are searched more than once
are better packed. `threads` and `isa` change nothing.
"""

from __future__ import annotations

import numpy as np

from tersevec._cuda import _selection
from tersevec._cuda._device import Array, blocks_for, current, each
from tersevec._numpy.hamming import block_codes as block_codes

_TILE_QUERIES = 4
_STEP_CODES = 64  # of a warp
_THREADS = 256
_WORST = np.int32(2**31 - 1)


def rows() -> list[str]:
    """The paths of this family, fastest first."""
    return ["cuda"]


def pack(codes: Array, blocks: Array, start: int) -> None:
    """Write the codes into `blocks` as codes start, start + 1, ...; other codes stay."""
    n, n_bytes = codes.shape
    words = blocks.shape[1]
    sizes = (np.int64(n), np.int64(n_bytes), np.int64(words), np.int64(start))
    plain = current().xp.ascontiguousarray(codes)
    each("hamming", "hamming_pack", n * words, plain, *sizes, blocks)


def unpack(blocks: Array, n: int, n_bytes: int) -> Array:
    """The first n codes of `blocks` as rows."""
    codes = current().xp.empty((n, n_bytes), np.uint8)
    sizes = (np.int64(n), np.int64(n_bytes), np.int64(blocks.shape[1]))
    each("hamming", "hamming_unpack", n * n_bytes, blocks, *sizes, codes)
    return codes


def pack_bits(x: Array, threads: int, *, isa: str = "") -> Array:
    """One bit per number, set where it is above zero, most significant bit first."""
    n, dim = x.shape
    codes = current().xp.empty((n, (dim + 7) // 8), np.uint8)
    plain = current().xp.ascontiguousarray(x)
    each("hamming", "hamming_pack_bits", codes.size, plain, np.int64(n), np.int64(dim), codes)
    return codes


def _words(codes: Array) -> Array:
    """Rows of bytes as rows of zero-padded 64-bit words."""
    xp = current().xp
    n, n_bytes = codes.shape
    padded = xp.zeros((n, (n_bytes + 7) // 8 * 8), np.uint8)
    padded[:, :n_bytes] = codes
    return padded.view(np.uint64)


def _blocks(codes: Array) -> Array:
    """Blocks as they are, rows packed into them."""
    if codes.ndim == 3:
        return codes
    n, n_bytes = codes.shape
    shape = (blocks_for(n, block_codes), (n_bytes + 7) // 8, block_codes)
    blocks = current().xp.zeros(shape, np.uint64)
    pack(codes, blocks, 0)
    return blocks


def _ordinals(queries: Array, blocks: Array, n: int, mask: Array | None) -> Array:
    """All distances of rows of words, as uint32; NO_ORDINAL where the mask forbids a row."""
    out = current().xp.empty((len(queries), n), np.uint32)
    if out.size > 0:
        steps = blocks_for(n, _STEP_CODES)
        grid = (blocks_for(steps * 32, _THREADS), blocks_for(len(queries), _TILE_QUERIES))
        sizes = (np.int64(queries.shape[1]), np.int64(n))
        arguments = (queries, np.int64(len(queries)), blocks, *sizes, mask, out)
        current().launch("hamming", "hamming_ordinals", grid, _THREADS, arguments, 0)
    return out


def distances(a: Array, b: Array, threads: int, *, isa: str = "") -> Array:
    """All distances between the rows of a and b."""
    words, blocks = _words(a), _blocks(b)
    result = current().xp.empty((len(a), len(b)), np.int32)
    for first, stop in _selection.query_tiles(len(a), len(b)):
        result[first:stop] = _ordinals(words[first:stop], blocks, len(b), None).view(np.int32)
    return result


def _best(queries: Array, blocks: Array, n: int, k: int, mask: Array | None) -> Array:
    """The k best keys of each query, by the warps' queues."""
    here = _selection.queues(k, _TILE_QUERIES)
    spans = _selection.grid_for(blocks_for(n, _STEP_CODES), here.warps)
    lists = current().xp.empty((len(queries), spans * here.warps, k), np.uint64)
    sizes = (np.int64(queries.shape[1]), np.int64(n))
    queue = (np.int32(k), np.int32(here.capacity))
    arguments = (queries, np.int64(len(queries)), blocks, *sizes, mask, *queue, lists)
    grid = (spans, blocks_for(len(queries), _TILE_QUERIES))
    current().launch("hamming", "hamming_topk", grid, here.block, arguments, here.shared_bytes)
    return _selection.merge(lists.reshape(len(queries), -1), k)


def topk(
    queries: Array,
    codes: Array,
    n: int,
    k: int,
    mask: Array | None,
    threads: int,
    *,
    isa: str = "",
) -> tuple[Array, Array]:
    """The k nearest codes of each query by (distance, index), padded with (2**31 - 1, -1)."""
    words, blocks = _words(queries), _blocks(codes)
    keys = _selection.best(
        len(queries),
        n,
        k,
        lambda a, b: _best(words[a:b], blocks, n, k, mask),
        lambda a, b: _ordinals(words[a:b], blocks, n, mask),
    )
    values = _selection.ordinals_of(keys)
    return current().xp.minimum(values, np.uint32(_WORST)).view(np.int32), _selection.rows_of(keys)


def range_search(
    queries: Array,
    codes: Array,
    n: int,
    radius: int,
    mask: Array | None,
    threads: int,
    *,
    isa: str = "",
) -> tuple[Array, Array, Array]:
    """The codes within `radius` of each query, in the order (distance, index)."""
    words, blocks = _words(queries), _blocks(codes)
    offsets, keys = _selection.within(
        len(queries), n, radius + 1, lambda a, b: _ordinals(words[a:b], blocks, n, mask)
    )
    return offsets, _selection.rows_of(keys), _selection.ordinals_of(keys).view(np.int32)
