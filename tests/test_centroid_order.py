"""Centroids are renumbered, never changed, and near ones agree in their lower bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tersevec._centroid_order import ordered
from tersevec.pq import ProductQuantizer


def sorted_rows(books):
    return [book[np.lexsort(book.T)] for book in books]


def spread_of_groups(books, bits):
    """The mean squared distance of centroids to the mean of those with the same lower bits."""
    m, K, ds = books.shape
    groups = books.reshape(m, K >> bits, 1 << bits, ds).astype(np.float64)
    return float(np.square(groups - groups.mean(axis=1, keepdims=True)).sum(axis=3).mean())


@given(
    m=st.integers(1, 4), bits=st.integers(4, 8), ds=st.integers(1, 9), seed=st.integers(0, 2**32)
)
def test_the_same_centroids_come_back(m, bits, ds, seed):
    books = np.random.default_rng(seed).standard_normal((m, 2**bits, ds), dtype=np.float32)
    books[:, 3] = books[:, 7]  # equal ones too
    found = ordered(books)
    assert found.dtype == np.float32
    for here, there in zip(sorted_rows(found), sorted_rows(books), strict=True):
        np.testing.assert_array_equal(here, there)


@pytest.mark.parametrize("ds", [1, 2, 4])
@pytest.mark.parametrize("lower", [4, 5, 6, 7])
def test_centroids_with_the_same_lower_bits_lie_near(rng, ds, lower):
    books = rng.standard_normal((3, 256, ds), dtype=np.float32)
    assert spread_of_groups(ordered(books), lower) < 0.6 * spread_of_groups(books, lower)


def test_numbers_on_a_line_are_cut_into_halves():
    """The lowest bit says which half, the next one which quarter of it."""
    line = np.arange(16, dtype=np.float32).reshape(1, 16, 1)
    found = ordered(line)[0, :, 0]
    for bits in (1, 2, 3):
        groups = np.sort(found.reshape(-1, 2**bits), axis=0)
        np.testing.assert_array_equal(np.ptp(groups, axis=0), 16 / 2**bits - 1)


@pytest.mark.parametrize("value", [0.0, 1e-30, 1e17])
def test_equal_centroids_have_an_order_too(value):
    books = np.full((2, 32, 3), value, np.float32)
    np.testing.assert_array_equal(ordered(books), books)


def test_fit_orders_its_centroids(rng):
    x = rng.standard_normal((2000, 8), dtype=np.float32)
    books = ProductQuantizer(4, 6, random_state=0).fit(x).codebooks_
    np.testing.assert_array_equal(ordered(ordered(books)), ordered(books))
    assert spread_of_groups(books, 4) < 0.6 * spread_of_groups(books[:, rng.permutation(64)], 4)
