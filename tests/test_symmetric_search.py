"""Codes against codes: cosines of their integers, whatever wrote them."""

from __future__ import annotations

import numpy as np
import pytest

from cases import (
    assert_equal,
    at_least,
    most_similar,
    odd_integers,
    packed,
    product_codes,
    refused,
    strided_rows,
)
from tersevec import RangeHits, TopK, _symmetric_search, pq
from tersevec._symmetric_search import SymmetricSearch
from tersevec.binary import BinaryCodes, ScanCodes

SHAPES = [(1, 1), (96, 1), (33, 2), (64, 3), (40, 4), (7, 5), (12, 7)]


class Searcher(SymmetricSearch):
    """The mixin with nothing around it."""

    _code_shape = (0, 0)

    def __init__(self, m, n_bits):
        self._code_shape = m, n_bits


def cosines(q_codes, codes, m, n_bits):
    """Integer products, rounded to float32, times 1 / length of the query, then of the code."""
    asked, held = odd_integers(q_codes, m, n_bits), odd_integers(codes, m, n_bits)
    scales, factors = (
        (1 / np.sqrt((integers**2).sum(axis=1))).astype(np.float32) for integers in (asked, held)
    )
    return (asked @ held.T).astype(np.float32) * scales[:, None] * factors


def problem(n, nq, m, n_bits, rng):
    codes, q_codes = product_codes(n, m, rng, n_bits), product_codes(nq, m, rng, n_bits)
    return Searcher(m, n_bits), codes, q_codes, cosines(q_codes, codes, m, n_bits)


@pytest.mark.parametrize(("m", "n_bits"), SHAPES)
def test_values_are_the_cosines_of_the_integers(path, rng, m, n_bits):
    search, codes, q_codes, _ = problem(60, 9, m, n_bits, rng)
    asked, held = (odd_integers(rows, m, n_bits).astype(float) for rows in (q_codes, codes))
    exact = asked @ held.T
    exact /= np.linalg.norm(asked, axis=1)[:, None] * np.linalg.norm(held, axis=1)
    found = search.similarity_matrix(q_codes, codes)
    assert found.dtype == np.float32
    assert np.abs(found - exact).max() < 3e-7


@pytest.mark.parametrize("n", [0, 1, 16, 65, 300])
@pytest.mark.parametrize(("m", "n_bits"), SHAPES)
def test_searches_rank_by_these_values_and_equal_ones_by_row(path, rng, m, n_bits, n):
    search, codes, q_codes, expected = problem(n, 9, m, n_bits, rng)
    mask, radius = rng.random(n) < 0.5, float(expected[0, 0]) if n else 0.5
    for base in (codes, strided_rows(codes), search.pack(codes)):
        matrix = search.similarity_matrix(strided_rows(q_codes), base)
        assert_equal((matrix,), (expected,))
        for k, allowed in ((1, None), (20, mask), (n + 2, None)):
            found = search.topk(q_codes, base, k, mask=allowed, threads=2)
            assert type(found) is TopK
            assert_equal(found, most_similar(expected, k, allowed))
        for given, least in ((None, radius), (packed(mask), 0.0), (None, -1.5), (None, np.inf)):
            hits = search.range(q_codes, base, least, mask=given, threads=1)
            assert type(hits) is RangeHits
            allowed = None if given is None else mask
            assert_equal(hits, at_least(expected, least, allowed))


def test_a_radius_between_two_floats_finds_what_is_above_it(path, rng):
    search, codes, q_codes, expected = problem(50, 3, 20, 2, rng)
    value = float(expected[1, 7])
    below, above = (np.nextafter(np.float64(value), side) for side in (-np.inf, np.inf))
    for radius in (value, below, above):
        hits = search.range(q_codes, codes, radius)
        assert_equal(hits, (*at_least(expected.astype(np.float64), radius)[:2], hits.values))
    assert 7 in search.range(q_codes[1:2], codes, below).indices
    assert 7 not in search.range(q_codes[1:2], codes, above).indices


