"""Kernels of integer products on every path: equal to their definition, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import (
    assert_equal,
    at_least,
    int_queries,
    layouts,
    masks,
    most_similar,
    numbers,
    odd_integers,
    packed,
    product_codes,
    similarities,
    strided_rows,
)

BITS = (1, 2, 3, 4, 5, 6, 7, 8)
# Around the edges of blocks of 16 codes, of groups of blocks, and of a mask's bytes.
SIZES = (0, 1, 15, 16, 17, 31, 33, 63, 64, 65, 1000)
# Around the edges of a line, which holds 4, 8, 16 or 32 dimensions, and of words of 64 bits.
WIDTHS = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 129)


def empty_blocks(path, n, m, n_bits):
    in_block, *block = path.symdist.block_shape(m, n_bits)
    return np.zeros((-(-n // in_block), *block), np.uint8)


def blocks_of(path, codes, m, n_bits):
    blocks = empty_blocks(path, len(codes), m, n_bits)
    path.symdist.pack(codes, blocks, m, n_bits, 0)
    return blocks


class Problem:
    """Queries and codes with their scales and factors, and the similarities by definition."""

    def __init__(self, n, nq, m, n_bits, rng, kind="random"):
        self.n, self.m, self.n_bits = n, m, n_bits
        self.codes = product_codes(n, m, rng, n_bits)
        if kind == "most":
            self.codes[::2] = 255  # the padding bits too
            self.codes[1::4] = 0
        self.queries = int_queries(kind, nq, m, n_bits, rng)
        draw = {"few": lambda size: rng.integers(1, 3, size) / 2, "most": np.ones}.get(
            kind, rng.random
        )
        self.scales, self.factors = np.float32(draw(nq)), np.float32(draw(n))
        odd = odd_integers(self.codes, m, n_bits)
        self.expected = similarities(self.queries, self.scales, odd, self.factors)

    def bases(self, path):
        """The codes as rows and as blocks."""
        return self.codes, blocks_of(path, self.codes, self.m, self.n_bits)

    def scan(self, codes):
        """The arguments that every scan takes first."""
        return self.queries, self.scales, codes, self.n, self.n_bits, self.factors


# ---- layout


@pytest.mark.quick
@pytest.mark.parametrize("m", [1, 3, 4, 5, 8, 20, 33])
@pytest.mark.parametrize("n_bits", BITS)
def test_a_line_of_a_block_holds_four_dimensions_of_each_code_in_every_group_of_bits(
    path, rng, m, n_bits
):
    codes = product_codes(37, m, rng, n_bits)
    ids, held = numbers(codes, m, n_bits), {1: 1, 2: 2, 3: 4, 4: 4}.get(n_bits, 8)
    in_byte = 8 // held
    expected = np.zeros((3, -(-m // (4 * in_byte)), 64), np.uint8)
    for code, row in enumerate(ids.tolist()):
        for dimension, number in enumerate(row):
            quad, t = divmod(dimension, 4)
            g, i = divmod(quad, in_byte)
            expected[code // 16, g, 4 * (code % 16) + t] |= number << i * held
    assert path.symdist.block_shape(m, n_bits) == (16, *expected.shape[1:])
    np.testing.assert_array_equal(blocks_of(path, codes, m, n_bits), expected)


@pytest.mark.quick
@pytest.mark.parametrize("n_bits", BITS)
def test_rows_are_dense_with_the_least_significant_bit_first(path, rng, n_bits):
    for n, m in ((0, 3), (1, 1), (3, 2), (40, 7), (2, 8), (5, 33)):
        codes = product_codes(n, m, rng, n_bits)
        split = path.symdist.split(strided_rows(codes), m, n_bits)
        assert_equal((split,), (numbers(codes, m, n_bits),))
        for row, ids in zip(codes, split.tolist(), strict=True):
            whole = sum(number << n_bits * j for j, number in enumerate(ids))
            assert int.from_bytes(row.tobytes(), "little") == whole
        assert_equal((path.symdist.join(split, n_bits),), (codes,))


@pytest.mark.quick
@pytest.mark.parametrize("n_bits", BITS)
def test_unpack_gives_back_what_pack_took(path, rng, n_bits):
    for n, m in ((0, 5), (1, 1), (17, 2), (64, 7), (65, 4), (129, 33)):
        codes = product_codes(n, m, rng, n_bits)
        unpacked = path.symdist.unpack(blocks_of(path, codes, m, n_bits), n, m, n_bits)
        assert_equal((unpacked,), (codes,))


@pytest.mark.parametrize("n_bits", BITS)
@pytest.mark.parametrize("m", [1, 2, 9, 64])
def test_packing_in_pieces_equals_packing_at_once(path, rng, m, n_bits):
    codes = product_codes(200, m, rng, n_bits)
    blocks, at = empty_blocks(path, 200, m, n_bits), 0
    while at < 200:
        step = int(rng.integers(1, 40))
        path.symdist.pack(codes[at : at + step], blocks, m, n_bits, at)
        at += step
    np.testing.assert_array_equal(blocks, blocks_of(path, codes, m, n_bits))


@pytest.mark.parametrize("n_bits", BITS)
def test_packing_over_codes_leaves_those_around_them(path, rng, n_bits):
    m, codes = 7, product_codes(200, 7, rng, n_bits)
    blocks = blocks_of(path, codes, m, n_bits)
    for start, n in ((0, 1), (5, 1), (20, 1), (15, 2), (100, 80), (199, 1)):
        codes[start : start + n] = product_codes(n, m, rng, n_bits)
        path.symdist.pack(codes[start : start + n], blocks, m, n_bits, start)
        np.testing.assert_array_equal(blocks, blocks_of(path, codes, m, n_bits))


@pytest.mark.parametrize(("n_bits", "m"), [(1, 5), (2, 3), (3, 7), (4, 3), (5, 3), (6, 5), (7, 9)])
def test_the_padding_bits_of_a_row_mean_nothing(path, rng, n_bits, m):
    problem = Problem(40, 3, m, n_bits, rng)
    dirty = problem.codes.copy()
    dirty[:, -1] |= 256 - 2 ** (m * n_bits % 8)
    assert_equal((path.symdist.split(dirty, m, n_bits),), (numbers(problem.codes, m, n_bits),))
    blocks = blocks_of(path, problem.codes, m, n_bits)
    np.testing.assert_array_equal(blocks_of(path, dirty, m, n_bits), blocks)
    found = path.symdist.topk(*problem.scan(dirty), 9, None, 1)
    assert_equal(found, most_similar(problem.expected, 9))
    assert_equal((path.symdist.scores(*problem.scan(dirty), 1),), (problem.expected,))


# ---- scans


@pytest.mark.quick
@pytest.mark.parametrize("n_bits", BITS)
@pytest.mark.parametrize("m", [1, 6, 40])
def test_scans_of_a_few_codes_are_exact(path, rng, m, n_bits):
    problem = Problem(33, 3, m, n_bits, rng)
    mask, radius = rng.random(33) < 0.6, float(np.median(problem.expected))
    for base in problem.bases(path):
        assert_equal((path.symdist.scores(*problem.scan(base), 1),), (problem.expected,))
        found = path.symdist.topk(*problem.scan(base), 5, packed(mask), 1)
        assert_equal(found, most_similar(problem.expected, 5, mask))
        found = path.symdist.range_search(*problem.scan(base), radius, packed(mask), 1)
        assert_equal(found, at_least(problem.expected, radius, mask))


@pytest.mark.parametrize("m", WIDTHS)
@pytest.mark.parametrize("n_bits", BITS)
def test_every_width_gives_the_exact_ranking(path, rng, m, n_bits):
    n = 333
    problem = Problem(n, 5, m, n_bits, rng)
    radius = float(problem.expected[0, n // 2])
    for base in problem.bases(path):
        assert_equal((path.symdist.scores(*problem.scan(base), 1),), (problem.expected,))
        for k in (1, 10, n + 1):
            found = path.symdist.topk(*problem.scan(base), k, None, 1)
            assert_equal(found, most_similar(problem.expected, k))
        found = path.symdist.range_search(*problem.scan(base), radius, None, 1)
        assert_equal(found, at_least(problem.expected, radius))


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize(
    ("n_bits", "nq"),
    [
        *((4, nq) for nq in (0, 1, 2, 3, 4, 5, 7, 8, 9, 13, 17)),
        *((2, nq) for nq in (1, 4, 8, 9, 17)),
        *((1, nq) for nq in (0, 1, 5, 16)),
        *((8, nq) for nq in (1, 3, 6)),
        (3, 4),
        (5, 2),
    ],
)
def test_every_number_of_rows_and_queries_is_served(path, rng, n, nq, n_bits):
    problem = Problem(n, nq, 11, n_bits, rng, "few")
    mask = rng.random(n) < 0.4
    for base in problem.bases(path):
        for k in (1, 12, n + 3):
            for allowed in (None, mask):
                found = path.symdist.topk(*problem.scan(base), k, packed(allowed), 1)
                assert_equal(found, most_similar(problem.expected, k, allowed))
        found = path.symdist.range_search(*problem.scan(base), 2.0, packed(mask), 1)
        assert_equal(found, at_least(problem.expected, 2.0, mask))


@pytest.mark.parametrize("m", [1, 63, 64, 65, 511, 513, 1024, 4097])
@pytest.mark.parametrize("n_bits", BITS)
def test_the_largest_sums_do_not_saturate(path, rng, m, n_bits):
    problem = Problem(67, 4, m, n_bits, rng, "most")
    largest = (63 if n_bits == 8 else 127) * (2**n_bits - 1) * m
    assert np.abs(problem.expected).max() == np.float32(largest)
    for base in problem.bases(path):
        assert_equal((path.symdist.scores(*problem.scan(base), 1),), (problem.expected,))
        found = path.symdist.topk(*problem.scan(base), 40, None, 1)
        assert_equal(found, most_similar(problem.expected, 40))
        found = path.symdist.range_search(*problem.scan(base), float(largest), None, 1)
        assert_equal(found, at_least(problem.expected, largest))


@pytest.mark.parametrize("n_bits", [1, 4, 8])
def test_the_widest_codes_stay_within_32_bits(path, rng, n_bits):
    problem = Problem(17, 2, 2**16, n_bits, rng, "most")
    for base in problem.bases(path):
        assert_equal((path.symdist.scores(*problem.scan(base), 1),), (problem.expected,))


@pytest.mark.parametrize("n_bits", [2, 4, 8])
def test_sums_beyond_float32_are_rounded_once_then_scaled_then_multiplied(path, rng, n_bits):
    n, m = 40, 2**15 if n_bits > 2 else 2**16
    problem = Problem(n, 3, m, n_bits, rng, "most")
    ids = np.full((n, m), 2**n_bits - 1, np.uint8)
    ids[:, :50] = rng.integers(0, 2**n_bits, (n, 50))
    problem.codes = path.symdist.join(ids, n_bits)
    problem.queries = np.int8((63 if n_bits == 8 else 127) - rng.integers(0, 2, (3, m)))
    if problem.queries[0].sum(dtype=int) % 2 == 0:  # even sums of this size need no rounding
        problem.queries[0, 0] -= 1
    problem.scales, problem.factors = np.float32(rng.random(3)), np.float32(rng.random(n))
    odd = odd_integers(problem.codes, m, n_bits)
    products = problem.queries.astype(np.int64) @ odd.T
    assert (products != products.astype(np.float32)).any()
    expected = similarities(problem.queries, problem.scales, odd, problem.factors)
    for base in problem.bases(path):
        assert_equal((path.symdist.scores(*problem.scan(base), 1),), (expected,))
        assert_equal(path.symdist.topk(*problem.scan(base), 9, None, 1), most_similar(expected, 9))


@pytest.mark.parametrize("n_bits", BITS)
def test_every_layout_of_code_rows_gives_the_same_answer(path, rng, n_bits):
    problem = Problem(65, 9, 13, n_bits, rng)
    blocks = blocks_of(path, problem.codes, 13, n_bits)
    for base in layouts(problem.codes):
        found = path.symdist.topk(*problem.scan(base), 20, None, 1)
        assert_equal(found, most_similar(problem.expected, 20))
        assert_equal((path.symdist.scores(*problem.scan(base), 1),), (problem.expected,))
        np.testing.assert_array_equal(blocks_of(path, base, 13, n_bits), blocks)


@pytest.mark.parametrize("n_bits", BITS)
@pytest.mark.parametrize("n", [1, 33, 64, 130])
def test_no_mask_lets_a_forbidden_row_through(path, rng, n, n_bits):
    problem = Problem(n, 9, 8, n_bits, rng, "few")
    for mask in masks(n, rng):
        expected = most_similar(problem.expected, 12, mask)
        for base in problem.bases(path):
            found = path.symdist.topk(*problem.scan(base), 12, packed(mask), 1)
            assert_equal(found, expected)


@pytest.mark.parametrize(
    ("nq", "n", "m", "n_bits"),
    [(70, 2000, 64, 4), (1, 30_000, 200, 2), (5, 9000, 90, 1), (3, 7000, 40, 8)],
)
def test_threads_change_no_answer(path, rng, nq, n, m, n_bits):
    problem = Problem(n, nq, m, n_bits, rng, "few")
    codes, blocks = problem.bases(path)
    mask, radius = rng.random(n) < 0.7, float(np.sort(problem.expected[0])[-60])
    for threads in (1, 2, 5):
        found = path.symdist.topk(*problem.scan(blocks), 50, None, threads)
        assert_equal(found, most_similar(problem.expected, 50))
        found = path.symdist.topk(*problem.scan(codes), 300, packed(mask), threads)
        assert_equal(found, most_similar(problem.expected, 300, mask))
        found = path.symdist.range_search(*problem.scan(codes), radius, packed(mask), threads)
        assert_equal(found, at_least(problem.expected, radius, mask))
        assert_equal((path.symdist.scores(*problem.scan(blocks), threads),), (problem.expected,))


@pytest.mark.parametrize("n_bits", BITS)
def test_batches_answer_as_single_queries_do(path, rng, n_bits):
    problem = Problem(333, 23, 10, n_bits, rng)
    together = path.symdist.topk(*problem.scan(problem.codes), 9, None, 1)
    queries, scales, *rest = problem.scan(problem.codes)
    alone = [
        path.symdist.topk(queries[q : q + 1], scales[q : q + 1], *rest, 9, None, 1)
        for q in range(23)
    ]
    assert_equal(together, tuple(np.concatenate(parts) for parts in zip(*alone, strict=True)))


@pytest.mark.parametrize(("k", "n_bits"), [(600, 4), (17_000, 4), (900, 2), (900, 8)])
def test_a_k_of_thousands_keeps_the_first_of_equal_rows(path, rng, k, n_bits):
    problem = Problem(20_000, 2, 4, n_bits, rng, "few")
    blocks = blocks_of(path, problem.codes, 4, n_bits)
    found = path.symdist.topk(*problem.scan(blocks), k, None, 2)
    assert_equal(found, most_similar(problem.expected, k))


@pytest.mark.parametrize("n_bits", BITS)
@pytest.mark.parametrize("kind", ["random", "few"])
def test_a_radius_includes_the_similarity_it_names(path, rng, kind, n_bits):
    problem = Problem(200, 3, 9, n_bits, rng, kind)
    exact = float(problem.expected[1, 77])
    above = float(np.nextafter(np.float32(exact), np.float32(np.inf)))
    for base in problem.bases(path):
        for radius in (exact, above, float("inf"), float("-inf")):
            found = path.symdist.range_search(*problem.scan(base), radius, None, 1)
            assert_equal(found, at_least(problem.expected, radius))


# Around the edges of what is added up in a byte, and of what 16 bits hold of the largest queries.
@pytest.mark.parametrize(
    ("n_bits", "m"),
    [
        *((1, m) for m in (1, 33, 480, 481, 516, 517)),
        *((2, m) for m in (5, 48, 65, 172, 173)),
    ],
)
@pytest.mark.parametrize("kind", ["codes", "random", "most"])
def test_large_bases_of_1_and_2_bits_are_searched_exactly(path, rng, kind, n_bits, m):
    """So large that tables of the queries are worth making; a few rows are in no whole block."""
    n = 4203
    problem = Problem(n, 9, m, n_bits, rng, kind)
    queries, scales, expected = problem.queries, problem.scales, problem.expected
    mask, radius = rng.random(n) < 0.5, float(np.sort(expected[0])[-30])
    bases = problem.bases(path)
    for nq in (1, 2, 9):
        problem.queries, problem.scales, first = queries[:nq], scales[:nq], expected[:nq]
        for base in bases:
            found = path.symdist.topk(*problem.scan(base), 12, packed(mask), 1)
            assert_equal(found, most_similar(first, 12, mask))
        found = path.symdist.range_search(*problem.scan(bases[1]), radius, None, 1)
        assert_equal(found, at_least(first, radius))


def test_zeros_have_no_sign_and_tie(path, rng):
    """A product that is zero, a negative one times a factor of zero, and one too small to be."""
    codes = np.uint8([[0b01], [0b00], [0b00], [0b10], [0b00]])
    queries, scales = np.int8([[1, 1]]), np.float32([1])
    factors = np.float32([1, 0, 2.0**-149, 1, 2.0**-10])
    tiny = np.float32([2.0**-145])
    blocks = blocks_of(path, codes, 2, 1)
    for base in (codes, blocks):
        found = path.symdist.topk(queries, tiny, base, 5, 1, factors, 5, None, 1)
        assert found[1].tolist() == [[0, 1, 2, 3, 4]]
        hits = path.symdist.range_search(queries, tiny, base, 5, 1, factors, -0.0, None, 1)
        assert hits[1].tolist() == [0, 1, 2, 3, 4]
        scores = path.symdist.scores(queries, tiny, base, 5, 1, factors, 1)
        for zeros in (found[0], hits[2], scores):
            assert not zeros.any()
            assert not np.signbit(zeros).any()
        found = path.symdist.topk(queries, scales, base, 5, 1, factors, 3, None, 1)
        assert found[1].tolist() == [[0, 1, 3]]


def test_rows_in_rising_order_of_similarity_are_found_though_every_one_beats_the_last(path):
    n, m = 5000, 16  # the threshold rises at every row, the worst case for a reservoir
    codes = np.random.default_rng(0).integers(0, 256, (1, 2), dtype=np.uint8).repeat(n, axis=0)
    factors = np.arange(1, n + 1, dtype=np.float32)
    queries = np.int8([odd_integers(codes[:1], m, 1)[0]])
    one = np.float32([1])
    found = path.symdist.topk(queries, one, codes, n, 1, factors, 100, None, 1)
    last = np.arange(n - 1, n - 101, -1)
    assert_equal(found, (np.float32([16 * (last + 1)]), last[None]))


@given(data=st.data())
def test_any_problem_is_solved_exactly(path, data):
    draw = data.draw
    n, nq = draw(st.integers(0, 200), "n"), draw(st.integers(0, 20), "nq")
    m, n_bits = draw(st.integers(1, 150), "m"), draw(st.sampled_from(BITS), "n_bits")
    rng = np.random.default_rng(draw(st.integers(0, 2**32), "seed"))
    kind = draw(st.sampled_from(["random", "few", "most"]), "kind")
    problem = Problem(n, nq, m, n_bits, rng, kind)
    mask = draw(st.sampled_from(list(masks(n, rng))), "mask")
    codes, blocks = problem.bases(path)
    base = draw(st.sampled_from([codes, strided_rows(codes), blocks]), "base")
    expected, k = problem.expected, draw(st.integers(1, 220), "k")
    found = path.symdist.topk(*problem.scan(base), k, packed(mask), 2)
    assert_equal(found, most_similar(expected, k, mask))
    radius = float(np.median(expected)) if expected.size else 0.0
    radius = float(np.float32(radius))
    found = path.symdist.range_search(*problem.scan(base), radius, packed(mask), 2)
    assert_equal(found, at_least(expected, radius, mask))
    assert_equal((path.symdist.scores(*problem.scan(base), 2),), (expected,))
