"""Queries and documents through the `maxsim` kernels, few at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from tersevec import _backend
from tersevec._cuda._device import holds, module_of
from tersevec._kernels import F32, I32, I64, U8
from tersevec._maxsim_in import memory_of
from tersevec._numpy.tokens import widened
from tersevec._packed_tokens import PackedTokens
from tersevec._ragged import Bags, Flat, Ragged
from tersevec._results import TopK

_AT_ONCE = 32 << 20  # bytes of documents as float32, where they must be copied
_DEVICE_AT_ONCE = 256 << 20  # the same on a GPU, which is waited for each time
_ALL = 1 << 62
_QUERY_BYTES = 32 << 20  # of query tokens as float32
_GATHERED = 16 << 20  # bytes of candidates' tokens as float32, where they must be copied


class Queries(NamedTuple):
    """Queries as kernels take them, and which ones these are."""

    part: slice
    tokens: F32
    offsets: I64
    weights: F32 | None
    rows: slice  # which tokens these are


def groups(queries: Ragged, weights: F32 | None, most: int | None = None) -> Iterator[Queries]:
    """The queries, so many at once that they are not too large as float32."""
    for chunk in queries.chunks(_QUERY_BYTES, most):
        rows = slice(int(queries.offsets[chunk.start]), int(queries.offsets[chunk.stop]))
        yield Queries(
            slice(chunk.start, chunk.stop),
            widened(chunk.tokens, chunk.scales),
            chunk.offsets,
            None if weights is None else weights[rows],
            rows,
        )


def _chunks(documents: Ragged) -> Iterator[Bags]:
    """The documents, not checked: a score that is not finite tells."""
    in_place = isinstance(documents, Flat) and documents.readable
    at_once = _DEVICE_AT_ONCE if holds(documents.memory) else _AT_ONCE
    return documents.chunks(_ALL if in_place else at_once, checked=False)


def _sums(documents: Ragged) -> I32 | None:
    return documents.sums if isinstance(documents, PackedTokens) else None


def scores(queries: Ragged, documents: Ragged, weights: F32 | None, threads: int) -> F32:
    """Every score: (nq, n)."""
    there, sums = memory_of(queries, documents), _sums(documents)
    kernel = _backend.pick("maxsim", there).scores
    result: F32 = module_of(there).empty((len(queries), len(documents)), np.float32)
    for some in groups(queries, weights):
        for chunk in _chunks(documents):
            found = kernel(
                some.tokens,
                some.offsets,
                chunk.tokens,
                chunk.scales,
                sums,
                chunk.offsets,
                some.weights,
                threads,
            )
            if np.isnan(found).any():
                documents.refuse_bad(chunk)
            result[some.part, chunk.start : chunk.stop] = found
    return result


def topk(
    queries: Ragged, documents: Ragged, weights: F32 | None, k: int, mask: U8 | None, threads: int
) -> TopK:
    """The k best documents of each query."""
    there, sums = memory_of(queries, documents), _sums(documents)
    kernel, xp = _backend.pick("maxsim", there).topk, module_of(there)
    result = _nothing(there, len(queries), k)
    bits = None if mask is None else xp.unpackbits(mask, bitorder="little")
    for some in groups(queries, weights):
        for chunk in _chunks(documents):
            allowed = None
            if bits is not None:
                allowed = xp.packbits(bits[chunk.start : chunk.stop], bitorder="little")
            values, indices = kernel(
                some.tokens,
                some.offsets,
                chunk.tokens,
                chunk.scales,
                sums,
                chunk.offsets,
                some.weights,
                k,
                allowed,
                threads,
            )
            if (values[:, 0] == np.inf).any():
                documents.refuse_bad(chunk)
            _merge(result, some.part, values, np.where(indices < 0, -1, indices + chunk.start))
    return result


def _nothing(there: Any, nq: int, k: int) -> TopK:
    full = module_of(there).full
    return TopK(full((nq, k), -np.inf, np.float32), full((nq, k), -1, np.int64))


def _merge(result: TopK, part: slice, values: F32, indices: I64) -> None:
    """Keep the best of what was found and of this, in which every row is a later one."""
    k = values.shape[1]
    values = np.concatenate((result.values[part], values), axis=1)
    indices = np.concatenate((result.indices[part], indices), axis=1)
    order = np.argsort(-values, axis=1, kind="stable")[:, :k]
    result.values[part] = np.take_along_axis(values, order, 1)
    result.indices[part] = np.take_along_axis(indices, order, 1)


def _picked(
    queries: Ragged, documents: Ragged, weights: F32 | None, candidates: I64
) -> Iterator[tuple[Queries, Bags, I64]]:
    """Some queries, bags that hold their candidates, and the candidates as numbers of bags."""
    most = None
    if not (isinstance(documents, Flat) and documents.readable) and len(documents) > 0:
        longest = max(1, int(np.diff(documents.offsets).max()))
        largest = 4 * documents.dim * longest * candidates.shape[1]
        most = max(1, _GATHERED // max(1, largest))
    for some in groups(queries, weights, most):
        wanted = candidates[some.part]
        ids, inverse = np.unique(wanted, return_inverse=True)
        none = int(len(ids) > 0 and ids[0] < 0)
        bags, places = documents.picked(ids[none:])
        numbers = np.concatenate((ids[:none], places)).astype(np.int64)
        yield some, bags, numbers[inverse.reshape(wanted.shape)]


def candidate_topk(
    queries: Ragged,
    documents: Ragged,
    weights: F32 | None,
    k: int,
    candidates: I64,
    threads: int,
) -> TopK:
    """The k best of each query's candidates."""
    ordered = np.sort(candidates, axis=1)
    ordered[:, 1:][ordered[:, 1:] == ordered[:, :-1]] = -1  # one that is named twice counts once
    found = candidate_scores(queries, documents, weights, ordered, threads)
    result = _nothing(found, len(queries), k)
    order = np.argsort(-found, axis=1, kind="stable")[:, :k]
    result.values[:, : order.shape[1]] = np.take_along_axis(found, order, 1)
    result.indices[:, : order.shape[1]] = np.take_along_axis(ordered, order, 1)
    return result


def candidate_scores(
    queries: Ragged, documents: Ragged, weights: F32 | None, candidates: I64, threads: int
) -> F32:
    """The scores of each query's candidates."""
    kernel, sums = _backend.pick("maxsim", candidates).candidates, _sums(documents)
    result: F32 = module_of(candidates).empty(candidates.shape, np.float32)
    for some, bags, numbers in _picked(queries, documents, weights, candidates):
        result[some.part] = kernel(
            some.tokens,
            some.offsets,
            bags.tokens,
            bags.scales,
            sums,
            bags.offsets,
            some.weights,
            numbers,
            threads,
        )
    return result


def matches(queries: Ragged, documents: Ragged, candidates: I64, threads: int) -> I32:
    """The places of the best tokens in each query's candidates: (query tokens, c)."""
    kernel, sums = _backend.pick("maxsim", candidates).matches, _sums(documents)
    shape = queries.n_tokens, candidates.shape[1]
    result: I32 = module_of(candidates).empty(shape, np.int32)
    for some, bags, numbers in _picked(queries, documents, None, candidates):
        result[some.rows] = kernel(
            some.tokens,
            some.offsets,
            bags.tokens,
            bags.scales,
            sums,
            bags.offsets,
            numbers,
            threads,
        )
    return result
