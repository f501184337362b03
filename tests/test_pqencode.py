"""Kernels that train and encode, on every path: results equal their definitions to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import assert_equal, strided_rows


def half_norms(codebooks):
    norms = np.zeros(codebooks.shape[:2], np.float32)
    for t in range(codebooks.shape[2]):
        norms = norms + codebooks[:, :, t] * codebooks[:, :, t]
    return np.float32(0.5) * norms


def scores(x, codebooks):
    """Half the squared length of each centroid minus its product with x, rounded at each step."""
    m, _, ds = codebooks.shape
    score = np.repeat(half_norms(codebooks)[None], len(x), axis=0)
    for t in range(ds):
        score = score - x.reshape(len(x), m, 1, ds)[..., t] * codebooks[None, :, :, t]
    return score


def descended(row, codebooks, eta):
    """One row's anisotropic codes, number by number as the contract says."""
    m, K, ds = codebooks.shape
    zero, halves = np.float32(0), half_norms(codebooks)
    length, p = zero, np.zeros((m, K), np.float32)
    for number in row:
        length = length + number * number
    for j in range(m):
        for t in range(ds):
            p[j] = p[j] + row[j * ds + t] * codebooks[j, :, t]
    half_weight = np.float32(0.5) * (np.float32(eta) - np.float32(1))
    weight = half_weight / length if length >= np.float32(2.0**-100) else zero
    codes = [int(np.argmin(halves[j] - p[j])) for j in range(m)]
    for _ in range(10):
        before, error = list(codes), length
        for j in range(m):
            error = error - p[j, codes[j]]
        for j in range(m):
            others = error + p[j, codes[j]]
            along = others - p[j]
            codes[j] = int(np.argmin((halves[j] - p[j]) + (weight * along) * along))
            error = others - p[j, codes[j]]
        if codes == before:
            break
    return codes


def anisotropic_loss(x, codes, codebooks, eta):
    """Squared error of each row, in float64, along the row's direction counted eta times."""
    m = codebooks.shape[0]
    decoded = codebooks[np.arange(m), codes].reshape(len(x), -1).astype(np.float64)
    error = x - decoded
    along = (error * x).sum(axis=1) ** 2 / np.square(x, dtype=np.float64).sum(axis=1)
    return np.square(error).sum(axis=1) + (eta - 1) * along


SHAPES = [(1, 16, 1), (3, 16, 2), (2, 16, 3), (4, 16, 8), (2, 1, 3), (2, 256, 5), (1, 16, 257)]


# ---- nearest centroids


@pytest.mark.quick
@pytest.mark.parametrize("ds", [1, 4, 5])
def test_assign_takes_the_lowest_score_and_of_equal_ones_the_first(path, rng, ds):
    x = rng.standard_normal((19, 3 * ds), dtype=np.float32)
    codebooks = rng.standard_normal((3, 16, ds), dtype=np.float32)
    codebooks[:, 9] = codebooks[:, 4]
    assigned = path.pqencode.assign(x, codebooks, 1)
    assert_equal((assigned,), (scores(x, codebooks).argmin(axis=2).astype(np.uint8),))
    assert not (assigned == 9).any()


@pytest.mark.parametrize("n", [1, 15, 16, 17, 511, 513, 1100])
@pytest.mark.parametrize(
    ("m", "K", "ds"),
    [*SHAPES, (40, 16, 4), (5, 32, 100), (3, 64, 8), (2, 256, 4), (2, 33, 8), (3, 45, 5)],
)
def test_assign_agrees_with_scores_rounded_step_by_step(path, rng, n, m, K, ds):
    x = rng.standard_normal((n, m * ds), dtype=np.float32)
    codebooks = rng.standard_normal((m, K, ds), dtype=np.float32)
    expected = scores(x, codebooks).argmin(axis=2).astype(np.uint8)
    for rows in (x, strided_rows(x)):
        assert_equal((path.pqencode.assign(rows, codebooks, 2),), (expected,))


def test_assign_handles_equal_and_extreme_rows(path):
    x = np.float32([[0, 0], [1e18, -1e18], [1e-42, 0], [-0.0, 0.0]])
    codebooks = np.zeros((1, 16, 2), np.float32)
    codebooks[0, 5], codebooks[0, 7] = (1e18, -1e18), (1e-42, 0)
    expected = scores(x, codebooks).argmin(axis=2).astype(np.uint8)
    assert_equal((path.pqencode.assign(x, codebooks, 1),), (expected,))


@pytest.mark.parametrize("kind", ["repeated", "far from zero", "huge", "denormal", "zeros"])
@pytest.mark.parametrize("ds", [3, 4, 8])
def test_assign_settles_what_fused_operations_leave_in_doubt(path, rng, kind, ds):
    x = rng.standard_normal((600, 2 * ds), dtype=np.float32)
    codebooks = rng.standard_normal((2, 64, ds), dtype=np.float32)
    if kind == "repeated":
        x, codebooks = np.round(x), np.round(codebooks)
    elif kind == "far from zero":
        x, codebooks = x + np.float32(300), codebooks + np.float32(300)
    else:
        scale = np.float32({"huge": 1e17, "denormal": 1e-40, "zeros": 0}[kind])
        x, codebooks = x * scale, codebooks * scale
    expected = scores(x, codebooks).argmin(axis=2).astype(np.uint8)
    assert_equal((path.pqencode.assign(x, codebooks, 1),), (expected,))


