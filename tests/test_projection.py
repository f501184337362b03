"""Sparse random projections: scikit-learn's meaning, on every path and for every kind of rows."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from tersevec.binary import pack_bits, unpack_bits
from tersevec.projection import SparseRandomProjection, johnson_lindenstrauss_min_dim

sparse = pytest.importorskip("scipy.sparse")
random_projection = pytest.importorskip("sklearn.random_projection")


def rows(n, d, rng):
    return rng.standard_normal((n, d), dtype=np.float32)


@pytest.mark.parametrize(("density", "d"), [("auto", 100), (1 / 3, 40), (1, 30), (0.05, 300)])
def test_transform_is_the_product_with_the_components(path, rng, density, d):
    x = rows(70, d, rng)
    projection = SparseRandomProjection(24, density=density, random_state=1).fit(x)
    matrix = projection.components_.toarray()
    assert matrix.shape == (projection.n_components_, projection.n_features_in_) == (24, d)
    sizes = np.unique(np.abs(matrix[matrix != 0]))
    assert sizes == np.float32((projection.density_ * 24) ** -0.5)
    wanted = d**-0.5 if density == "auto" else density
    assert abs(projection.density_ - wanted) <= 2**-15
    np.testing.assert_allclose(projection.transform(x), x @ matrix.T, atol=2e-5)


def test_squared_lengths_are_kept_on_average(path, rng):
    x = rows(200, 400, rng)
    y = SparseRandomProjection(300, random_state=3).fit_transform(x)
    ratio = (y**2).sum(axis=1) / (x**2).sum(axis=1)
    assert abs(ratio.mean() - 1) < 0.03
    assert 0.5 * (2 / 300) ** 0.5 < ratio.std() < 2 * (2 / 300) ** 0.5


@pytest.mark.parametrize("n_features", [500, 2000])
def test_the_matrix_has_the_moments_of_scikit_learns(rng, n_features):
    ours = SparseRandomProjection(500, random_state=0).fit(np.zeros((2, n_features), "f4"))
    theirs = random_projection.SparseRandomProjection(500, random_state=0)
    theirs.fit(np.zeros((2, n_features)))
    assert ours.density_ == pytest.approx(theirs.density_, abs=2**-15)
    for moment in (1, 2):
        found, wanted = ((m.components_.toarray() ** moment).mean() for m in (ours, theirs))
        assert found == pytest.approx(wanted, abs=6 * (theirs.density_ / 500 / n_features) ** 0.5)


def test_every_kind_of_rows_gives_the_same_numbers(path, rng):
    x = rng.integers(-3, 4, (130, 50)).astype(np.int8)
    projection = SparseRandomProjection(16, random_state=0).fit(x)
    expected = projection.transform(x)
    for dtype in ("float16", "float32", "float64", "bfloat16"):
        other = x.astype(
            pytest.importorskip("ml_dtypes").bfloat16 if dtype == "bfloat16" else dtype
        )
        np.testing.assert_array_equal(projection.transform(other), expected)
    for kind in (sparse.csr_array, sparse.csc_matrix, sparse.coo_array):
        for dtype in ("int8", "float32", "float64"):
            np.testing.assert_array_equal(projection.transform(kind(x.astype(dtype))), expected)
    for threads in (1, 3):
        np.testing.assert_array_equal(
            projection.transform(x[5:77], threads=threads), expected[5:77]
        )
    np.testing.assert_array_equal(projection.transform(np.asfortranarray(x, "f4")), expected)


@pytest.mark.parametrize("d", [1, 13, 64, 100])
def test_packed_bits_count_as_minus_one_and_one(path, rng, d):
    codes = pack_bits(rows(40, d, rng))
    projection = SparseRandomProjection(8, density=0.5, random_state=0).fit(codes, bits=d)
    assert projection.n_features_in_ == d
    expected = projection.transform(unpack_bits(codes, d))
    np.testing.assert_array_equal(projection.transform(codes, bits=d), expected)


def test_the_inverse_is_the_pseudo_inverse(path, rng):
    x = rows(30, 90, rng)
    projection = SparseRandomProjection(20, density=0.3, random_state=0).fit(x)
    y = projection.transform(x)
    back = projection.inverse_transform(y)
    matrix = projection.components_.toarray().astype(np.float64)
    np.testing.assert_allclose(back, y @ np.linalg.pinv(matrix).T, atol=1e-4)
    np.testing.assert_allclose(projection.transform(back), y, atol=1e-4)


def test_few_features_leave_components_empty_and_the_inverse_finite(path, rng):
    projection = SparseRandomProjection(64, density=0.1, random_state=0).fit(rows(5, 3, rng))
    assert np.isfinite(projection.inverse_transform(projection.transform(rows(4, 3, rng)))).all()


def test_the_least_number_of_components_is_scikit_learns(rng):
    samples, eps = rng.integers(1, 10**6, 20), rng.uniform(0.05, 0.95, 20)
    expected = random_projection.johnson_lindenstrauss_min_dim(samples, eps=eps)
    np.testing.assert_array_equal(johnson_lindenstrauss_min_dim(samples, eps=eps), expected)
    assert johnson_lindenstrauss_min_dim(10**6, eps=0.1) == 11841
    x = np.zeros((60, 4000), np.float32)
    assert SparseRandomProjection(eps=0.2).fit(x).n_components_ == 944


def test_seeds_name_matrices_and_models_survive_pickling(rng):
    x = rows(20, 60, rng)
    first = SparseRandomProjection(10, random_state=5).fit(x)
    again = SparseRandomProjection(10, random_state=np.random.default_rng(5)).fit(x)
    np.testing.assert_array_equal(first.transform(x), again.transform(x))
    copy = pickle.loads(pickle.dumps(first))
    np.testing.assert_array_equal(copy.transform(x), first.transform(x))
    other = SparseRandomProjection(10, random_state=6).fit(x)
    assert not np.array_equal(other.transform(x), first.transform(x))


def test_it_is_an_estimator_of_scikit_learns(rng):
    pipeline = pytest.importorskip("sklearn.pipeline")
    base = pytest.importorskip("sklearn.base")
    made = pipeline.make_pipeline(SparseRandomProjection(4, random_state=0))
    assert made.fit_transform(rows(10, 20, rng)).shape == (10, 4)
    model = SparseRandomProjection(7, density=0.5)
    assert base.clone(model).get_params() == model.get_params()
    assert repr(model) == "SparseRandomProjection(n_components=7, density=0.5)"


X = np.ones((9, 6), np.float32)
BAD = np.where(np.eye(9, 6, dtype=bool), np.nan, 1).astype(np.float32)
BITS = np.zeros((3, 2), np.uint8)


def fitted():
    return SparseRandomProjection(3, random_state=0).fit(X)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: SparseRandomProjection(0).fit(X), ValueError, "n_components"),
        (lambda: SparseRandomProjection(2.5).fit(X), TypeError, "n_components"),
        (lambda: SparseRandomProjection().fit(X), ValueError, "n_components: 9 rows .* raise eps"),
        (lambda: SparseRandomProjection(eps=1.5).fit(X), ValueError, "eps"),
        (lambda: SparseRandomProjection(2, density=0).fit(X), ValueError, "density"),
        (lambda: SparseRandomProjection(2, density=1.5).fit(X), ValueError, "density"),
        (lambda: SparseRandomProjection(2, density="third").fit(X), TypeError, "density"),
        (lambda: SparseRandomProjection(2, random_state="a").fit(X), TypeError, "random_state"),
        (lambda: SparseRandomProjection(2).transform(X), ValueError, "fit"),
        (lambda: fitted().transform(X[:, :5]), ValueError, r"X: .*\?, 6"),
        (lambda: fitted().transform(sparse.csr_array(X[:, :5])), ValueError, r"X: .*\?, 6"),
        (lambda: fitted().transform(BAD), ValueError, "X: row 0 holds NaN"),
        (lambda: fitted().transform(sparse.csr_array(BAD)), ValueError, "X: row 0 holds NaN"),
        (lambda: fitted().transform(BAD[4:]), ValueError, "X: row 0 holds NaN"),
        (lambda: fitted().transform(np.float16(BAD[3:])), ValueError, "X: row 0 holds NaN"),
        (lambda: fitted().transform(X * np.float32(3e38)), ValueError, "X: row 0 is too large"),
        (lambda: fitted().inverse_transform(BAD[:, :3]), ValueError, "X: row 0 holds NaN"),
        (lambda: fitted().transform(BITS), TypeError, "X: .* bits="),
        (lambda: fitted().transform(BITS, bits=9), ValueError, "bits: expected 6"),
        (lambda: fitted().transform(X.astype(np.int64)), TypeError, "X: "),
        (lambda: fitted().transform(sparse.csr_array(X * 1j)), TypeError, "X: expected real"),
        (lambda: fitted().transform(sparse.csr_array(X), bits=6), TypeError, "bits"),
        (lambda: fitted().inverse_transform(X), ValueError, r"X: .*\?, 3"),
        (lambda: fitted().transform(X, threads=0), ValueError, "threads"),
        (lambda: johnson_lindenstrauss_min_dim(0), ValueError, "n_samples"),
        (lambda: johnson_lindenstrauss_min_dim(5, eps=0), ValueError, "eps"),
    ],
)
def test_bad_input_is_refused_by_name(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_broken_sparse_matrices_are_refused():
    for name, value in (("indptr", [1, 2, 3]), ("indptr", [0, 2, 9]), ("indices", [0, 7, 1])):
        matrix = sparse.csr_array((np.ones(3), [0, 1, 2], [0, 2, 3]), shape=(2, 6))
        setattr(matrix, name, np.array(value))
        with pytest.raises(ValueError, match="X: expected"):
            fitted().transform(matrix)
