"""Kernels of MaxSim on every path, against their definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bags import (
    TOKEN_TYPES,
    bag,
    offsets_of,
    products,
    quantised,
    real_numbers,
    scores,
    slack,
    stored,
    whole_numbers,
)
from cases import assert_equal, masks, most_similar, packed
from tersevec._numpy import maxsim as twin

# Around registers of 4, 8 and 16 floats, lines of 64 bytes, and tiles of rows.
WIDTHS = (1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 96, 100, 127, 128, 129, 300)
QUERIES = (0, 1, 2, 5, 8, 15, 16, 17, 32, 33, 0, 48, 65)
DOCUMENTS = (0, 1, 2, 3, 0, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 80, 161, 0)


class Problem:
    """Two ragged batches; the documents in some type."""

    def __init__(self, d, rng, dtype="float32", *, queries=QUERIES, documents=DOCUMENTS, real=True):
        draw = real_numbers if real else whole_numbers
        self.query_offsets, self.offsets = offsets_of(queries), offsets_of(documents)
        self.nq, self.n = len(queries), len(documents)
        self.queries = draw(self.query_offsets[-1], d, rng)
        tokens = draw(self.offsets[-1], d, rng)
        self.documents, self.scales, self.numbers = stored(tokens, dtype)
        self.sums = None
        if dtype == "int8":
            self.sums = self.documents.sum(axis=1, dtype=np.int32)

    @property
    def base(self):
        return self.documents, self.scales, self.sums, self.offsets

    @property
    def sides(self):
        return self.queries, self.query_offsets, *self.base

    @property
    def known(self):
        return self.queries, self.query_offsets, self.documents, self.scales, self.offsets

    def assert_scores(self, found, weights=None):
        expected = scores(*self.known, weights)
        assert found.dtype == np.float32
        assert found.shape == expected.shape
        if self.documents.dtype == np.int8:
            np.testing.assert_array_equal(found, expected)
            return
        documents = self.numbers if self.documents.dtype == np.float16 else self.documents
        given = self.queries, self.query_offsets, documents, None, self.offsets
        assert (np.abs(found - expected) <= slack(*given, weights)).all()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", TOKEN_TYPES)
@pytest.mark.parametrize("d", WIDTHS)
def test_scores_are_what_their_definition_says(path, rng, d, dtype, weighted):
    problem = Problem(d, rng, dtype)
    weights = rng.random(len(problem.queries), np.float32) if weighted else None
    problem.assert_scores(path.maxsim.scores(*problem.sides, weights, 1), weights)


@pytest.mark.parametrize("dtype", TOKEN_TYPES)
@pytest.mark.parametrize("d", [5, 64, 130])
def test_scores_of_whole_numbers_are_exact(path, rng, d, dtype):
    problem = Problem(d, rng, dtype, real=False)
    weights = (2.0 ** rng.integers(-2, 3, len(problem.queries))).astype(np.float32)
    found = path.maxsim.scores(*problem.sides, weights, 1)
    np.testing.assert_array_equal(found, scores(*problem.known, weights))


@pytest.mark.parametrize("dtype", TOKEN_TYPES)
def test_negative_products_are_not_cut_at_zero(path, rng, dtype):
    problem = Problem(24, rng, dtype, queries=(1, 3, 17), documents=(1, 5, 16, 33))
    problem.queries[:] = np.abs(problem.queries) + 0.5
    problem.documents, problem.scales, problem.numbers = stored(-np.abs(problem.numbers) - 1, dtype)
    if dtype == "int8":
        problem.sums = problem.documents.sum(axis=1, dtype=np.int32)
    found = path.maxsim.scores(*problem.sides, None, 1)
    assert (found < -1).all()
    problem.assert_scores(found)


@pytest.mark.parametrize("dtype", TOKEN_TYPES)
def test_documents_and_queries_without_tokens_score_zero(path, rng, dtype):
    problem = Problem(16, rng, dtype)
    found = path.maxsim.scores(*problem.sides, None, 1)
    assert not found[[q for q, size in enumerate(QUERIES) if size == 0]].any()
    assert not found[:, [n for n, size in enumerate(DOCUMENTS) if size == 0]].any()
    assert not np.signbit(found[found == 0]).any()


@pytest.mark.parametrize("dtype", TOKEN_TYPES)
def test_no_queries_or_no_documents_are_no_error(path, rng, dtype):
    for queries, documents in (((), (3, 4)), ((2, 5), ()), ((), ()), ((0,), (0,))):
        problem = Problem(16, rng, dtype, queries=queries, documents=documents)
        assert path.maxsim.scores(*problem.sides, None, 1).shape == (problem.nq, problem.n)
        values, indices = path.maxsim.topk(*problem.sides, None, 3, None, 1)
        assert values.shape == indices.shape == (problem.nq, 3)
        none = np.empty((problem.nq, 0), np.int64)
        assert path.maxsim.candidates(*problem.sides, None, none, 1).shape == (problem.nq, 0)
        found = path.maxsim.matches(*problem.sides, none, 1)
        assert found.shape == (len(problem.queries), 0)


@pytest.mark.parametrize("dtype", TOKEN_TYPES)
@pytest.mark.parametrize("d", [20, 128])
def test_a_score_depends_on_its_query_and_document_alone(path, rng, d, dtype):
    problem = Problem(d, rng, dtype)
    whole = path.maxsim.scores(*problem.sides, None, 1)
    for threads in (2, 3, 50):
        np.testing.assert_array_equal(path.maxsim.scores(*problem.sides, None, threads), whole)
    for q in range(problem.nq):
        mine = bag(problem.queries, problem.query_offsets, q)
        alone = path.maxsim.scores(mine, np.array([0, len(mine)]), *problem.base, None, 1)
        np.testing.assert_array_equal(alone[0], whole[q])
    for n in range(problem.n):
        parts = [
            None if array is None else bag(array, problem.offsets, n)
            for array in (problem.documents, problem.scales, problem.sums)
        ]
        offsets = np.array([0, len(parts[0])])
        alone = path.maxsim.scores(problem.queries, problem.query_offsets, *parts, offsets, None, 1)
        np.testing.assert_array_equal(alone[:, 0], whole[:, n])


def test_float16_is_the_same_numbers_in_float32(path, rng):
    for d in (3, 40, 128):
        problem = Problem(d, rng, "float16")
        narrow = path.maxsim.scores(*problem.sides, None, 1)
        sides = problem.queries, problem.query_offsets, problem.numbers, None, None
        wide = path.maxsim.scores(*sides, problem.offsets, None, 1)
        np.testing.assert_array_equal(narrow, wide)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("exponent", [0, 20, -126, -127, -130])
def test_sums_next_to_the_middle_of_two_floats_are_rounded_once(path, exponent, sign):
    if path.name == "numpy":
        pytest.skip("numpy: products are rounded before they are added")
    last, near = max(exponent - 23, -149), 2.0**-23
    start = 2.0**exponent + 2.0**last  # odd: from the middle, the even one is another
    left, right = 2.0 ** (last // 2), sign * 2.0 ** (last - last // 2 - 1)
    queries = np.float32([[start, left * (1 + near)]])
    documents = np.float32([[1, right * (1 - near)]])
    one = np.array([0, 1])
    found = path.maxsim.scores(queries, one, documents, None, None, one, None, 1)
    assert found[0, 0] == np.float32(start)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_tokens_that_are_not_finite_give_nan(path, rng, dtype, bad):
    problem = Problem(33, rng, dtype)
    place = problem.offsets[10] + 3, 20
    if dtype == "bfloat16":
        problem.documents[place] = np.float32(bad).view(np.uint32) >> 16
    else:
        problem.documents[place] = bad
    found = path.maxsim.scores(*problem.sides, None, 1)
    assert np.isnan(found[:, 10]).tolist() == [size > 0 for size in QUERIES]
    assert np.isfinite(np.delete(found, 10, axis=1)).all()


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", TOKEN_TYPES)
def test_candidates_have_the_scores_of_their_documents(path, rng, dtype, threads):
    problem = Problem(33, rng, dtype)
    weights = rng.random(len(problem.queries), np.float32)
    every = path.maxsim.scores(*problem.sides, weights, 1)
    candidates = rng.integers(-1, problem.n, (problem.nq, 9))
    found = path.maxsim.candidates(*problem.sides, weights, candidates, threads)
    expected = np.where(
        candidates < 0, -np.inf, np.take_along_axis(every, candidates.clip(0), axis=1)
    )
    np.testing.assert_array_equal(found, expected.astype(np.float32))


@pytest.mark.parametrize("k", [1, 3, 40])
@pytest.mark.parametrize("dtype", TOKEN_TYPES)
@pytest.mark.parametrize("real", [True, False])
def test_topk_are_the_largest_scores_ties_by_lower_document(path, rng, dtype, real, k):
    documents = rng.integers(0, 4, 30)  # of whole numbers many are equal
    problem = Problem(3, rng, dtype, queries=(1, 0, 2, 16, 20), documents=documents, real=real)
    weights = None if real else np.ones(len(problem.queries), np.float32)
    every = path.maxsim.scores(*problem.sides, weights, 1)
    for mask in masks(problem.n, rng):
        for threads in (1, 4):
            found = path.maxsim.topk(*problem.sides, weights, k, packed(mask), threads)
            assert_equal(found, most_similar(every, k, mask))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", TOKEN_TYPES)
@pytest.mark.parametrize("d", [2, 32, 100])
def test_matches_are_the_first_of_the_largest_products(path, rng, d, dtype, threads):
    problem = Problem(d, rng, dtype, real=False)
    every = products(problem.queries, problem.documents, problem.scales)
    candidates = rng.integers(-1, problem.n, (problem.nq, 7))
    found = path.maxsim.matches(*problem.sides, candidates, threads)
    assert found.dtype == np.int32
    for q in range(problem.nq):
        for token in range(problem.query_offsets[q], problem.query_offsets[q + 1]):
            for column, n in enumerate(candidates[q]):
                mine = every[token, problem.offsets[n] : problem.offsets[n + 1]]
                expected = -1 if n < 0 or len(mine) == 0 else mine.argmax()
                assert found[token, column] == expected


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("d", [1, 3, 16, 33, 128, 200])
def test_tokens_of_int8_have_the_scales_of_their_definition(path, rng, d, dtype):
    tokens = real_numbers(50, d, rng) * np.float32(10.0) ** rng.integers(-6, 4, (50, 1))
    tokens[[0, 20]] = 0
    tokens[1] = np.abs(tokens[1]).max()
    array, _, numbers = stored(tokens.astype(np.float32), dtype)
    found = path.maxsim.pack_int8(array)
    whole, scales = quantised(numbers)
    assert_equal(found, (whole, scales, whole.sum(axis=1, dtype=np.int32)))


def test_tiny_tokens_of_int8_stay_within_their_range(path):
    tokens = np.float32([[1.4e-45 * 150, 1e-44], [1e-45, 0], [1e-38, -1e-38]])
    assert_equal(path.maxsim.pack_int8(tokens)[:2], quantised(tokens))


@pytest.mark.parametrize("value", [-128, -127, 127])
def test_the_largest_integers_do_not_overflow(path, value):
    d = 3000
    documents = np.full((2, d), value, np.int8)
    ones, offsets = np.ones(2, np.float32), np.array([0, 2])
    sums = documents.sum(axis=1, dtype=np.int32)
    queries = np.full((2, d), 127, np.float32) * np.float32([[1], [-1]])
    sides = queries, np.array([0, 1, 2]), documents, ones, sums, offsets
    found = path.maxsim.scores(*sides, None, 1)
    np.testing.assert_array_equal(found, np.float32([[127 * value * d], [-127 * value * d]]))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 4, 18])
@pytest.mark.parametrize("dtype", TOKEN_TYPES)
def test_products_that_are_not_finite_are_never_hidden(path, rng, dtype, place, value):
    """Whatever other tokens the document has; and they are its own document's alone."""
    problem = Problem(24, rng, dtype, queries=(3, 17), documents=(2, 19, 40))
    finite = path.maxsim.scores(*problem.sides, None, 1)
    row = problem.offsets[1] + place
    if dtype == "int8":
        problem.scales[row] = value
    else:
        problem.documents[row, 5] = stored(np.float32([[value]]), dtype)[0][0, 0]
    found = path.maxsim.scores(*problem.sides, None, 1)
    assert np.isnan(found[:, 1]).all()
    np.testing.assert_array_equal(found[:, [0, 2]], finite[:, [0, 2]])
    values, indices = path.maxsim.topk(*problem.sides, None, 3, None, 1)
    assert (values[:, 0] == np.inf).all()
    assert (indices[:, 0] == 1).all()
    assert_equal((values[:, 1:],), most_similar(finite[:, [0, 2]], 2)[:1])


