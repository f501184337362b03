"""Small calls that reach every barrier of the CUDA kernels, and their answers from the NumPy twins.

A case is a name and a call, which takes a twin of the family and returns arrays. The device runs a
case under each schedule, under the thread sanitizer, and with each barrier taken out in turn.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import numpy as np

from bags import offsets_of, stored, whole_numbers
from cases import (
    assert_equal,
    bit_codes,
    int_queries,
    numbers,
    packed,
    product_codes,
    table_sums,
    tables,
)
from tersevec._cuda import _pqscan_scan

Answers = list[tuple[np.ndarray, ...]]
Case = tuple[str, Callable[[Any], tuple[np.ndarray, ...]]]


def hamming_cases() -> Iterator[Case]:
    """Queues that overflow again and again, radix select, and ranges."""
    rng = np.random.default_rng(1)
    queries, codes = bit_codes("few", 3, 5, rng), bit_codes("few", 400, 5, rng)
    codes = codes[np.argsort(-np.unpackbits(codes, axis=1).sum(axis=1), kind="stable")]
    mask = packed(rng.random(400) < 0.8)
    for k in (3, 20, 40, 99, 230):
        yield f"topk {k}", lambda twin, k=k: twin.topk(queries, codes, 400, k, mask, 1)
    yield "range", lambda twin: twin.range_search(queries, codes, 400, 9, mask, 1)


def fde_cases() -> Iterator[Case]:
    """Two tiles of tokens, of columns, and of dimensions; whole numbers, so all agree.

    Cells are enough for four warps, and tokens of a cell lie in more than one step of a warp.
    """
    rng = np.random.default_rng(5)
    offsets = offsets_of([67, 0, 2])
    tokens = whole_numbers(offsets[-1], 18, rng)
    tokens[33:] = tokens[:33][rng.integers(0, 33, len(tokens) - 33)]
    hashes, projections = whole_numbers(18, 16, rng), whole_numbers(18, 72, rng)
    buckets = rng.integers(0, 9, 2 * 256 * 36).astype(np.int32)
    signs = rng.choice([-1, 1], len(buckets)).astype(np.int8)

    def encoded(twin: Any, dtype: type, width: int, *sketch: Any) -> tuple[np.ndarray, ...]:
        out, scales = np.empty((3, width), dtype), np.empty(3, np.float32)
        given = (tokens, None, offsets, hashes, projections, 2, 8, 36, not sketch, True)
        twin.encode(*given, *(sketch or (None, None)), out, scales if dtype == np.int8 else None, 1)
        return (out, scales) if dtype == np.int8 else (out,)

    yield "documents", lambda twin: encoded(twin, np.float32, len(buckets))
    yield "queries", lambda twin: encoded(twin, np.int8, 9, buckets, signs)


def maxsim_cases() -> Iterator[Case]:
    """Two tiles of query tokens, of document tokens, and of words; whole numbers, so all agree."""
    rng = np.random.default_rng(4)
    query_offsets, offsets = offsets_of([33, 0, 2]), offsets_of([70, 0, 3])
    for dtype, d in (("float32", 35), ("bfloat16", 36), ("int8", 144)):  # some read four at once
        queries = whole_numbers(query_offsets[-1], d, rng)
        documents, scales, _ = stored(whole_numbers(offsets[-1], d, rng), dtype)
        given = (queries, query_offsets, documents, scales, None, offsets)
        yield "topk", lambda twin, given=given: twin.topk(*given, None, 2, None, 1)
    wanted = np.array([[0, 2], [1, -1], [2, 0]])
    yield "matches", lambda twin: (twin.matches(*given, wanted, 1),)
    odd = np.zeros(documents.size + 1, np.int8)[1:].reshape(documents.shape)
    odd[:] = documents
    elsewhere = (queries[-2:], offsets_of([2]), odd, scales, None, offsets)
    yield "scores", lambda twin: (twin.scores(*elsewhere, None, 1),)
    yield "pack int8", lambda twin: twin.pack_int8(queries)


def pqscan_cases() -> Iterator[Case]:
    """Tables in more than one chunk, by floats and by words, of rows that draw nearer."""
    rng, n = np.random.default_rng(3), 400
    segments = np.array([[200, 390], [3, 190]])
    for n_bits, m in ((4, 5), (6, 7), (8, 30)):
        codes, entries = product_codes(n, m, rng, n_bits), tables("ties", 3, m, rng, n_bits)
        order = np.argsort(-table_sums(entries[:1], numbers(codes, m, n_bits))[0], kind="stable")
        bias, mask = rng.random((3, 2), np.float32), packed(rng.random((3, n)) < 0.8)
        given = (entries, codes[order], n)

        def by_words(
            twin: Any, given: Any = given, mask: np.ndarray = mask, bias: np.ndarray = bias
        ) -> tuple[np.ndarray, ...]:
            with mock.patch.object(_pqscan_scan, "WORD_LOOKUPS", 0):
                return twin.topk(*given, 20, mask, 1, segments=segments, bias=bias)

        yield f"topk by words, {n_bits} bits", by_words
    few = (entries[:2], *given[1:])
    yield "topk by floats", lambda twin: twin.topk(*few, 20, mask[0], 1)
    yield "range", lambda twin: twin.range_search(*few, 25.0, mask[:2], 1, segments=segments)
    yield "rounded", lambda twin: twin.quantised_topk(*few, 3, None, 1)


def sparseproj_cases() -> Iterator[Case]:
    """A hub of two parts among short rows, from and into rows of every type, and projections."""
    rng = np.random.default_rng(3)
    n, lengths = 140, rng.integers(-4, 9, 140).clip(0)  # more rows than warps
    lengths[7] = 2048 + 5
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    indices = rng.integers(0, n, indptr[-1])
    weights, places = rng.random(indptr[-1], np.float32), rng.permutation(n)
    floats = rng.standard_normal((n, 48)).astype(np.float32)
    signs = rng.integers(-1, 2, (n, 64)).astype(np.int8)
    halves = floats.astype(np.float16).view(np.uint16)

    def step(twin: Any, source: Any, of_bytes: bool, weighted: bool) -> tuple[np.ndarray, ...]:
        target = np.zeros(source.shape, np.int8 if of_bytes else np.uint16)
        scales = np.zeros(n, np.float32) if of_bytes else None
        out = np.ones((n, source.shape[1]), np.float32)
        given = (weights if weighted else None, None, True, source, None)
        rest = (target, scales, out, 0.5, 2.0, True, True, 1)
        twin.propagate(indptr, indices, *given, *rest, places=places if weighted else None)
        return (target, out) if scales is None else (target, scales, out)

    def squares(twin: Any, measured: bool) -> tuple[np.ndarray, ...]:
        out = np.ones((n, 48), np.float32) if measured else None
        given = (weights, None, True, floats, None, None, None, out, 0.5, 2.0, True, False, 1)
        of = {f"{kept}_squares": np.full(n, 2, np.float32) for kept in ("held", "made")}
        twin.propagate(indptr, indices, *given, **of)
        return tuple(of.values()) if out is None else (out,)

    yield "squares", lambda twin: squares(twin, False)
    yield "squares of whole rows", lambda twin: squares(twin, True)
    yield "floats", lambda twin: step(twin, floats, True, True)
    yield "halves", lambda twin: step(twin, halves, False, True)
    yield "signs", lambda twin: step(twin, signs, False, False)
    yield "widen", lambda twin: (twin.widen(halves, None, 48, True, 1),)
    x = rng.standard_normal((70, 21)).astype(np.float32)
    x[5, 20] = np.nan
    starts = np.sort(rng.integers(0, 90, 25)).astype(np.int64)
    starts[0] = 0
    features = rng.integers(0, 21, 90).astype(np.int32)
    for some in (x[:9], x):  # tiles of a few rows, and of 32
        yield "project", lambda twin, some=some: (twin.project(some, starts, features, 0.7, 1),)
    listed = [0, *rng.integers(0, 9, 29), 39]  # columns of each feature, more than lanes of one
    codes = np.concatenate([rng.permutation(80)[:count] for count in listed]).astype(np.int32)
    rows = np.concatenate([[0], np.cumsum(listed)]).astype(np.int64)
    ends = np.concatenate([[0], np.cumsum(rng.integers(-20, 40, n).clip(0))])  # as many rows
    numbers = rng.standard_normal(ends[-1]).astype(np.float32)  # their order counts
    sparse = (ends, rng.integers(0, 31, ends[-1]), numbers, rows, codes, None)
    yield "project sparse", lambda twin: (twin.project_sparse(*sparse, 40, 0.3, 1),)


def symdist_cases() -> Iterator[Case]:
    """Queues that overflow, radix select, and ranges, for a width of each way to hold numbers."""
    rng = np.random.default_rng(2)
    for n_bits in (1, 2, 3, 8):
        queries, codes = int_queries("few", 3, 9, n_bits, rng), bit_codes("few", 300, 9, rng)
        codes = codes[:, : (9 * n_bits + 7) // 8]
        given = (
            queries,
            rng.random(3, np.float32),
            codes,
            300,
            n_bits,
            rng.random(300, np.float32),
        )
        mask = packed(rng.random(300) < 0.8)
        for k in (3, 20, 40, 230) if n_bits == 1 else (20,):
            yield (
                f"topk {k}",
                lambda twin, k=k, given=given, mask=mask: twin.topk(*given, k, mask, 1),
            )
        yield "range", lambda twin, given=given: twin.range_search(*given, 0.1, None, 1)


def cases(family: str) -> list[Case]:
    """The cases of a family."""
    return list(globals()[f"{family}_cases"]())


def assert_agree(family: str, found: Answers, expected: Answers) -> None:
    """To the last bit; means of encodings, which are projected before they are added, nearly."""
    for here, wanted in zip(found, expected, strict=True):
        if family != "fde":
            assert_equal(here, wanted)
            continue
        for got, number in zip(here, wanted, strict=True):
            assert got.dtype == number.dtype
            most = np.abs(number.astype(np.float32)).max()
            np.testing.assert_allclose(got, number, rtol=0, atol=1e-6 * most)


def answers(family: str, twin: str) -> Answers:
    """What a twin, `_numpy` or `_cuda`, answers to the cases of a family."""
    module = importlib.import_module(f"tersevec.{twin}.{family}")
    return [call(module) for _, call in cases(family)]
