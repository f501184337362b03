"""`ProductQuantizer`: what it learns, writes, reads and finds."""

from __future__ import annotations

import pickle

import ml_dtypes
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
    strided_rows,
    table_sums,
    within,
)
from tersevec import _backend, _numpy
from tersevec._estimator import NotFittedError
from tersevec.pq import ProductQuantizer

METRICS = ["l2", "ip", "cosine"]


def clustered(rng, n, d):
    """Vectors around 40 centres, so that there is something to learn."""
    centres = 3 * rng.standard_normal((40, d))
    return (centres[rng.integers(0, 40, n)] + rng.standard_normal((n, d))).astype(np.float32)


def foreign(rng, m, ds, metric="l2", n_bits=4):
    pq = ProductQuantizer(m, n_bits, metric=metric)
    pq.codebooks_ = rng.standard_normal((m, 2**n_bits, ds))
    return pq


def signed(distances, metric):
    """Distances that ascend from best to worst."""
    return distances if metric == "l2" else -distances


def loss(pq, x):
    return float(np.square(x - pq.decode(pq.encode(x)), dtype=np.float64).mean())


# ---- fit


@pytest.mark.parametrize(("m", "n_bits"), [(2, 4), (8, 4), (2, 6), (4, 8)])
def test_fitted_codebooks_lose_far_less_than_random_rows_do(backend, rng, m, n_bits):
    x, K = clustered(rng, 3000, 16), 2**n_bits
    fitted, chosen = ProductQuantizer(m, n_bits, random_state=0).fit(x), ProductQuantizer(m, n_bits)
    chosen.codebooks_ = x[:K].reshape(K, m, 16 // m).transpose(1, 0, 2)
    assert loss(fitted, x) < 0.8 * loss(chosen, x)
    once = ProductQuantizer(m, n_bits, random_state=0, max_iter=1).fit(x)
    assert loss(fitted, x) < loss(once, x)


@pytest.mark.parametrize("metric", METRICS)
def test_a_seed_gives_the_same_codebooks_on_every_path_and_number_of_threads(
    path, monkeypatch, metric
):
    x = clustered(np.random.default_rng(1), 700, 12)
    with monkeypatch.context() as twins:
        twins.setattr(_backend, "pick", lambda family, *arrays: getattr(_numpy, family))
        expected = ProductQuantizer(3, metric=metric, random_state=7, max_iter=6).fit(x)
    for threads in (1, 2, 5):
        pq = ProductQuantizer(3, metric=metric, random_state=7, max_iter=6)
        assert_equal((pq.fit(x, threads=threads).codebooks_,), (expected.codebooks_,))
    generator = np.random.default_rng(7)
    pq = ProductQuantizer(3, metric=metric, random_state=generator, max_iter=6).fit(x)
    assert_equal((pq.codebooks_,), (expected.codebooks_,))


def test_other_seeds_start_elsewhere(backend, rng):
    x = clustered(rng, 500, 8)
    first, second = (ProductQuantizer(2, random_state=seed).fit(x) for seed in (0, 1))
    assert not np.array_equal(first.codebooks_, second.codebooks_)


def test_fit_returns_the_quantiser_and_changes_nothing_it_was_given(backend, rng):
    x = clustered(rng, 100, 8)
    kept, pq = x.copy(), ProductQuantizer(4, random_state=3)
    parameters = pq.get_params()
    assert pq.fit(x) is pq
    np.testing.assert_array_equal(x, kept)
    assert pq.get_params() == parameters
    assert (pq.n_features_in_, pq.code_size, pq.codebooks_.shape) == (8, 2, (4, 16, 2))


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ml_dtypes.bfloat16])
def test_other_floats_are_learned_and_encoded_as_their_float32_values(backend, rng, dtype):
    x = clustered(rng, 300, 12).astype(dtype)
    wide = x.astype(np.float32)
    fitted = ProductQuantizer(3, random_state=0).fit(x)
    expected = ProductQuantizer(3, random_state=0).fit(wide)
    assert_equal((fitted.codebooks_,), (expected.codebooks_,))
    for given_x in (x, np.asfortranarray(x), np.repeat(x, 2, axis=0)[::2]):
        assert_equal((fitted.encode(given_x),), (expected.encode(wide),))


