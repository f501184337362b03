"""Kernels of fixed-dimensional encodings on every path, against their definition in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bags import (
    TOKEN_TYPES,
    bag,
    encoding,
    offsets_of,
    real_numbers,
    sketched,
    stored,
    whole_numbers,
)
from tersevec._numpy import fde as twin

# (dimension, repetitions, bits, numbers of a block): around the widths of registers and tiles.
SHAPES = (
    *((1, 1, 0, 1), (1, 2, 1, 1), (3, 1, 2, 5), (16, 3, 5, 16), (17, 20, 3, 8)),
    *((64, 2, 6, 33), (100, 5, 4, 20), (128, 20, 5, 16), (128, 20, 4, 8), (131, 1, 9, 3)),
    *((300, 7, 1, 31), (8, 1, 12, 1), (33, 4, 0, 7)),
)
LENGTHS = (0, 1, 2, 7, 0, 33, 80, 161, 0)
MODES = {"queries": (False, False), "documents": (True, False), "filled": (True, True)}


class Problem:
    """Bags and matrices of one shape; whole numbers unless `real`."""

    def __init__(self, shape, lengths, rng, *, identity=False, real=False, dtype="float32"):
        self.d, self.n_repetitions, self.k, self.p = shape
        if identity:
            self.p = self.d
        draw = real_numbers if real else whole_numbers
        self.offsets = offsets_of(lengths)
        self.hashes = draw(self.d, self.n_repetitions * self.k, rng)
        self.projections = None if identity else draw(self.d, self.n_repetitions * self.p, rng)
        tokens = draw(self.offsets[-1], self.d, rng)
        if real:
            tokens = self._away_from_planes(tokens)
        self.tokens, self.scales, self.numbers = stored(tokens, dtype)
        self.width = self.n_repetitions * self.p << self.k

    def _away_from_planes(self, tokens):
        """What lies within rounding of a hyperplane may have either bit: such tokens are 0."""
        sides = tokens.astype(np.float64) @ self.hashes
        lengths = np.linalg.norm(self.hashes, axis=0)
        near = np.abs(sides) < 1e-4 * lengths * np.linalg.norm(tokens, axis=1)[:, None]
        tokens[near.any(axis=1)] = 0
        return tokens

    def encoded(self, kernels, mode, *, sketch=None, dtype=np.float32, threads=1, bags=None):
        """What the kernel writes; with int8 rows and scales."""
        first, last = bags or (0, len(self.offsets) - 1)
        part = slice(self.offsets[first], self.offsets[last])
        offsets = self.offsets[first : last + 1] - self.offsets[first]
        buckets, signs, width = (None, None, self.width) if sketch is None else sketch
        out = np.full((last - first, width), 99, dtype)
        scales = np.full(last - first, 99, np.float32) if dtype == np.int8 else None
        kernels.encode(
            self.tokens[part],
            None if self.scales is None else self.scales[part],
            offsets,
            self.hashes,
            self.projections,
            self.n_repetitions,
            self.k,
            self.p,
            *MODES[mode],
            buckets,
            signs,
            out,
            scales,
            threads,
        )
        return out if scales is None else (out, scales)

    def expected(self, mode):
        shape = self.n_repetitions, self.k, self.p
        return np.stack(
            [
                encoding(
                    bag(self.numbers, self.offsets, i),
                    self.hashes,
                    self.projections,
                    shape,
                    *MODES[mode],
                )
                for i in range(len(self.offsets) - 1)
            ]
        )


def assert_near(found, expected, bound=1e-5):
    """Each row within a bound of its largest number."""
    assert found.shape == expected.shape
    largest = np.abs(expected).max(axis=1, initial=0, keepdims=True)
    off = np.abs(found - expected)
    assert (off <= bound * largest).all(), f"off by {(off / np.maximum(largest, 1e-30)).max():.2g}"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_encodings_are_what_their_definition_says(path, rng, shape, mode):
    problem = Problem(shape, LENGTHS, rng)
    assert_near(problem.encoded(path.fde, mode), problem.expected(mode))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", TOKEN_TYPES)
@pytest.mark.parametrize("shape", [(128, 3, 5, 16), (37, 2, 4, 8)], ids=str)
def test_tokens_of_every_type_count_as_the_numbers_they_stand_for(path, rng, shape, dtype, mode):
    problem = Problem(shape, LENGTHS, rng, dtype=dtype)
    assert_near(problem.encoded(path.fde, mode), problem.expected(mode))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", TOKEN_TYPES)
def test_without_projections_cells_are_the_blocks(path, rng, dtype, mode):
    problem = Problem((19, 3, 4, 0), LENGTHS, rng, identity=True, dtype=dtype)
    assert_near(problem.encoded(path.fde, mode), problem.expected(mode))


@pytest.mark.parametrize("mode", MODES)
def test_sums_of_whole_numbers_are_exact(path, rng, mode):
    problem = Problem((64, 4, 3, 16), [1, 1, 1, 2, 4], rng)
    if mode != "queries":  # means of as many tokens as a power of two
        problem = Problem((64, 4, 0, 16), [1, 1, 2, 4, 8], rng)
    np.testing.assert_array_equal(problem.encoded(path.fde, mode), problem.expected(mode))


@pytest.mark.parametrize("shape", [(64, 2, 6, 8), (5, 1, 12, 2)], ids=str)
@pytest.mark.parametrize("lengths", [[1], [2], [3, 5], [40, 700]], ids=str)
def test_an_empty_cell_takes_the_token_of_the_nearest_bits_the_first_on_ties(
    path, rng, shape, lengths
):
    problem = Problem(shape, lengths, rng)
    assert_near(problem.encoded(path.fde, "filled"), problem.expected("filled"))


def test_a_product_of_zero_is_no_bit_whatever_its_sign(path):
    tokens = np.float32([[0, 0], [-0.0, -0.0], [1, 1]])
    hashes = np.float32([[1, -1], [-1, 1]])  # 1 - 1 and -1 + 1: zeros for every token
    out = np.empty((1, 4 * 2), np.float32)
    given = tokens, None, np.array([0, 3]), hashes, None, 1, 2, 2, False, False, None, None
    path.fde.encode(*given, out, None, 1)
    np.testing.assert_array_equal(out, [[1, 1, 0, 0, 0, 0, 0, 0]])


def test_the_first_hyperplane_is_the_highest_digit_and_digits_are_parities(path):
    hashes = np.eye(3, dtype=np.float32)
    patterns = np.array([[(i >> (2 - j)) & 1 for j in range(3)] for i in range(8)])
    tokens = np.where(patterns, 1, -1).astype(np.float32)
    cells = [0, 1, 3, 2, 7, 6, 4, 5]  # of 000, 001, 010, ...
    out = np.empty((8, 8 * 3), np.float32)
    given = tokens, None, np.arange(9), hashes, None, 1, 3, 3, False, False, None, None
    path.fde.encode(*given, out, None, 1)
    for row, token, cell in zip(out.reshape(8, 8, 3), tokens, cells, strict=True):
        np.testing.assert_array_equal(row[cell], token)
        assert not np.delete(row, cell, axis=0).any()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(128, 20, 5, 16), (40, 3, 2, 5)], ids=str)
def test_a_row_depends_on_its_own_tokens_alone(path, rng, shape, mode):
    problem = Problem(shape, rng.integers(0, 60, 23), rng, real=True)
    whole = problem.encoded(path.fde, mode)
    for threads in (2, 3, 50):
        np.testing.assert_array_equal(problem.encoded(path.fde, mode, threads=threads), whole)
    for i in range(23):
        alone = problem.encoded(path.fde, mode, bags=(i, i + 1))
        np.testing.assert_array_equal(alone[0], whole[i])
    np.testing.assert_array_equal(problem.encoded(path.fde, mode, bags=(5, 20)), whole[5:20])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(128, 5, 5, 16), (33, 2, 3, 4), (16, 1, 7, 2)], ids=str)
def test_paths_agree_on_real_numbers(path, rng, shape, mode):
    problem = Problem(shape, [5, 0, 80, 1500, 1], rng, real=True)
    found = problem.encoded(path.fde, mode)
    assert_near(found, problem.expected(mode))
    assert_near(found, problem.encoded(twin, mode))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", TOKEN_TYPES)
@pytest.mark.parametrize("shape", [(128, 9, 5, 2), (37, 3, 4, 0), (6, 2, 11, 0)], ids=str)
def test_compiled_paths_agree_to_the_last_bit(path, rng, shape, dtype, mode):
    """Where all project before they add, or none does; every token lies on a hyperplane, nearly."""
    if path.name == "numpy":
        pytest.skip("numpy: adds products in an order of its own")
    native = pytest.importorskip("tersevec._native", reason="the extension is not built")
    problem = Problem(shape, [80, 0, 161, 1], rng, identity=shape[3] == 0)
    problem.hashes = real_numbers(*problem.hashes.shape, rng)
    tokens = real_numbers(problem.offsets[-1], problem.d, rng)
    planes = problem.hashes.T[np.arange(len(tokens)) % problem.hashes.shape[1]]
    planes /= np.linalg.norm(planes, axis=1, keepdims=True)
    tokens -= (tokens * planes).sum(axis=1, keepdims=True) * planes  # to within rounding of 0
    problem.tokens, problem.scales, _ = stored(tokens, dtype)
    found, expected = (problem.encoded(k, mode).view(np.uint32) for k in (path.fde, native.fde))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [1, 7, 64, 1000])
@pytest.mark.parametrize("identity", [False, True])
def test_the_final_sketch_adds_the_blocks_in_order(path, rng, mode, size, identity):
    problem = Problem((20, 3, 4, 8), LENGTHS, rng, real=True, identity=identity)
    buckets = rng.integers(0, size, problem.width).astype(np.int32)
    signs = rng.choice(np.int8([-1, 1]), problem.width)
    found = problem.encoded(path.fde, mode, sketch=(buckets, signs, size))
    blocks = problem.encoded(path.fde, mode)
    expected = np.stack([sketched(row, buckets, signs, size) for row in blocks])
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("final", [None, 100])
def test_float16_rows_are_float32_rows_rounded_to_nearest(path, rng, mode, final):
    problem = Problem((40, 3, 4, 9), LENGTHS, rng, real=True)
    sketch = None
    if final:
        buckets = rng.integers(0, final, problem.width).astype(np.int32)
        sketch = buckets, rng.choice(np.int8([-1, 1]), problem.width), final
    wide = problem.encoded(path.fde, mode, sketch=sketch)
    narrow = problem.encoded(path.fde, mode, sketch=sketch, dtype=np.float16)
    np.testing.assert_array_equal(narrow, wide.astype(np.float16))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("final", [None, 100])
def test_int8_rows_are_float32_rows_on_a_grid_of_their_own(path, rng, mode, final):
    problem = Problem((40, 3, 4, 9), LENGTHS, rng, real=True)
    sketch = None
    if final:
        buckets = rng.integers(0, final, problem.width).astype(np.int32)
        sketch = buckets, rng.choice(np.int8([-1, 1]), problem.width), final
    wide = problem.encoded(path.fde, mode, sketch=sketch)
    rows, scales = problem.encoded(path.fde, mode, sketch=sketch, dtype=np.int8)
    expected = np.abs(wide).max(axis=1) / np.float32(127)
    np.testing.assert_array_equal(scales, expected)
    divisors = np.where(expected > 0, expected, 1)[:, None]
    np.testing.assert_array_equal(rows, np.rint(wide / divisors))
    assert np.abs(rows[2:4]).max(axis=1).tolist() == [127, 127]


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int8])
@pytest.mark.parametrize("mode", MODES)
def test_bags_without_tokens_are_rows_of_zeros(path, rng, mode, dtype):
    for lengths in ([], [0], [0, 0, 0]):
        found = Problem((9, 2, 3, 4), lengths, rng).encoded(path.fde, mode, dtype=dtype)
        rows, *scales = found if dtype == np.int8 else (found,)
        assert rows.shape == (len(lengths), 64)
        assert not rows.any()
        assert not any(scale.any() for scale in scales)


@pytest.mark.parametrize("value", [1e15, 1e-30, 1e-42])
def test_numbers_at_the_ends_of_what_is_allowed_neither_overflow_nor_raise(path, value):
    tokens = np.full((9, 30), value, np.float32)
    hashes = np.ones((30, 4), np.float32)
    for dtype in (np.float32, np.int8):
        out = np.empty((1, 2 * 4 * 30), dtype)
        scales = np.empty(1, np.float32) if dtype == np.int8 else None
        given = tokens, None, np.array([0, 9]), hashes, None, 2, 2, 30, True, True, None, None
        path.fde.encode(*given, out, scales, 1)
        assert np.isfinite(out).all()
        assert (out != 0).any() or value < 1e-40


@given(data=st.data())
def test_any_bags_of_any_shape(path, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    shape = data.draw(
        st.tuples(st.integers(1, 70), st.integers(1, 6), st.integers(0, 6), st.integers(1, 40))
    )
    lengths = data.draw(st.lists(st.integers(0, 90), max_size=7))
    mode, dtype = data.draw(st.sampled_from([*MODES])), data.draw(st.sampled_from(TOKEN_TYPES))
    problem = Problem(shape, lengths, rng, identity=data.draw(st.booleans()), dtype=dtype)
    found = problem.encoded(path.fde, mode, threads=data.draw(st.integers(1, 4)))
    if lengths:
        assert_near(found, problem.expected(mode))
    else:
        assert found.shape == (0, problem.width)
