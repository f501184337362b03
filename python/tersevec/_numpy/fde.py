"""Fixed-dimensional encodings in NumPy: the twin of `_native.fde`.

Bag by bag, so that a row depends on its own tokens alone. `threads` and `isa` change nothing.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from tersevec._kernels import F32, I8, I32, I64, Tokens
from tersevec._numpy.tokens import widened

_AT_ONCE = 1024  # tokens of a bag
_DISTANCE = 32  # bits below a Hamming distance, for the number of a token
_NOWHERE = 1 << 62


def rows() -> list[str]:
    """The paths of this family, fastest first."""
    return ["numpy"]


def encode(
    tokens: Tokens,
    scales: F32 | None,
    offsets: I64,
    hashes: F32,
    projections: F32 | None,
    n_repetitions: int,
    n_bits: int,
    n_dims: int,
    documents: bool,
    fill: bool,
    buckets: I32 | None,
    signs: I8 | None,
    out: npt.NDArray[Any],
    out_scales: F32 | None,
    threads: int,
    *,
    isa: str = "",
) -> None:
    """Write the encoding of every bag to its row of `out`."""
    blocks = np.empty((n_repetitions, 1 << n_bits, n_dims), np.float32)
    for i, (start, stop) in enumerate(pairwise(offsets.tolist())):
        bag = widened(tokens[start:stop], None if scales is None else scales[start:stop])
        blocks[:] = 0
        if len(bag) > 0:
            patterns = _patterns(bag, hashes, n_repetitions, n_bits)
            for r, block in enumerate(blocks):
                columns = slice(r * n_dims, (r + 1) * n_dims)
                projection = None if projections is None else projections[:, columns]
                _encode_block(block, bag, patterns[r], projection, documents, fill)
        vector = blocks.ravel()
        if buckets is not None and signs is not None:
            vector = np.zeros(out.shape[1], np.float32)
            np.add.at(vector, buckets, blocks.ravel() * signs)
        _store(vector, out, out_scales, i)


def _patterns(bag: F32, hashes: F32, n_repetitions: int, n_bits: int) -> I64:
    """The hash bits of every token as a number, the first one highest: (repetitions, tokens)."""
    patterns = np.zeros((len(bag), n_repetitions), np.int64)
    digits = 1 << np.arange(n_bits - 1, -1, -1, dtype=np.int64)
    for start in range(0, len(bag), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        bits = bag[part] @ hashes > 0
        patterns[part] = bits.reshape(len(bits), n_repetitions, n_bits) @ digits
    return np.ascontiguousarray(patterns.T)


def _encode_block(
    block: F32, bag: F32, patterns: I64, projection: F32 | None, documents: bool, fill: bool
) -> None:
    """Write one repetition (cells, n_dims), which holds zeros, of a bag that has tokens."""
    cells = np.arange(len(block))
    patterns_of_cells = cells ^ cells >> 1
    occupied, cell_of_token = np.unique(patterns, return_inverse=True)
    sums = np.zeros((len(occupied), bag.shape[1]), np.float32)
    for start in range(0, len(bag), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        members = np.arange(len(occupied))[:, None] == cell_of_token[part]
        sums += members.astype(np.float32) @ bag[part]
    if documents:
        counts = np.bincount(cell_of_token)
        sums *= (1 / counts).astype(np.float32)[:, None]
    by_pattern = np.zeros_like(block)
    by_pattern[occupied] = sums if projection is None else sums @ projection
    if documents and fill:
        empty = np.ones(len(block), bool)
        empty[occupied] = False
        nearest, which = np.unique(_nearest(patterns, len(block))[empty], return_inverse=True)
        filling = bag[nearest]
        by_pattern[empty] = (filling if projection is None else filling @ projection)[which]
    block[:] = by_pattern[patterns_of_cells]


def _nearest(patterns: I64, n_patterns: int) -> I64:
    """The token whose bits differ least from each pattern's, the first one on ties.

    Hamming distance is a sum over bits, so that one bit after the other may be given away for 1.
    """
    keys = np.full(n_patterns, _NOWHERE, np.int64)
    np.minimum.at(keys, patterns, np.arange(len(patterns)))
    bit = 1
    while bit < n_patterns:
        pairs = keys.reshape(-1, 2, bit)
        pairs[:] = np.minimum(pairs, pairs[:, ::-1] + (1 << _DISTANCE))
        bit *= 2
    return keys & ((1 << _DISTANCE) - 1)


def _store(vector: F32, out: npt.NDArray[Any], out_scales: F32 | None, i: int) -> None:
    """Round one encoding to the type of `out`."""
    if out_scales is None:
        with np.errstate(over="ignore"):
            out[i] = vector
        return
    scale = out_scales[i] = np.abs(vector).max(initial=0) / np.float32(127)
    out[i] = np.rint(vector / scale).clip(-127, 127) if scale > 0 else 0
