"""Searches of `RaBitQuantizer`: by estimates to the last bit, and by vectors that are read."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from cases import (
    assert_equal,
    at_least,
    most_similar,
    numbers,
    packed,
    refused,
    strided_rows,
)
from tersevec import RangeHits, TopK, _offset_search, _rabitq_base
from tersevec._offset_search import Base, Queries
from tersevec.binary import BinaryCodes, RaBitQuantizer, ScanCodes

BITS = (1, 2, 3, 4, 5, 6, 7, 8)


def problem(n, nq, d, n_bits, rng, mean=0.5):
    """A quantizer, vectors with duplicates, their codes, and queries."""
    x = rng.standard_normal((max(n, 1), d), np.float32) + np.float32(mean)
    x[n // 2 :: 3] = x[0]
    quantizer = RaBitQuantizer(n_bits, random_state=rng).fit(x)
    return quantizer, x[:n], quantizer.encode(x[:n]), rng.standard_normal((nq, d), np.float32)


def defined(quantizer, queries, codes):
    """Estimates as the documentation tells them, from integers, scales, factors and offsets."""
    m, n_bits = quantizer.n_components_, quantizer.n_bits
    rotated = quantizer._rotation.forward(queries)
    scales = np.abs(rotated).max(axis=1) / np.float32(63 if n_bits == 8 else 127)
    asked = np.rint(rotated / scales[:, None].astype(np.float64))
    held = 2.0 * numbers(codes[:, :-8], m, n_bits) - (2**n_bits - 1)
    factors = np.frombuffer(codes[:, -8:-4].tobytes(), "<f4")
    products = (asked @ held.T).astype(np.float32) * scales[:, None] * factors
    offsets = (queries.astype(np.float64) * quantizer.mean_).sum(axis=1)
    return products + offsets.astype(np.float32)[:, None]


# ---- by estimates


@pytest.mark.parametrize("n_bits", BITS)
@pytest.mark.parametrize(("n", "d"), [(0, 9), (1, 1), (17, 16), (65, 33), (200, 40)])
def test_searches_rank_by_the_estimates_and_equal_ones_by_row(path, rng, n, d, n_bits):
    quantizer, _, codes, queries = problem(n, 7, d, n_bits, rng)
    expected, mask = defined(quantizer, queries, codes), rng.random(n) < 0.5
    radius = float(expected[0, 0]) if n else 0.5
    for base in (codes, strided_rows(codes), quantizer.pack(codes)):
        assert_equal((quantizer.estimate(queries, base, threads=2)[0],), (expected,))
        for k, allowed in ((1, None), (5, mask), (20, packed(mask)), (n + 2, None)):
            found = quantizer.topk(queries, base, k, mask=allowed, threads=2)
            assert type(found) is TopK
            assert_equal(found, most_similar(expected, k, None if allowed is None else mask))
        for least, allowed in ((radius, None), (0.0, mask), (np.inf, None), (-np.inf, mask)):
            hits = quantizer.range(queries, base, least, mask=allowed, threads=1)
            assert type(hits) is RangeHits
            assert_equal(hits, at_least(expected, least, allowed))


@pytest.mark.parametrize("n_bits", [1, 4, 8])
def test_no_answer_depends_on_the_batch_or_on_the_type_of_floats(backend, rng, n_bits, monkeypatch):
    quantizer, x, codes, queries = problem(90, 23, 30, n_bits, rng)
    queries = queries.astype(np.float16).astype(np.float32)
    base, radius = quantizer.pack(codes), 3.0
    estimates, top = quantizer.estimate(queries, base), quantizer.topk(queries, base, 9)
    second, hits = (
        quantizer.topk(queries, base, 4, rerank=x),
        quantizer.range(queries, base, radius),
    )

    def assert_all_equal(given):
        assert_equal(quantizer.estimate(given, base), estimates)
        assert_equal(quantizer.topk(given, base, 9), top)
        assert_equal(quantizer.topk(given, base, 4, rerank=x), second)
        assert_equal(quantizer.range(given, base, radius), hits)

    for same in (queries.astype(np.float16), queries.astype(np.float64), strided_rows(queries)):
        assert_all_equal(same)
    for q in range(23):
        alone = quantizer.estimate(queries[q : q + 1], base)
        assert_equal(alone, tuple(part[q : q + 1] for part in estimates))
    monkeypatch.setattr(_rabitq_base, "_QUERIES", 4)
    assert_all_equal(queries)
    assert quantizer.topk(queries[:0], base, 3).values.shape == (0, 3)
    assert quantizer.range(queries[:0], base, 3.0).offsets.tolist() == [0]


def test_a_query_of_zeros_finds_the_first_rows(path, rng):
    quantizer, _, codes, _ = problem(40, 1, 12, 2, rng)
    found = quantizer.topk(np.zeros((1, 12)), codes, 3)
    assert_equal(found, (np.zeros((1, 3), np.float32), np.array([[0, 1, 2]])))
    assert not quantizer.estimate(np.zeros((1, 12)), codes)[1].any()
    assert not np.signbit(found.values).any()


@pytest.mark.parametrize("offset", [0.0, 3.0, 1e3, -1e5, 1e7])
def test_sums_that_rounding_makes_equal_are_ordered_by_row(path, rng, offset):
    """Offsets that swallow the similarities' last bits, or all of them."""
    n, m, nq = 300, 8, 6
    codes = rng.integers(0, 256, (n, 2), dtype=np.uint8)
    queries = Queries(
        rng.integers(-127, 128, (nq, m), dtype=np.int8),
        np.full(nq, 1e-3, np.float32),
        np.float32(offset * rng.uniform(0.5, 1, nq)),
    )
    base, mask = Base(codes, n, 2, rng.random(n, np.float32)), rng.random(n) < 0.5
    sums = _offset_search.scores(queries, base, 1)
    for k in (1, 7, 299, 300, 305):
        for allowed in (None, mask):
            found = _offset_search.topk(queries, base, k, packed(allowed), 1)
            assert_equal(found, most_similar(sums, k, allowed))
    for least in np.quantile(sums, [0.1, 0.9]).astype(np.float32):
        found = _offset_search.range_search(queries, base, least, packed(mask), 1)
        assert_equal(found, at_least(sums, least, mask))