@pytest.mark.parametrize(
    "x",
    [
        np.zeros((50, 8)),
        np.full((50, 8), 3.0),
        np.repeat(np.arange(24.0).reshape(3, 8), 20, axis=0),
        np.eye(16, 8),
        np.tile([1.0, 0.0], (40, 4)) * np.arange(40)[:, None],
    ],
    ids=["zeros", "constant", "three distinct rows", "as many rows as centroids", "dead columns"],
)
@pytest.mark.parametrize("metric", METRICS)
def test_degenerate_rows_are_learned_without_a_nan(backend, x, metric):
    pq = ProductQuantizer(4, metric=metric, random_state=0).fit(x)
    assert np.isfinite(pq.codebooks_).all()
    assert np.isfinite(pq.decode(pq.encode(x))).all()
    if metric == "l2" and len(np.unique(x, axis=0)) <= 16:
        np.testing.assert_allclose(pq.decode(pq.encode(x)), x, rtol=1e-5)


@pytest.mark.parametrize("scale", [1e-40, 1e-20, 1e17])
def test_very_small_and_very_large_numbers_are_learned(backend, rng, scale):
    x = clustered(rng, 200, 8) * np.float64(scale)
    pq = ProductQuantizer(4, random_state=0).fit(x)
    assert np.isfinite(pq.codebooks_).all()
    assert np.isfinite(pq.topk(x[:3], pq.encode(x), 3).values).all()


# ---- encode, decode


@pytest.mark.parametrize("n_bits", BITS)
@pytest.mark.parametrize("m", [1, 3, 8])
def test_encode_picks_a_nearest_centroid_and_decode_returns_it(path, rng, m, n_bits):
    pq, x = foreign(rng, m, 4, n_bits=n_bits), rng.standard_normal((200, 4 * m), dtype=np.float32)
    codes = pq.encode(x)
    parts, books = x.reshape(200, m, 1, 4).astype(np.float64), pq.codebooks_.astype(np.float64)
    exact = np.square(parts - books).sum(axis=3)
    ids = numbers(codes, m, n_bits)
    chosen = np.take_along_axis(exact, ids[:, :, None].astype(np.int64), axis=2)[:, :, 0]
    np.testing.assert_allclose(chosen, exact.min(axis=2), rtol=0, atol=1e-5)
    decoded = pq.decode(codes).reshape(200, m, 4)
    np.testing.assert_array_equal(decoded, pq.codebooks_[np.arange(m), ids])


@pytest.mark.parametrize(("n_bits", "size", "last"), [(4, 3, 16), (5, 4, 2), (6, 4, 64), (7, 5, 8)])
def test_bits_that_pad_a_row_are_zero(path, rng, n_bits, size, last):
    pq = foreign(rng, 5, 2, n_bits=n_bits)
    codes = pq.encode(rng.standard_normal((50, 10)))
    assert codes.shape == (50, pq.code_size) == (50, size)
    assert (codes[:, -1] < last).all()


def test_cosine_ignores_lengths_and_takes_rows_of_zeros(path, rng):
    pq, x = foreign(rng, 3, 4, "cosine"), rng.standard_normal((40, 12))
    lengths = np.exp2(rng.integers(-8, 8, (40, 1)))  # powers of two: no rounding
    np.testing.assert_array_equal(pq.encode(x), pq.encode(x * lengths))
    assert np.isfinite(pq.distances(np.zeros((1, 12)), pq.encode(x))).all()
    tables = pq.lookup_tables(np.zeros((1, 12)))
    np.testing.assert_array_equal(tables, np.zeros((1, 3, 16)))


