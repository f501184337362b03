"""Searches of `ProductQuantizer` beyond the plain ones: selections, bounds, codes for codes."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from cases import (
    BITS,
    WORST_FLOAT,
    assert_equal,
    first_k,
    numbers,
    packed,
    product_codes,
    selected,
    strided_rows,
    table_sums,
    within,
)
from tersevec import BoundedTopK, TopK
from tersevec.pq import ProductQuantizer

METRICS = ["l2", "ip", "cosine"]


def foreign(rng, m, ds, metric, n_bits):
    pq = ProductQuantizer(m, n_bits, metric=metric)
    pq.codebooks_ = rng.standard_normal((m, 2**n_bits, ds))
    return pq


def sign_of(metric):
    return np.float32(1 if metric == "l2" else -1)


# ---- selections


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("n_bits", BITS)
def test_segments_masks_and_biases_choose_the_rows_of_each_query(path, rng, metric, n_bits):
    m, n, nq = 5, 300, 7
    pq = foreign(rng, m, 2, metric, n_bits)
    queries, codes = rng.standard_normal((nq, 2 * m), np.float32), product_codes(n, m, rng, n_bits)
    sums = table_sums(pq.lookup_tables(queries), numbers(codes, m, n_bits))
    segments, bias = [[250, 290], [3, 3], [10, 131]], rng.standard_normal((nq, 3))
    biased, inside = selected(sums, np.array(segments), bias.astype(np.float32))
    sign, mask = sign_of(metric), rng.random((nq, n)) < 0.5
    for base in (codes, pq.pack(codes)):
        values, indices = first_k(sign * biased, 9, WORST_FLOAT, mask & inside)
        for given in (queries, queries.astype(np.float64)):
            found = pq.topk(given, base, 9, mask=packed(mask), segments=segments, bias=bias)
            assert_equal(found, (sign * values, indices))
        found = pq.topk(queries, base, 9, segments=np.uint8([[3, 200]]))
        rows = selected(sums, [[3, 200]])[1]
        expected = first_k(sign * sums, 9, WORST_FLOAT, rows)
        assert_equal(found, (sign * expected[0], expected[1]))
        radius = float(np.median(biased))
        expected = within(sign * biased, sign * np.float32(radius), mask & inside)
        found = pq.range(queries, base, radius, mask=mask, segments=segments, bias=bias)
        assert_equal(found, (*expected[:2], sign * expected[2]))


def test_many_queries_are_searched_in_batches_with_masks_and_biases_of_their_own(backend, rng):
    m, n, nq = 3, 90, 700
    pq, queries = foreign(rng, m, 2, "cosine", 4), rng.standard_normal((nq, 2 * m))
    codes, mask = product_codes(n, m, rng), rng.random((nq, n)) < 0.3
    segments, bias = np.array([[50, 90], [0, 50]]), rng.standard_normal((nq, 2), np.float32)
    sums, _ = selected(table_sums(pq.lookup_tables(queries), numbers(codes, m)), segments, bias)
    for k in (3, 2000):  # the second needs more than one batch
        found = pq.topk(queries, codes, k, mask=mask, segments=segments, bias=bias)
        expected = first_k(-sums, k, WORST_FLOAT, mask)
        assert_equal(found, (-expected[0], expected[1]))
    found = pq.range(queries, codes, 0.5, mask=mask, segments=segments, bias=bias)
    expected = within(-sums, -0.5, mask)
    assert_equal(found, (*expected[:2], -expected[2]))


# ---- bounds


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("n_bits", "m"), [(4, 1), (4, 33), (5, 6), (6, 20), (7, 3), (8, 16)])
def test_the_bounds_of_a_quantised_search_hold_for_every_row(path, rng, metric, n_bits, m):
    pq, queries = foreign(rng, m, 2, metric, n_bits), rng.standard_normal((6, 2 * m))
    n, codes = 200, product_codes(200, m, rng, n_bits)
    exact = pq.distances(queries, codes)
    for base in (codes, pq.pack(codes)):
        found = pq.topk(queries, base, n, guarantee="quantised", bounds=True)
        assert type(found) is BoundedTopK
        np.testing.assert_array_equal(np.sort(found.indices), np.arange(n) + np.zeros((6, 1), int))
        there = np.take_along_axis(exact, found.indices, axis=1)
        assert ((found.lower <= there) & (there <= found.upper)).all()
        assert ((found.lower <= found.values) & (found.values <= found.upper)).all()
        assert (np.diff(sign_of(metric) * found.values) >= 0).all()
        narrow = (found.upper - found.lower).max()
        assert m < 3 or narrow < 0.2 * np.ptp(exact)
        plain = pq.topk(queries, base, 9, guarantee="quantised")
        assert type(plain) is TopK
        assert_equal(plain, (found.values[:, :9], found.indices[:, :9]))


@pytest.mark.parametrize("metric", METRICS)
def test_quantised_searches_pad_select_and_have_no_minus_zero(path, rng, metric):
    pq, queries = foreign(rng, 4, 2, metric, 6), rng.standard_normal((5, 8))
    codes, mask = product_codes(80, 4, rng, 6), rng.random((5, 80)) < 0.4
    found = pq.topk(
        queries, codes, 50, mask=mask, segments=[[10, 60]], guarantee="quantised", bounds=True
    )
    worst = sign_of(metric) * np.inf
    for q in range(5):
        allowed = np.flatnonzero(mask[q, 10:60]) + 10
        np.testing.assert_array_equal(np.sort(found.indices[q, : len(allowed)]), allowed)
        assert (found.indices[q, len(allowed) :] == -1).all()
        for values in (found.values, found.lower, found.upper):
            assert np.isfinite(values[q, : len(allowed)]).all()
            assert (values[q, len(allowed) :] == worst).all()
    assert pq.topk(queries[:0], codes, 3, guarantee="quantised").values.shape == (0, 3)
    nothing = pq.topk(queries, codes[:0], 3, guarantee="quantised", bounds=True)
    assert (nothing.indices == -1).all()


def test_a_quantised_search_returns_nearly_the_exact_neighbours(backend, rng):
    pq, queries = foreign(rng, 32, 2, "l2", 8), rng.standard_normal((20, 64))
    codes = product_codes(3000, 32, rng, 8)
    exact, rough = pq.topk(queries, codes, 10), pq.topk(queries, codes, 10, guarantee="quantised")
    shared = [len(set(a) & set(b)) for a, b in zip(exact.indices, rough.indices, strict=True)]
    assert np.mean(shared) > 8


# ---- codes for codes


def pair_sums(pq, q_codes, codes):
    """Distances of what codes stand for, by the tables of the centroids as queries."""
    m, K, ds = pq.codebooks_.shape
    n_bits = K.bit_length() - 1
    ip = ProductQuantizer(m, n_bits, metric="l2" if pq.metric == "l2" else "ip")
    ip.codebooks_ = pq.codebooks_
    pairs = ip.lookup_tables(pq.codebooks_.transpose(1, 0, 2).reshape(K, m * ds))
    entries = pairs[numbers(q_codes, m, n_bits), np.arange(m)]
    return table_sums(entries, numbers(codes, m, n_bits))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("n_bits", "m", "ds"), [(4, 7, 1), (5, 3, 2), (6, 8, 3), (7, 1, 4), (8, 4, 3)]
)
def test_codes_search_codes_by_distances_between_centroids(path, rng, metric, n_bits, m, ds):
    pq = foreign(rng, m, ds, metric, n_bits)
    codes, q_codes = product_codes(150, m, rng, n_bits), product_codes(9, m, rng, n_bits)
    sums, sign = pair_sums(pq, q_codes, codes), sign_of(metric)
    if metric == "l2":
        apart = pq.decode(q_codes)[:, None].astype(np.float64) - pq.decode(codes)
        np.testing.assert_allclose(sums, np.square(apart).sum(axis=2), rtol=1e-5, atol=1e-4)
    mask = rng.random((9, 150)) < 0.5
    for base in (codes, strided_rows(codes), pq.pack(codes)):
        for allowed in (None, mask[0], mask):
            values, indices = first_k(sign * sums, 20, WORST_FLOAT, allowed)
            found = pq.symmetric_topk(strided_rows(q_codes), base, 20, mask=allowed)
            assert_equal(found, (sign * values, indices))
            radius = float(sums[0, 5])
            expected = within(sign * sums, sign * np.float32(radius), allowed)
            found = pq.symmetric_range(q_codes, base, radius, mask=packed(allowed))
            assert_equal(found, (*expected[:2], sign * expected[2]))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("n_bits", "n"), [(4, 0), (4, 1), (4, 70), (6, 600), (8, 300)])
def test_a_self_join_finds_every_pair_once(path, rng, metric, n_bits, n):
    m = 3
    pq, codes = foreign(rng, m, 2, metric, n_bits), product_codes(n, m, rng, n_bits)
    codes[n // 2 :] = codes[: n - n // 2]  # duplicates, also across batches
    sums, sign = pair_sums(pq, codes, codes), sign_of(metric)
    radius = float(sign * np.quantile(sign * sums, 0.02)) if n else 0.0
    behind = np.arange(n) > np.arange(n)[:, None]
    expected = within(sign * sums, float(sign) * radius, behind)
    for base in (codes, strided_rows(codes), pq.pack(codes)):
        found = pq.self_join(base, radius, threads=2)
        assert_equal(found, (*expected[:2], sign * expected[2]))
    assert n < 2 or len(found.indices) > 0


def test_a_self_join_shows_its_progress(rng, monkeypatch):
    pytest.importorskip("tqdm")
    pq, codes = foreign(rng, 2, 2, "l2", 4), product_codes(600, 2, rng)
    seen = []

    class Bar:
        def __init__(self, **options):
            seen.append(options["total"])

        def __enter__(self):
            return self

        def __exit__(self, *error):
            seen.append("closed")

        def update(self, units):
            seen.append(units)

    monkeypatch.setattr("tqdm.auto.tqdm", Bar)
    pq.self_join(codes, 0.0, progress=True)
    assert seen == [600, 256, 256, 88, "closed"]


def test_tables_between_centroids_follow_the_codebooks_and_stay_at_home(backend, rng):
    pq, codes = foreign(rng, 4, 2, "l2", 4), product_codes(30, 4, rng)
    before, empty = pq.symmetric_topk(codes, codes, 5), len(pickle.dumps(pq))
    assert_equal(pickle.loads(pickle.dumps(pq)).symmetric_topk(codes, codes, 5), before)
    assert empty < 4 * 4 * 16 * 2 + 2000
    pq.metric = "ip"
    similar = pq.symmetric_topk(codes, codes, 5)
    assert_equal(similar, first_similar(pair_sums(pq, codes, codes), 5))
    pq.metric = "l2"
    pq.codebooks_ = 2 * pq.codebooks_
    doubled = pq.symmetric_topk(codes, codes, 5)
    np.testing.assert_array_equal(doubled.values, 4 * before.values)


def first_similar(sums, k):
    values, indices = first_k(-sums, k, WORST_FLOAT)
    return -values, indices


@pytest.mark.parametrize("metric", METRICS)
def test_symmetric_similarities_that_are_zero_have_no_sign(path, metric):
    pq = ProductQuantizer(2, 6, metric=metric)
    pq.codebooks_ = np.zeros((2, 64, 2))
    codes = np.zeros((5, 2), np.uint8)
    for values in (
        pq.symmetric_topk(codes, codes, 3).values,
        pq.symmetric_range(codes, codes, -0.0).values,
        pq.self_join(codes, 0.0).values,
    ):
        assert values.size
        assert not np.signbit(values).any()