def test_the_least_term_is_the_first_that_reaches_the_sum(rng):
    offsets = np.float32([0, -1, 1e-30, 1e30, -3e38, 3, 0.1, 1e8, 0])
    for sums in (rng.standard_normal(9).astype(np.float32), offsets, offsets / np.float32(3)):
        terms = _offset_search.least_terms(sums, offsets)
        below = np.nextafter(terms, np.float32(-np.inf))
        assert (terms + offsets >= sums).all()
        assert (below + offsets < sums).all()
    for end in (np.inf, -np.inf):
        found = _offset_search.least_terms(np.full(9, end, np.float32), offsets)
        assert (found == end).all()


# ---- by vectors


def exactly(x, queries):
    """Inner products, rounded once."""
    products = queries.astype(np.float64)[:, None] * x.astype(np.float64)
    return products.sum(axis=2).astype(np.float32)


def pool(quantizer, queries, codes, depth, mask):
    """Whether a row is among the best by estimate, for each query."""
    best = most_similar(defined(quantizer, queries, codes), depth, mask)[1]
    inside = np.zeros((len(queries), len(codes) + 1), bool)
    np.put_along_axis(inside, best, True, axis=1)
    return inside[:, :-1]


@pytest.mark.parametrize("n_bits", [1, 4])
@pytest.mark.parametrize(("k", "oversample"), [(1, 1), (3, 4), (10, 10), (100, 3), (400, 1)])
def test_reranking_returns_the_best_of_the_rows_it_considers(backend, rng, n_bits, k, oversample):
    quantizer, x, codes, queries = problem(300, 8, 24, n_bits, rng)
    quantizer.epsilon0 = 1e6  # nothing is skipped
    exact = exactly(x, queries)
    for mask in (None, rng.random(300) < 0.1):
        depth = min(300, k * oversample)
        considered = pool(quantizer, queries, codes, depth, mask)
        expected = most_similar(exact, k, considered)
        for base in (codes, quantizer.pack(codes)):
            found = quantizer.topk(
                queries, base, k, mask=mask, rerank=x, oversample=oversample, threads=1
            )
            assert_equal(found, expected)