# ---- search


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("m", "n_bits"), [(1, 4), (7, 4), (16, 4), (7, 5), (9, 6), (2, 7), (5, 8)])
def test_searches_are_the_ranking_by_sums_of_the_tables_that_users_see(
    path, rng, metric, m, n_bits
):
    pq, queries = foreign(rng, m, 3, metric, n_bits), rng.standard_normal((9, 3 * m))
    codes = np.concatenate([product_codes(300, m, rng, n_bits)] * 2)  # every row has an equal one
    sums = table_sums(pq.lookup_tables(queries), numbers(codes, m, n_bits))
    mask = rng.random(600) < 0.3
    for base in (codes, strided_rows(codes), pq.pack(codes)):
        assert_equal((pq.distances(queries, base),), (sums,))
        for allowed in (None, mask):
            values, indices = first_k(signed(sums, metric), 700, WORST_FLOAT, allowed)
            found = pq.topk(queries, base, 700, mask=allowed)
            assert_equal(found, (signed(values, metric), indices))
        for radius in (float(sums[0, 5]), np.inf, -np.inf):
            expected = within(signed(sums, metric), signed(radius, metric), mask)
            found = pq.range(queries, base, radius, mask=packed(mask))
            assert_equal(found, (*expected[:2], signed(expected[2], metric)))


@pytest.mark.parametrize("metric", METRICS)
def test_similarities_that_are_zero_have_no_sign(path, metric):
    pq = ProductQuantizer(2, metric=metric)
    pq.codebooks_ = np.zeros((2, 16, 2))
    codes = np.zeros((5, 1), np.uint8)
    for values in (
        pq.topk([[1.0, -1.0, 0.0, 2.0]], codes, 3).values,
        pq.distances([[-1.0, -1.0, -3.0, -2.0]], codes),
        pq.range([[1.0, -1.0, 0.0, 2.0]], codes, np.inf if metric == "l2" else -0.0).values,
    ):
        assert values.size
        assert not np.signbit(values).any()


def test_a_radius_of_float64_is_not_rounded_up(path, rng):
    pq = ProductQuantizer(1)
    pq.codebooks_ = np.arange(16.0).reshape(1, 16, 1)
    codes = np.uint8([[1]])
    just_below_one = 1 - 1e-12  # float32 would round it to 1
    assert pq.range([[0.0]], codes, just_below_one).indices.tolist() == []
    assert pq.range([[0.0]], codes, 1.0).indices.tolist() == [0]
    similar = ProductQuantizer(1, metric="ip")
    similar.codebooks_ = pq.codebooks_
    assert similar.range([[1.0]], codes, 1 + 1e-12).indices.tolist() == []
    assert similar.range([[1.0]], codes, 1.0).indices.tolist() == [0]


@pytest.mark.parametrize(
    ("metric", "worst"), [("l2", np.inf), ("ip", -np.inf), ("cosine", -np.inf)]
)
def test_missing_results_are_padded_with_the_worst_value(path, rng, metric, worst):
    pq, queries = foreign(rng, 2, 2, metric), rng.standard_normal((3, 4))
    for codes in (np.zeros((0, 1), np.uint8), np.zeros((9, 1), np.uint8)):
        for base in (codes, pq.pack(codes)):
            found = pq.topk(queries, base, 4, mask=np.zeros(len(codes), bool))
            expected = (np.full((3, 4), worst, np.float32), np.full((3, 4), -1))
            assert_equal(found, expected)
            assert pq.range(queries, codes[:0], 1.0).offsets.tolist() == [0] * 4


def test_no_queries_give_no_rows(path, rng):
    pq, codes = foreign(rng, 2, 2), np.zeros((9, 1), np.uint8)
    none = np.empty((0, 4), np.float32)
    found = pq.topk(none, codes, 3)
    assert found.values.shape == found.indices.shape == (0, 3)
    assert pq.range(none, codes, 3).offsets.tolist() == [0]
    assert pq.distances(none, codes).shape == (0, 9)
    assert pq.lookup_tables(none).shape == (0, 2, 16)
    assert pq.encode(none).shape == (0, 1)
    assert pq.decode(codes[:0]).shape == (0, 4)


