"""Fixed-dimensional encodings on a GPU: the twin of `_native.fde`.

Cells are the CPU's. So are numbers without projections, or where the CPU projects tokens first too;
others agree within the contract's bound. `threads` and `isa` change nothing.
Batches of more tokens than scratch is for are cut, which waits for the offsets.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tersevec._cuda._device import Array, blocks_for, current, each

_THREADS = 128
_TILE = 64  # tokens, and columns
_TILE_BITS = 9  # of the cells that a block has
_SCRATCH_BYTES = 256 << 20
_KINDS = {"f4": 0, "f2": 1, "u2": 2, "i1": 3}
_DOCUMENTS, _FILL = 1, 2


def rows() -> list[str]:
    """The paths of this family, fastest first."""
    return ["cuda"]


class _Encoder(NamedTuple):
    """What is the same for all bags."""

    hashes: Array
    projections: Array | None
    n_repetitions: int
    n_bits: int
    n_dims: int
    flags: int
    sketch: tuple[Array, Array, Array] | None  # order, starts, signs

    @property
    def depth(self) -> int:
        """Numbers of all blocks."""
        return self.n_repetitions * self.n_dims << self.n_bits


class _Bag(NamedTuple):
    """Tokens as kernels take them."""

    values: Array
    scales: Array | None
    kind: np.int32

    def __len__(self) -> int:
        return len(self.values)


def _sketch(buckets: Array, signs: Array, width: int) -> tuple[Array, Array, Array]:
    """Which numbers each place of a row adds, in order."""
    xp = current().xp
    order = xp.argsort(buckets, kind="stable")
    starts = xp.searchsorted(buckets[order], xp.arange(width + 1, dtype=np.int32))
    return order.astype(np.int64), starts.astype(np.int64), xp.ascontiguousarray(signs)


def _products(tokens: _Bag, encoder: _Encoder) -> tuple[Array, Array | None]:
    """Products with all hyperplanes, and with all projections where there are any."""
    xp, n, dim = current().xp, len(tokens), tokens.values.shape[1]
    columns = [m.shape[1] for m in (encoder.hashes, encoder.projections) if m is not None]
    hashed, *projected = (xp.empty((n, width), np.float32) for width in columns)
    tiles = blocks_for(n, _TILE) * sum(blocks_for(width, _TILE) for width in columns)
    if tiles > 0:
        first = (encoder.hashes, np.int64(columns[0]), hashed)
        rest = (encoder.projections, np.int64(sum(columns[1:])), *(projected or [None]))
        given = (*tokens, np.int64(n), np.int64(dim), *first, *rest)
        current().launch("fde", "fde_products", (tiles,), _THREADS, given, 0)
    return hashed, projected[0] if projected else None


def _blocks(tokens: _Bag, offsets: Array, encoder: _Encoder, out: Array) -> None:
    """Write the blocks of every bag to its float32 row of `out`; `tokens` are those of the bags."""
    n, dim = tokens.values.shape
    repetitions = encoder.n_repetitions
    scratch = (*_products(tokens, encoder), current().xp.empty((repetitions, n), np.int32))
    sizes = (np.int32(repetitions), np.int32(encoder.n_bits), np.uint32(encoder.n_dims))
    stride = out.strides[0] // 4 if len(out) > 1 else out.shape[1]
    given = (*tokens, np.int64(n), np.int64(dim), offsets, *scratch)
    rest = (*sizes, np.int32(encoder.flags), out, np.int64(stride))
    tiles = 1 << max(0, encoder.n_bits - _TILE_BITS)
    grid = ((len(offsets) - 1) * repetitions * tiles,)
    current().launch("fde", "fde_blocks", grid, _THREADS, (*given, *rest), 0)


def _encode(
    tokens: _Bag, offsets: Array, encoder: _Encoder, out: Array, out_scales: Array | None
) -> None:
    """Encode the bags of one launch."""
    xp, n = current().xp, len(out)
    plain = out.dtype == np.float32
    if plain and encoder.sketch is None:
        _blocks(tokens, offsets, encoder, out)
        return
    row = xp.empty((n, encoder.depth), np.float32)
    _blocks(tokens, offsets, encoder, row)
    if encoder.sketch is not None:
        blocks, row = row, xp.empty((n, out.shape[1]), np.float32)
        given = (blocks, np.int64(n), np.int64(encoder.depth), *encoder.sketch)
        each("fde", "fde_sketch", row.size, *given, np.int64(out.shape[1]), row)
    if plain:
        out[...] = row
        return
    bits = out.view(np.uint16) if out.dtype == np.float16 else out
    stride = np.int64(out.strides[0] // out.dtype.itemsize if n > 1 else out.shape[1])
    stored = (row, np.int64(row.shape[1]), bits, stride, out_scales)
    current().launch("fde", "fde_store", (n,), _THREADS, stored, 0)


def encode(
    tokens: Array,
    scales: Array | None,
    offsets: Array,
    hashes: Array,
    projections: Array | None,
    n_repetitions: int,
    n_bits: int,
    n_dims: int,
    documents: bool,
    fill: bool,
    buckets: Array | None,
    signs: Array | None,
    out: Array,
    out_scales: Array | None,
    threads: int,
    *,
    isa: str = "",
) -> None:
    """Write the encoding of every bag to its row of `out`."""
    xp, n = current().xp, len(out)
    if n == 0:
        return
    kind = np.int32(_KINDS[tokens.dtype.str[1:]])
    values = xp.ascontiguousarray(tokens)
    values = values.view(np.uint16) if values.dtype == np.float16 else values
    sketch = None
    if buckets is not None and signs is not None:
        sketch = _sketch(buckets, signs, out.shape[1])
    plain = None if projections is None else xp.ascontiguousarray(projections)
    flags = _DOCUMENTS * documents | _FILL * fill
    shape = (n_repetitions, n_bits, n_dims, flags, sketch)
    encoder = _Encoder(xp.ascontiguousarray(hashes), plain, *shape)
    token_bytes = 4 * n_repetitions * (n_bits + 1 + (0 if plain is None else n_dims))
    row_bytes = 4 * (encoder.depth + out.shape[1])
    if token_bytes * len(values) + row_bytes * n <= _SCRATCH_BYTES:
        _encode(_Bag(values, scales, kind), offsets, encoder, out, out_scales)
        return
    ends = offsets.get() if hasattr(offsets, "get") else offsets  # the host waits for these
    first = 0
    while first < n:
        costs = token_bytes * (ends[first + 1 :] - ends[first])
        costs = costs + row_bytes * np.arange(1, n - first + 1)
        stop = first + max(1, int(np.searchsorted(costs, _SCRATCH_BYTES, side="right")))
        here = slice(int(ends[first]), int(ends[stop]))
        part = _Bag(values[here], None if scales is None else scales[here], kind)
        sizes = None if out_scales is None else out_scales[first:stop]
        _encode(part, offsets[first : stop + 1], encoder, out[first:stop], sizes)
        first = stop
