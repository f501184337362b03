"""`ResidualQuantizer`: what it learns, writes and reads."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import BITS, assert_equal, numbers, strided_rows
from tersevec import _backend, _numpy, _residual, _residual_base
from tersevec.pq import ProductQuantizer, ResidualQuantizer

METRICS = ["l2", "ip", "cosine"]


def clustered(rng, n, d):
    """Vectors around 40 centres, so that there is something to learn."""
    centres = 3 * rng.standard_normal((40, d))
    return (centres[rng.integers(0, 40, n)] + rng.standard_normal((n, d))).astype(np.float32)


def foreign(rng, levels, d, metric="l2", n_bits=4, **parameters):
    """Codebooks that halve from level to level, as learned ones do."""
    rq = ResidualQuantizer(levels, n_bits, metric=metric, **parameters)
    halves = 2.0 ** -np.arange(levels)[:, None, None]
    rq.codebooks_ = halves * rng.standard_normal((levels, 2**n_bits, d))
    return rq


def levels_of(rq, codes):
    """The number of each level, and for "l2" the two of the length."""
    m = rq.n_levels + 2 * (rq.metric == "l2")
    return numbers(codes, m, rq.n_bits)


def sums(rq, codes):
    """The sums of the centroids that codes name, in float64."""
    chosen = levels_of(rq, codes)
    return sum(book[chosen[:, j]] for j, book in enumerate(rq.codebooks_.astype(np.float64)))


def errors(rq, x):
    return np.square(x - sums(rq, rq.encode(x)), dtype=np.float64).sum(axis=1)


def searched(row, books, width):
    """The squared error that a beam search over float64 residuals ends with, by definition."""
    beams = [row.astype(np.float64)]
    for level, book in enumerate(books.astype(np.float64), 1):
        rests = [rest - centroid for rest in beams for centroid in book]
        rests.sort(key=lambda rest: np.square(rest).sum())
        beams = rests[: width if level < len(books) else 1]
    return np.square(beams[0]).sum()


# ---- fit


@pytest.mark.parametrize("n_bits", BITS)
def test_every_level_loses_less_than_those_before_it(backend, rng, n_bits):
    x = clustered(rng, 600, 12)
    rq = ResidualQuantizer(3, n_bits, max_iter=5, random_state=0).fit(x)
    assert rq.codebooks_.shape == (3, 2**n_bits, 12)
    lost = [float(np.square(x - x.mean(axis=0)).mean())]
    for levels in (1, 2, 3):
        shorter = ResidualQuantizer(levels, n_bits)
        shorter.codebooks_ = rq.codebooks_[:levels]
        lost.append(errors(shorter, x).mean() / 12)
    assert lost == sorted(lost, reverse=True)
    assert lost[3] < 0.6 * lost[1]


def test_codes_lose_less_than_product_codes_of_as_many_bits(backend, rng):
    x = clustered(rng, 2000, 16)
    rq = ResidualQuantizer(4, 5, metric="ip", random_state=0, max_iter=8).fit(x)
    pq = ProductQuantizer(4, 5, metric="ip", random_state=0, max_iter=8).fit(x)
    assert rq.code_size == pq.code_size
    lost = np.square(x - pq.decode(pq.encode(x))).sum(axis=1).mean()
    assert errors(rq, x).mean() < 0.8 * lost


@pytest.mark.parametrize("metric", METRICS)
def test_a_seed_gives_the_same_quantiser_on_every_path_and_number_of_threads(
    path, monkeypatch, metric
):
    x = clustered(np.random.default_rng(1), 500, 9)
    parameters = {"metric": metric, "max_iter": 4, "beam_width": 3}
    with monkeypatch.context() as twins:
        twins.setattr(_backend, "pick", lambda family, *arrays: getattr(_numpy, family))
        expected = ResidualQuantizer(3, 4, random_state=7, **parameters).fit(x)
        codes = expected.encode(x)
    monkeypatch.setattr(_residual, "_CELLS", 700)  # many blocks
    for threads, state in ((1, 7), (3, np.random.default_rng(7))):
        rq = ResidualQuantizer(3, 4, random_state=state, **parameters).fit(x, threads=threads)
        assert_equal((rq.codebooks_,), (expected.codebooks_,))
        assert rq.norm_range_ == expected.norm_range_
        assert_equal((rq.encode(x, threads=threads),), (codes,))


def test_fit_returns_the_quantiser_and_changes_nothing_it_was_given(backend, rng):
    x = clustered(rng, 100, 8)
    kept, rq = x.copy(), ResidualQuantizer(2, 4, random_state=3)
    parameters = rq.get_params()
    assert rq.fit(x) is rq
    np.testing.assert_array_equal(x, kept)
    assert rq.get_params() == parameters
    assert (rq.n_features_in_, rq.code_size, rq.codebooks_.shape) == (8, 2, (2, 16, 8))


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ml_dtypes.bfloat16])
def test_other_floats_are_learned_and_encoded_as_their_float32_values(backend, rng, dtype):
    x = clustered(rng, 200, 6).astype(dtype)
    wide = x.astype(np.float32)
    fitted = ResidualQuantizer(2, 4, random_state=0, max_iter=4).fit(x)
    expected = ResidualQuantizer(2, 4, random_state=0, max_iter=4).fit(wide)
    assert_equal((fitted.codebooks_,), (expected.codebooks_,))
    for given_x in (x, np.asfortranarray(x), np.repeat(x, 2, axis=0)[::2]):
        assert_equal((fitted.encode(given_x),), (expected.encode(wide),))


def test_the_bar_counts_the_sweeps_of_all_levels(rng, capsys):
    pytest.importorskip("tqdm")
    ResidualQuantizer(3, 4, max_iter=2, random_state=0).fit(clustered(rng, 50, 4), progress=True)
    assert "6/6" in capsys.readouterr().err


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
    rq = ResidualQuantizer(3, 4, metric=metric, random_state=0).fit(x)
    assert np.isfinite(rq.codebooks_).all()
    codes = rq.encode(x)
    assert np.isfinite(rq.decode(codes)).all()
    assert np.isfinite(rq.topk(x[:3], codes, 5).values).all()
    if metric == "l2" and len(np.unique(x, axis=0)) <= 16:
        np.testing.assert_allclose(rq.decode(codes), x, atol=0.02)


@pytest.mark.parametrize("scale", [1e-40, 1e-20, 1e16])
def test_very_small_and_very_large_numbers_are_learned(backend, rng, scale):
    x = clustered(rng, 200, 8) * np.float64(scale)
    rq = ResidualQuantizer(4, 4, random_state=0).fit(x)
    assert np.isfinite(rq.codebooks_).all()
    assert np.isfinite(rq.topk(x[:3], rq.encode(x), 3).values).all()


# ---- encode, decode


@pytest.mark.parametrize("n_bits", BITS)
@pytest.mark.parametrize(("levels", "width"), [(1, 1), (2, 5), (3, 40), (4, 1)])
def test_encode_ends_where_a_beam_search_over_residuals_does(path, rng, n_bits, levels, width):
    rq = foreign(rng, levels, 5, n_bits=n_bits, beam_width=width)
    x = rng.standard_normal((25, 5), dtype=np.float32)
    expected = [searched(row, rq.codebooks_, width) for row in x]
    same = np.abs(errors(rq, x) - expected) < 1e-5
    assert same.sum() >= 24  # float32 may tell two sums apart the other way around


@given(
    st.integers(1, 4), st.integers(1, 9), st.integers(1, 12), st.sampled_from(BITS), st.integers(0)
)
def test_codes_do_not_depend_on_the_company_of_a_row(levels, d, width, n_bits, seed):
    rng = np.random.default_rng(seed)
    rq = foreign(rng, levels, d, n_bits=n_bits, beam_width=width)
    x = rng.standard_normal((70, d), dtype=np.float32)
    codes = rq.encode(x)
    start, stop = sorted(rng.integers(0, 71, 2))
    assert_equal((rq.encode(x[start:stop]),), (codes[start:stop],))
    assert_equal((rq.encode(x[::-1], threads=2),), (codes[::-1],))


def test_tables_that_are_not_held_give_the_same_codes(backend, rng, monkeypatch):
    rq = foreign(rng, 4, 6)
    x = rng.standard_normal((50, 6))
    codes = rq.encode(x)
    again = foreign(rng, 4, 6)
    again.codebooks_ = rq.codebooks_
    monkeypatch.setattr(_residual_base, "_HELD_BYTES", 100)
    assert_equal((again.encode(x),), (rq.encode(x),))
    assert_equal((again.encode(x)[:, :2],), (codes[:, :2],))


def test_wider_beams_lose_less(backend, rng):
    x = clustered(rng, 1000, 16)
    rq = ResidualQuantizer(6, 4, random_state=0, max_iter=6).fit(x)
    lost = [errors(rq.set_params(beam_width=width), x).mean() for width in (1, 4, 16)]
    assert lost[2] < lost[1] < lost[0]


def test_equally_good_sums_are_the_one_of_lower_centroids(path):
    rq = ResidualQuantizer(2, 4, metric="ip")
    rq.codebooks_ = np.zeros((2, 16, 3))
    assert rq.encode(np.ones((3, 3))).tolist() == [[0]] * 3


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("n_bits", BITS)
def test_decode_adds_the_centroids_that_a_code_names(path, rng, metric, n_bits):
    rq = foreign(rng, 3, 7, metric, n_bits)
    codes = rq.encode(rng.standard_normal((90, 7)))
    decoded = rq.decode(codes)
    assert decoded.dtype == np.float32
    np.testing.assert_allclose(decoded, sums(rq, codes), rtol=0, atol=1e-6)
    assert_equal((rq.decode(strided_rows(codes)),), (decoded,))


@pytest.mark.parametrize(
    ("metric", "n_bits", "size", "last"),
    [("l2", 4, 4, 16), ("ip", 4, 3, 16), ("l2", 5, 5, 8), ("ip", 7, 5, 8), ("l2", 6, 6, 4)],
)
def test_bits_that_pad_a_row_are_zero(path, rng, metric, n_bits, size, last):
    rq = foreign(rng, 5, 4, metric, n_bits)
    codes = rq.encode(rng.standard_normal((50, 4)))
    assert codes.shape == (50, rq.code_size) == (50, size)
    assert (codes[:, -1] < last).all()


def test_cosine_ignores_lengths_and_takes_rows_of_zeros(path, rng):
    rq, x = foreign(rng, 3, 12, "cosine"), rng.standard_normal((40, 12))
    lengths = np.exp2(rng.integers(-8, 8, (40, 1)))  # powers of two: no rounding
    np.testing.assert_array_equal(rq.encode(x), rq.encode(x * lengths))
    tables = rq.lookup_tables(np.zeros((1, 12)))
    np.testing.assert_array_equal(tables, np.zeros((1, 3, 16)))


# ---- the squared lengths of codes for "l2"


@pytest.mark.parametrize("n_bits", BITS)
@pytest.mark.parametrize("learned", [False, True])
def test_distances_are_those_of_decoded_rows_but_for_half_a_step(backend, rng, n_bits, learned):
    rq, x = foreign(rng, 3, 6, n_bits=n_bits), rng.standard_normal((300, 6))
    if learned:
        rq = ResidualQuantizer(3, n_bits, random_state=0, max_iter=3).fit(x)
    codes, queries = rq.encode(x), rng.standard_normal((8, 6))
    exact = np.square(queries[:, None] - sums(rq, codes)).sum(axis=2)
    least, largest = rq.norm_range_
    step = (largest - least) / (4**n_bits - 1)
    np.testing.assert_allclose(rq.distances(queries, codes), exact, rtol=0, atol=step / 2 + 1e-4)


def test_the_learned_range_is_that_of_the_rows_that_were_trained_on(backend, rng):
    x = clustered(rng, 400, 6)
    rq = ResidualQuantizer(2, 4, random_state=0).fit(x)
    squares = np.square(sums(rq, rq.encode(x))).sum(axis=1)
    np.testing.assert_allclose(rq.norm_range_, (squares.min(), squares.max()), rtol=1e-5)
    assert set(levels_of(rq, rq.encode(x))[:, 2]) <= set(range(16))


@given(st.integers(1, 4), st.integers(1, 6), st.integers(0))
def test_the_range_of_foreign_codebooks_holds_every_sum(levels, d, seed):
    rng = np.random.default_rng(seed)
    rq = foreign(rng, levels, d)
    chosen = rng.integers(0, 16, (2000, levels))
    total = sum(book[chosen[:, j]] for j, book in enumerate(rq.codebooks_.astype(np.float64)))
    squares = np.square(total).sum(axis=1)
    least, largest = rq.norm_range_
    assert least <= squares.min() + 1e-4
    assert squares.max() <= largest + 1e-4


def test_lengths_beyond_the_range_become_its_ends(path, rng):
    rq = foreign(rng, 2, 4)
    rq.norm_range_ = 0.5, np.float32(1.5)
    codes = rq.encode(rng.standard_normal((200, 4)) * 2)
    coarse, fine = levels_of(rq, codes)[:, 2:].T
    steps = 16 * coarse.astype(int) + fine
    squares = np.square(sums(rq, codes)).sum(axis=1)
    expected = np.rint((np.clip(squares, 0.5, 1.5) - 0.5) * 255)
    assert np.abs(steps - expected).max() <= 1  # roundings of the squared length
    assert (steps[squares > 1.51] == 255).all()
    assert (steps[squares < 0.49] == 0).all()
    entries = rq.lookup_tables(np.zeros((1, 4)))[0]
    held = entries[2, coarse] + entries[3, fine]
    np.testing.assert_allclose(held, 0.5 + steps / 255, atol=1e-6)


def test_a_range_of_one_length_holds_it(path):
    rq = ResidualQuantizer(1, 4)
    rq.codebooks_ = np.ones((1, 16, 4))
    assert rq.norm_range_ == (4.0, 4.0)
    codes = rq.encode(np.zeros((3, 4)))
    assert rq.distances([[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]], codes).tolist() == [
        [0.0] * 3,
        [4.0] * 3,
    ]
