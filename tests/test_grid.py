"""Rows rounded to the grid of odd whole numbers: one answer on every path, and a good one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tersevec._numpy import pqencode as twin


def matrices(m, random, spread=1.0):
    """A metric and what is below the diagonal of its unit factor."""
    factor = random.standard_normal((m, m))
    metric = factor @ factor.T / m * spread + 0.3 * np.eye(m)
    metric = ((metric + metric.T) / 2).astype(np.float32)
    lower = np.linalg.cholesky(metric.astype(np.float64))
    return metric, (lower / np.diag(lower)).astype(np.float32)


@given(
    n=st.integers(0, 40),
    m=st.integers(1, 50),
    n_bits=st.integers(1, 7),
    sweeps=st.integers(0, 3),
    scale=st.sampled_from([1.0, 1e-20, 1e12, 1e-35]),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_path_finds_the_twins_numbers(path, n, m, n_bits, sweeps, scale, seed):
    random = np.random.default_rng(seed)
    x = (random.standard_normal((n, m)) * scale).astype(np.float32)
    x[::5] = 0
    given_to_all = x, *matrices(m, random), n_bits, sweeps
    numbers = path.pqencode.grid(*given_to_all, 2)
    assert numbers.shape == (n, m)
    assert np.array_equal(numbers, twin.grid(*given_to_all, 1))


@pytest.mark.parametrize("n_bits", [1, 2])
def test_numbers_are_no_worse_than_rounding_and_near_the_best_there_is(path, rng, n_bits):
    m, top = 5, 2**n_bits - 1
    all_codes = np.array([*itertools.product(range(-top, top + 1, 2), repeat=m)], np.float64)
    totals = np.zeros(3)
    for _ in range(16):  # one matrix may be an odd one
        metric, shaping = matrices(m, rng, spread=3.0)
        x = rng.standard_normal((30, m)).astype(np.float32)

        def errors(codes, x=x, metric=metric):
            """The metric's error of each row at its best step."""
            weighed = codes @ metric
            steps = (weighed * x).sum(axis=1) / (weighed * codes).sum(axis=1)
            lost = x - np.maximum(steps, 0)[:, None] * codes
            return np.einsum("ni,ij,nj->n", lost, metric, lost)

        found = errors(2.0 * path.pqencode.grid(x, metric, shaping, n_bits, 3, 1) - top)
        plain = errors(2.0 * path.pqencode.grid(x, metric, shaping, n_bits, 0, 1) - top)
        best = np.min([errors(np.repeat(code[None], 30, axis=0)) for code in all_codes], axis=0)
        assert (found >= best - 1e-4).all()
        totals += found.mean(), plain.mean(), best.mean()
    assert totals[0] < 0.9 * totals[1]
    assert totals[0] < 1.4 * totals[2]


def test_strided_rows_are_read_in_place(path, rng):
    wide = rng.standard_normal((21, 11)).astype(np.float32)
    metric, shaping = matrices(11, rng)
    every_second = path.pqencode.grid(wide[::2], metric, shaping, 3, 2, 1)
    assert np.array_equal(every_second, path.pqencode.grid(wide, metric, shaping, 3, 2, 1)[::2])
