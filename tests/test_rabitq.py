"""`RaBitQuantizer`: what its codes are, and how near its estimates come."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from cases import numbers, refused, strided_rows, with_row
from tersevec import _rabitq, _rabitq_codes
from tersevec._estimator import NotFittedError
from tersevec.binary import RaBitQuantizer

BITS = (1, 2, 3, 4, 5, 6, 7, 8)


def embeddings(n, d, seed=0):
    """Rows of several lengths around a mean that is not zero."""
    g = np.random.default_rng(seed)
    x = g.standard_normal((n, d)) * np.linspace(2, 0.2, d) + 0.3
    return (x * g.uniform(0.5, 2, (n, 1)) / np.sqrt(d)).astype(np.float32)


def parts(quantizer, codes):
    """The integers of code rows, by definition, and the floats behind them."""
    m, n_bits = quantizer.n_components_, (codes.shape[1] - 8) * 8 // quantizer.n_components_
    integers = 2 * numbers(codes[:, :-8], m, n_bits).astype(np.int64) - (2**n_bits - 1)
    floats = np.frombuffer(codes[:, -8:].tobytes(), "<f4").reshape(-1, 2)
    return integers, floats


def residuals(quantizer, x):
    return quantizer._rotation.forward(x - quantizer.mean_)


# ---- codes


@pytest.mark.parametrize("n_bits", BITS)
def test_a_code_holds_the_integers_nearest_to_its_direction_and_two_floats(backend, n_bits):
    x = embeddings(60, 24)
    quantizer = RaBitQuantizer(n_bits, random_state=0).fit(x)
    codes = quantizer.encode(x)
    assert (codes.dtype, codes.shape) == (np.uint8, (60, 4 * n_bits + 8))
    assert quantizer.code_size == codes.shape[1]
    integers, floats = parts(quantizer, codes)
    r = residuals(quantizer, x).astype(np.float64)
    assert (integers * r >= 0).all()
    product, length = (r * integers).sum(axis=1), np.linalg.norm(r, axis=1)
    cosine = product / length / np.linalg.norm(integers, axis=1)
    np.testing.assert_allclose(floats[:, 0], length**2 / product, rtol=1e-6)
    deviation = length * np.sqrt(np.maximum(1 / cosine**2 - 1, 0) / (r.shape[1] - 1))
    np.testing.assert_allclose(floats[:, 1], deviation, rtol=1e-4)


@pytest.mark.parametrize(("n_bits", "slack"), [(2, 0.002), (3, 0.004), (4, 0.01), (6, 0.04)])
@pytest.mark.parametrize("d", [40, 200])
def test_the_step_of_a_row_is_nearly_the_best_of_all(n_bits, slack, d):
    """Against every step at which any number of a row changes."""
    r = np.random.default_rng(d).standard_normal((20, d)).astype(np.float32)
    found = 2.0 * _rabitq_codes.nearest_numbers(r, n_bits) - (2**n_bits - 1)
    reached, best, levels = [], [], 2 ** (n_bits - 1)
    for row, integers in zip(np.abs(r).astype(np.float64), np.abs(found), strict=True):
        scales = (np.arange(1, levels) / row[:, None]).ravel() * (1 + 1e-9)
        grids = np.minimum(np.floor(row * np.append(0, scales)[:, None]), levels - 1) + 0.5
        best.append(tangents(grids, row).min())
        reached.append(tangents(integers[None], row).item())
    assert np.mean(best) <= np.mean(reached) <= (1 + slack) * np.mean(best)


def tangents(grids, row):
    """Of the angles between grid points and a row: what errors are proportional to."""
    cosines = grids @ row / np.linalg.norm(grids, axis=1) / np.linalg.norm(row)
    return np.sqrt(1 / cosines**2 - 1)


@pytest.mark.parametrize("n_bits", BITS)
def test_decoded_vectors_lie_as_near_as_the_bits_allow(backend, n_bits):
    x = embeddings(300, 64)
    quantizer = RaBitQuantizer(n_bits, random_state=1).fit(x)
    decoded = quantizer.decode(quantizer.encode(x))
    assert (decoded.dtype, decoded.shape) == (np.float32, x.shape)
    error = np.linalg.norm(decoded - x, axis=1) / np.linalg.norm(x - quantizer.mean_, axis=1)
    most = {1: 0.75, 2: 0.36, 3: 0.19, 4: 0.1, 5: 0.06, 6: 0.03, 7: 0.02, 8: 0.01}[n_bits]
    assert 0.3 * most < error.mean() < most


def test_rows_of_the_mean_and_rows_on_the_grid_have_no_error(backend):
    x = np.zeros((4, 6), np.float32)
    x[0] = x[1] = 3
    quantizer = RaBitQuantizer(2, random_state=0).fit(x)
    x[:] = quantizer.mean_
    codes = quantizer.encode(x)
    np.testing.assert_array_equal(parts(quantizer, codes)[1], np.zeros((4, 2)))
    np.testing.assert_array_equal(quantizer.decode(codes), x)
    estimates, widths = quantizer.estimate(np.eye(6), codes)
    np.testing.assert_allclose(estimates, np.eye(6) @ x.T, rtol=1e-6)
    assert not widths.any()
    one = RaBitQuantizer(1, n_components=1, random_state=0).fit([[2.0], [4.0]])
    estimates, widths = one.estimate([[3.0]], one.encode([[2.5], [-7.0]]))
    np.testing.assert_allclose(estimates, [[7.5, -21]])
    assert not one.encode([[2.5]])[:, -4:].any()
    assert (widths < 1e-5).all()


@pytest.mark.parametrize("n_bits", [1, 4, 7])
def test_no_code_depends_on_its_batch_or_on_the_type_of_its_floats(backend, n_bits, monkeypatch):
    x = embeddings(80, 30).astype(np.float16).astype(np.float32)
    quantizer = RaBitQuantizer(n_bits, random_state=0).fit(x)
    codes = quantizer.encode(x)
    alone = np.concatenate([quantizer.encode(row[None]) for row in x])
    np.testing.assert_array_equal(alone, codes)
    for same in (x.astype(np.float16), x.astype(np.float64), strided_rows(x), np.asfortranarray(x)):
        np.testing.assert_array_equal(quantizer.encode(same), codes)
    monkeypatch.setattr(_rabitq, "_NUMBERS", 100)
    np.testing.assert_array_equal(quantizer.encode(x), codes)
    np.testing.assert_array_equal(quantizer.encode(x[:0]), codes[:0])


# ---- estimates


def share_inside(quantizer, queries, x):
    estimates, widths = quantizer.estimate(queries, quantizer.encode(x))
    errors = np.abs(estimates - queries.astype(np.float64) @ x.T)
    return np.mean(errors <= widths), errors, widths


@pytest.mark.parametrize(("epsilon0", "share"), [(1.0, 0.683), (1.9, 0.943), (3.0, 0.9973)])
@pytest.mark.parametrize("n_bits", BITS)
def test_half_widths_hold_the_share_that_a_normal_number_has(backend, n_bits, epsilon0, share):
    x, queries = embeddings(400, 96), embeddings(60, 96, seed=1)
    quantizer = RaBitQuantizer(n_bits, epsilon0=epsilon0, random_state=3).fit(x)
    inside, errors, widths = share_inside(quantizer, queries, x)
    assert abs(inside - share) < 0.012
    assert 0.7 < epsilon0 * errors.std() / widths.mean() < 1.4


def test_half_widths_shrink_with_bits_and_components(backend):
    x, queries = embeddings(200, 96), embeddings(30, 96, seed=1)
    widths = [
        share_inside(RaBitQuantizer(n_bits, random_state=0).fit(x), queries, x)[2].mean()
        for n_bits in BITS[:-1]
    ]
    assert (np.diff(widths) < -0.4 * np.array(widths[:-1])).all()
    wider = RaBitQuantizer(1, n_components=384, random_state=0).fit(x)
    inside, _, width = share_inside(wider, queries, x)
    assert abs(inside - 0.943) < 0.015
    assert 0.45 < width.mean() / widths[0] < 0.6


@pytest.mark.parametrize("n_bits", [1, 2, 4])
def test_estimates_are_unbiased_over_rotations(n_bits):
    """One sparse vector and one query, thousands of rotations: the mean error is noise."""
    x, query = np.zeros((1, 24), np.float32), np.zeros((1, 24), np.float32)
    x[0, :2], query[0, 1:5] = (0.8, 0.6), 0.5
    rng, errors = np.random.default_rng(0), []
    for _ in range(2000):
        quantizer = RaBitQuantizer(n_bits, random_state=rng).fit(np.zeros((1, 24)))
        errors.append(quantizer.estimate(query, quantizer.encode(x))[0].item() - 0.3)
    assert abs(np.mean(errors)) < 3.5 * np.std(errors) / 2000**0.5
    assert np.std(errors) > 0.003


def test_a_vectors_estimate_of_itself_is_exact_but_for_the_querys_rounding(backend):
    x = embeddings(50, 40)
    quantizer = RaBitQuantizer(1, random_state=0).fit(x)
    r = x - quantizer.mean_
    estimates = quantizer.estimate(r, quantizer.encode(x))[0].diagonal()
    exact = (r.astype(np.float64) * x).sum(axis=1)
    assert np.abs(estimates - exact).max() < 0.005 * (r**2).sum(axis=1).max()


@pytest.mark.parametrize("power", [-45, 45])
def test_vectors_of_any_scale_are_estimated_as_well(backend, power):
    x, queries = embeddings(200, 40), embeddings(20, 40, seed=1)
    quantizer = RaBitQuantizer(3, random_state=0)
    codes, scale = quantizer.fit(x).encode(x), np.float32(2.0**power)
    estimates, widths = quantizer.estimate(queries, codes)
    scaled_codes = quantizer.fit(x * scale).encode(x * scale)
    np.testing.assert_array_equal(scaled_codes[:, :-8], codes[:, :-8])
    found = quantizer.estimate(queries / scale, scaled_codes)
    np.testing.assert_array_equal(found[0], estimates)
    np.testing.assert_allclose(found[1], widths, rtol=1e-6)


# ---- the estimator


def test_a_fitted_quantizer_survives_pickle_and_clone(backend):
    base = pytest.importorskip("sklearn.base")
    x = embeddings(50, 12)
    quantizer = RaBitQuantizer(2, epsilon0=2.5, random_state=7).fit(x)
    codes = quantizer.encode(x)
    for twin in (pickle.loads(pickle.dumps(quantizer)), copy.deepcopy(quantizer)):
        np.testing.assert_array_equal(twin.encode(x), codes)
        np.testing.assert_array_equal(twin.estimate(x, codes), quantizer.estimate(x, codes))
    clone = base.clone(quantizer)
    assert repr(clone) == "RaBitQuantizer(n_bits=2, epsilon0=2.5, random_state=7)"
    assert not clone.__sklearn_is_fitted__()
    np.testing.assert_array_equal(clone.fit(x).encode(x), codes)
    assert (RaBitQuantizer(2, random_state=8).fit(x).encode(x) != codes).any()


def test_the_mean_is_that_of_the_training_rows_and_read_only(backend):
    x = embeddings(5000, 300)
    quantizer = RaBitQuantizer(1, random_state=0).fit(x.astype(np.float64))
    np.testing.assert_allclose(quantizer.mean_, x.mean(axis=0, dtype=np.float64), rtol=1e-6)
    assert (quantizer.n_features_in_, quantizer.n_components_) == (300, 328)
    assert quantizer.code_size == 41 + 8
    with pytest.raises(ValueError, match="read-only"):
        quantizer.mean_[0] = 1


@pytest.mark.parametrize(
    ("d", "n_components", "expected"), [(1, None, 8), (88, None, 96), (384, None, 416), (5, 5, 5)]
)
def test_components_are_a_twelfth_more_than_dimensions(d, n_components, expected):
    quantizer = RaBitQuantizer(4, n_components=n_components).fit(np.ones((1, d)))
    assert quantizer.n_components_ == expected


def test_parameters_count_from_the_next_fit_on_but_epsilon0_at_once(backend):
    x = embeddings(40, 16)
    quantizer = RaBitQuantizer(2, random_state=0).fit(x)
    codes, widths = quantizer.encode(x), quantizer.estimate(x, quantizer.encode(x))[1]
    quantizer.set_params(n_bits=4, epsilon0=3.8)
    np.testing.assert_array_equal(quantizer.encode(x), codes)
    np.testing.assert_allclose(quantizer.estimate(x, codes)[1], 2 * widths, rtol=1e-6)
    assert quantizer.fit(x).code_size == 24 // 2 + 8


X = np.random.default_rng(0).standard_normal((100, 8))

REFUSALS = [
    (lambda q: RaBitQuantizer(0).fit(X), ValueError, "n_bits: expected an integer from 1 to 8"),
    (lambda q: RaBitQuantizer(9).fit(X), ValueError, "n_bits: expected an integer from 1 to 8"),
    (lambda q: RaBitQuantizer(2.0).fit(X), TypeError, "n_bits: expected an integer"),
    (
        lambda q: RaBitQuantizer(2, epsilon0=-1).fit(X),
        ValueError,
        "epsilon0: expected a finite number of at least 0, got -1",
    ),
    (lambda q: RaBitQuantizer(2, epsilon0=np.nan).fit(X), ValueError, "epsilon0: expected a fin"),
    (lambda q: RaBitQuantizer(2, epsilon0="2").fit(X), TypeError, "epsilon0: expected a number"),
    (
        lambda q: RaBitQuantizer(2, n_components=7).fit(X),
        ValueError,
        "X: expected at most n_components=7 dimensions, got 8",
    ),
    (
        lambda q: RaBitQuantizer(2, n_components=2**16 + 1).fit(X),
        ValueError,
        "n_components: expected an integer from 1 to 65536",
    ),
    (
        lambda q: RaBitQuantizer(2).fit(np.ones((1, 60_500))),
        ValueError,
        "X: expected dimensions for at most 65536 components, got 60500",
    ),
    (
        lambda q: RaBitQuantizer(2, random_state="a").fit(X),
        TypeError,
        "random_state: expected an int, a numpy.random.Generator or None, got 'a'",
    ),
    (lambda q: RaBitQuantizer(2).fit(X[:0]), ValueError, "X: expected at least 1 row, got 0"),
    (lambda q: RaBitQuantizer(2).fit(X[0]), ValueError, "X: expected floats of shape (?, ?)"),
    (lambda q: RaBitQuantizer(2).fit(with_row(41, np.nan)), ValueError, "X: row 41 holds NaN"),
    (lambda q: q.encode(with_row(7, np.inf)), ValueError, "X: row 7 holds an infinity"),
    (lambda q: q.encode(with_row(7, 3e38)), ValueError, "X: row 7 holds 3e+38; beyond"),
    (lambda q: q.encode(X[:, :7]), ValueError, "X: expected floats of shape (?, 8)"),
    (lambda q: q.encode(X.astype(int)), TypeError, "X: expected float16, bfloat16, float32 or"),
    (lambda q: q.estimate(with_row(3, np.nan), q.encode(X)), ValueError, "Q: row 3 holds NaN"),
    (lambda q: q.decode(np.zeros((2, 13), np.uint8)), ValueError, "codes: expected uint8 of shape"),
    (
        lambda q: q.estimate(X, np.full((2, 12), 255, np.uint8)),
        ValueError,
        "codes: row 0 ends in [nan, nan], where encode writes two finite numbers",
    ),
    *(
        (call, NotFittedError, "this RaBitQuantizer has no rotation yet: call fit(X) first")
        for call in (
            lambda q: RaBitQuantizer(2).encode(X),
            lambda q: RaBitQuantizer(2).decode(X),
            lambda q: RaBitQuantizer(2).pack(X),
            lambda q: RaBitQuantizer(2).estimate(X, X),
            lambda q: RaBitQuantizer(2).topk(X, X, 1),
            lambda q: RaBitQuantizer(2).range(X, X, 1.0),
            lambda q: RaBitQuantizer(2).mean_,
            lambda q: RaBitQuantizer(2).code_size,
        )
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), REFUSALS)
def test_refusals_name_what_is_wrong(call, error, message):
    quantizer = RaBitQuantizer(2, random_state=0).fit(X)
    refused(lambda: call(quantizer), error, message)