@pytest.mark.parametrize("d", [16, 20, 128])
def test_bytes_may_lie_anywhere(path, rng, d):
    problem = Problem(d, rng, "int8")
    aligned = path.maxsim.scores(*problem.sides, None, 1)
    for offset in (1, 2, 4):
        moved = np.zeros(problem.documents.size + offset, np.int8)[offset:].reshape(-1, d)
        moved[:] = problem.documents
        sides = (problem.queries, problem.query_offsets, moved, *problem.base[1:])
        np.testing.assert_array_equal(path.maxsim.scores(*sides, None, 1), aligned)


@pytest.mark.parametrize("dtype", TOKEN_TYPES)
def test_paths_agree(path, rng, dtype):
    problem = Problem(128, rng, dtype)
    found = path.maxsim.scores(*problem.sides, None, 1)
    expected = twin.scores(*problem.sides, None, 1)
    documents = problem.numbers
    given = problem.queries, problem.query_offsets, documents, None, problem.offsets
    assert (np.abs(found - expected) <= slack(*given)).all()


@given(data=st.data())
def test_any_bags_of_any_type(path, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    sizes = st.lists(st.integers(0, 70), max_size=6)
    problem = Problem(
        data.draw(st.integers(1, 150)),
        rng,
        data.draw(st.sampled_from(TOKEN_TYPES)),
        queries=data.draw(sizes),
        documents=data.draw(sizes),
    )
    threads = data.draw(st.integers(1, 4))
    found = path.maxsim.scores(*problem.sides, None, threads)
    problem.assert_scores(found)
    k = data.draw(st.integers(1, 8))
    top = path.maxsim.topk(*problem.sides, None, k, None, threads)
    assert_equal(top, most_similar(found, k))
