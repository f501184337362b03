"""Kernels of product quantisation on every path: floats equal their definitions to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import (
    SIZES,
    SUBSPACES,
    TABLE_KINDS,
    WORST_FLOAT,
    assert_equal,
    first_k,
    layouts,
    masks,
    nibbles,
    packed,
    product_codes,
    strided_rows,
    table_sums,
    tables,
    within,
)


def blocks_of(path, codes, m):
    blocks = np.zeros((-(-len(codes) // 32), m, 16), np.uint8)
    path.pqscan.pack(codes, blocks, 0)
    return blocks


def problem(n, nq, m, kind, rng):
    """Tables, codes, and the distances by definition."""
    entries, codes = tables(kind, nq, m, rng), product_codes(n, m, rng)
    return entries, codes, table_sums(entries, nibbles(codes, m))


def scores(x, codebooks):
    """Half the squared length of each centroid minus its product with x, rounded at each step."""
    m, K, ds = codebooks.shape
    norms = np.zeros((m, K), np.float32)
    for t in range(ds):
        norms = norms + codebooks[:, :, t] * codebooks[:, :, t]
    score = np.repeat((np.float32(0.5) * norms)[None], len(x), axis=0)
    for t in range(ds):
        score = score - x.reshape(len(x), m, 1, ds)[..., t] * codebooks[None, :, :, t]
    return score


# ---- layout


@pytest.mark.quick
@pytest.mark.parametrize("m", [1, 5])
def test_blocks_hold_pairs_of_codes_sixteen_apart(path, rng, m):
    codes = product_codes(70, m, rng)
    numbers = np.zeros((96, m), np.uint8)
    numbers[:70] = nibbles(codes, m)
    halves = numbers.reshape(3, 2, 16, m).transpose(1, 0, 3, 2)
    np.testing.assert_array_equal(blocks_of(path, codes, m), halves[0] + 16 * halves[1])


@pytest.mark.quick
def test_unpack_gives_back_what_pack_took(path, rng):
    for n, m in ((1, 1), (33, 2), (64, 7)):
        codes = product_codes(n, m, rng)
        unpacked = path.pqscan.unpack(blocks_of(path, codes, m), n)
        assert_equal((unpacked,), (codes,))


@pytest.mark.parametrize("m", [1, 2, 9, 64])
def test_packing_in_pieces_equals_packing_at_once(path, rng, m):
    codes = product_codes(200, m, rng)
    blocks, at = np.zeros((7, m, 16), np.uint8), 0
    while at < 200:
        step = int(rng.integers(1, 40))
        path.pqscan.pack(codes[at : at + step], blocks, at)
        at += step
    np.testing.assert_array_equal(blocks, blocks_of(path, codes, m))


def test_the_padding_nibble_of_an_odd_number_of_subspaces_means_nothing(path, rng):
    codes = product_codes(40, 3, rng)
    dirty = codes.copy()
    dirty[:, -1] |= 0xF0
    entries = tables("normal", 2, 3, rng)
    np.testing.assert_array_equal(blocks_of(path, dirty, 3), blocks_of(path, codes, 3))
    expected = path.pqscan.topk(entries, codes, 40, 9, None, 1)
    assert_equal(path.pqscan.topk(entries, dirty, 40, 9, None, 1), expected)
    found = path.pqscan.distances(entries, dirty, 40, 1)
    assert_equal((found,), (table_sums(entries, nibbles(codes, 3)),))


# ---- training


@pytest.mark.quick
@pytest.mark.parametrize("ds", [1, 4, 5])
def test_assign_takes_the_lowest_score_and_of_equal_ones_the_first(path, rng, ds):
    x = rng.standard_normal((19, 3 * ds), dtype=np.float32)
    codebooks = rng.standard_normal((3, 16, ds), dtype=np.float32)
    codebooks[:, 9] = codebooks[:, 4]
    assigned = path.pqscan.assign(x, codebooks, 1)
    assert_equal((assigned,), (scores(x, codebooks).argmin(axis=2).astype(np.uint8),))
    assert not (assigned == 9).any()


@pytest.mark.parametrize("n", [1, 15, 16, 17, 511, 513, 1100])
@pytest.mark.parametrize(
    ("m", "K", "ds"),
    [(1, 16, 1), (3, 16, 2), (2, 16, 3), (4, 16, 8), (2, 1, 3), (2, 256, 5), (1, 16, 257)],
)
def test_assign_agrees_with_scores_rounded_step_by_step(path, rng, n, m, K, ds):
    x = rng.standard_normal((n, m * ds), dtype=np.float32)
    codebooks = rng.standard_normal((m, K, ds), dtype=np.float32)
    expected = scores(x, codebooks).argmin(axis=2).astype(np.uint8)
    for rows in (x, strided_rows(x)):
        assert_equal((path.pqscan.assign(rows, codebooks, 2),), (expected,))


def test_assign_handles_equal_and_extreme_rows(path):
    x = np.float32([[0, 0], [1e18, -1e18], [1e-42, 0], [-0.0, 0.0]])
    codebooks = np.zeros((1, 16, 2), np.float32)
    codebooks[0, 5], codebooks[0, 7] = (1e18, -1e18), (1e-42, 0)
    expected = scores(x, codebooks).argmin(axis=2).astype(np.uint8)
    assert_equal((path.pqscan.assign(x, codebooks, 1),), (expected,))


@pytest.mark.quick
def test_centroid_sums_add_rows_in_order_in_float64(path, rng):
    x = rng.standard_normal((50, 6), dtype=np.float32)
    assigned = rng.integers(0, 15, (50, 3), dtype=np.uint8)  # the last centroid stays empty
    sums, counts = np.zeros((3, 16, 2)), np.zeros((3, 16), np.int64)
    for row, ids in zip(x.astype(np.float64), assigned, strict=True):
        for j, k in enumerate(ids):
            sums[j, k] += row[2 * j : 2 * j + 2]
            counts[j, k] += 1
    assert_equal(path.pqscan.centroid_sums(x, assigned, 16, 2), (sums, counts))


@pytest.mark.quick
@pytest.mark.parametrize("metric", ["l2", "ip"])
def test_lookup_tables_add_term_by_term_in_float32(path, rng, metric):
    queries = rng.standard_normal((5, 6), dtype=np.float32)
    codebooks = rng.standard_normal((2, 16, 3), dtype=np.float32)
    parts = queries.reshape(5, 2, 1, 3)
    expected = np.zeros((5, 2, 16), np.float32)
    for t in range(3):
        apart = parts[..., t] - codebooks[:, :, t]
        expected += apart * apart if metric == "l2" else parts[..., t] * codebooks[:, :, t]
    assert_equal((path.pqscan.lookup_tables(queries, codebooks, metric, 2),), (expected,))


# ---- scans


@pytest.mark.quick
@pytest.mark.parametrize("m", [1, 6, 16])
def test_scans_of_a_few_codes_are_exact(path, rng, m):
    entries, codes, distances = problem(33, 3, m, "normal", rng)
    mask, radius = rng.random(33) < 0.6, float(np.median(distances))
    for base in (codes, blocks_of(path, codes, m)):
        assert_equal((path.pqscan.distances(entries, base, 33, 1),), (distances,))
        found = path.pqscan.topk(entries, base, 33, 5, packed(mask), 1)
        assert_equal(found, first_k(distances, 5, WORST_FLOAT, mask))
        found = path.pqscan.range_search(entries, base, 33, radius, packed(mask), 1)
        assert_equal(found, within(distances, radius, mask))


@pytest.mark.parametrize("kind", TABLE_KINDS)
@pytest.mark.parametrize("m", SUBSPACES)
def test_every_width_and_table_gives_the_exact_ranking(path, rng, m, kind):
    n = 333 if m < 600 else 97
    entries, codes, distances = problem(n, 5, m, kind, rng)
    blocks, radius = blocks_of(path, codes, m), float(distances[0, n // 2])
    for base in (codes, blocks):
        assert_equal((path.pqscan.distances(entries, base, n, 1),), (distances,))
        found = path.pqscan.topk(entries, base, n, 10, None, 1)
        assert_equal(found, first_k(distances, 10, WORST_FLOAT))
    found = path.pqscan.topk(entries, blocks, n, n + 1, None, 1)
    assert_equal(found, first_k(distances, n + 1, WORST_FLOAT))
    found = path.pqscan.range_search(entries, blocks, n, radius, None, 1)
    assert_equal(found, within(distances, radius))


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("nq", [0, 1, 2, 4, 7, 13])
def test_every_number_of_rows_and_queries_is_served(path, rng, n, nq):
    entries, codes, distances = problem(n, nq, 11, "ties", rng)
    mask = rng.random(n) < 0.4
    for base in (codes, blocks_of(path, codes, 11)):
        for k in (1, 12, n + 3):
            for allowed in (None, mask):
                found = path.pqscan.topk(entries, base, n, k, packed(allowed), 1)
                assert_equal(found, first_k(distances, k, WORST_FLOAT, allowed))
        found = path.pqscan.range_search(entries, base, n, 9.0, packed(mask), 1)
        assert_equal(found, within(distances, 9.0, mask))


@pytest.mark.parametrize("m", [1, 16, 511, 512, 513, 520, 1032, 4096])
def test_the_largest_sums_of_a_scan_do_not_overflow(path, rng, m):
    entries = np.broadcast_to(np.arange(16, dtype=np.float32), (3, m, 16)).copy()
    codes = product_codes(65, m, rng)
    codes[::2] = 255
    if m % 2:
        codes[:, -1] &= 15
    distances = table_sums(entries, nibbles(codes, m))
    found = path.pqscan.topk(entries, blocks_of(path, codes, m), 65, 40, None, 1)
    assert_equal(found, first_k(distances, 40, WORST_FLOAT))
    largest = 15.0 * m
    found = path.pqscan.range_search(entries, codes, 65, largest, None, 1)
    assert_equal(found, within(distances, largest))


def test_every_layout_of_code_rows_gives_the_same_answer(path, rng):
    entries, codes, distances = problem(65, 9, 13, "normal", rng)
    expected = first_k(distances, 20, WORST_FLOAT)
    for base in layouts(codes):
        assert_equal(path.pqscan.topk(entries, base, 65, 20, None, 1), expected)
        assert_equal((path.pqscan.distances(entries, base, 65, 1),), (distances,))
        np.testing.assert_array_equal(blocks_of(path, base, 13), blocks_of(path, codes, 13))


@pytest.mark.parametrize("n", [1, 33, 64, 130])
def test_no_mask_lets_a_forbidden_row_through(path, rng, n):
    entries, codes, distances = problem(n, 9, 8, "ties", rng)
    blocks = blocks_of(path, codes, 8)
    for mask in masks(n, rng):
        expected = first_k(distances, 12, WORST_FLOAT, mask)
        for base in (codes, blocks):
            assert_equal(path.pqscan.topk(entries, base, n, 12, packed(mask), 1), expected)


@pytest.mark.parametrize(("nq", "n", "m"), [(70, 2000, 64), (1, 30_000, 200)])
def test_threads_change_no_answer(path, rng, nq, n, m):
    entries, codes, distances = problem(n, nq, m, "ties", rng)
    mask, blocks = packed(rng.random(n) < 0.7), blocks_of(path, codes, m)
    expected, radius = first_k(distances, 50, WORST_FLOAT), float(np.sort(distances[0])[60])
    masked = path.pqscan.topk(entries, codes, n, 300, mask, 1)
    ranges = path.pqscan.range_search(entries, blocks, n, radius, mask, 1)
    for threads in (1, 2, 5):
        assert_equal(path.pqscan.topk(entries, blocks, n, 50, None, threads), expected)
        assert_equal(path.pqscan.topk(entries, codes, n, 300, mask, threads), masked)
        found = path.pqscan.range_search(entries, codes, n, radius, mask, threads)
        assert_equal(found, ranges)
        assert_equal((path.pqscan.distances(entries, blocks, n, threads),), (distances,))


def test_batches_answer_as_single_queries_do(path, rng):
    entries, codes, _ = problem(333, 23, 10, "ties", rng)
    together = path.pqscan.topk(entries, codes, 333, 9, None, 1)
    alone = [path.pqscan.topk(table[None], codes, 333, 9, None, 1) for table in entries]
    assert_equal(together, tuple(np.concatenate(parts) for parts in zip(*alone, strict=True)))


@pytest.mark.parametrize("k", [600, 17_000])
def test_a_k_of_thousands_keeps_the_first_of_equal_rows(path, rng, k):
    entries, codes, distances = problem(20_000, 2, 4, "ties", rng)
    expected = first_k(distances, k, WORST_FLOAT)
    found = path.pqscan.topk(entries, blocks_of(path, codes, 4), 20_000, k, None, 2)
    assert_equal(found, expected)


@pytest.mark.parametrize("kind", ["normal", "ties", "negative", "constant"])
def test_a_radius_includes_the_distance_it_names(path, rng, kind):
    entries, codes, distances = problem(200, 3, 9, kind, rng)
    exact = float(distances[1, 77])
    below = float(np.nextafter(np.float32(exact), np.float32(-np.inf)))
    for radius in (exact, below, float("inf"), float("-inf")):
        found = path.pqscan.range_search(entries, codes, 200, radius, None, 1)
        assert_equal(found, within(distances, radius))


def test_a_radius_of_minus_zero_is_zero(path):
    entries = np.zeros((1, 2, 16), np.float32)
    found = path.pqscan.range_search(entries, np.zeros((3, 1), np.uint8), 3, -0.0, None, 1)
    assert found[1].tolist() == [0, 1, 2]


def test_rows_in_falling_order_of_distance_are_found_though_every_one_beats_the_last(path):
    n, m = 5000, 4  # the threshold falls at every row, the worst case for a reservoir
    numbers = np.arange(n)[::-1]
    codes = np.stack([numbers % 256, numbers // 256], axis=1).astype(np.uint8)
    entries = np.float32(16.0) ** np.arange(m)[:, None] * np.arange(16, dtype=np.float32)
    found = path.pqscan.topk(entries[None].astype(np.float32), codes, n, 100, None, 1)
    assert_equal(
        found, (np.arange(100, dtype=np.float32)[None], np.arange(n - 1, n - 101, -1)[None])
    )


@given(data=st.data())
def test_any_problem_is_solved_exactly(path, data):
    draw = data.draw
    n, nq, m = (
        draw(st.integers(0, 200), "n"),
        draw(st.integers(0, 12), "nq"),
        draw(st.integers(1, 70)),
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32), "seed"))
    entries, codes, distances = problem(n, nq, m, draw(st.sampled_from(TABLE_KINDS)), rng)
    mask = draw(st.sampled_from(list(masks(n, rng))), "mask")
    base = draw(st.sampled_from([codes, strided_rows(codes), blocks_of(path, codes, m)]), "base")
    k, radius = draw(st.integers(1, 220), "k"), float(np.median(distances)) if distances.size else 0
    found = path.pqscan.topk(entries, base, n, k, packed(mask), 2)
    assert_equal(found, first_k(distances, k, WORST_FLOAT, mask))
    found = path.pqscan.range_search(entries, base, n, radius, packed(mask), 2)
    assert_equal(found, within(distances, radius, mask))


@pytest.mark.quick
@pytest.mark.parametrize("metric", ["l2", "ip"])
def test_a_search_is_the_topk_of_its_tables(path, rng, metric):
    m, ds, n, k = 5, 3, 70, 12
    books = rng.standard_normal((m, 16, ds), dtype=np.float32)
    queries = rng.standard_normal((9, m * ds), dtype=np.float32)
    codes = product_codes(n, m, rng)
    columns = np.ascontiguousarray(books.transpose(0, 2, 1))
    tables = path.pqscan.lookup_tables(queries, books, metric, 1)
    sign = np.float32(1 if metric == "l2" else -1)
    for mask in (None, np.packbits(rng.random(n) < 0.1, bitorder="little")):
        distances, rows = path.pqscan.topk(sign * tables, codes, n, k, mask, 1)
        values, indices = path.pqscan.search(queries, columns, metric, 1e9, codes, n, k, mask, 2)
        np.testing.assert_array_equal(indices, rows)
        np.testing.assert_array_equal(values, sign * distances)


def test_a_search_tells_of_numbers_beyond_the_limit_and_searches_nothing(path, rng):
    columns = rng.standard_normal((2, 1, 16), dtype=np.float32)
    codes = product_codes(40, 2, rng)
    for bad in (np.nan, np.inf, -3.5):
        queries = np.zeros((5, 2), np.float32)
        queries[4, 1] = bad
        assert path.pqscan.search(queries, columns, "l2", 3.0, codes, 40, 1, None, 1) is None