# ---- anisotropic codes


@pytest.mark.quick
@pytest.mark.parametrize("eta", [1.0, 5.25])
def test_anisotropic_codes_are_those_of_the_definition(path, rng, eta):
    x = rng.standard_normal((21, 12), dtype=np.float32)
    codebooks = rng.standard_normal((4, 16, 3), dtype=np.float32)
    expected = np.array([descended(row, codebooks, eta) for row in x], np.uint8)
    assert_equal((path.pqencode.assign_anisotropic(x, codebooks, eta, 1),), (expected,))


@pytest.mark.parametrize("n", [1, 17, 33, 530])
@pytest.mark.parametrize(("m", "K", "ds"), [*SHAPES, (9, 16, 4)])
def test_anisotropic_codes_of_every_shape_agree(path, rng, n, m, K, ds):
    x = rng.standard_normal((n, m * ds), dtype=np.float32)
    codebooks = rng.standard_normal((m, K, ds), dtype=np.float32)
    expected = np.array([descended(row, codebooks, 7.0) for row in x[:40]], np.uint8)
    for rows in (x, strided_rows(x)):
        assigned = path.pqencode.assign_anisotropic(rows, codebooks, 7.0, 2)
        assert (assigned.dtype, assigned.shape) == (np.uint8, (n, m))
        np.testing.assert_array_equal(assigned[:40], expected)
        np.testing.assert_array_equal(
            path.pqencode.assign_anisotropic(rows[n // 2 :], codebooks, 7.0, 1), assigned[n // 2 :]
        )


def test_anisotropic_codes_lose_no_more_than_the_nearest_centroids(path, rng):
    x = rng.standard_normal((200, 32), dtype=np.float32)
    codebooks = rng.standard_normal((8, 16, 4), dtype=np.float32)
    nearest = path.pqencode.assign(x, codebooks, 1)
    codes = path.pqencode.assign_anisotropic(x, codebooks, 9.0, 1)
    before = anisotropic_loss(x, nearest, codebooks, 9.0)
    after = anisotropic_loss(x, codes, codebooks, 9.0)
    assert (after <= before * (1 + 1e-5)).all()
    assert after.mean() < 0.9 * before.mean()


def test_rows_without_a_direction_get_their_nearest_centroids(path, rng):
    codebooks = rng.standard_normal((3, 16, 2), dtype=np.float32)
    x = np.zeros((40, 6), np.float32)
    x[::3] = 1e-20 * rng.standard_normal((14, 6))
    assert_equal(
        (path.pqencode.assign_anisotropic(x, codebooks, 50.0, 1),),
        (path.pqencode.assign(x, codebooks, 1),),
    )


# ---- sums


@pytest.mark.quick
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_centroid_sums_add_rows_in_order_in_float64(path, rng, threads):
    x = rng.standard_normal((50, 6), dtype=np.float32)
    assigned = rng.integers(0, 15, (50, 3), dtype=np.uint8)  # the last centroid stays empty
    sums, counts = np.zeros((3, 16, 2)), np.zeros((3, 16), np.int64)
    for row, ids in zip(x.astype(np.float64), assigned, strict=True):
        for j, k in enumerate(ids):
            sums[j, k] += row[2 * j : 2 * j + 2]
            counts[j, k] += 1
    assert_equal(path.pqencode.centroid_sums(x, assigned, 16, threads), (sums, counts))


# ---- products


def summed(x, columns):
    result = np.zeros((len(x), columns.shape[1]), np.float32)
    for t in range(x.shape[1]):
        result = result + x[:, t, None] * columns[None, t]
    return result


@pytest.mark.quick
@given(
    n=st.integers(0, 70), depth=st.integers(1, 40), width=st.integers(1, 140), seed=st.integers(0)
)
def test_products_add_term_by_term_in_float32(path, n, depth, width, seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, depth), dtype=np.float32)
    columns = rng.standard_normal((depth, width), dtype=np.float32)
    for rows in (x, strided_rows(x)):
        assert_equal((path.pqencode.products(rows, columns, 2),), (summed(x, columns),))


def test_products_of_a_row_do_not_depend_on_its_company(path, rng):
    x = rng.standard_normal((1100, 48), dtype=np.float32)
    columns = rng.standard_normal((48, 200), dtype=np.float32)
    together = path.pqencode.products(x, columns, 3)
    assert_equal((together,), (summed(x, columns),))
    for first, stop in ((0, 1), (3, 9), (500, 531), (600, 633)):
        part = path.pqencode.products(x[first:stop], columns, 1)
        assert_equal((part,), (together[first:stop],))