def test_rows_that_cannot_matter_are_never_read(backend, rng):
    quantizer, x, codes, queries = problem(1000, 1, 64, 4, rng, mean=0.0)
    expected = quantizer.topk(queries, codes, 5, rerank=x, oversample=200)
    estimates, widths = quantizer.estimate(queries, codes)
    hopeless = (estimates + widths)[0] < expected.values[0, -1]
    assert hopeless.sum() > 900
    first = np.argsort(-estimates[0], kind="stable")[:32]  # these are read whatever they promise
    hopeless[first] = False
    poisoned = x.copy()
    poisoned[hopeless] = np.nan
    assert np.isnan(poisoned).any()
    found = quantizer.topk(queries, quantizer.pack(codes), 5, rerank=poisoned, oversample=200)
    assert_equal(found, expected)
    quantizer.epsilon0 = 1e6
    with pytest.raises(ValueError, match=r"rerank: row \d+ holds NaN"):
        quantizer.topk(queries, codes, 5, rerank=poisoned, oversample=200)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_vectors_are_read_from_a_memory_map_of_any_floats(backend, rng, tmp_path, dtype):
    quantizer, x, codes, queries = problem(200, 5, 20, 2, rng)
    np.save(tmp_path / "base.npy", x.astype(dtype))
    mapped = np.load(tmp_path / "base.npy", mmap_mode="r")
    expected = exactly(x.astype(dtype).astype(np.float32), queries)
    found = quantizer.topk(queries, quantizer.pack(codes), 200, rerank=mapped, oversample=1)
    assert_equal(found, most_similar(expected, 200))


def test_reranking_finds_more_true_neighbours_the_more_it_dares_to_read(backend):
    rng = np.random.default_rng(0)
    quantizer, x, codes, queries = problem(3000, 30, 48, 1, rng, mean=0.1)
    truth, shares = most_similar(exactly(x, queries), 10)[1], []
    for vectors, epsilon0 in ((None, 1.9), (x, 0.5), (x, 1.9), (x, 3.0)):
        quantizer.epsilon0 = epsilon0
        rows = quantizer.topk(queries, codes, 10, rerank=vectors, oversample=30).indices
        found = [len(set(a) & set(b)) for a, b in zip(rows.tolist(), truth.tolist(), strict=True)]
        shares.append(np.mean(found) / 10)
    assert shares[0] < 0.6 < shares[1] < 0.9 < shares[2] <= shares[3]


# ---- packed codes


@pytest.mark.parametrize("n_bits", BITS)
def test_packed_codes_grow_shrink_and_travel_with_their_floats(path, rng, n_bits):
    quantizer, _, codes, queries = problem(150, 3, 20, n_bits, rng)
    held = quantizer.pack(codes[:40])
    held.append(codes[40:])
    held.remove(7)
    expected = codes[:-1].copy()
    expected[7] = codes[-1]
    for twin in (held, pickle.loads(pickle.dumps(held)), copy.deepcopy(held)):
        assert isinstance(twin, ScanCodes)
        np.testing.assert_array_equal(twin.unpack(), expected)
        found = quantizer.estimate(queries, twin)
        assert_equal(found, quantizer.estimate(queries, expected))
        np.testing.assert_array_equal(twin.factors, expected[:, -8:-4].copy().view("<f4")[:, 0])
    assert repr(held) == f"RaBitQCodes(149 codes of 24 x {n_bits} bits)"
    assert held.n_bytes == quantizer.code_size
    assert held.nbytes == held.blocks.nbytes + 12 * 149