def test_more_queries_than_one_block_of_tables_answer_alike(backend, rng):
    pq, queries = foreign(rng, 5, 2), rng.standard_normal((600, 10))
    codes = product_codes(80, 5, rng)
    found = pq.topk(queries, codes, 7)
    sums = table_sums(pq.lookup_tables(queries), numbers(codes, 5))
    assert_equal(found, first_k(sums, 7, WORST_FLOAT))
    hits = pq.range(queries, codes, float(sums[599, 0]))
    assert_equal(hits, within(sums, float(sums[599, 0])))


def test_all_queries_are_checked_before_the_first_is_searched(rng, monkeypatch):
    pq, queries = foreign(rng, 5, 2), rng.standard_normal((600, 10))
    queries[599, 3] = np.nan

    class Untouched:
        def __getattr__(self, name):
            return lambda *arguments: pytest.fail(f"{name} was called")

    monkeypatch.setattr(_backend, "pick", lambda family, *arrays: Untouched())
    for search in (pq.topk, pq.range):
        with pytest.raises(ValueError, match="Q: row 599 holds NaN"):
            search(queries, product_codes(80, 5, rng), 3)
    with pytest.raises(ValueError, match="Q: row 599 holds NaN"):
        pq.distances(queries, product_codes(80, 5, rng))


# ---- an estimator, and codes that travel


def test_scikit_learn_takes_it_for_an_estimator(rng):
    base = pytest.importorskip("sklearn.base")
    validation = pytest.importorskip("sklearn.utils.validation")
    pq = ProductQuantizer(4, metric="ip", max_iter=3, random_state=5)
    twin = base.clone(pq)
    assert twin is not pq
    assert twin.get_params() == pq.get_params()
    with pytest.raises(NotFittedError):
        twin.codebooks_  # noqa: B018
    pq.fit(clustered(rng, 50, 8))
    validation.check_is_fitted(pq)
    assert not hasattr(base.clone(pq), "codebooks_")


def test_parameters_are_stored_unchanged_read_and_set_by_name():
    state = np.random.default_rng(0)
    pq = ProductQuantizer(8, metric="ip", random_state=state)
    assert pq.random_state is state
    assert pq.get_params() == {
        "n_subspaces": 8,
        "n_bits": 4,
        "metric": "ip",
        "rotation": None,
        "loss": "reconstruction",
        "max_iter": 25,
        "random_state": state,
    }
    assert pq.set_params(max_iter=2) is pq
    assert pq.max_iter == 2
    assert repr(ProductQuantizer(8)) == "ProductQuantizer(n_subspaces=8)"
    assert repr(ProductQuantizer(8, metric="ip")) == "ProductQuantizer(n_subspaces=8, metric='ip')"


def test_a_pickled_quantiser_answers_as_before(backend, rng):
    pq, queries = foreign(rng, 6, 2), rng.standard_normal((3, 12))
    codes = pq.pack(product_codes(100, 6, rng))
    again, codes_again = pickle.loads(pickle.dumps((pq, codes)))
    assert_equal(again.topk(queries, codes_again, 5), pq.topk(queries, codes, 5))
    assert not again.codebooks_.flags.writeable
    assert repr(again) == repr(pq)


def test_codebooks_are_copied_in_and_read_only(rng):
    books = rng.standard_normal((2, 16, 3))
    pq = ProductQuantizer(2)
    pq.codebooks_ = books
    kept = pq.codebooks_.copy()
    books[:] = 0
    np.testing.assert_array_equal(pq.codebooks_, kept)
    with pytest.raises(ValueError, match="read-only"):
        pq.codebooks_[0] = 1
