"""Kernels of product quantisation: masks of each query, segments, rounded sums, codes for codes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import (
    BITS,
    TABLE_KINDS,
    WORST_FLOAT,
    assert_equal,
    biases,
    first_k,
    masks,
    numbers,
    packed,
    product_codes,
    segment_lists,
    selected,
    strided_rows,
    table_sums,
    tables,
    within,
)
from tersevec._numpy import pqscan as twin


def blocks_of(path, codes, m, n_bits):
    in_block, *block = path.pqscan.block_shape(m, n_bits)
    blocks = np.zeros((-(-len(codes) // in_block), *block), np.uint8)
    path.pqscan.pack(codes, blocks, m, n_bits, 0)
    return blocks


def problem(path, n, nq, m, kind, rng, n_bits):
    """Tables, codes, blocks, and the distances by definition."""
    entries, codes = tables(kind, nq, m, rng, n_bits), product_codes(n, m, rng, n_bits)
    distances = table_sums(entries, numbers(codes, m, n_bits))
    return entries, codes, blocks_of(path, codes, m, n_bits), distances


# ---- masks and segments


@pytest.mark.parametrize("n_bits", BITS)
@pytest.mark.parametrize(("n", "nq"), [(1, 3), (33, 2), (64, 5), (130, 9), (300, 1)])
def test_each_query_finds_what_its_own_mask_allows(path, rng, n, nq, n_bits):
    entries, codes, blocks, distances = problem(path, n, nq, 6, "ties", rng, n_bits)
    kinds = [mask for mask in masks(n, rng) if mask is not None]
    mask = np.stack([kinds[q % len(kinds)] for q in range(nq)])
    for base in (codes, blocks):
        for k in (1, 7, n + 2):
            found = path.pqscan.topk(entries, base, n, k, packed(mask), 1)
            assert_equal(found, first_k(distances, k, WORST_FLOAT, mask))
        found = path.pqscan.range_search(entries, base, n, 4.0, packed(mask), 1)
        assert_equal(found, within(distances, 4.0, mask))


@pytest.mark.parametrize("n_bits", BITS)
@pytest.mark.parametrize("bias_kind", ["none", "small", "wide"])
@pytest.mark.parametrize(("n", "nq"), [(0, 2), (1, 1), (63, 3), (65, 9), (257, 4)])
def test_only_rows_of_segments_are_found_and_their_bias_counts(path, rng, n, nq, bias_kind, n_bits):
    entries, codes, blocks, distances = problem(path, n, nq, 5, "ties", rng, n_bits)
    scan, search = path.pqscan.range_search, path.pqscan.topk
    for segments in segment_lists(n, rng):
        bias = biases(bias_kind, nq, len(segments), rng)
        biased, inside = selected(distances, segments, bias)
        for mask in (None, rng.random(n) < 0.5, rng.random((nq, n)) < 0.5):
            allowed = inside if mask is None else mask & inside
            given = {"segments": segments, "bias": bias}
            for base in (codes, blocks):
                found = search(entries, base, n, 9, packed(mask), 1, **given)
                assert_equal(found, first_k(biased, 9, WORST_FLOAT, allowed))
            found = scan(entries, base, n, 3.0, packed(mask), 1, **given)
            assert_equal(found, within(biased, 3.0, allowed))


@pytest.mark.parametrize("kind", ["normal", "negative", "cancelling", "grid", "denormal"])
@pytest.mark.parametrize("n_bits", BITS)
def test_a_bias_is_added_last_and_rounded_once(path, rng, kind, n_bits):
    n, nq, m = 700, 3, 9
    entries, codes, blocks, distances = problem(path, n, nq, m, kind, rng, n_bits)
    segments = np.array([[640, 700], [3, 200], [200, 333], [500, 500]])
    spread = np.float32(np.ptp(distances))
    for bias in (
        spread * rng.standard_normal((nq, 4)).astype(np.float32),
        np.float32([[0, 1e20, -1e20, 3]] * nq),
        np.float32([[1e30, 1e30, 1e30, 0]] * nq),  # all distances are equal
    ):
        biased, inside = selected(distances, segments, bias)
        for k in (1, 10, 250):
            found = path.pqscan.topk(entries, blocks, n, k, None, 2, segments=segments, bias=bias)
            assert_equal(found, first_k(biased, k, WORST_FLOAT, inside))
        radius = float(np.median(biased[0][inside]))
        found = path.pqscan.range_search(
            entries, codes, n, radius, None, 2, segments=segments, bias=bias
        )
        assert_equal(found, within(biased, radius, inside))


@pytest.mark.quick
@pytest.mark.parametrize("metric", ["l2", "ip"])
@pytest.mark.parametrize("n_bits", BITS)
def test_a_search_takes_masks_segments_and_biases_as_topk_does(path, rng, metric, n_bits):
    m, ds, n, nq, k = 5, 2, 200, 7, 20
    books = rng.standard_normal((m, 2**n_bits, ds), dtype=np.float32)
    queries = rng.standard_normal((nq, m * ds), dtype=np.float32)
    codes, columns = product_codes(n, m, rng, n_bits), books.transpose(0, 2, 1).copy()
    entries = path.pqscan.lookup_tables(queries, books, metric, 1)
    sums = table_sums(entries, numbers(codes, m, n_bits))
    segments = np.array([[150, 190], [1, 100]])
    bias = rng.standard_normal((nq, 2), dtype=np.float32)
    sums, inside = selected(sums, segments, bias)
    mask = rng.random((nq, n)) < 0.2
    sign = np.float32(1 if metric == "l2" else -1)
    expected = first_k(sign * sums, k, WORST_FLOAT, mask & inside)
    found = path.pqscan.search(
        *(queries, columns, metric, 1e9, codes, n, k, packed(mask), 2),
        segments=segments,
        bias=bias,
    )
    assert_equal(found, (sign * expected[0], expected[1]))


@pytest.mark.parametrize(("n", "nq", "m", "n_bits"), [(30_000, 2, 60, 4), (9000, 40, 30, 6)])
def test_threads_change_nothing_of_a_selection(path, rng, n, nq, m, n_bits):
    entries, codes, blocks, distances = problem(path, n, nq, m, "normal", rng, n_bits)
    cuts = np.unique(rng.integers(0, n, 60))
    segments = rng.permutation(np.stack([cuts[:-1], cuts[1:]], axis=1))[:40]
    bias, mask = 5 * rng.standard_normal((nq, 40), dtype=np.float32), rng.random((nq, n)) < 0.5
    biased, inside = selected(distances, segments, bias)
    expected = first_k(biased, 30, WORST_FLOAT, mask & inside)
    radius = float(expected[0][0, 20])
    hits = within(biased, radius, mask & inside)
    given = {"segments": segments, "bias": bias}
    for threads in (1, 2, 5):
        for base in (codes, blocks):
            found = path.pqscan.topk(entries, base, n, 30, packed(mask), threads, **given)
            assert_equal(found, expected)
        found = path.pqscan.range_search(entries, blocks, n, radius, packed(mask), threads, **given)
        assert_equal(found, hits)


@given(data=st.data())
def test_any_selection_is_searched_exactly(path, data):
    draw = data.draw
    n, nq = draw(st.integers(0, 200), "n"), draw(st.integers(1, 9), "nq")
    m, n_bits = draw(st.integers(1, 40), "m"), draw(st.sampled_from(BITS), "n_bits")
    rng = np.random.default_rng(draw(st.integers(0, 2**32), "seed"))
    kind = draw(st.sampled_from([k for k in TABLE_KINDS if k != "huge"]), "kind")
    entries, codes, blocks, distances = problem(path, n, nq, m, kind, rng, n_bits)
    segments = draw(st.sampled_from(list(segment_lists(n, rng))), "segments")
    bias = biases(draw(st.sampled_from(["none", "small", "wide"])), nq, len(segments), rng)
    mask = draw(st.sampled_from([*masks(n, rng), rng.random((nq, n)) < 0.5]), "mask")
    biased, inside = selected(distances, segments, bias)
    allowed = inside if mask is None else mask & inside
    k, base = draw(st.integers(1, 220), "k"), draw(st.sampled_from([codes, blocks]), "base")
    given_too = {"segments": segments, "bias": bias}
    found = path.pqscan.topk(entries, base, n, k, packed(mask), 2, **given_too)
    assert_equal(found, first_k(biased, k, WORST_FLOAT, allowed))
    radius = float(np.median(biased)) if biased.size else 0.0
    found = path.pqscan.range_search(entries, base, n, radius, packed(mask), 2, **given_too)
    assert_equal(found, within(biased, radius, allowed))


# ---- rounded sums


def levels_of(entries):
    """The entries of each query as whole numbers, rounded down, and the size of a level."""
    limit = 63 if entries.shape[2] in (32, 64) else 127
    spans = np.ptp(entries.astype(np.float64), axis=2).max(axis=1)
    levels = np.zeros(entries.shape, np.float32)
    for q, span in enumerate(spans):
        if span > 0:
            factor = np.float32(min(limit / span, 1e30) * (1 - 2.0**-21))
            least = entries[q].min(axis=1, keepdims=True)
            levels[q] = np.minimum(limit, np.trunc((entries[q] - least) * factor))
    return levels.astype(np.int64), spans / limit


def integer_sums(levels, codes, m, n_bits):
    ids = numbers(codes, m, n_bits)
    return sum(levels[:, j][:, ids[:, j]] for j in range(m)).astype(np.int32)


@pytest.mark.parametrize("kind", [kind for kind in TABLE_KINDS if kind != "huge"])
@pytest.mark.parametrize(
    ("n_bits", "m"),
    [(4, 1), (4, 7), (4, 64), (4, 513), (5, 9), (6, 4), (6, 1041), (7, 5), (8, 8), (8, 517)],
)
def test_every_exact_distance_lies_within_the_bounds_of_its_rounded_sum(path, rng, kind, m, n_bits):
    n, nq = 130, 3
    entries, codes, blocks, distances = problem(path, n, nq, m, kind, rng, n_bits)
    lower, upper, indices = path.pqscan.quantised_topk(entries, blocks, n, n + 2, None, 1)
    levels, step = levels_of(entries)
    sums = integer_sums(levels, codes, m, n_bits)
    np.testing.assert_array_equal(indices, first_k(sums, n + 2, np.int32(0))[1])
    exact = np.take_along_axis(distances, indices[:, :n], axis=1)
    assert (lower[:, :n] <= exact).all()
    assert (exact <= upper[:, :n]).all()
    assert np.isinf(lower[:, n:]).all()
    assert np.isinf(upper[:, n:]).all()
    assert_equal((lower, upper, indices), twin.quantised_topk(entries, codes, n, n + 2, None, 1))
    if kind in ("normal", "signs", "constant", "ties"):  # large sums add rounding errors of floats
        widths = upper[:, :n].astype(np.float64) - lower[:, :n]
        assert (widths <= 1.01 * m * step[:, None] + 1e-6 * m * np.abs(entries).max() * m).all()


@pytest.mark.parametrize("n_bits", BITS)
@pytest.mark.parametrize("n", [0, 1, 65, 300])
def test_rounded_searches_take_masks_and_segments(path, rng, n, n_bits):
    m, nq, k = 6, 5, 12
    entries, codes, blocks, _ = problem(path, n, nq, m, "normal", rng, n_bits)
    sums = integer_sums(levels_of(entries)[0], codes, m, n_bits)
    for segments in (None, *segment_lists(n, rng)):
        inside = True if segments is None else selected(sums, segments)[1]
        for mask in (None, rng.random(n) < 0.5, rng.random((nq, n)) < 0.5):
            allowed = np.broadcast_to(True if mask is None else mask, (nq, n)) & inside
            expected = first_k(sums, k, np.int32(0), allowed)[1]
            for base in (codes, strided_rows(codes), blocks):
                found = path.pqscan.quantised_topk(
                    entries, base, n, k, packed(mask), 2, segments=segments
                )
                np.testing.assert_array_equal(found[2], expected)


@given(data=st.data())
def test_bounds_of_any_tables_hold_and_are_the_same_everywhere(path, data):
    draw = data.draw
    n_bits, m = draw(st.sampled_from(BITS), "n_bits"), draw(st.integers(1, 50), "m")
    rng = np.random.default_rng(draw(st.integers(0, 2**32), "seed"))
    scale = np.float32(10.0 ** draw(st.integers(-44, 34), "exponent"))
    kinds = [kind for kind in TABLE_KINDS if kind not in ("huge", "denormal", "spread", "grid")]
    entries = tables(draw(st.sampled_from(kinds), "kind"), 2, m, rng, n_bits) / 1e6 * scale
    entries = entries.astype(np.float32)
    codes = product_codes(90, m, rng, n_bits)
    distances = table_sums(entries, numbers(codes, m, n_bits))
    lower, upper, indices = path.pqscan.quantised_topk(entries, codes, 90, 90, None, 1)
    exact = np.take_along_axis(distances, indices, axis=1)
    assert ((lower <= exact) & (exact <= upper)).all()
    assert_equal((lower, upper, indices), twin.quantised_topk(entries, codes, 90, 90, None, 1))


# ---- codes for codes


@pytest.mark.quick
@pytest.mark.parametrize("n_bits", BITS)
@pytest.mark.parametrize(("n", "nq", "m"), [(1, 1, 1), (65, 9, 5), (200, 3, 33), (40, 0, 2)])
def test_symmetric_searches_are_those_of_the_tables_that_codes_name(path, rng, n, nq, m, n_bits):
    K = 2**n_bits
    pairs = tables("ties", K, m, rng, n_bits)
    codes, q_codes = product_codes(n, m, rng, n_bits), product_codes(nq, m, rng, n_bits)
    entries = pairs[numbers(q_codes, m, n_bits), np.arange(m)]
    distances = table_sums(entries, numbers(codes, m, n_bits))
    segments = np.array([[n // 2, n], [0, n // 3]])
    inside = selected(distances, segments)[1]
    radius = float(np.median(distances)) if nq else 0.0
    for mask in (None, rng.random(n) < 0.6, rng.random((nq, n)) < 0.6):
        allowed = np.broadcast_to(True if mask is None else mask, (nq, n))
        for base in (codes, blocks_of(path, codes, m, n_bits)):
            for asked in (q_codes, strided_rows(q_codes)):
                found = path.pqscan.symmetric_topk(pairs, asked, base, n, 12, packed(mask), 2)
                assert_equal(found, first_k(distances, 12, WORST_FLOAT, allowed))
            found = path.pqscan.symmetric_range(pairs, q_codes, base, n, radius, packed(mask), 2)
            assert_equal(found, within(distances, radius, allowed))
            found = path.pqscan.symmetric_range(
                pairs, q_codes, base, n, radius, packed(mask), 1, segments=segments
            )
            assert_equal(found, within(distances, radius, allowed & inside))


@pytest.mark.parametrize("n_bits", [4, 8])
def test_threads_change_no_symmetric_answer(path, rng, n_bits):
    m, n, nq = 16, 5000, 70
    pairs = tables("ties", 2**n_bits, m, rng, n_bits)
    codes = product_codes(n, m, rng, n_bits)
    expected = path.pqscan.symmetric_topk(pairs, codes[:nq], codes, n, 20, None, 1)
    hits = path.pqscan.symmetric_range(pairs, codes[:nq], codes, n, 9.0, None, 1)
    for threads in (2, 5):
        found = path.pqscan.symmetric_topk(pairs, codes[:nq], codes, n, 20, None, threads)
        assert_equal(found, expected)
        found = path.pqscan.symmetric_range(pairs, codes[:nq], codes, n, 9.0, None, threads)
        assert_equal(found, hits)
