"""What `fit` learns beyond k-means: rotations, anisotropic codebooks, codes of more bits."""

from __future__ import annotations

import importlib.util
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import WORST_FLOAT, assert_equal, first_k, refused, table_sums
from tersevec import _anisotropic, _backend, _numpy, _rotation
from tersevec._estimator import NotFittedError
from tersevec.pq import ProductQuantizer

KINDS = [
    {"rotation": "opq"},
    {"rotation": "random"},
    {"loss": "anisotropic"},
    {"rotation": "opq", "loss": "anisotropic"},
]


def names(kind):
    return ", ".join(f"{name}={value}" for name, value in kind.items())


def embeddings(rng, n, d):
    """Unit rows of a few strong directions, mixed over all coordinates, and a little noise."""
    basis = np.linalg.qr(np.random.default_rng(d).standard_normal((d, d)))[0][: d // 4]
    spectrum = 1 / np.sqrt(1 + np.arange(d // 4))
    x = (rng.standard_normal((n, d // 4)) * spectrum) @ basis
    x += 0.03 * rng.standard_normal((n, d))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def error(pq, x):
    return float(np.square(x - pq.decode(pq.encode(x)), dtype=np.float64).mean())


def numbers(pq, codes):
    """The number of each part, (n, m), by the definition of dense rows."""
    m, K, _ = pq.codebooks_.shape
    bits = np.unpackbits(codes, axis=1, bitorder="little")[:, : m * (K.bit_length() - 1)]
    return np.packbits(bits.reshape(len(codes), m, -1), axis=2, bitorder="little")[:, :, 0]


def recall(pq, queries, x, k=10):
    truth = np.argsort(-(queries @ x.T), axis=1)[:, :k]
    found = pq.topk(queries, pq.encode(x), k).indices
    return np.mean([len(np.intersect1d(a, b)) for a, b in zip(found, truth, strict=True)]) / k


# ---- what is learned


@pytest.mark.parametrize("kind", KINDS, ids=names)
def test_a_seed_gives_the_same_quantiser_on_every_path_and_number_of_threads(
    path, monkeypatch, kind
):
    x = embeddings(np.random.default_rng(1), 600, 16)
    with monkeypatch.context() as twins:
        twins.setattr(_backend, "pick", lambda family, *arrays: getattr(_numpy, family))
        expected = ProductQuantizer(4, **kind, random_state=7, max_iter=4).fit(x)
        codes = expected.encode(x[:99])
    for threads in (1, 3):
        pq = ProductQuantizer(4, **kind, random_state=7, max_iter=4).fit(x, threads=threads)
        assert_equal((pq.codebooks_,), (expected.codebooks_,))
        np.testing.assert_array_equal(pq.rotation_, expected.rotation_)
        assert_equal((pq.encode(x[:99], threads=threads),), (codes,))


@pytest.mark.parametrize("n_bits", [4, 5, 6, 7, 8])
def test_more_bits_lose_less(backend, rng, n_bits):
    x = embeddings(rng, 1500, 16)
    pq = ProductQuantizer(4, n_bits, random_state=0, max_iter=8).fit(x)
    assert pq.codebooks_.shape == (4, 2**n_bits, 4)
    coarser = ProductQuantizer(4, max(4, n_bits - 1), random_state=0, max_iter=8).fit(x)
    assert error(pq, x) <= error(coarser, x)


def test_a_learned_rotation_loses_less_and_finds_more(backend, rng):
    x, queries = embeddings(rng, 2500, 32), embeddings(rng, 60, 32)
    plain, random, learned = (
        ProductQuantizer(8, metric="ip", rotation=rotation, random_state=0).fit(x)
        for rotation in (None, "random", "opq")
    )
    assert error(learned, x) < 0.6 * min(error(plain, x), error(random, x))
    assert recall(learned, queries, x) > recall(plain, queries, x) + 0.1
    assert plain.rotation_ is None
    for pq in (random, learned):
        turned = pq.rotation_.astype(np.float64)
        assert pq.rotation_.dtype == np.float32
        np.testing.assert_allclose(turned.T @ turned, np.eye(32), atol=1e-5)


def test_axes_are_dealt_out_so_that_parts_have_equal_products_of_variances(rng):
    x = (rng.standard_normal((4000, 8)) * 2.0 ** -np.arange(8)).astype(np.float32)
    axes = _rotation.balanced_axes(x, 2)
    shares = np.log2((x @ axes).reshape(-1, 2, 4).var(axis=0)).sum(axis=1)
    assert abs(shares[0] - shares[1]) < 1.5  # of 56, the sum of both
    np.testing.assert_allclose(axes.T @ axes, np.eye(8), atol=1e-5)


@pytest.mark.parametrize("metric", ["ip", "cosine"])
def test_anisotropic_codes_tell_the_largest_products_better(backend, rng, metric):
    x, queries = embeddings(rng, 2500, 128), embeddings(rng, 100, 128)
    products = queries @ x.T
    largest = np.argsort(-products, axis=1)[:, :10]

    def apart(loss):
        pq = ProductQuantizer(32, metric=metric, loss=loss, random_state=0, max_iter=10).fit(x)
        away = pq.distances(queries, pq.encode(x)) - products
        return np.abs(np.take_along_axis(away, largest, axis=1)).mean(), error(pq, x)

    plain, learned = apart("reconstruction"), apart("anisotropic")
    assert learned[0] < 0.9 * plain[0]
    assert learned[1] > plain[1]


def test_refined_codebooks_have_less_anisotropic_loss(path, rng):
    x, kernels = embeddings(rng, 800, 32), _backend.pick("pqencode")
    eta = _anisotropic.parallel_weight(32)
    books = ProductQuantizer(8, random_state=0, max_iter=5).fit(x).codebooks_

    def loss(books):
        codes = kernels.assign_anisotropic(x, books, eta, 1)
        away = x - _rotation.decoded(codes, books).astype(np.float64)
        along = (away * x).sum(axis=1) ** 2 / np.square(x, dtype=np.float64).sum(axis=1)
        return (np.square(away).sum(axis=1) + (eta - 1) * along).mean()

    sweeps = []
    refined = _anisotropic.refine(
        x, books, eta, max_iter=6, kernels=kernels, threads=2, swept=sweeps.append
    )
    assert loss(refined) < 0.98 * loss(books)
    assert 1 <= len(sweeps) <= 6


def test_centroids_solve_their_least_squares_problem(rng):
    """With one part, no centroid depends on another: compare with an explicit solution."""
    x = embeddings(rng, 400, 8)
    books = ProductQuantizer(1, random_state=0, max_iter=2).fit(x).codebooks_
    eta, kernels = 6.0, _numpy.pqencode
    codes = kernels.assign_anisotropic(x, books, eta, 1)[:, 0]
    refined = _anisotropic.refine(
        x, books, eta, max_iter=1, kernels=kernels, threads=1, swept=lambda sweeps: None
    )
    for k in np.unique(codes):
        rows = x[codes == k].astype(np.float64)
        units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        metric = np.eye(8) + (eta - 1) * units[:, :, None] * units[:, None, :]
        best = np.linalg.solve(metric.sum(axis=0), (metric @ rows[:, :, None]).sum(axis=0)[:, 0])
        np.testing.assert_allclose(refined[0, k], best, rtol=1e-4, atol=1e-5)


def test_few_dimensions_weigh_every_error_alike():
    assert _anisotropic.parallel_weight(1) == _anisotropic.parallel_weight(20) == 1
    assert _anisotropic.parallel_weight(128) == pytest.approx(127 * 0.04 / 0.96)


# ---- the rotated space


@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
def test_rotated_searches_are_rankings_of_the_decoded_vectors(path, rng, metric):
    x, queries = embeddings(rng, 300, 12), 3 * embeddings(rng, 9, 12)
    pq = ProductQuantizer(3, metric=metric, rotation="random", random_state=0, max_iter=3).fit(x)
    codes = pq.encode(x)
    sums = table_sums(pq.lookup_tables(queries), numbers(pq, codes))
    signed = sums if metric == "l2" else -sums
    values, indices = first_k(signed, 20, WORST_FLOAT)
    for base in (codes, pq.pack(codes)):
        assert_equal(pq.topk(queries, base, 20), (values if metric == "l2" else -values, indices))
        assert_equal((pq.distances(queries, base),), (sums,))
    decoded = pq.decode(codes).astype(np.float64)
    asked = (
        queries / np.linalg.norm(queries, axis=1, keepdims=True) if metric == "cosine" else queries
    )
    exact = np.square(asked[:, None] - decoded).sum(axis=2) if metric == "l2" else asked @ decoded.T
    np.testing.assert_allclose(sums, exact, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS, ids=names)
def test_batches_and_threads_change_neither_codes_nor_values(path, rng, kind):
    x = embeddings(rng, 150, 16)
    pq = ProductQuantizer(4, metric="ip", **kind, random_state=0, max_iter=3).fit(x)
    codes, tables = pq.encode(x), pq.lookup_tables(x)
    for rows in (slice(0, 1), slice(7, 12), slice(100, 140)):
        assert_equal((pq.encode(x[rows], threads=2),), (codes[rows],))
        assert_equal((pq.lookup_tables(x[rows]),), (tables[rows],))
        assert_equal(pq.topk(x[rows], codes, 5), [part[rows] for part in pq.topk(x, codes, 5)])


@given(seed=st.integers(0, 2**32 - 1), m=st.integers(1, 6), ds=st.integers(1, 5))
def test_decoded_vectors_are_encoded_as_they_were(path, seed, m, ds):
    rng = np.random.default_rng(seed)
    pq = ProductQuantizer(m)
    pq.codebooks_ = rng.integers(-40, 40, (m, 16, ds)).astype(np.float32)
    pq.rotation_ = np.eye(m * ds)[rng.permutation(m * ds)] * rng.choice([-1.0, 1.0], m * ds)
    codes = pq.encode(rng.standard_normal((50, m * ds)) * 30)
    vectors = pq.decode(codes)
    np.testing.assert_array_equal(pq.decode(pq.encode(vectors)), vectors)
    np.testing.assert_array_equal(
        vectors @ pq.rotation_, _rotation.decoded(numbers(pq, codes), pq.codebooks_)
    )


def test_a_rotation_is_copied_in_read_only_and_taken_away_again(rng):
    pq = ProductQuantizer(2)
    pq.codebooks_ = rng.standard_normal((2, 16, 3))
    given_rotation = _rotation.random_rotation(6, rng).astype(np.float64)
    pq.rotation_ = given_rotation
    kept = pq.rotation_.copy()
    given_rotation[:] = 0
    np.testing.assert_array_equal(pq.rotation_, kept)
    with pytest.raises(ValueError, match="read-only"):
        pq.rotation_[0] = 1
    pq.rotation_ = None
    assert pq.rotation_ is None


def test_fit_forgets_the_rotation_of_before(backend, rng):
    x = embeddings(rng, 100, 8)
    pq = ProductQuantizer(4, rotation="random", random_state=0).fit(x)
    assert pq.rotation_ is not None
    assert pq.set_params(rotation=None).fit(x).rotation_ is None


# ---- hard input


HARD = {
    "zeros": np.zeros((50, 8)),
    "constant": np.full((50, 8), 3.0),
    "three distinct rows": np.repeat(np.arange(24.0).reshape(3, 8), 20, axis=0),
    "as many rows as centroids": np.eye(16, 8),
    "dead columns": np.tile([1.0, 0.0], (40, 4)) * np.arange(40)[:, None],
    "some rows of zeros": np.random.default_rng(0).standard_normal((60, 8))
    * (np.arange(60) % 3 > 0)[:, None],
    "one direction": np.outer(np.arange(1.0, 41), np.ones(8)),
}


@pytest.mark.parametrize("x", HARD.values(), ids=HARD)
@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
@pytest.mark.parametrize("kind", KINDS, ids=names)
def test_degenerate_rows_are_learned_without_a_nan(backend, x, metric, kind):
    for m in (1, 4, 8):  # 8: sub-spaces of one dimension
        pq = ProductQuantizer(m, metric=metric, **kind, random_state=0, max_iter=3).fit(x)
        assert np.isfinite(pq.codebooks_).all()
        if pq.rotation_ is not None:
            np.testing.assert_allclose(pq.rotation_.T @ pq.rotation_, np.eye(8), atol=1e-5)
        assert np.isfinite(pq.decode(pq.encode(x))).all()
        assert (pq.topk(x[:2], pq.encode(x), 3).indices >= 0).all()


@pytest.mark.parametrize("scale", [1e-40, 1e-20, 1e17])
@pytest.mark.parametrize("kind", KINDS, ids=names)
def test_very_small_and_very_large_numbers_are_learned(backend, rng, scale, kind):
    x = embeddings(rng, 200, 8) * np.float64(scale)
    pq = ProductQuantizer(4, **kind, random_state=0, max_iter=3).fit(x)
    assert np.isfinite(pq.codebooks_).all()
    assert np.isfinite(pq.topk(x[:3], pq.encode(x), 3).values).all()


def test_wide_codes_of_few_rows_are_learned(backend, rng):
    x = embeddings(rng, 257, 8)
    x[128:] = x[:129]
    pq = ProductQuantizer(2, 8, random_state=0).fit(x)
    np.testing.assert_allclose(pq.decode(pq.encode(x)), x, atol=1e-3)


# ---- an estimator


def test_scikit_learn_clones_the_new_parameters_and_pickles_keep_what_was_learned(backend, rng):
    base = pytest.importorskip("sklearn.base")
    x = embeddings(rng, 60, 8)
    pq = ProductQuantizer(4, rotation="opq", loss="anisotropic", random_state=5, max_iter=2)
    assert base.clone(pq).get_params() == pq.get_params()
    assert repr(pq) == (
        "ProductQuantizer(n_subspaces=4, rotation='opq', loss='anisotropic', max_iter=2, "
        "random_state=5)"
    )
    again = pickle.loads(pickle.dumps(pq.fit(x)))
    assert_equal((again.encode(x), again.rotation_), (pq.encode(x), pq.rotation_))
    assert not again.rotation_.flags.writeable


@pytest.mark.skipif(importlib.util.find_spec("tqdm") is None, reason="tqdm is not installed")
@pytest.mark.parametrize("kind", [{}, *KINDS], ids=names)
def test_a_bar_counts_the_sweeps_of_every_stage(backend, rng, capsys, kind):
    ProductQuantizer(2, **kind, random_state=0, max_iter=3).fit(
        embeddings(rng, 50, 8), progress=True
    )
    stages = 1 + (kind.get("rotation") == "opq") + ("loss" in kind)
    assert f"/{3 * stages}" in capsys.readouterr().err


REFUSED = [
    (
        lambda pq, x: ProductQuantizer(4, rotation="pca").fit(x),
        ValueError,
        "rotation: expected None, 'opq' or 'random', got 'pca'",
    ),
    (
        lambda pq, x: ProductQuantizer(4, loss="l1").fit(x),
        ValueError,
        "loss: expected one of reconstruction, anisotropic, got 'l1'",
    ),
    (
        lambda pq, x: ProductQuantizer(4).rotation_,
        NotFittedError,
        "this ProductQuantizer has no codebooks yet: call fit(X) first",
    ),
    (
        lambda pq, x: setattr(pq, "rotation_", np.eye(7)),
        ValueError,
        "rotation_: expected None or floats of shape (8, 8), got float64 (7, 7)",
    ),
    (
        lambda pq, x: setattr(pq, "rotation_", np.eye(8, dtype=int)),
        TypeError,
        "rotation_: expected None or floats of shape (8, 8), got int64 (8, 8)",
    ),
    (
        lambda pq, x: setattr(pq, "rotation_", np.full((8, 8), np.nan)),
        ValueError,
        "rotation_: row 0 holds NaN",
    ),
    (
        lambda pq, x: setattr(pq, "rotation_", 1.5 * np.eye(8)),
        ValueError,
        "rotation_: expected orthogonal columns of length 1, got products that are off by up to",
    ),
    (
        lambda pq, x: setattr(pq, "codebooks_", np.zeros((4, 16, 3))),
        ValueError,
        "codebooks_: expected 8 dimensions, those of rotation_, got 12; assign rotation_ = None",
    ),
    (lambda pq, x: pq.encode(1e19 * x), ValueError, "X: row 0 holds"),
    (lambda pq, x: pq.topk(1e19 * x, pq.encode(x), 1), ValueError, "Q: row 0 holds"),
]


@pytest.mark.parametrize(("call", "kind", "message"), REFUSED)
def test_what_cannot_be_served_is_refused(backend, call, kind, message):
    x = embeddings(np.random.default_rng(0), 60, 8)
    pq = ProductQuantizer(4, rotation="random", random_state=0, max_iter=2).fit(x)
    kept = pq.rotation_
    refused(lambda: call(pq, x), kind, message)
    assert pq.rotation_ is kept