@pytest.mark.parametrize(
    "floats", [(np.nan, 1), (np.inf, 1), (-1, 1), (1, np.nan), (1, -1e-9), (1, np.inf)]
)
def test_rows_with_floats_that_no_encoder_writes_are_refused(backend, rng, floats):
    quantizer, _, codes, queries = problem(20, 2, 16, 4, rng)
    held, bad = quantizer.pack(codes), codes.copy()
    bad[13, -8:] = np.frombuffer(np.array(floats, "<f4").tobytes(), np.uint8)
    for call in (
        lambda: held.append(bad),
        lambda: quantizer.pack(bad),
        lambda: quantizer.topk(queries, bad, 1),
        lambda: quantizer.range(queries, bad, 1.0),
        lambda: quantizer.estimate(queries, bad),
    ):
        refused(call, ValueError, "codes: row 13 ends in [")
    np.testing.assert_array_equal(held.unpack(), codes)


def test_codes_of_another_kind_are_refused(rng):
    quantizer, _, codes, queries = problem(20, 2, 24, 2, rng)
    other = RaBitQuantizer(1, random_state=0).fit(np.ones((1, 24)))
    for foreign, kind, message in (
        (other.pack(other.encode(np.ones((2, 24)))), ValueError, "codes: expected codes of 32 x 2"),
        (BinaryCodes(codes), TypeError, "codes: expected an array of numbers, got BinaryCodes"),
        (ScanCodes(codes[:, :-8], 32, 2), TypeError, "got ScanCodes"),
        (codes[:, 1:], ValueError, "codes: expected uint8 of shape (?, 16), got uint8 (20, 15)"),
    ):
        refused(lambda foreign=foreign: quantizer.topk(queries, foreign, 1), kind, message)


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"k": 0}, ValueError, "k: expected an integer from 1"),
        ({"mask": np.ones(19, bool)}, ValueError, "mask: expected bool of shape (20,)"),
        ({"threads": 0}, ValueError, "threads: expected an integer of at least 1"),
        ({"Q": np.ones((2, 23))}, ValueError, "Q: expected floats of shape (?, 24)"),
        ({"Q": np.full((2, 24), np.inf)}, ValueError, "Q: row 0 holds an infinity"),
        ({"oversample": 0}, ValueError, "oversample: expected an integer from 1"),
        ({"rerank": np.ones((19, 24))}, ValueError, "rerank: expected a row for each of 20 codes"),
        ({"rerank": np.ones((20, 23))}, ValueError, "rerank: expected floats of shape (?, 24)"),
        ({"rerank": np.ones((20, 24), int)}, TypeError, "rerank: expected float16, bfloat16"),
        ({"rerank": np.full((20, 24), np.inf)}, ValueError, "holds an infinity"),
        ({"rerank": np.full((20, 24), 1e38), "Q": np.full((1, 24), 1e3)}, ValueError, "beyond"),
    ],
)
def test_bad_arguments_are_named(backend, rng, change, kind, message):
    quantizer, _, codes, queries = problem(20, 2, 24, 2, rng)
    arguments = {"Q": queries, "codes": codes, "k": 3} | change
    refused(lambda: quantizer.topk(**arguments), kind, message)


def test_a_bad_radius_or_a_late_bad_query_is_named(rng, monkeypatch):
    quantizer, _, codes, queries = problem(20, 9, 24, 2, rng)
    refused(lambda: quantizer.range(queries, codes, np.nan), ValueError, "radius: expected a numb")
    refused(lambda: quantizer.range(queries, codes, "far"), TypeError, "radius: expected a number")
    monkeypatch.setattr(_rabitq_base, "_QUERIES", 2)
    queries[8, 3] = np.nan
    for call in (
        lambda: quantizer.topk(queries, codes, 1),
        lambda: quantizer.estimate(queries, codes),
    ):
        refused(call, ValueError, "Q: row 8 holds NaN")
