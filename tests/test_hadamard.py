"""Random Walsh-Hadamard rotations: orthogonal, invertible, the same for every batch."""

from __future__ import annotations

import numpy as np
import pytest

from tersevec import _hadamard
from tersevec._hadamard import HadamardRotation

DIMS = [1, 2, 3, 4, 5, 8, 31, 33, 64, 100, 127, 384, 511, 1000, 1024]


def walsh(p):
    """The Walsh-Hadamard matrix of a power of two, normalised."""
    matrix = np.ones((1, 1))
    while len(matrix) < p:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]]) / np.sqrt(2)
    return matrix


def defined(rotation, x):
    """Rows turned as the class says, in float64."""
    d = rotation.order.shape[1]
    p = 1 << (d.bit_length() - 1)
    y = x.astype(np.float64)
    for order, (before, between) in zip(rotation.order, rotation.signs, strict=True):
        y = y[:, order] * before
        y[:, :p] = y[:, :p] @ walsh(p)
        if p < d:
            y *= between
            y[:, -p:] = y[:, -p:] @ walsh(p)
    return y


@pytest.mark.parametrize("d", DIMS)
def test_a_rotation_is_what_it_says(rng, d):
    rotation, x = HadamardRotation.random(d, rng), rng.standard_normal((7, d), np.float32)
    turned = rotation.forward(x)
    assert (turned.dtype, turned.shape) == (np.float32, (7, d))
    np.testing.assert_allclose(turned, defined(rotation, x), atol=3e-5)


@pytest.mark.parametrize("d", DIMS)
def test_lengths_and_angles_stay_and_the_inverse_leads_back(rng, d):
    rotation, x = HadamardRotation.random(d, rng), rng.standard_normal((9, d), np.float32)
    turned = rotation.forward(x).astype(np.float64)
    wide = x.astype(np.float64)
    np.testing.assert_allclose(turned @ turned.T, wide @ wide.T, rtol=1e-5, atol=1e-4 * d**0.5)
    np.testing.assert_allclose(rotation.inverse(rotation.forward(x)), x, atol=1e-5)
    np.testing.assert_allclose(rotation.forward(rotation.inverse(x)), x, atol=1e-5)


@pytest.mark.parametrize("d", [3, 64, 100])
def test_no_row_depends_on_its_batch(rng, d, monkeypatch):
    rotation, x = HadamardRotation.random(d, rng), rng.standard_normal((50, d), np.float32)
    together, back = rotation.forward(x), rotation.inverse(x)
    for row in range(0, 50, 7):
        alone = x[row : row + 1]
        np.testing.assert_array_equal(rotation.forward(alone), together[row : row + 1])
        np.testing.assert_array_equal(rotation.inverse(alone), back[row : row + 1])
    monkeypatch.setattr(_hadamard, "_FLOATS", 8 * d)
    np.testing.assert_array_equal(rotation.forward(x), together)
    np.testing.assert_array_equal(rotation.inverse(x), back)
    np.testing.assert_array_equal(rotation.forward(np.asfortranarray(x)), together)


def test_columns_that_are_not_given_are_zero(rng):
    rotation, x = HadamardRotation.random(20, rng), rng.standard_normal((6, 13), np.float32)
    padded = np.concatenate([x, np.zeros((6, 7), np.float32)], axis=1)
    np.testing.assert_array_equal(rotation.forward(x), rotation.forward(padded))


@pytest.mark.parametrize("d", [96, 128, 200, 384])
def test_a_single_coordinate_is_spread_over_all_of_them(d):
    rotation = HadamardRotation.random(d, np.random.default_rng(d))
    turned = rotation.forward(np.eye(d, dtype=np.float32)) * d**0.5
    assert np.abs(turned).max() < 6  # normal numbers, as many as d * d, seldom exceed 5.5
    assert 2.5 < np.mean(turned**4) < 3.5


def test_no_rows_are_no_rows(rng):
    rotation = HadamardRotation.random(5, rng)
    assert rotation.forward(np.empty((0, 5), np.float32)).shape == (0, 5)
    assert rotation.inverse(np.empty((0, 5), np.float32)).shape == (0, 5)


def test_the_same_seed_gives_the_same_rotation():
    first, second, other = (
        HadamardRotation.random(40, np.random.default_rng(s)) for s in (1, 1, 2)
    )
    x = np.ones((1, 40), np.float32)
    np.testing.assert_array_equal(first.forward(x), second.forward(x))
    assert (first.forward(x) != other.forward(x)).any()
