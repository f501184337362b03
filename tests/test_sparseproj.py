"""Kernels of sparse random projections on every path: equal to their definitions, bit by bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import guard
from cases import assert_equal, strided_rows
from tersevec import _backend
from tersevec._held import aligned

PART = 2048
KINDS = ("float32", "float16", "int8", "signs")


def held(kind, n, width, rng):
    """Rows and scales as kernels hold them, and the floats that they stand for."""
    if kind == "signs":
        rows = rng.integers(-1, 2, (n, width), dtype=np.int8)
        return rows, None, rows.astype(np.float32)
    if kind == "int8":
        rows, scales = rng.integers(-127, 128, (n, width), dtype=np.int8), rng.random(n)
        scales = scales.astype(np.float32)
        return rows, scales, rows.astype(np.float32) * scales[:, None]
    rows = rng.standard_normal((n, width), dtype=np.float32)
    if kind == "float32":
        return rows, None, rows
    halves = rows.astype(np.float16)
    halves.flat[:4] = 65504, 6e-8, -0.0, 2.0**-14
    return halves.view(np.uint16), None, halves.astype(np.float32)


def graph(n, columns, rng, long_row=0):
    """CSR rows of 0 to 9 entries, the first of none, one long, in no order, with repeats."""
    counts = rng.integers(0, 10, n)
    if n:
        counts[0] = 0
        counts[n // 2] += long_row
    indptr = np.concatenate([[0], np.cumsum(counts)])
    return indptr, rng.integers(0, columns, indptr[-1]), rng.random(indptr[-1], dtype=np.float32)


def row_sum(terms, start):
    """Terms added one after the other, those of long rows in parts."""
    total = None
    for first in range(0, max(len(terms), 1), PART):
        part = start.copy() if first == 0 else np.zeros_like(start)
        for term in terms[first : first + PART]:
            part = part + term
        total = part if total is None else total + part
    return total


def add_squares(total, row):
    """Those of each 64 columns in 16 sums, which are halved; and these in order."""
    for panel in range(0, len(row), 64):
        sums = np.zeros(16, np.float32)
        for first in range(panel, min(panel + 64, len(row)), 16):
            sums = sums + row[first : first + 16] ** 2
        for half in (8, 4, 2, 1):
            sums = sums[:half] + sums[half:]
        total = total + sums[0]
    return total


def coefficient(weight, row, normalize):
    if not normalize:
        return np.float32(weight)
    length = np.sqrt(add_squares(np.float32(0), row))
    return np.float32(weight) / length if length > 0 else np.float32(0)


class Product:
    """A graph, held rows, and the new rows by definition."""

    def __init__(self, kind, n, width, rng, weighted, loops=False, long_row=0, scaled=True):
        self.rows, self.scales, floats = held(kind, n, width, rng)
        self.floats, self.loops = floats, loops
        self.indptr, self.indices, weights = graph(n, n, rng, long_row)
        self.weights = weights if weighted else None
        self.row_scales = rng.random(n, dtype=np.float32) if scaled else None
        self.made = np.zeros((n, width), np.float32)
        for i in range(n):
            entries = range(self.indptr[i], self.indptr[i + 1])
            terms = [self.term(entry) for entry in entries]
            start = floats[i] if loops else np.zeros(width, np.float32)
            total = row_sum(terms, start)
            self.made[i] = total * self.row_scales[i] if scaled else total

    def term(self, entry):
        j = self.indices[entry]
        if self.weights is None:
            return self.floats[j]
        factor = self.weights[entry]
        if self.scales is None:
            return factor * self.floats[j]
        return (factor * self.scales[j]) * self.rows[j].astype(np.float32)

    def run(self, path, target=None, target_scales=None, out=None, held=0.0, made=1.0, **how):
        kind = how.get("index", np.int32)
        path.sparseproj.propagate(
            self.indptr.astype(how.get("starts", kind)),
            self.indices.astype(kind),
            self.weights,
            self.row_scales,
            self.loops,
            self.rows,
            self.scales,
            target,
            target_scales,
            out,
            held,
            made,
            how.get("normalize", False),
            how.get("add", False),
            how.get("threads", 1),
            places=how.get("places"),
            held_squares=how.get("held_squares"),
            made_squares=how.get("made_squares"),
        )

    def new(self, path, **how):
        out = np.empty_like(self.made)
        self.run(path, out=out, **how)
        return out


# ---- rows of a graph


@pytest.mark.quick
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weighted", [False, True])
def test_new_rows_are_sums_in_the_order_of_the_entries(path, rng, kind, weighted):
    for width in (64, 192):
        product = Product(kind, 40, width, rng, weighted, loops=width == 64)
        assert_equal((product.new(path),), (product.made,))


@pytest.mark.parametrize("width", [16, 32, 48, 64, 112, 128, 256, 320, 496])
@pytest.mark.parametrize("kind", KINDS)
def test_every_width_agrees(path, rng, kind, width):
    if kind == "signs":
        width = -(-width // 64) * 64
    for weighted, scaled in ((False, True), (True, False)):
        product = Product(kind, 33, width, rng, weighted, loops=True, scaled=scaled)
        assert_equal((product.new(path),), (product.made,))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("long_row", [120, 127, 128, 300, PART, PART + 1, 3 * PART + 5])
def test_long_rows_are_summed_in_parts(path, rng, kind, long_row):
    product = Product(kind, 21, 64, rng, kind == "float16", loops=True, long_row=long_row)
    for threads in (1, 4):
        assert_equal((product.new(path, threads=threads),), (product.made,))


def test_sums_of_signs_do_not_overflow(path):
    n, rows = 5, np.ones((3, 64), np.int8)
    indptr = np.array([0, 126, 254, 254 + 2048, 254 + 2048 + 5000, 254 + 2048 + 5000])
    out = np.empty((n, 64), np.float32)
    indices = np.zeros(indptr[-1], np.int64)
    path.sparseproj.propagate(
        indptr, indices, None, None, False, rows, None, None, None, out, 0.0, 1.0, False, False, 2
    )
    np.testing.assert_array_equal(out, np.repeat(np.diff(indptr)[:, None], 64, axis=1))


@pytest.mark.parametrize("kind", KINDS)
def test_new_rows_are_added_up_at_their_places(path, rng, kind):
    product = Product(kind, 45, 64, rng, True)
    places, before = rng.permutation(45), rng.random((45, 64), np.float32)
    for add in (False, True):
        plain, moved = before.copy(), np.empty_like(before)
        moved[places] = before
        for out, there in ((plain, None), (moved, places)):
            product.run(path, out=out, held=0.5, made=2.0, add=add, threads=2, places=there)
        assert_equal((moved[places],), (plain,))


@given(data=st.data())
def test_squares_of_blocks_of_columns_count_as_those_of_whole_rows(path, data):
    kind, seed = data.draw(st.sampled_from(KINDS)), data.draw(st.integers(0, 99))
    rng, n = np.random.default_rng(seed), data.draw(st.integers(1, 20))
    width = data.draw(st.sampled_from([64, 128, 256] if kind == "signs" else [16, 80, 128, 208]))
    cut = 64 * data.draw(st.integers(0, (width - 1) // 64))
    held_weight, made = data.draw(st.sampled_from([(0.5, 0.0), (0.0, -2.0), (1.5, 3.0)]))
    threads = data.draw(st.integers(1, 3))
    product = Product(kind, n, width, rng, data.draw(st.booleans()), long_row=PART + 9)
    product.rows[rng.integers(n)] = 0
    whole, rows = np.empty((n, width), np.float32), product.rows
    how = {"held": held_weight, "made": made, "normalize": True, "threads": threads}
    product.run(path, out=whole, **how)
    of_held = np.zeros(n, np.float32) if held_weight else None
    of_made = np.zeros(n, np.float32) if made else None
    found = np.empty_like(whole)
    for out in (None, found):
        for block in (slice(0, cut), slice(cut, width)):
            product.rows = np.ascontiguousarray(rows[:, block])
            if product.rows.size:
                part = None if out is None else out[:, block]
                product.run(path, out=part, held_squares=of_held, made_squares=of_made, **how)
    assert_equal((found,), (whole,))


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_and_index_types_change_no_bit(path, rng, threads):
    product = Product("float16", 3000, 32, rng, True, long_row=5000)
    for index in (np.int32, np.int64):
        for starts in (np.int32, np.int64):
            found = product.new(path, index=index, starts=starts, threads=threads)
            assert_equal((found,), (product.made,))


@pytest.mark.parametrize("width", [64, 144])
def test_results_too_large_for_caches_have_the_same_bits(path, rng, width):
    n = 500
    if path.name in _backend.ISA_LEVELS:  # halves of 8 MiB and more are written past the caches
        n = (8 << 20) // (2 * width) + 100
    indptr, indices, _ = graph(n, n, rng, 2 * PART)
    source, scales = held("float16", n, width, rng)[0], rng.random(n, dtype=np.float32)
    indptr, indices = indptr.astype(np.int32), indices.astype(np.int32)

    def rows(first, last, target, out):
        part = indptr[first : last + 1] - indptr[first]
        entries = indices[indptr[first] : indptr[last]]
        path.sparseproj.propagate(
            part,
            entries,
            None,
            scales[first:last],
            False,
            source,
            None,
            target,
            None,
            out,
            0.0,
            1.0 if out is not None else 0.0,
            True,
            False,
            2,
        )

    for dtype in (np.uint16, np.float32):
        whole, parts = aligned((n, width), dtype), np.empty((n, width), dtype)
        sums, part_sums = aligned((n, width), np.float32), np.empty((n, width), np.float32)
        rows(0, n, whole, None)
        rows(0, n, None, sums)
        for first in range(0, n, n // 20):
            last = min(first + n // 20, n)
            rows(first, last, parts[first:last], None)
            rows(first, last, None, part_sums[first:last])
        assert_equal((whole, sums), (parts, part_sums))


@pytest.mark.parametrize("kind", KINDS)
def test_targets_hold_the_nearest_numbers(path, rng, kind):
    product = Product(kind, 50, 64, rng, True)
    floats = np.zeros((50, 48), np.float32)
    product.run(path, target=floats, made=0.0)
    assert_equal((floats,), (product.made[:, :48],))
    halves = np.zeros((50, 64), np.uint16)
    product.run(path, target=halves)
    assert_equal((halves,), (product.made.astype(np.float16).view(np.uint16),))
    numbers, scales = np.zeros((50, 64), np.int8), np.ones(50, np.float32)
    product.run(path, target=numbers, target_scales=scales)
    most = np.abs(product.made).max(axis=1)
    empty = most == 0
    assert empty.any()
    assert_equal((scales,), (most / np.float32(127),))
    expected = np.rint(product.made * (np.float32(127) / np.where(empty, 1, most))[:, None])
    assert_equal((numbers,), (expected.astype(np.int8),))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize(("kept", "made"), [(0.0, 1.0), (0.75, 0.0), (-2.0, 0.3), (0.0, 0.0)])
def test_the_result_is_a_weighted_sum_of_rows(path, rng, kind, normalize, kept, made):
    product = Product(kind, 30, 64, rng, False)
    for width in (64, 50, 3):
        for add in (False, True):
            out = np.full((30, width), 0.125, np.float32)
            product.run(path, out=out, held=kept, made=made, normalize=normalize, add=add)
            expected = np.full((30, 64), 0.125 if add else 0, np.float32)
            begun = add
            for weight, rows in ((kept, product.floats), (made, product.made)):
                if weight:
                    factors = [coefficient(weight, row, normalize) for row in rows]
                    terms = np.array(factors, np.float32)[:, None] * rows
                    expected, begun = expected + terms if begun else terms, True
            assert_equal((out,), (expected[:, :width],))


def test_the_result_may_have_strided_rows(path, rng):
    product = Product("float32", 20, 32, rng, False)
    memory = np.full((20, 50), 9, np.float32)
    product.run(path, out=memory[:, 5:37])
    assert_equal((memory[:, 5:37].copy(),), (product.made,))
    assert (np.delete(memory, np.s_[5:37], axis=1) == 9).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("normalize", [False, True])
def test_widen_gives_held_rows_as_floats(path, rng, kind, normalize):
    rows, scales, floats = held(kind, 1100, 64, rng)
    floats[:4], rows[:4] = 0, 0
    factors = [coefficient(1.0, row, normalize) for row in floats]
    expected = np.array(factors, np.float32)[:, None] * floats
    for width in (64, 37, 1):
        found = path.sparseproj.widen(rows, scales, width, normalize, 2)
        assert_equal((found,), (np.ascontiguousarray(expected[:, :width]),))


@pytest.mark.parametrize("width", [16, 13, 1])
def test_narrow_then_widen_is_the_nearest(path, rng, width):
    x = rng.standard_normal((1030, width), dtype=np.float32) * 10.0 ** rng.integers(
        -9, 5, (1030, 1)
    )
    x = x.astype(np.float32)
    x[3] = 0
    for rows in (x, strided_rows(x)):
        halves = np.full((1030, 16), 9, np.uint16)
        path.sparseproj.narrow(rows, halves, None, 2)
        assert_equal((halves[:, :width].view(np.float16),), (x.astype(np.float16),))
        assert not halves[:, width:].any()
        numbers, scales = np.full((1030, 16), 9, np.int8), np.zeros(1030, np.float32)
        path.sparseproj.narrow(rows, numbers, scales, 2)
        back = path.sparseproj.widen(numbers, scales, width, False, 1)
        assert (np.abs(back - x) <= np.abs(x).max(axis=1, keepdims=True) / 253).all()


@pytest.mark.parametrize("loops", [False, True])
def test_sums_of_equal_signs_outgrow_bytes(path, loops):
    counts = np.array([125, 126, 127, 128, 129, 252, 253, 254, 255, 256, 300])
    indptr, n = np.concatenate([[0], np.cumsum(counts)]), len(counts)
    rows = np.tile(np.array([[1] * 64 + [-1] * 64], np.int8), (n, 1))
    indices, out = np.arange(indptr[-1]) % n, np.empty((n, 128), np.float32)
    path.sparseproj.propagate(
        indptr, indices, None, None, loops, rows, None, None, None, out, 0, 1, False, False, 1
    )
    assert_equal((out,), (((counts[:, None] + loops) * rows).astype(np.float32),))


@pytest.mark.skipif(not guard.HERE, reason=guard.WHY_NOT)
@pytest.mark.parametrize("kind", KINDS)
def test_kernels_stay_inside_their_arrays(path, rng, kind):
    product = Product(kind, 37, 64, rng, True, long_row=2100)
    arrays = [product.indptr, product.indices, product.weights, product.rows, product.made]
    for indptr, indices, weights, rows, out in guard.placements(*arrays):
        path.sparseproj.propagate(
            indptr,
            indices,
            weights,
            product.row_scales,
            False,
            rows,
            product.scales,
            None,
            None,
            out,
            0.0,
            1.0,
            False,
            False,
            1,
        )
        assert_equal((out.copy(),), (product.made,))
