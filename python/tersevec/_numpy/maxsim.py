"""MaxSim in NumPy: the twin of `_native.maxsim`.

One matrix product for every query and document, so that a score depends on these two alone.
`threads` and `isa` change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tersevec._kernels import F32, I8, I32, I64, U8, Tokens
from tersevec._numpy._collect import Tile, best, floats_of, ordinals_of
from tersevec._numpy.tokens import bfloat16_bits, widened

_TILE = 1 << 18  # scores that are alive at once
_EXACT = (1 << 24) // (127 * 128)  # products of int8 that float32 adds without rounding
_ZERO, _NAN = np.float32(0), np.float32(np.nan)

Products = Callable[[int, int], F32]  # of a query and a document: (query tokens, its tokens)


def rows() -> list[str]:
    """The paths of this family, fastest first."""
    return ["numpy"]


def pack_int8(tokens: Tokens) -> tuple[I8, F32, I32]:
    """Rows as int8 from -127 to 127, what each is to be multiplied with, and its sum."""
    packed = np.empty(tokens.shape, np.int8)
    scales = np.empty(len(tokens), np.float32)
    for start in range(0, len(tokens), 4096):
        part = slice(start, start + 4096)
        wide = widened(tokens[part])
        scales[part] = np.abs(wide).max(axis=1, initial=0) / np.float32(127)
        divisors = np.where(scales[part] > 0, scales[part], np.float32(1))
        packed[part] = np.rint(wide / divisors[:, None]).clip(-127, 127)
    return packed, scales, packed.sum(axis=1, dtype=np.int32)


def _products(
    queries: F32, query_offsets: I64, documents: Tokens, scales: F32 | None, offsets: I64
) -> Products:
    """What multiplies one query with one document."""
    if documents.dtype == np.int8 and scales is not None:
        small, query_scales, _ = pack_int8(queries)
        wide = small.astype(np.float32)

        def integer(query: int, document: int) -> F32:
            rows = slice(query_offsets[query], query_offsets[query + 1])
            columns = slice(offsets[document], offsets[document + 1])
            products = _exact(wide[rows], documents[columns].astype(np.float32))
            products *= query_scales[rows, None]
            products *= scales[columns]
            return products

        return integer
    if documents.dtype == np.uint16:
        queries = widened(bfloat16_bits(queries))

    def floating(query: int, document: int) -> F32:
        rows = slice(query_offsets[query], query_offsets[query + 1])
        columns = slice(offsets[document], offsets[document + 1])
        with np.errstate(invalid="ignore", over="ignore"):
            return queries[rows] @ widened(documents[columns]).T

    return floating


def _exact(queries: F32, documents: F32) -> F32:
    """Products of whole numbers, added without rounding and rounded once."""
    sums = np.zeros((len(queries), len(documents)), np.int32)
    for start in range(0, queries.shape[1], _EXACT):
        part = slice(start, start + _EXACT)
        sums += (queries[:, part] @ documents[:, part].T).astype(np.int32)
    return sums.astype(np.float32)


def _score(products: F32, weights: F32 | None) -> np.float32:
    """The sum of the rows' largest products, one after the other."""
    if products.size == 0:
        return _ZERO
    if not np.isfinite(products).all():
        return _NAN
    largest = products.max(axis=1)
    if weights is not None:
        largest = largest * weights
    return np.float32(np.add.accumulate(largest, out=largest)[-1] + _ZERO)


def _weights_of(weights: F32 | None, query_offsets: I64, query: int) -> F32 | None:
    return None if weights is None else weights[query_offsets[query] : query_offsets[query + 1]]


def candidates(
    queries: F32,
    query_offsets: I64,
    documents: Tokens,
    scales: F32 | None,
    sums: I32 | None,
    offsets: I64,
    weights: F32 | None,
    candidates: I64,
    threads: int,
    *,
    isa: str = "",
) -> F32:
    """The scores of each query's own documents: (nq, c); -inf for candidate -1."""
    multiply = _products(queries, query_offsets, documents, scales, offsets)
    result = np.full(candidates.shape, -np.inf, np.float32)
    for query, wanted in enumerate(candidates):
        mine = _weights_of(weights, query_offsets, query)
        for place in np.flatnonzero(wanted >= 0).tolist():
            result[query, place] = _score(multiply(query, wanted[place]), mine)
    return result


def scores(
    queries: F32,
    query_offsets: I64,
    documents: Tokens,
    scales: F32 | None,
    sums: I32 | None,
    offsets: I64,
    weights: F32 | None,
    threads: int,
    *,
    isa: str = "",
) -> F32:
    """Every score: (nq, n)."""
    nq, n = len(query_offsets) - 1, len(offsets) - 1
    multiply = _products(queries, query_offsets, documents, scales, offsets)
    result = np.empty((nq, n), np.float32)
    for query in range(nq):
        mine = _weights_of(weights, query_offsets, query)
        result[query] = [_score(multiply(query, document), mine) for document in range(n)]
    return result


def topk(
    queries: F32,
    query_offsets: I64,
    documents: Tokens,
    scales: F32 | None,
    sums: I32 | None,
    offsets: I64,
    weights: F32 | None,
    k: int,
    mask: U8 | None,
    threads: int,
    *,
    isa: str = "",
) -> tuple[F32, I64]:
    """The k documents of the largest scores, best first, padded with (-inf, -1)."""
    nq, n = len(query_offsets) - 1, len(offsets) - 1
    multiply = _products(queries, query_offsets, documents, scales, offsets)
    allowed = np.ones(n, bool)
    if mask is not None:
        allowed = np.unpackbits(mask, count=n, bitorder="little").astype(bool)

    def tiles() -> Iterator[Tile]:
        for query in range(nq):
            mine = _weights_of(weights, query_offsets, query)
            for start in range(0, n, _TILE):
                tile = np.full((1, min(_TILE, n - start)), np.inf, np.float32)
                for place in np.flatnonzero(allowed[start : start + _TILE]).tolist():
                    score = _score(multiply(query, start + place), mine)
                    tile[0, place] = -np.inf if np.isnan(score) else _ZERO - score
                yield query, start, ordinals_of(tile)

    ordinals, indices = best(tiles(), nq, k, mask)
    values = _ZERO - floats_of(ordinals)
    values[indices < 0] = -np.inf
    return values, indices


def matches(
    queries: F32,
    query_offsets: I64,
    documents: Tokens,
    scales: F32 | None,
    sums: I32 | None,
    offsets: I64,
    candidates: I64,
    threads: int,
    *,
    isa: str = "",
) -> I32:
    """The place in each candidate of the token that matches best: (query tokens, c), or -1."""
    multiply = _products(queries, query_offsets, documents, scales, offsets)
    places = np.full((len(queries), candidates.shape[1]), -1, np.int32)
    for query, wanted in enumerate(candidates):
        mine = slice(query_offsets[query], query_offsets[query + 1])
        for column in np.flatnonzero(wanted >= 0).tolist():
            products = multiply(query, wanted[column])
            if products.shape[1] > 0:
                places[mine, column] = products.argmax(axis=1)
    return places
