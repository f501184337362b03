"""`ResidualQuantizer`: what it finds, what it is to others, and every refusal of it."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from cases import (
    WORST_FLOAT,
    assert_equal,
    first_k,
    numbers,
    packed,
    product_codes,
    refused,
    strided_rows,
    table_sums,
    with_row,
    within,
)
from tersevec._estimator import NotFittedError
from tersevec.pq import ResidualQuantizer, ScanCodes

METRICS = ["l2", "ip", "cosine"]


def foreign(rng, levels, d, metric="l2", n_bits=4):
    """Codebooks that halve from level to level, as learned ones do."""
    rq = ResidualQuantizer(levels, n_bits, metric=metric)
    halves = 2.0 ** -np.arange(levels)[:, None, None]
    rq.codebooks_ = halves * rng.standard_normal((levels, 2**n_bits, d))
    return rq


def signed(distances, metric):
    """Distances that ascend from best to worst."""
    return distances if metric == "l2" else -distances


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("levels", "n_bits"), [(1, 4), (7, 4), (16, 4), (7, 5), (9, 6), (2, 7), (5, 8)]
)
def test_searches_are_the_ranking_by_sums_of_the_tables_that_users_see(
    path, rng, metric, levels, n_bits
):
    rq, queries = foreign(rng, levels, 3, metric, n_bits), rng.standard_normal((9, 3))
    m = levels + 2 * (metric == "l2")
    codes = np.concatenate([product_codes(300, m, rng, n_bits)] * 2)  # every row has an equal one
    entries = rq.lookup_tables(queries)
    assert entries.shape == (9, m, 2**n_bits)
    total = table_sums(entries, numbers(codes, m, n_bits))
    mask = rng.random(600) < 0.3
    for base in (codes, strided_rows(codes), rq.pack(codes)):
        assert_equal((rq.distances(queries, base),), (total,))
        for allowed in (None, mask, rng.random((9, 600)) < 0.2):
            values, indices = first_k(signed(total, metric), 700, WORST_FLOAT, allowed)
            found = rq.topk(queries, base, 700, mask=allowed)
            assert_equal(found, (signed(values, metric), indices))
        for radius in (float(total[0, 5]), np.inf, -np.inf):
            expected = within(signed(total, metric), signed(radius, metric), mask)
            found = rq.range(queries, base, radius, mask=packed(mask))
            assert_equal(found, (*expected[:2], signed(expected[2], metric)))


@pytest.mark.parametrize("metric", METRICS)
def test_entries_are_inner_products_and_squared_lengths(path, rng, metric):
    rq, queries = foreign(rng, 3, 5, metric), rng.standard_normal((4, 5))
    entries = rq.lookup_tables(queries)
    if metric == "cosine":
        queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    products = np.einsum("qd,lkd->qlk", queries, rq.codebooks_)
    if metric != "l2":
        np.testing.assert_allclose(entries, products, rtol=0, atol=1e-6)
        return
    products *= -2
    products[:, 0] += np.square(queries).sum(axis=1)[:, None]
    np.testing.assert_allclose(entries[:, :3], products, rtol=0, atol=1e-5)
    least, largest = rq.norm_range_
    steps = np.linspace(least, largest, 256).reshape(16, 16)
    held = entries[:, 3, :, None] + entries[:, 4, None]
    np.testing.assert_allclose(held, np.broadcast_to(steps, held.shape), rtol=0, atol=1e-5)


@pytest.mark.parametrize("metric", METRICS)
def test_segments_and_their_bias_count(path, rng, metric):
    rq, queries = foreign(rng, 3, 4, metric), rng.standard_normal((5, 4))
    codes = rq.encode(rng.standard_normal((200, 4)))
    segments = np.array([[150, 190], [3, 77]])
    bias = rng.standard_normal((5, 2)).astype(np.float32)
    total, inside = rq.distances(queries, codes), np.zeros(200, bool)
    for s, (start, stop) in enumerate(segments):
        total[:, start:stop] += bias[:, s, None]
        inside[start:stop] = True
    values, indices = first_k(signed(total, metric), 9, WORST_FLOAT, inside)
    found = rq.topk(queries, rq.pack(codes), 9, segments=segments, bias=bias)
    assert_equal(found, (signed(values, metric), indices))
    radius = float(values[0, 4])
    expected = within(signed(total, metric), radius, inside)
    hits = rq.range(queries, codes, signed(radius, metric), segments=segments, bias=bias)
    assert_equal(hits, (*expected[:2], signed(expected[2], metric)))


@pytest.mark.parametrize("metric", METRICS)
def test_rounded_tables_bound_the_exact_values(path, rng, metric):
    rq, queries = foreign(rng, 6, 4, metric), rng.standard_normal((5, 4))
    codes = rq.encode(rng.standard_normal((300, 4)))
    total = rq.distances(queries, codes)
    found = rq.topk(queries, rq.pack(codes), 20, guarantee="quantised", bounds=True)
    exact = np.take_along_axis(total, found.indices, axis=1)
    assert ((found.lower <= exact) & (exact <= found.upper)).all()
    middles = rq.topk(queries, codes, 20, guarantee="quantised")
    assert_equal(middles, found[:2])


def test_more_queries_than_one_block_of_tables_answer_alike(backend, rng):
    rq, queries = foreign(rng, 5, 4), rng.standard_normal((600, 4))
    codes = rq.encode(rng.standard_normal((80, 4)))
    total = rq.distances(queries, codes)
    assert_equal(rq.topk(queries, codes, 7), first_k(total, 7, WORST_FLOAT))
    assert_equal(rq.distances(queries[333:], codes), total[333:])


@pytest.mark.parametrize("metric", METRICS)
def test_nothing_to_search_and_nothing_to_search_for(path, rng, metric):
    rq, worst = foreign(rng, 2, 3, metric), np.inf if metric == "l2" else -np.inf
    queries, none = rng.standard_normal((3, 3)), np.empty((0, 3), np.float32)
    codes = np.zeros((0, rq.code_size), np.uint8)
    for base in (codes, rq.pack(codes)):
        found = rq.topk(queries, base, 4)
        assert_equal(found, (np.full((3, 4), worst, np.float32), np.full((3, 4), -1)))
    assert rq.topk(none, rq.encode(queries), 3).indices.shape == (0, 3)
    assert rq.encode(none).shape == codes.shape
    assert rq.decode(codes).shape == (0, 3)


# ---- an estimator


def test_scikit_learn_takes_it_for_an_estimator(rng):
    base = pytest.importorskip("sklearn.base")
    validation = pytest.importorskip("sklearn.utils.validation")
    rq = ResidualQuantizer(2, 4, metric="ip", beam_width=3, random_state=5)
    twin = base.clone(rq)
    assert twin.get_params() == rq.get_params()
    with pytest.raises(NotFittedError):
        twin.codebooks_  # noqa: B018
    rq.fit(rng.standard_normal((50, 8)))
    validation.check_is_fitted(rq)
    assert not hasattr(base.clone(rq), "codebooks_")
    assert repr(rq) == (
        "ResidualQuantizer(n_levels=2, n_bits=4, metric='ip', beam_width=3, random_state=5)"
    )


def test_a_pickled_quantiser_answers_as_before(backend, rng):
    rq = foreign(rng, 3, 4)
    rq.norm_range_ = 0.25, 4.0
    x = rng.standard_normal((40, 4))
    codes = rq.encode(x)
    again, packed_codes = pickle.loads(pickle.dumps((rq, rq.pack(codes))))
    assert_equal((again.encode(x),), (codes,))
    assert_equal(again.topk(x[:3], packed_codes, 5), rq.topk(x[:3], codes, 5))
    assert not again.codebooks_.flags.writeable
    assert again.norm_range_ == (0.25, 4.0)


def test_another_metric_reads_and_writes_codes_of_its_own_size(backend, rng):
    rq = ResidualQuantizer(2, 8, metric="ip", random_state=0, max_iter=2).fit(
        rng.standard_normal((300, 4))
    )
    assert rq.code_size == 2
    assert rq.set_params(metric="l2").code_size == 4
    x = rng.standard_normal((20, 4))
    assert rq.topk(x, rq.pack(rq.encode(x)), 1).indices.shape == (20, 1)


def test_codebooks_are_copied_in_and_read_only(rng):
    books = rng.standard_normal((2, 16, 3))
    rq = ResidualQuantizer(2, 4)
    rq.codebooks_ = books
    kept = rq.codebooks_.copy()
    books[:] = 0
    np.testing.assert_array_equal(rq.codebooks_, kept)
    with pytest.raises(ValueError, match="read-only"):
        rq.codebooks_[0] = 1


# ---- what is refused

X = np.random.default_rng(0).standard_normal((100, 8))
BASE = np.zeros((9, 4), np.uint8)

REFUSED = [
    (lambda rq: ResidualQuantizer(0).fit(X), ValueError, "n_levels: expected an integer from 1"),
    (lambda rq: ResidualQuantizer(2.0).fit(X), TypeError, "n_levels: expected an integer"),
    (lambda rq: ResidualQuantizer(2, 3).fit(X), ValueError, "n_bits: expected 4, 5, 6, 7 or 8"),
    (lambda rq: ResidualQuantizer(2).fit(X), ValueError, "at least 2**n_bits = 256 rows, got 100"),
    (
        lambda rq: ResidualQuantizer(2, 4, metric="dot").fit(X),
        ValueError,
        "metric: expected one of l2, ip, cosine, got 'dot'",
    ),
    (
        lambda rq: ResidualQuantizer(2, 4, max_iter=0).fit(X),
        ValueError,
        "max_iter: expected an integer",
    ),
    (
        lambda rq: ResidualQuantizer(2, 4, beam_width=0).fit(X),
        ValueError,
        "beam_width: expected an integer from 1 to 1024, got 0",
    ),
    (
        lambda rq: ResidualQuantizer(2, 4, random_state="a").fit(X),
        TypeError,
        "random_state: expected an int",
    ),
    (
        lambda rq: ResidualQuantizer(2).encode(X),
        NotFittedError,
        "this ResidualQuantizer has no codebooks yet: call fit(X) first, or assign codebooks_",
    ),
    (
        lambda rq: setattr(ResidualQuantizer(2), "norm_range_", (0, 1)),
        NotFittedError,
        "this ResidualQuantizer has no codebooks yet",
    ),
    (
        lambda rq: rq.encode(X[:, :6]),
        ValueError,
        "X: expected floats of shape (?, 8), got float64 (100, 6)",
    ),
    (
        lambda rq: rq.topk(X[:, :6], BASE[:, :2], 1),
        ValueError,
        "Q: expected floats of shape (?, 8)",
    ),
    (lambda rq: rq.topk(X, BASE[:, :2], 0), ValueError, "k: expected an integer from 1"),
    (lambda rq: rq.topk(X, BASE, 1), ValueError, "codes: expected uint8 of shape (?, 2), got"),
    (lambda rq: rq.decode(BASE), ValueError, "codes: expected uint8 of shape (?, 2), got"),
    (
        lambda rq: rq.topk(X, ScanCodes(BASE, 8), 1),
        ValueError,
        "codes: expected ScanCodes of 4 x 4 bits, got ScanCodes(9 codes of 8 x 4 bits)",
    ),
    (lambda rq: rq.range(X, BASE[:, :2], np.nan), ValueError, "radius: expected a number, got NaN"),
    (
        lambda rq: setattr(rq, "codebooks_", np.zeros((2, 15, 8))),
        ValueError,
        "codebooks_: expected floats of shape (2, 16, d), got float64 (2, 15, 8)",
    ),
    (
        lambda rq: setattr(rq, "codebooks_", np.zeros((2, 16, 8), int)),
        TypeError,
        "codebooks_: expected floats of shape (2, 16, d), got int64",
    ),
    (
        lambda rq: setattr(rq, "codebooks_", np.full((2, 16, 8), np.inf)),
        ValueError,
        "codebooks_[0]: row 0 holds an infinity",
    ),
    (lambda rq: setattr(rq, "norm_range_", 3.0), TypeError, "norm_range_: expected two numbers"),
    (
        lambda rq: setattr(rq, "norm_range_", ("0", "1")),
        TypeError,
        "norm_range_: expected two numbers",
    ),
    (
        lambda rq: setattr(rq, "norm_range_", (2.0, 1.0)),
        ValueError,
        "norm_range_: expected two numbers, the least first, got (2.0, 1.0)",
    ),
    (lambda rq: setattr(rq, "norm_range_", (0.0, np.nan)), ValueError, "norm_range_: expected two"),
    (lambda rq: setattr(rq, "norm_range_", (0.0, np.inf)), ValueError, "norm_range_: expected two"),
    (lambda rq: rq.encode(with_row(5, np.nan)), ValueError, "X: row 5 holds NaN"),
    (lambda rq: rq.encode(with_row(5, 1e30)), ValueError, "X: row 5 holds 1e+30; beyond"),
    (
        lambda rq: ResidualQuantizer(2, 4).fit(with_row(5, -1e30)),
        ValueError,
        "scale the vectors down",
    ),
    (lambda rq: rq.topk(with_row(5, np.inf), BASE[:, :2], 1), ValueError, "Q: row 5 holds an inf"),
]


@pytest.mark.parametrize(("call", "kind", "message"), REFUSED)
def test_the_quantiser_refuses_what_it_cannot_serve(backend, call, kind, message):
    rq = ResidualQuantizer(2, 4, random_state=0, max_iter=2).fit(X)
    kept, held = rq.codebooks_, rq.norm_range_
    refused(lambda: call(rq), kind, message)
    assert rq.codebooks_ is kept
    assert rq.norm_range_ == held
