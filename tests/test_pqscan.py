"""Kernels of product quantisation on every path: floats equal their definitions to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import (
    BITS,
    SIZES,
    TABLE_KINDS,
    WIDTHS,
    WORST_FLOAT,
    assert_equal,
    first_k,
    layouts,
    masks,
    numbers,
    packed,
    product_codes,
    strided_rows,
    table_sums,
    tables,
    within,
)


def empty_blocks(path, n, m, n_bits=4):
    in_block, *block = path.pqscan.block_shape(m, n_bits)
    return np.zeros((-(-n // in_block), *block), np.uint8)


def blocks_of(path, codes, m, n_bits=4):
    blocks = empty_blocks(path, len(codes), m, n_bits)
    path.pqscan.pack(codes, blocks, m, n_bits, 0)
    return blocks


def problem(n, nq, m, kind, rng, n_bits=4):
    """Tables, codes, and the distances by definition."""
    entries, codes = tables(kind, nq, m, rng, n_bits), product_codes(n, m, rng, n_bits)
    return entries, codes, table_sums(entries, numbers(codes, m, n_bits))


# ---- layout


@pytest.mark.quick
@pytest.mark.parametrize("m", [1, 5, 8])
def test_blocks_of_4_bits_hold_pairs_of_codes_sixteen_apart(path, rng, m):
    codes = product_codes(70, m, rng)
    lanes = np.zeros((96, m), np.uint8)
    lanes[:70] = numbers(codes, m)
    halves = lanes.reshape(3, 2, 16, m).transpose(1, 0, 3, 2)
    np.testing.assert_array_equal(blocks_of(path, codes, m), halves[0] + 16 * halves[1])


@pytest.mark.quick
@pytest.mark.parametrize("m", [1, 2, 3, 4, 5, 8, 11])
@pytest.mark.parametrize("n_bits", [5, 6])
def test_blocks_of_5_and_6_bits_hold_four_subspaces_in_three_lines(path, rng, m, n_bits):
    codes = product_codes(70, m, rng, n_bits)
    lanes = np.zeros((128, m), np.uint8)
    lanes[:70] = numbers(codes, m, n_bits)
    expected = np.zeros((2, m - m // 4, 64), np.uint8)
    for j in range(m):
        column, g = lanes[:, j].reshape(2, 64), j // 4
        if j % 4 < 3:
            expected[:, j - g] += column
        else:
            for i in range(3):
                expected[:, 3 * g + i] += column // 4**i % 4 * 64
    np.testing.assert_array_equal(blocks_of(path, codes, m, n_bits), expected)


@pytest.mark.quick
@pytest.mark.parametrize("m", [1, 5])
@pytest.mark.parametrize("n_bits", [7, 8])
def test_blocks_of_7_and_8_bits_hold_a_byte_of_each_subspace(path, rng, m, n_bits):
    codes = product_codes(70, m, rng, n_bits)
    lanes = np.zeros((128, m), np.uint8)
    lanes[:70] = numbers(codes, m, n_bits)
    expected = lanes.reshape(2, 64, m).transpose(0, 2, 1)
    np.testing.assert_array_equal(blocks_of(path, codes, m, n_bits), expected)


@pytest.mark.quick
@pytest.mark.parametrize("n_bits", BITS)
def test_rows_are_dense_with_the_least_significant_bit_first(path, rng, n_bits):
    for n, m in ((0, 3), (1, 1), (3, 2), (40, 7), (2, 8), (5, 33)):
        codes = product_codes(n, m, rng, n_bits)
        split = path.pqscan.split(strided_rows(codes), m, n_bits)
        assert_equal((split,), (numbers(codes, m, n_bits),))
        for row, ids in zip(codes, split.tolist(), strict=True):
            whole = sum(number << n_bits * j for j, number in enumerate(ids))
            assert int.from_bytes(row.tobytes(), "little") == whole
        assert_equal((path.pqscan.join(split, n_bits),), (codes,))


@pytest.mark.quick
@pytest.mark.parametrize("n_bits", BITS)
def test_unpack_gives_back_what_pack_took(path, rng, n_bits):
    for n, m in ((1, 1), (33, 2), (64, 7), (65, 4), (129, 9)):
        codes = product_codes(n, m, rng, n_bits)
        unpacked = path.pqscan.unpack(blocks_of(path, codes, m, n_bits), n, m, n_bits)
        assert_equal((unpacked,), (codes,))


@pytest.mark.parametrize("n_bits", BITS)
@pytest.mark.parametrize("m", [1, 2, 9, 64])
def test_packing_in_pieces_equals_packing_at_once(path, rng, m, n_bits):
    codes = product_codes(200, m, rng, n_bits)
    blocks, at = empty_blocks(path, 200, m, n_bits), 0
    while at < 200:
        step = int(rng.integers(1, 40))
        path.pqscan.pack(codes[at : at + step], blocks, m, n_bits, at)
        at += step
    np.testing.assert_array_equal(blocks, blocks_of(path, codes, m, n_bits))


@pytest.mark.parametrize("n_bits", BITS)
def test_packing_over_codes_leaves_those_around_them(path, rng, n_bits):
    m, codes = 7, product_codes(200, 7, rng, n_bits)
    blocks = blocks_of(path, codes, m, n_bits)
    for start, n in ((0, 1), (5, 1), (20, 1), (63, 2), (100, 80), (199, 1)):
        codes[start : start + n] = product_codes(n, m, rng, n_bits)
        path.pqscan.pack(codes[start : start + n], blocks, m, n_bits, start)
        np.testing.assert_array_equal(blocks, blocks_of(path, codes, m, n_bits))


@pytest.mark.parametrize(("n_bits", "m"), [(4, 3), (5, 3), (5, 7), (6, 2), (6, 5), (7, 9)])
def test_the_padding_bits_of_a_row_mean_nothing(path, rng, n_bits, m):
    codes = product_codes(40, m, rng, n_bits)
    dirty = codes.copy()
    dirty[:, -1] |= 256 - 2 ** (m * n_bits % 8)
    assert_equal((path.pqscan.split(dirty, m, n_bits),), (numbers(codes, m, n_bits),))
    entries, blocks = tables("normal", 2, m, rng, n_bits), blocks_of(path, codes, m, n_bits)
    np.testing.assert_array_equal(blocks_of(path, dirty, m, n_bits), blocks)
    expected = path.pqscan.topk(entries, codes, 40, 9, None, 1)
    assert_equal(path.pqscan.topk(entries, dirty, 40, 9, None, 1), expected)
    found = path.pqscan.distances(entries, dirty, 40, 1)
    assert_equal((found,), (table_sums(entries, numbers(codes, m, n_bits)),))


# ---- tables


@pytest.mark.quick
@pytest.mark.parametrize("metric", ["l2", "ip"])
@pytest.mark.parametrize("n_bits", BITS)
def test_lookup_tables_add_term_by_term_in_float32(path, rng, metric, n_bits):
    queries = rng.standard_normal((5, 6), dtype=np.float32)
    codebooks = rng.standard_normal((2, 2**n_bits, 3), dtype=np.float32)
    parts = queries.reshape(5, 2, 1, 3)
    expected = np.zeros((5, 2, 2**n_bits), np.float32)
    for t in range(3):
        apart = parts[..., t] - codebooks[:, :, t]
        expected += apart * apart if metric == "l2" else parts[..., t] * codebooks[:, :, t]
    assert_equal((path.pqscan.lookup_tables(queries, codebooks, metric, 2),), (expected,))


# ---- scans


@pytest.mark.quick
@pytest.mark.parametrize("n_bits", BITS)
@pytest.mark.parametrize("m", [1, 6, 16])
def test_scans_of_a_few_codes_are_exact(path, rng, m, n_bits):
    entries, codes, distances = problem(33, 3, m, "normal", rng, n_bits)
    mask, radius = rng.random(33) < 0.6, float(np.median(distances))
    for base in (codes, blocks_of(path, codes, m, n_bits)):
        assert_equal((path.pqscan.distances(entries, base, 33, 1),), (distances,))
        found = path.pqscan.topk(entries, base, 33, 5, packed(mask), 1)
        assert_equal(found, first_k(distances, 5, WORST_FLOAT, mask))
        found = path.pqscan.range_search(entries, base, 33, radius, packed(mask), 1)
        assert_equal(found, within(distances, radius, mask))


@pytest.mark.parametrize("kind", TABLE_KINDS)
@pytest.mark.parametrize(("n_bits", "m"), WIDTHS)
def test_every_width_and_table_gives_the_exact_ranking(path, rng, m, kind, n_bits):
    n = 333 if m < 500 else 97 if m < 2000 else 33
    entries, codes, distances = problem(n, 5, m, kind, rng, n_bits)
    blocks, radius = blocks_of(path, codes, m, n_bits), float(distances[0, n // 2])
    for base in (codes, blocks):
        assert_equal((path.pqscan.distances(entries, base, n, 1),), (distances,))
        found = path.pqscan.topk(entries, base, n, 10, None, 1)
        assert_equal(found, first_k(distances, 10, WORST_FLOAT))
    found = path.pqscan.topk(entries, blocks, n, n + 1, None, 1)
    assert_equal(found, first_k(distances, n + 1, WORST_FLOAT))
    found = path.pqscan.range_search(entries, blocks, n, radius, None, 1)
    assert_equal(found, within(distances, radius))


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize(
    ("n_bits", "nq"),
    [
        *((4, nq) for nq in (0, 1, 2, 4, 7, 13)),
        (5, 3),
        (6, 0),
        (6, 1),
        (6, 4),
        (7, 2),
        (8, 1),
        (8, 5),
    ],
)
def test_every_number_of_rows_and_queries_is_served(path, rng, n, nq, n_bits):
    entries, codes, distances = problem(n, nq, 11, "ties", rng, n_bits)
    mask = rng.random(n) < 0.4
    for base in (codes, blocks_of(path, codes, 11, n_bits)):
        for k in (1, 12, n + 3):
            for allowed in (None, mask):
                found = path.pqscan.topk(entries, base, n, k, packed(allowed), 1)
                assert_equal(found, first_k(distances, k, WORST_FLOAT, allowed))
        found = path.pqscan.range_search(entries, base, n, 9.0, packed(mask), 1)
        assert_equal(found, within(distances, 9.0, mask))


@pytest.mark.parametrize(
    ("n_bits", "m"),
    [
        *((4, m) for m in (1, 16, 511, 512, 513, 517, 520, 1032, 4096)),
        *((n_bits, m) for n_bits in (5, 6) for m in (3, 1023, 1024, 1040, 1041, 1044, 2084)),
        *((n_bits, m) for n_bits in (7, 8) for m in (3, 511, 513, 517, 1034)),
    ],
)
def test_the_largest_sums_of_a_scan_do_not_overflow(path, rng, m, n_bits):
    K = 2**n_bits
    entries = np.broadcast_to(np.arange(K, dtype=np.float32), (3, m, K)).copy()
    codes = product_codes(65, m, rng, n_bits)
    codes[::2] = 255  # the padding bits too
    distances = table_sums(entries, numbers(codes, m, n_bits))
    found = path.pqscan.topk(entries, blocks_of(path, codes, m, n_bits), 65, 40, None, 1)
    assert_equal(found, first_k(distances, 40, WORST_FLOAT))
    largest = (K - 1.0) * m
    found = path.pqscan.range_search(entries, codes, 65, largest, None, 1)
    assert_equal(found, within(distances, largest))


@pytest.mark.parametrize("n_bits", BITS)
def test_every_layout_of_code_rows_gives_the_same_answer(path, rng, n_bits):
    entries, codes, distances = problem(65, 9, 13, "normal", rng, n_bits)
    expected = first_k(distances, 20, WORST_FLOAT)
    for base in layouts(codes):
        assert_equal(path.pqscan.topk(entries, base, 65, 20, None, 1), expected)
        assert_equal((path.pqscan.distances(entries, base, 65, 1),), (distances,))
        np.testing.assert_array_equal(
            blocks_of(path, base, 13, n_bits), blocks_of(path, codes, 13, n_bits)
        )


@pytest.mark.parametrize("n_bits", BITS)
@pytest.mark.parametrize("n", [1, 33, 64, 130])
def test_no_mask_lets_a_forbidden_row_through(path, rng, n, n_bits):
    entries, codes, distances = problem(n, 9, 8, "ties", rng, n_bits)
    blocks = blocks_of(path, codes, 8, n_bits)
    for mask in masks(n, rng):
        expected = first_k(distances, 12, WORST_FLOAT, mask)
        for base in (codes, blocks):
            assert_equal(path.pqscan.topk(entries, base, n, 12, packed(mask), 1), expected)


@pytest.mark.parametrize(
    ("nq", "n", "m", "n_bits"),
    [(70, 2000, 64, 4), (1, 30_000, 200, 4), (5, 9000, 90, 6), (3, 7000, 40, 8)],
)
def test_threads_change_no_answer(path, rng, nq, n, m, n_bits):
    entries, codes, distances = problem(n, nq, m, "ties", rng, n_bits)
    mask, blocks = packed(rng.random(n) < 0.7), blocks_of(path, codes, m, n_bits)
    expected, radius = first_k(distances, 50, WORST_FLOAT), float(np.sort(distances[0])[60])
    masked = path.pqscan.topk(entries, codes, n, 300, mask, 1)
    ranges = path.pqscan.range_search(entries, blocks, n, radius, mask, 1)
    for threads in (1, 2, 5):
        assert_equal(path.pqscan.topk(entries, blocks, n, 50, None, threads), expected)
        assert_equal(path.pqscan.topk(entries, codes, n, 300, mask, threads), masked)
        found = path.pqscan.range_search(entries, codes, n, radius, mask, threads)
        assert_equal(found, ranges)
        assert_equal((path.pqscan.distances(entries, blocks, n, threads),), (distances,))


@pytest.mark.parametrize("n_bits", BITS)
def test_batches_answer_as_single_queries_do(path, rng, n_bits):
    entries, codes, _ = problem(333, 23, 10, "ties", rng, n_bits)
    together = path.pqscan.topk(entries, codes, 333, 9, None, 1)
    alone = [path.pqscan.topk(table[None], codes, 333, 9, None, 1) for table in entries]
    assert_equal(together, tuple(np.concatenate(parts) for parts in zip(*alone, strict=True)))


@pytest.mark.parametrize(("k", "n_bits"), [(600, 4), (17_000, 4), (900, 6), (900, 8)])
def test_a_k_of_thousands_keeps_the_first_of_equal_rows(path, rng, k, n_bits):
    entries, codes, distances = problem(20_000, 2, 4, "ties", rng, n_bits)
    expected = first_k(distances, k, WORST_FLOAT)
    found = path.pqscan.topk(entries, blocks_of(path, codes, 4, n_bits), 20_000, k, None, 2)
    assert_equal(found, expected)


@pytest.mark.parametrize("n_bits", BITS)
@pytest.mark.parametrize("kind", ["normal", "ties", "negative", "constant"])
def test_a_radius_includes_the_distance_it_names(path, rng, kind, n_bits):
    entries, codes, distances = problem(200, 3, 9, kind, rng, n_bits)
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


@pytest.mark.parametrize("n_bits", [5, 6, 7, 8])
@pytest.mark.parametrize("noise", [0.0, 0.05, 1.0, 30.0])
def test_coarse_tables_change_no_result(path, rng, n_bits, noise):
    """Entries that numbers with the same lower bits share, more or less, so that some are tried."""
    n, nq, m, K = 40_000, 3, 6, 2**n_bits
    entries = rng.random((nq, m, 16))[:, :, np.arange(K) % 16] + noise * rng.random((nq, m, K))
    entries = entries.astype(np.float32)
    numbers = rng.integers(0, K, (n, m), dtype=np.uint8)
    numbers[n // 2 :] |= rng.integers(0, K, (n - n // 2, m), dtype=np.uint8)  # uneven, further on
    distances = table_sums(entries, numbers)
    codes = path.pqscan.join(numbers, n_bits)
    blocks = blocks_of(path, codes, m, n_bits)
    for k in (1, 100):
        found = path.pqscan.topk(entries, blocks, n, k, None, 1)
        assert_equal(found, first_k(distances, k, WORST_FLOAT))
    radius = float(np.sort(distances[0])[50])
    found = path.pqscan.range_search(entries, blocks, n, radius, None, 1)
    assert_equal(found, within(distances, radius))


@given(data=st.data())
def test_any_problem_is_solved_exactly(path, data):
    draw = data.draw
    n, nq = draw(st.integers(0, 200), "n"), draw(st.integers(0, 12), "nq")
    m, n_bits = draw(st.integers(1, 70), "m"), draw(st.sampled_from(BITS), "n_bits")
    rng = np.random.default_rng(draw(st.integers(0, 2**32), "seed"))
    kind = draw(st.sampled_from(TABLE_KINDS), "kind")
    entries, codes, distances = problem(n, nq, m, kind, rng, n_bits)
    mask = draw(st.sampled_from(list(masks(n, rng))), "mask")
    blocks = blocks_of(path, codes, m, n_bits)
    base = draw(st.sampled_from([codes, strided_rows(codes), blocks]), "base")
    k, radius = draw(st.integers(1, 220), "k"), float(np.median(distances)) if distances.size else 0
    found = path.pqscan.topk(entries, base, n, k, packed(mask), 2)
    assert_equal(found, first_k(distances, k, WORST_FLOAT, mask))
    found = path.pqscan.range_search(entries, base, n, radius, packed(mask), 2)
    assert_equal(found, within(distances, radius, mask))


@pytest.mark.quick
@pytest.mark.parametrize("metric", ["l2", "ip"])
@pytest.mark.parametrize("n_bits", BITS)
def test_a_search_is_the_topk_of_its_tables(path, rng, metric, n_bits):
    m, ds, n, k = 5, 3, 70, 12
    books = rng.standard_normal((m, 2**n_bits, ds), dtype=np.float32)
    queries = rng.standard_normal((9, m * ds), dtype=np.float32)
    codes = product_codes(n, m, rng, n_bits)
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
