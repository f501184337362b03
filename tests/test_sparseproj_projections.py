"""Kernels of projections on every path: equal to their definitions, bit by bit."""

from __future__ import annotations

import numpy as np
import pytest

import guard
from cases import assert_equal, strided_rows


def lists_of(matrix):
    """A matrix of -1, 0 and 1 (features, columns) by columns and by rows."""
    by_columns = [
        np.flatnonzero(matrix[:, c] == s) for c in range(matrix.shape[1]) for s in (1, -1)
    ]
    starts = np.cumsum([0, *map(len, by_columns)])
    codes = [[c + len(row) * (s < 0) for c, s in enumerate(row) if s] for row in matrix.tolist()]
    row_starts = np.cumsum([0, *map(len, codes)])
    return (
        (starts, np.concatenate(by_columns).astype(np.int32)),
        (row_starts, np.array([code for row in codes for code in row], np.int32)),
    )


def projected(x, matrix, scale):
    zero = np.zeros((len(x), matrix.shape[1]), np.float32)
    sums = {1: zero.copy(), -1: zero.copy()}
    for feature, row in enumerate(matrix):
        for sign, total in sums.items():
            there = row == sign
            total[:, there] = total[:, there] + x[:, feature, None]
    return np.float32(scale) * (sums[1] - sums[-1])


def project_sparse(path, indptr, indices, values, starts, codes, width, scale, threads):
    words = path.sparseproj.make_words(starts, codes, width)
    graph, lists = (indptr, indices, values), (starts, codes, words)
    return path.sparseproj.project_sparse(*graph, *lists, width, scale, threads)


@pytest.mark.quick
@pytest.mark.parametrize(
    ("n", "features", "width"), [(0, 3, 2), (1, 5, 3), (70, 33, 20), (130, 9, 1)]
)
def test_projections_are_sums_in_the_order_of_the_features(path, rng, n, features, width):
    matrix = rng.integers(-1, 2, (features, width), dtype=np.int8)
    matrix[:, 0] = 0
    x = rng.standard_normal((n, features), dtype=np.float32)
    x[rng.random((n, features)) < 0.5] = 0
    columns, rows = lists_of(matrix)
    expected = projected(x, matrix, 0.3)
    for there in (x, strided_rows(x)):
        assert_equal((path.sparseproj.project(there, *columns, 0.3, 2),), (expected,))
    indptr = np.concatenate([[0], np.cumsum((x != 0).sum(axis=1))])
    for index in (np.int32, np.int64):
        sparse = indptr.astype(index), np.nonzero(x)[1].astype(index), x[x != 0]
        found = project_sparse(path, *sparse, *rows, width, 0.3, 2)
        assert_equal((found,), (expected,))
    ones = indptr, np.ascontiguousarray(np.nonzero(x)[1]), None
    found = project_sparse(path, *ones, *rows, width, 1.0, 1)
    assert_equal((found,), (projected((x != 0).astype(np.float32), matrix, 1.0),))


@pytest.mark.parametrize("width", [40, 16_352, 16_353])  # the last has too many codes for words
def test_many_sparse_rows_meet_features_of_few_columns(path, rng, width):
    n, features = 12, 300
    matrix = np.zeros((features, width), np.int8)
    for feature, count in enumerate(rng.integers(0, 5, features)):
        there = rng.choice(width, count, replace=False)
        matrix[feature, there] = rng.choice(np.array([-1, 1], np.int8), count)
    x = rng.standard_normal((n, features), dtype=np.float32)
    feature, column = np.nonzero(matrix)
    codes = column + width * (matrix[feature, column] < 0)
    rows = np.searchsorted(feature, np.arange(features + 1)), codes.astype(np.int32)
    indptr, indices = np.arange(n + 1) * features, np.tile(np.arange(features), n)
    found = project_sparse(path, indptr, indices, x.ravel(), *rows, width, 0.3, 2)
    assert_equal((found,), (projected(x, matrix, 0.3),))


@pytest.mark.parametrize("n", [1, 63, 64, 65, 1025, 2100])
def test_rows_are_projected_alike_however_many_there_are(path, rng, n):
    matrix = rng.integers(-1, 2, (50, 7), dtype=np.int8)
    x = rng.standard_normal((n, 50), dtype=np.float32)
    columns, _ = lists_of(matrix)
    found = path.sparseproj.project(x, *columns, 1.0, 3)
    assert_equal((found,), (projected(x, matrix, 1.0),))


def test_rows_of_numbers_that_are_not_finite_are_told_by_nan(path, rng):
    x = rng.standard_normal((70, 40), dtype=np.float32)
    x[3, 7], x[64, 39], x[69, 0] = np.nan, np.inf, -np.inf
    columns, _ = lists_of(np.zeros((40, 3), np.int8))  # whatever the matrix asks for
    found = path.sparseproj.project(x, *columns, 1.0, 1)
    assert np.flatnonzero(np.isnan(found).all(axis=1)).tolist() == [3, 64, 69]
    assert np.isnan(found).sum() == 9


@pytest.mark.skipif(not guard.HERE, reason=guard.WHY_NOT)
def test_projections_stay_inside_their_arrays(path, rng):
    matrix = rng.integers(-1, 2, (19, 5), dtype=np.int8)
    x = rng.standard_normal((41, 19), dtype=np.float32)
    columns, _ = lists_of(matrix)
    for there, starts, features in guard.placements(x, *columns):
        found = path.sparseproj.project(there, starts, features, 1.0, 1)
        assert_equal((found,), (projected(x, matrix, 1.0),))
    _, rows = lists_of(matrix)
    sparse = np.arange(42) * 19, np.tile(np.arange(19), 41), x.ravel()
    for indptr, indices, numbers, starts, codes in guard.placements(*sparse, *rows):
        found = project_sparse(path, indptr, indices, numbers, starts, codes, 5, 1.0, 1)
        assert_equal((found,), (projected(x, matrix, 1.0),))
