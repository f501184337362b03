"""Moments of held rows on every path: against float64, and the same for any number of threads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import assert_equal
from test_sparseproj import KINDS, PART, graph, held


def assert_moments(found, rows):
    """The sum of the outer products of rows with a 1 behind each, within the header's bounds."""
    ones = np.c_[rows, rows.any(axis=1)].astype(np.float64)
    expected = ones.T @ ones
    bounds = np.sqrt(np.outer(expected.diagonal(), expected.diagonal()))
    bounds[-1, :-1] = bounds[:-1, -1] = np.abs(ones[:, :-1]).sum(axis=0)
    bounds[-1, -1] = 0
    assert found.shape == expected.shape
    assert (np.abs(found - expected) <= 2.0**-12 * bounds).all()
    assert_equal((found,), (np.ascontiguousarray(found.T),))


@pytest.mark.quick
@pytest.mark.parametrize("kind", KINDS[:3])
@pytest.mark.parametrize("normalize", [False, True])
def test_moments_are_sums_of_outer_products(path, rng, kind, normalize):
    for n, held_width, width in ((0, 16, 3), (1, 16, 16), (33, 48, 40), (4200, 32, 32)):
        rows, scales, _ = held(kind, n, held_width, rng)
        rows[::3], rows[1::7, 0], rows[:, width:] = 0, 0, 0
        floats = path.sparseproj.widen(rows, scales, width, normalize, 1)
        found = path.sparseproj.moments(rows, scales, width, normalize, 1)
        assert_moments(found, floats)
        again = path.sparseproj.moments(rows, scales, width, normalize, 3)
        assert_equal((again,), (found,))


def test_moments_count_the_smallest_rows_and_no_zeros(path):
    rows = np.zeros((70, 32), np.float32)
    rows[3, 0], rows[40, 31], rows[69, 5] = 1e-40, -1e-30, 2
    rows[7] = -0.0
    found = path.sparseproj.moments(rows, None, 32, False, 1)
    assert found[-1, -1] == 3
    assert found[-1, 31] == rows[40, 31]
    assert found[5, 5] == 4


@given(
    n=st.integers(0, 300),
    width=st.sampled_from([16, 32, 48, 80, 128, 208, 272]),
    kind=st.sampled_from(KINDS),
    target=st.sampled_from(["float32", "float16", "int8"]),
    weighted=st.booleans(),
    loops=st.booleans(),
    long_row=st.sampled_from([0, 130, PART + 9]),
    seed=st.integers(0, 2**32 - 1),
)
def test_propagate_gives_the_moments_of_what_it_keeps(
    path, n, width, kind, target, weighted, loops, long_row, seed
):
    rng = np.random.default_rng(seed)
    columns = width if kind != "signs" else -(-width // 64) * 64
    source, source_scales, _ = held(kind, n + 1, columns, rng)
    indptr, indices, weights = graph(n, n + 1, rng, long_row)
    row_scales = (rng.random(n) * (rng.random(n) < 0.8) * 2.0**-13).astype(np.float32)
    dtype = {"float32": np.float32, "float16": np.uint16, "int8": np.int8}[target]

    def run(wanted, threads):
        kept = np.zeros((n, width), dtype)
        scales = np.zeros(n, np.float32) if target == "int8" else None
        out, found = np.zeros((n, width), np.float32), np.full((width + 1, width + 1), np.nan)
        given = (indptr, indices, weights if weighted else None, row_scales, loops)
        rest = (source, source_scales, kept, scales, out, 0.0, 1.0, True, False, threads)
        path.sparseproj.propagate(*given, *rest, target_moments=found if wanted else None)
        return kept, scales, out, found

    kept, scales, out, found = run(True, 1)
    assert_moments(found, path.sparseproj.widen(kept, scales, width, True, 1))
    assert_equal(run(True, 2)[3:], (found,))
    plain = run(False, 1)
    assert_equal((kept, out), (plain[0], plain[2]))


def test_moments_of_many_runs_are_the_same_for_any_number_of_threads(path, rng):
    n, width = 9000, 32
    indptr, indices, _ = graph(n, n, rng, 3 * PART)
    source, kept = rng.standard_normal((n, width), np.float32), np.zeros((n, width), np.uint16)
    found = [np.empty((20, 20)) for _ in range(3)]
    for threads, moments in zip((1, 2, 5), found, strict=True):
        rest = (kept, None, None, 0, 0, False, False, threads)
        path.sparseproj.propagate(
            indptr, indices, None, None, True, source, None, *rest, target_moments=moments
        )
    assert_moments(found[0], path.sparseproj.widen(kept, None, 19, True, 1))
    assert_equal(found[1:], (found[0], found[0]))
