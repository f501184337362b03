"""Kernels of token bags touch no byte that is not theirs: walls around what they read and write."""

from __future__ import annotations

import numpy as np
import pytest

import guard
from bags import TOKEN_TYPES, offsets_of, real_numbers, stored

pytestmark = pytest.mark.skipif(not guard.HERE, reason=guard.WHY_NOT)


def placed(*arrays):
    """All arrays before walls, then all behind walls; None stays None."""
    present = [array for array in arrays if array is not None]
    for places in guard.placements(*present):
        left = iter(places)
        yield [None if array is None else next(left) for array in arrays]


@pytest.mark.parametrize("dtype", TOKEN_TYPES)
@pytest.mark.parametrize("lengths", [[1], [0, 3], [17, 0, 5], [33, 80]], ids=str)
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (7, 3, 2, 5), (16, 2, 5, 16), (33, 3, 3, 9)])
def test_encoding_stays_inside_its_arrays(path, rng, shape, lengths, dtype):
    d, n_repetitions, k, p = shape
    offsets = offsets_of(lengths)
    tokens, scales, _ = stored(real_numbers(offsets[-1], d, rng), dtype)
    hashes = real_numbers(d, n_repetitions * k, rng)
    projections = real_numbers(d, n_repetitions * p, rng)
    width = n_repetitions * p << k
    buckets = rng.integers(0, 11, width).astype(np.int32)
    signs = rng.choice(np.int8([-1, 1]), width)
    for sketch, columns in (((None, None), width), ((buckets, signs), 11)):
        for rows in (np.float32, np.float16, np.int8):
            out = np.empty((len(lengths), columns), rows)
            row_scales = np.empty(len(lengths), np.float32) if rows == np.int8 else None
            arrays = (tokens, scales, offsets, hashes, projections, *sketch, out, row_scales)
            for there in placed(*arrays):
                matrices = there[3:5]
                for documents in (False, True):
                    path.fde.encode(
                        *there[:3],
                        *matrices,
                        n_repetitions,
                        k,
                        p,
                        documents,
                        documents,
                        *there[5:],
                        1,
                    )


@pytest.mark.parametrize("dtype", TOKEN_TYPES)
@pytest.mark.parametrize("d", [1, 3, 16, 31, 64, 65, 130])
@pytest.mark.parametrize(("queries", "documents"), [([1], [1]), ([5, 0, 17], [0, 3, 33, 16])])
def test_scores_stay_inside_their_arrays(path, rng, d, queries, documents, dtype):
    query_offsets, offsets = offsets_of(queries), offsets_of(documents)
    asked = real_numbers(query_offsets[-1], d, rng)
    tokens, scales, _ = stored(real_numbers(offsets[-1], d, rng), dtype)
    sums = tokens.sum(axis=1, dtype=np.int32) if dtype == "int8" else None
    weights = rng.random(len(asked), np.float32)
    candidates = rng.integers(-1, len(documents), (len(queries), 3))
    mask = np.array([2 ** len(documents) - 1], np.uint8)
    arrays = (asked, query_offsets, tokens, scales, sums, offsets, weights, candidates, mask)
    expected = path.maxsim.scores(*arrays[:7], 1)
    for *sides, weights_there, candidates_there, mask_there in placed(*arrays):
        found = path.maxsim.scores(*sides, weights_there, 1)
        np.testing.assert_array_equal(found, expected)
        path.maxsim.candidates(*sides, weights_there, candidates_there, 1)
        path.maxsim.topk(*sides, weights_there, 2, mask_there, 1)
        path.maxsim.matches(*sides, candidates_there, 1)
        if dtype != "int8":
            path.maxsim.pack_int8(sides[2])
