"""Random matrices of -1, 0 and 1 on every path: what the contract's sentence says, and random."""

from __future__ import annotations

import numpy as np
import pytest

from cases import assert_equal

GOLDEN, WORD = 0x9E3779B97F4A7C15, 2**64


def mix(x):
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % WORD
    x = (x ^ x >> 27) * 0x94D049BB133111EB % WORD
    return x ^ x >> 31


def entry(seed, row, column, threshold):
    """One number of a random matrix, by the contract's sentence, in Python's own integers."""
    state = mix((mix((seed + GOLDEN) % WORD) + row * GOLDEN) % WORD)
    lane = column // 64 * 64 + column % 2 * 32 + column % 64 // 2
    x = (state + lane // 2 * (GOLDEN >> 32)) % 2**32
    x = ((x ^ x >> 16) * 0x21F0AAAD + (state >> 32)) % 2**32
    x = (x ^ x >> 15) * 0xD35A2D97 % 2**32
    u = ((x ^ x >> 15) >> 16 * (lane % 2) & 0xFFFF) ^ 0x8000
    return 1 if u < threshold else -1 if u < 2 * threshold else 0


def signs(path, ids, used, seed, threshold, threads=1, first=0):
    out = np.full((len(ids), -(-used // 64) * 64), 77, np.int8)
    ids = np.asarray(ids, np.int64)
    path.sparseproj.ternary(ids, used, seed, threshold, out, threads, first=first)
    return out


@pytest.mark.quick
@pytest.mark.parametrize("threshold", [1, 5461, 10923, 32768])
def test_every_number_of_a_random_matrix_follows_from_seed_row_and_column(path, threshold):
    ids, seed = [0, 1, 17, -1, 2**63 - 1, -(2**63)], 0xFEDCBA9876543210
    found = signs(path, ids, 70, seed, threshold)
    expected = [[entry(seed, i % WORD, c, threshold) for c in range(70)] for i in ids]
    assert_equal((found[:, :70],), (np.array(expected, np.int8),))
    assert not found[:, 70:].any()


@pytest.mark.parametrize("used", [1, 4, 63, 64, 65, 128, 300])
def test_columns_do_not_depend_on_how_many_there_are_or_where_they_begin(path, rng, used):
    ids = rng.integers(-(2**63), 2**63, 1500)
    wide = signs(path, ids, 320, 5, 9000)
    for threads in (1, 3):
        assert_equal((signs(path, ids, used, 5, 9000, threads)[:, :used],), (wide[:, :used],))
    for first in range(0, used, 64):
        part = signs(path, ids, used - first, 5, 9000, first=first)
        assert_equal((part[:, : used - first],), (wide[:, first:used],))
        assert not part[:, used - first :].any()


def test_a_random_matrix_is_centred_and_independent(path):
    matrix = signs(path, np.arange(4000), 256, 3, 10923).astype(np.float64)
    share = 2 * 10923 / 65536
    assert abs((matrix != 0).mean() - share) < 0.003
    assert abs(matrix.mean()) < 0.003
    columns = np.corrcoef(matrix.T) - np.eye(256)
    rows = np.corrcoef(matrix[:300]) - np.eye(300)
    assert np.abs(columns).max() < 6 / 4000**0.5
    assert np.abs(rows).max() < 6 / 256**0.5