def test_queries_beyond_one_batch_are_searched_alike(backend, rng, monkeypatch):
    search, codes, q_codes, expected = problem(70, 23, 10, 3, rng)
    monkeypatch.setattr(_symmetric_search, "_QUERY_NUMBERS", 70)
    assert_equal((search.similarity_matrix(q_codes, codes),), (expected,))
    assert_equal(search.topk(q_codes, codes, 5), most_similar(expected, 5))
    assert_equal(search.range(q_codes, codes, 0.3), at_least(expected, np.float32(0.3)))
    assert_equal(search.range(q_codes[:0], codes, 0.3), at_least(expected[:0], 0.3))
    assert search.topk(q_codes[:0], codes, 5).values.shape == (0, 5)


def test_a_code_and_its_opposite_are_at_the_ends(path, rng):
    search, codes, _, _ = problem(40, 1, 48, 4, rng)
    found = search.topk(codes, codes, 1)
    np.testing.assert_array_equal(found.indices[:, 0], np.arange(40))
    np.testing.assert_allclose(found.values, 1, rtol=3e-7)
    opposite = search.similarity_matrix(codes ^ 255, codes).diagonal()
    np.testing.assert_allclose(opposite, -1, rtol=3e-7)


def test_packed_codes_grow_and_are_found(backend, rng):
    search, codes, q_codes, expected = problem(90, 4, 30, 2, rng)
    base = search.pack(codes[:40])
    base.append(codes[40:])
    assert_equal(search.topk(q_codes, base, 7), most_similar(expected, 7))
    base.remove(3)
    moved = expected.copy()
    moved[:, 3] = moved[:, -1]
    assert_equal(search.topk(q_codes, base, 7), most_similar(moved[:, :-1], 7))


@pytest.mark.parametrize(
    ("method", "change", "error", "message"),
    [
        ("topk", {"k": 0}, ValueError, "k: expected an integer from 1 to 2**31 - 1, got 0"),
        ("topk", {"k": 1.5}, TypeError, "k: expected an integer"),
        ("topk", {"mask": np.ones(9, bool)}, ValueError, "mask: expected bool of shape (30,)"),
        ("topk", {"mask": np.ones((2, 30), bool)}, ValueError, "mask: expected bool of"),
        ("topk", {"threads": 0}, ValueError, "threads: expected an integer of at least 1"),
        ("range", {"radius": np.nan}, ValueError, "radius: expected a number, got NaN"),
        ("range", {"radius": "near"}, TypeError, "radius: expected a number, got 'near'"),
        ("range", {"mask": np.ones(30)}, TypeError, "mask: expected bool of shape (30,) or uint8"),
        *(
            (method, {"q_codes": np.zeros((2, 4), np.uint8)}, ValueError, "q_codes: expected uint8")
            for method in ("topk", "range", "similarity_matrix")
        ),
        *(
            (method, {"codes": np.zeros((2, 6), np.float32)}, TypeError, "codes: expected uint8")
            for method in ("topk", "range", "similarity_matrix")
        ),
    ],
)
def test_bad_arguments_are_named(backend, rng, method, change, error, message):
    search, codes, q_codes, _ = problem(30, 2, 21, 2, rng)
    arguments = {"q_codes": q_codes, "codes": codes}
    arguments |= {"topk": {"k": 3}, "range": {"radius": 0.5}}.get(method, {})
    refused(lambda: getattr(search, method)(**(arguments | change)), error, message)


def test_packed_codes_of_another_kind_are_refused(rng):
    search, codes, q_codes, _ = problem(30, 2, 24, 2, rng)
    for other in (ScanCodes(codes, 48, 1), ScanCodes(codes, 12, 4)):
        message = f"codes: expected ScanCodes of 24 x 2 bits, got {other!r}"
        refused(lambda other=other: search.topk(q_codes, other, 1), ValueError, message)
    for other in (BinaryCodes(codes), pq.ScanCodes(codes, 12, 4)):
        message = f"codes: expected an array of numbers, got {type(other).__name__}"
        refused(lambda other=other: search.topk(q_codes, other, 1), TypeError, message)
