"""Searches of product codes by products of bytes: the results of the tables, to the last bit.

Which way a search takes is its own affair; only `products_pay` tells. So every case here is asked
with few queries and with many, and the results are those of the definition and of the twin.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import (
    BITS,
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
)
from tersevec._numpy import pqscan as twin
from tersevec.pq import ProductQuantizer

ON_DEVICES = False  # CUDA kernels know one way only, which the other modules try
METRICS = ("l2", "ip")
# What is hard on numbers that are rounded to bytes, one kind of trouble each.
VECTOR_KINDS = (
    *("normal", "ties", "constant", "constant columns", "one column", "far"),
    *("huge", "tiny", "denormal", "zeros", "one query"),
)
# Few enough that nothing is worth decoding codes for, and as many as make it worth it.
FEW, MANY = 1, 200


def vectors(kind, nq, m, ds, n_bits, rng):
    """Queries (nq, m * ds), and columns (m, ds, K) of the centroids."""
    queries = rng.standard_normal((nq, m, ds))
    columns = rng.standard_normal((m, ds, 2**n_bits))
    if kind == "ties":
        queries, columns = np.rint(queries), np.rint(columns)
    elif kind == "constant":
        queries[:], columns[:] = 0.75, -0.75
    elif kind == "constant columns":
        columns[:, 0] = columns[:, 0, :1]
    elif kind == "one column":  # drowns the others, whose differences still decide
        columns[m // 2, 0] *= 1e6
    elif kind == "far":
        queries, columns = queries + 1e4, columns + 1e4
    elif kind == "huge":
        queries, columns = queries * 1e15, columns * 1e15
    elif kind == "tiny":
        queries, columns = queries * 1e-25, columns * 1e-25
    elif kind == "denormal":
        columns *= 1e-41
    elif kind == "zeros":
        queries[:], columns[:] = 0, 0
    elif kind == "one query":  # far larger than the others
        queries[:1] *= 1e8
    return queries.reshape(nq, m * ds).astype(np.float32), columns.astype(np.float32)


def distances_of(queries, columns, metric, codes, n_bits):
    """By definition; of inner products the negatives."""
    books = np.ascontiguousarray(columns.transpose(0, 2, 1))
    entries = twin.lookup_tables(queries, books, metric, 1)
    sums = table_sums(entries, numbers(codes, len(columns), n_bits))
    return sums if metric == "l2" else -sums


def blocks_of(path, codes, m, n_bits):
    in_block, *block = path.pqscan.block_shape(m, n_bits)
    blocks = np.zeros((-(-len(codes) // in_block), *block), np.uint8)
    path.pqscan.pack(codes, blocks, m, n_bits, 0)
    return blocks


def as_found(expected, metric):
    """Values of the definition as a search returns them: similarities for "ip", and no -0.0."""
    values, indices = expected
    return values if metric == "l2" else np.float32(0) - values, indices


def assert_same_bits(found, expected):
    assert_equal(found, expected)
    np.testing.assert_array_equal(found[0].view(np.int32), expected[0].view(np.int32))


class Problem:
    """A search, and what must come out of it."""

    def __init__(self, n, nq, m, ds, n_bits, rng, kind="normal", metric="l2"):
        self.n, self.m, self.n_bits, self.metric = n, m, n_bits, metric
        self.queries, self.columns = vectors(kind, nq, m, ds, n_bits, rng)
        self.codes = product_codes(n, m, rng, n_bits)

    def of(self, chosen):
        """The same codes for some of the queries."""
        part = object.__new__(Problem)
        part.__dict__.update(self.__dict__, queries=self.queries[chosen])
        return part

    def search(self, kernels, codes, k, mask=None, threads=1, segments=None, bias=None):
        given = self.queries, self.columns, self.metric, 1e30, codes, self.n, k, packed(mask)
        return kernels.search(*given, threads, segments=segments, bias=bias)

    def expected(self, k, mask=None, segments=None, bias=None):
        distances = distances_of(self.queries, self.columns, self.metric, self.codes, self.n_bits)
        allowed = mask
        if segments is not None:
            added = -bias if bias is not None and self.metric == "ip" else bias
            distances, inside = selected(distances, segments, added)
            allowed = inside if mask is None else mask & inside
        return as_found(first_k(distances, k, WORST_FLOAT, allowed), self.metric)


def pays(path, nq, m, ds, n_bits):
    queries, columns = np.zeros((nq, m * ds), np.float32), np.zeros((m, ds, 2**n_bits), np.float32)
    return path.pqscan.products_pay(queries, columns)


# ---- the choice


def test_compiled_searches_multiply_for_many_queries_and_add_entries_for_few(path):
    """Where each number of a code is of one dimension, what a product costs is least."""
    compiled = path.pqscan.rows() != ["numpy"]
    assert not pays(path, FEW, 32, 1, 8)
    assert pays(path, MANY, 32, 1, 8) == compiled
    chosen = [pays(path, nq, 32, 1, 8) for nq in range(1, MANY)]
    assert chosen == sorted(chosen)  # once worth it, worth it for more


def test_wide_vectors_are_not_multiplied(path):
    """Sums of products stay within 31 bits."""
    assert not pays(path, MANY, 64, 513, 8)


@pytest.mark.quick
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("n_bits", BITS)
def test_few_and_many_queries_find_the_same_on_both_ways(path, rng, metric, n_bits):
    n, m, k = 300, 24, 9
    problem = Problem(n, MANY, m, 1, n_bits, rng, metric=metric)
    blocks = blocks_of(path, problem.codes, m, n_bits)
    together = problem.search(path.pqscan, blocks, k)
    assert_same_bits(together, problem.expected(k))
    for q in range(0, MANY, 40):
        alone = problem.of(slice(q, q + 1)).search(path.pqscan, problem.codes, k)
        assert_same_bits(alone, tuple(part[q : q + 1] for part in together))


# ---- exactness


@pytest.mark.parametrize("kind", VECTOR_KINDS)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("n_bits", "m", "ds"), [(4, 16, 1), (5, 13, 1), (6, 9, 2), (7, 8, 1), (8, 11, 1), (8, 6, 3)]
)
def test_no_vectors_are_too_hard_for_bytes(path, rng, kind, metric, n_bits, m, ds):
    n = 200
    problem = Problem(n, MANY, m, ds, n_bits, rng, kind, metric)
    for k in (1, 10, n + 2):
        found = problem.search(path.pqscan, problem.codes, k)
        assert_same_bits(found, problem.expected(k))


@pytest.mark.parametrize("n", [0, 1, 31, 63, 64, 65, 129, 4000])
@pytest.mark.parametrize("n_bits", [4, 8])
def test_every_number_of_rows_is_multiplied(path, rng, n, n_bits):
    """From less than a group of rows to several panels of them, on any number of threads."""
    m, k = 16, 12
    problem = Problem(n, MANY if n < 1000 else 70, m, 1, n_bits, rng, "ties")
    expected, blocks = problem.expected(k), blocks_of(path, problem.codes, m, n_bits)
    for base in (problem.codes, strided_rows(problem.codes), blocks):
        for threads in (1, 3):
            assert_same_bits(problem.search(path.pqscan, base, k, threads=threads), expected)


@pytest.mark.parametrize("n_bits", [4, 8])
@pytest.mark.parametrize("n", [1, 33, 64, 130])
def test_no_mask_lets_a_forbidden_row_through(path, rng, n, n_bits):
    problem = Problem(n, MANY, 12, 1, n_bits, rng, "ties", "ip")
    blocks = blocks_of(path, problem.codes, 12, n_bits)
    for mask in (*masks(n, rng), rng.random((MANY, n)) < 0.3):
        found = problem.search(path.pqscan, blocks, 12, mask)
        assert_same_bits(found, problem.expected(12, mask))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("bias_kind", ["none", "small", "wide"])
@pytest.mark.parametrize("n", [1, 65, 257])
def test_only_rows_of_segments_are_found_and_their_bias_counts(path, rng, n, bias_kind, metric):
    problem = Problem(n, MANY, 10, 1, 8, rng, metric=metric)
    blocks = blocks_of(path, problem.codes, 10, 8)
    for segments in segment_lists(n, rng):
        bias = biases(bias_kind, MANY, len(segments), rng)
        for mask in (None, rng.random((MANY, n)) < 0.5):
            given = {"mask": mask, "segments": segments, "bias": bias}
            found = problem.search(path.pqscan, blocks, 9, threads=2, **given)
            assert_same_bits(found, problem.expected(9, **given))


@pytest.mark.parametrize(("k", "n"), [(10, 20_000), (700, 3000)])
def test_of_equal_codes_the_first_are_found(path, rng, k, n):
    """More of them than hits may wait."""
    nq = 40
    problem = Problem(n, nq, 16, 1, 8, rng)
    problem.codes = np.broadcast_to(problem.codes[:1], problem.codes.shape).copy()
    values, indices = problem.search(path.pqscan, problem.codes, k, threads=2)
    np.testing.assert_array_equal(indices, np.broadcast_to(np.arange(k), (nq, k)))
    np.testing.assert_array_equal(values, problem.expected(1)[0] + np.zeros((1, k), np.float32))


def test_a_query_beyond_the_limit_is_told_of_whatever_the_way(path, rng):
    problem = Problem(40, MANY, 8, 1, 8, rng)
    problem.queries[MANY - 1, 3] = np.inf
    assert problem.search(path.pqscan, problem.codes, 3) is None


@given(data=st.data())
def test_any_search_is_exact_whichever_way_it_takes(path, data):
    draw = data.draw
    n_bits, metric = draw(st.sampled_from(BITS), "n_bits"), draw(st.sampled_from(METRICS), "metric")
    n, nq = draw(st.integers(0, 300), "n"), draw(st.sampled_from([1, 2, 7, 33, 90]), "nq")
    m, ds = draw(st.integers(1, 24), "m"), draw(st.sampled_from([1, 1, 2, 5]), "ds")
    rng = np.random.default_rng(draw(st.integers(0, 2**32), "seed"))
    kind = draw(st.sampled_from(VECTOR_KINDS), "kind")
    problem = Problem(n, nq, m, ds, n_bits, rng, kind, metric)
    if draw(st.booleans(), "duplicates"):
        problem.codes[n // 3 :] = problem.codes[: n - n // 3] if n < 6 else problem.codes[:1]
    segments = draw(st.sampled_from([None, *segment_lists(n, rng)]), "segments")
    bias = None
    if segments is not None:
        bias_kind = draw(st.sampled_from(["none", "small", "wide"]), "bias")
        bias = biases(bias_kind, nq, len(segments), rng)
    mask = draw(st.sampled_from([*masks(n, rng), rng.random((nq, n)) < 0.5]), "mask")
    blocks = blocks_of(path, problem.codes, m, n_bits)
    base = draw(st.sampled_from([problem.codes, strided_rows(problem.codes), blocks]), "base")
    k, threads = draw(st.integers(1, 320), "k"), draw(st.integers(1, 3), "threads")
    given_too = {"mask": mask, "segments": segments, "bias": bias}
    found = problem.search(path.pqscan, base, k, threads=threads, **given_too)
    assert_same_bits(found, problem.expected(k, **given_too))
    assert_same_bits(found, problem.search(twin, problem.codes, k, **given_too))


# ---- what people call


@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
def test_a_quantiser_answers_a_batch_as_it_answers_each_of_its_queries(path, rng, metric):
    x = rng.standard_normal((600, 24), dtype=np.float32)
    quantizer = ProductQuantizer(24, 8, metric=metric, max_iter=2, random_state=0).fit(x)
    codes, queries = quantizer.pack(quantizer.encode(x)), x[:80] + np.float32(0.1)
    together = quantizer.topk(queries, codes, 7)
    alone = [quantizer.topk(query[None], codes, 7) for query in queries]
    assert_same_bits(together, tuple(np.concatenate(parts) for parts in zip(*alone, strict=True)))
    for part in (queries[:1], queries):
        distances = quantizer.distances(part, quantizer.encode(x))
        best = first_k(distances if metric == "l2" else -distances, 7, WORST_FLOAT)
        assert_same_bits(quantizer.topk(part, codes, 7), as_found(best, metric))
