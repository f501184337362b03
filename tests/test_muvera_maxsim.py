"""The public words of MaxSim: scores, top-k, matches, packed tokens, ball carving."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import bags
from bags import bag, offsets_of, real_numbers
from cases import assert_equal, masks, most_similar, refused
from tersevec.muvera import (
    FixedDimensionalEncoder,
    PackedTokens,
    carve_queries,
    maxsim,
    maxsim_matches,
    maxsim_pack,
    maxsim_topk,
)

D = 16


@pytest.fixture
def batch(rng):
    offsets = offsets_of([4, 0, 9, 30, 1])
    return real_numbers(offsets[-1], D, rng), offsets


@pytest.mark.parametrize("dtype", bags.TOKEN_TYPES)
def test_packed_tokens_score_in_their_type(backend, rng, batch, dtype):
    queries = real_numbers(20, D, rng), np.array([0, 3, 3, 20])
    packed = maxsim_pack(batch, dtype=dtype)
    documents, scales = batch[0], None
    if dtype == "int8":
        documents, scales = bags.quantised(batch[0])
    elif dtype != "float32":
        documents = bags.stored(batch[0], dtype)[0]
    expected = bags.scores(*queries, documents, scales, batch[1])
    found = maxsim(queries, packed)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert_equal(maxsim_topk(queries, packed, 3), most_similar(found, 3))
    assert packed.nbytes == len(batch[0]) * D * {"float32": 4, "int8": 1}.get(dtype, 2) + 8 * 6 + (
        8 * len(batch[0]) if dtype == "int8" else 0
    )


@pytest.mark.parametrize("dtype", bags.TOKEN_TYPES)
def test_packed_tokens_grow(backend, rng, dtype):
    parts = [[real_numbers(n, D, rng) for n in rng.integers(0, 9, 13)] for _ in range(6)]
    packed = PackedTokens(dtype, D)
    for part in parts:
        packed.append(part)
    whole = maxsim_pack([each for part in parts for each in part], dtype=dtype)
    for other in (packed, pickle.loads(pickle.dumps(packed))):
        for name in ("tokens", "scales", "sums", "offsets"):
            np.testing.assert_array_equal(getattr(other, name), getattr(whole, name))
        assert (len(other), other.nbytes, repr(other)) == (78, whole.nbytes, repr(whole))
        assert not other.tokens.flags.writeable
    queries = [real_numbers(4, D, rng)]
    before = maxsim(queries, packed)
    refused(lambda: packed.append([np.full((1, D), np.nan)]), ValueError, "holds NaN")
    np.testing.assert_array_equal(maxsim(queries, packed), before)
    encoder = FixedDimensionalEncoder(D)
    if dtype == "float32":
        np.testing.assert_array_equal(
            encoder.encode_documents(packed),
            encoder.encode_documents([each for part in parts for each in part]),
        )


def test_documents_are_read_in_chunks_without_a_trace(backend, rng, monkeypatch):
    monkeypatch.setattr("tersevec._maxsim_batches._AT_ONCE", 4 * D * 10)
    monkeypatch.setattr("tersevec._maxsim_batches._QUERY_BYTES", 4 * D * 6)
    monkeypatch.setattr("tersevec._maxsim_batches._GATHERED", 4 * D * 40)
    offsets = offsets_of(rng.integers(0, 7, 40))
    tokens = bags.whole_numbers(offsets[-1], D, rng, 1)
    queries = bags.whole_numbers(25, D, rng), np.array([0, 2, 2, 9, 20, 25])
    expected = bags.scores(*queries, tokens, None, offsets).astype(np.float32)
    listed = [bag(tokens, offsets, i) for i in range(40)]
    candidates = rng.integers(-1, 40, (5, 8))
    for documents in ((tokens, offsets), listed, (tokens.astype(np.float64), offsets)):
        np.testing.assert_array_equal(maxsim(queries, documents), expected)
        for mask in masks(40, rng):
            for k in (1, 6, 50):
                found = maxsim_topk(queries, documents, k, mask=mask)
                assert_equal(found, most_similar(expected, k, mask))
            allowed = np.zeros((5, 40), bool)
            for row, mine in zip(allowed, candidates, strict=True):
                row[mine[mine >= 0]] = True
            allowed &= True if mask is None else mask
            found = maxsim_topk(queries, documents, 4, candidates=candidates, mask=mask)
            for q in range(5):
                best = most_similar(expected[q : q + 1], 4, allowed[q])
                assert_equal((found.values[q : q + 1], found.indices[q : q + 1]), best)
        matches = maxsim_matches(queries, documents, candidates)
        assert_equal((matches,), (maxsim_matches(queries, maxsim_pack(documents), candidates),))


def test_carved_queries_are_sums_of_what_lies_near_the_first():
    tokens = np.float32([[1, 0], [0, 1], [0.8, 0.6], [0.6, 0.8], [-1, 0]])
    carved = carve_queries((tokens, [0, 0, 4, 5]), 0.7)
    np.testing.assert_allclose(carved.tokens, [[1.8, 0.6], [0.6, 1.8], [-1, 0]], rtol=1e-6)
    assert carved.offsets.tolist() == [0, 0, 2, 3]
    np.testing.assert_array_equal(carve_queries((tokens, [0, 5]), 2).tokens, tokens)
    whole = carve_queries((tokens, [0, 5]), -2)
    np.testing.assert_allclose(whole.tokens, tokens.sum(axis=0)[None], rtol=1e-6)
    assert carve_queries((tokens[:0], [0, 0])).tokens.shape == (0, 2)


QUERIES, DOCUMENTS = [np.ones((2, D))], [np.ones((3, D)), np.ones((1, D))]


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: maxsim(QUERIES, [np.ones((3, 8))]), ValueError, "expected tokens of 8 dimensions"),
        (lambda: maxsim(QUERIES, DOCUMENTS, weights=[1]), ValueError, "weights: expected floats"),
        (lambda: maxsim(QUERIES, DOCUMENTS, weights=[1, np.nan]), ValueError, "weights: row 1"),
        (lambda: maxsim(QUERIES, DOCUMENTS, weights=np.ones(2, int)), TypeError, "weights: expect"),
        (lambda: maxsim_topk(QUERIES, DOCUMENTS, 0), ValueError, "k: expected an integer"),
        (lambda: maxsim_topk(QUERIES, DOCUMENTS, 1, mask=[True]), ValueError, "mask: expected"),
        (
            lambda: maxsim_topk(QUERIES, DOCUMENTS, 1, candidates=[[2]]),
            ValueError,
            "candidates: expected -1 or a document below 2, got 2",
        ),
        (
            lambda: maxsim_topk(QUERIES, DOCUMENTS, 1, candidates=[[-2]]),
            ValueError,
            "candidates: expected -1 or a document below 2, got -2",
        ),
        (
            lambda: maxsim_topk(QUERIES, DOCUMENTS, 1, candidates=[[0], [1]]),
            ValueError,
            "candidates: expected integers of shape (1, ?)",
        ),
        (
            lambda: maxsim_matches(QUERIES, DOCUMENTS, [[0.5]]),
            TypeError,
            "candidates: expected integers of shape (1, ?)",
        ),
        (
            lambda: maxsim_pack(DOCUMENTS, dtype="int3"),
            ValueError,
            "dtype: expected one of float32",
        ),
        (
            lambda: maxsim(QUERIES, [np.ones((3, D), np.int8)]),
            TypeError,
            "`maxsim` takes them from maxsim_pack",
        ),
        (lambda: carve_queries(QUERIES, "0.7"), TypeError, "threshold: expected a number"),
        (lambda: carve_queries(QUERIES, np.nan), ValueError, "threshold: expected a number"),
        (lambda: maxsim([], []), ValueError, "queries: expected at least one array in a list"),
    ],
)
def test_what_maxsim_cannot_serve_is_refused(backend, call, kind, message):
    refused(call, kind, message)


def test_lists_without_bags_are_no_error(backend):
    assert maxsim([], DOCUMENTS).shape == (0, 2)
    assert maxsim(QUERIES, []).shape == (1, 0)
    assert maxsim_topk(QUERIES, [], 2, candidates=np.empty((1, 0), int)).indices.tolist() == [
        [-1] * 2
    ]
    assert maxsim_topk(QUERIES, [], 2, candidates=[[-1]], mask=np.ones(0, bool)).indices[0, 0] == -1
