"""Public functions of the other families for arrays in CUDA memory: the answers are the host's."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from cases import product_codes, refused
from fake_cupy import assert_near, here, there
from tersevec._symmetric_search import SymmetricSearch
from tersevec.binary import RaBitQuantizer, RecurrentBinarizer, ScanCodes, pack_bits
from tersevec.muvera import (
    FixedDimensionalEncoder,
    PackedTokens,
    maxsim,
    maxsim_matches,
    maxsim_pack,
    maxsim_topk,
)

# ---- bags of tokens

DIM = 20


def bags_of(rng, lengths, dtype=np.float32):
    """Tokens of small integers, whose products are exact: (tokens, offsets)."""
    tokens = rng.integers(-4, 5, (sum(lengths), DIM)).astype(dtype)
    return tokens, np.cumsum([0, *lengths])


def forms(bags):
    """The same bags flat, in a list, and padded."""
    tokens, offsets = bags
    parts = np.split(tokens, offsets[1:-1])
    padded = np.full((len(parts), 6, tokens.shape[1]), 99, tokens.dtype)
    for i, part in enumerate(parts):
        padded[i, : len(part)] = part
    return {"flat": bags, "listed": parts, "padded": (padded, np.diff(offsets))}


@pytest.fixture
def data(rng):
    return bags_of(rng, [3, 0, 5]), bags_of(rng, [4, 1, 0, 6, 2, 5, 3, 3, 1])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("form", ["flat", "listed", "padded"])
def test_cuda_maxsim_takes_bags_in_cuda_memory(cupy, rng, data, form, dtype):
    queries, (tokens, offsets) = data
    documents = forms((tokens.astype(dtype), offsets))[form]
    asked, base = there(cupy, queries), there(cupy, documents)
    weights = rng.integers(0, 3, len(queries[0])).astype(np.float32)
    found = maxsim(asked, base, weights=cupy.asarray(weights))
    assert_near(here(found), maxsim(queries, documents, weights=weights))
    mask = rng.random(9) < 0.7
    for k in (2, 12):
        found = maxsim_topk(asked, base, k, mask=cupy.asarray(mask))
        assert_near(here(found), maxsim_topk(queries, documents, k, mask=mask))
    candidates = rng.integers(-1, 9, (3, 5))
    given = {"candidates": candidates, "mask": mask}
    found = maxsim_topk(asked, base, 4, **{k: cupy.asarray(v) for k, v in given.items()})
    assert_near(here(found), maxsim_topk(queries, documents, 4, **given))
    found = maxsim_matches(asked, base, cupy.asarray(candidates))
    assert_near(here(found), maxsim_matches(queries, documents, candidates))


def test_cuda_maxsim_takes_documents_few_at_once(cupy, data, monkeypatch):
    queries, documents = data
    listed, mask = forms(documents)["listed"], np.arange(9) % 3 > 0
    expected = maxsim(queries, listed), maxsim_topk(queries, listed, 5, mask=mask)
    monkeypatch.setattr("tersevec._maxsim_batches._DEVICE_AT_ONCE", 4 * DIM * 7)
    monkeypatch.setattr("tersevec._maxsim_batches._QUERY_BYTES", 4 * DIM * 4)
    monkeypatch.setattr("tersevec._ragged._CHECKED", 2 * DIM)
    asked, base = there(cupy, queries), there(cupy, listed)
    assert_near(here(maxsim(asked, base)), expected[0])
    assert_near(here(maxsim_topk(asked, base, 5, mask=cupy.asarray(mask))), expected[1])
    candidates = np.tile(np.arange(9), (3, 1))
    found = maxsim_topk(asked, there(cupy, documents), 9, candidates=cupy.asarray(candidates))
    assert_near(here(found), maxsim_topk(queries, documents, 9))


def test_cuda_maxsim_takes_offsets_of_either_memory(cupy, data):
    queries, documents = data
    asked = cupy.asarray(queries[0]), queries[1]
    found = maxsim(asked, there(cupy, documents))
    assert_near(here(found), maxsim(queries, documents))
    refused(
        lambda: maxsim((queries[0], cupy.asarray(queries[1])), documents),
        TypeError,
        "queries[1] (offsets): int64 (4,) lies in CUDA memory, where this function has no kernels",
    )


def test_cuda_maxsim_without_bags_or_tokens(cupy, data):
    documents = there(cupy, data[1])
    assert here(maxsim([], documents)).shape == (0, 9)
    assert here(maxsim(there(cupy, data[0]), [])).shape == (3, 0)
    found = here(maxsim_topk(there(cupy, data[0]), [], 2, mask=cupy.zeros(0, bool)))
    assert_near(found, maxsim_topk(data[0], [], 2))
    none = cupy.asarray(np.full((3, 2), -1))
    assert_near(here(maxsim_topk(there(cupy, data[0]), documents, 2, candidates=none)), found)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int8"])
def test_cuda_maxsim_packs_documents_in_cuda_memory(cupy, rng, data, dtype):
    queries, documents = data
    expected, packed = maxsim_pack(documents, dtype=dtype), PackedTokens(dtype, DIM, cupy.empty(0))
    listed = there(cupy, forms(documents)["listed"])
    for part in (listed[:2], [], listed[2:]):
        packed.append(part)
    for copied in (packed, maxsim_pack(there(cupy, documents), dtype=dtype)):
        assert repr(copied) == repr(expected)
        assert copied.nbytes == expected.nbytes
        for name in ("tokens", "scales", "sums"):
            found, wanted = getattr(copied, name), getattr(expected, name)
            assert (found is None) == (wanted is None)
            assert found is None or np.array_equal(here(found), wanted)
    asked, candidates = there(cupy, queries), rng.integers(-1, 9, (3, 5))
    assert_near(here(maxsim(asked, packed)), maxsim(queries, expected))
    assert_near(here(maxsim_topk(asked, packed, 4)), maxsim_topk(queries, expected, 4))
    found = maxsim_topk(asked, packed, 4, candidates=cupy.asarray(candidates))
    assert_near(here(found), maxsim_topk(queries, expected, 4, candidates=candidates))
    found = maxsim_matches(asked, packed, cupy.asarray(candidates))
    assert_near(here(found), maxsim_matches(queries, expected, candidates))


def test_cuda_maxsim_packs_integers_as_they_are(cupy, data):
    tokens, offsets = data[1]
    integers, scales = tokens.astype(np.int8), np.linspace(0.5, 2, len(tokens))
    expected = maxsim_pack((integers, offsets), scales=scales, dtype="int8")
    packed = maxsim_pack(
        there(cupy, (integers, offsets)), scales=cupy.asarray(scales), dtype="int8"
    )
    assert np.array_equal(here(packed.sums), expected.sums)
    found = maxsim(there(cupy, data[0]), packed)
    assert_near(here(found), maxsim(data[0], expected))


def test_cuda_maxsim_packs_no_bad_numbers(cupy, data):
    base = there(cupy, data[1])
    base[0][3, 1] = np.nan
    refused(lambda: maxsim_pack(base), ValueError, "documents: row 3 holds NaN")
    base[0][3, 1] = 70000
    words = "documents: row 3 holds a number beyond float16"
    refused(lambda: maxsim_pack(base, dtype="float16"), ValueError, words)
    packed = PackedTokens("float32", DIM, cupy.empty(0))
    words = "documents: lies in host memory, and tokens in CUDA memory"
    refused(lambda: packed.append(*data[1]), TypeError, words)
    assert len(packed) == 0


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_cuda_maxsim_refuses_bad_numbers_by_name(cupy, data, dtype):
    queries, (tokens, offsets) = data
    bad = tokens.astype(dtype)
    bad[7, 3] = np.nan
    asked, base = there(cupy, queries), there(cupy, (bad, offsets))
    listed = there(cupy, np.split(bad, offsets[1:-1]))
    message = "documents: row 7 holds NaN"
    refused(lambda: maxsim(asked, base), ValueError, message)
    refused(lambda: maxsim_topk(asked, base, 1), ValueError, message)
    refused(lambda: maxsim(base, asked), ValueError, "queries: row 7 holds NaN")
    refused(lambda: maxsim(asked, listed), ValueError, "documents[3]: row 2 holds NaN")
    three, five = cupy.asarray(np.full((3, 1), 3)), cupy.asarray(np.full((3, 1), 5))
    refused(lambda: maxsim_matches(asked, base, three), ValueError, message)
    assert here(maxsim_matches(asked, base, five)).shape == (8, 1)  # others are not read
    refused(
        lambda: maxsim_matches(asked, base, three * 4),
        ValueError,
        "candidates: expected -1 or a document below 9, got 12",
    )


def test_cuda_maxsim_refuses_arguments_of_two_memories(cupy, data):
    queries, documents = data
    asked, base = there(cupy, queries), there(cupy, documents)
    words = "lies in host memory, and queries in CUDA memory; move one of them"
    refused(lambda: maxsim(asked, documents), TypeError, f"documents: {words}")
    refused(lambda: maxsim(asked, maxsim_pack(documents)), TypeError, f"documents: {words}")
    refused(lambda: maxsim(asked, base, weights=np.ones(8)), TypeError, f"weights: {words}")
    mask = np.ones(9, bool)
    refused(lambda: maxsim_topk(asked, base, 1, mask=mask), TypeError, f"mask: {words}")
    three = np.zeros((3, 1), int)
    refused(lambda: maxsim_matches(asked, base, three), TypeError, f"candidates: {words}")
    mixed = [base[0], documents[0]]
    words = "documents[1]: lies in host memory, and documents[0] in CUDA memory"
    refused(lambda: maxsim(asked, mixed), TypeError, words)


def test_cuda_tokens_are_refused_where_there_are_no_kernels(cupy, data):
    base = there(cupy, data[1])
    words = "lies in CUDA memory, where this function has no kernels"
    refused(lambda: PackedTokens("float32", DIM).append(*base), TypeError, words)
    refused(
        lambda: FixedDimensionalEncoder(DIM).fit(*base),
        TypeError,
        f"tokens: float32 (25, 20) {words}",
    )


# ---- encodings


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
@pytest.mark.parametrize(
    "parameters",
    [
        {"num_simhash_projections": 2, "projection_dimension": 4},
        {"projection_type": "identity", "num_simhash_projections": 0, "center": [0.5] * DIM},
        {"final_projection_dimension": 24, "fill_empty_partitions": False},
    ],
)
def test_cuda_fde_encodes_what_lies_in_cuda_memory(cupy, rng, dtype, parameters):
    encoder = FixedDimensionalEncoder(DIM, num_repetitions=2, **parameters)
    tokens, offsets = rng.standard_normal((24, DIM), np.float32), bags_of(rng, [4, 0, 9, 11])[1]
    for encode in (encoder.encode_documents, encoder.encode_queries):
        expected = encode(tokens, offsets, dtype=dtype)
        found = here(encode(cupy.asarray(tokens), cupy.asarray(offsets), dtype=dtype))
        if dtype == "int8":
            assert_near(found[0].astype(int), expected[0].astype(int), 1)
            assert_near(found[1], expected[1], 1e-6)
        else:
            assert_near(found, expected, 2e-5 if dtype == "float32" else 8e-3)


@pytest.mark.parametrize("form", ["flat", "listed", "padded"])
def test_cuda_fde_takes_every_form_of_bags(cupy, rng, data, form):
    encoder = FixedDimensionalEncoder(DIM, num_repetitions=2, num_simhash_projections=2)
    documents = forms(data[1])[form]
    out = cupy.empty((9, encoder.output_dimension), np.float32)
    found = encoder.encode_documents(there(cupy, documents), out=out)
    assert found is out
    assert_near(here(out), encoder.encode_documents(documents), 2e-5)


def test_cuda_fde_takes_int8_tokens_with_scales(cupy, rng):
    encoder = FixedDimensionalEncoder(DIM, num_repetitions=2, num_simhash_projections=2)
    tokens = rng.integers(-127, 128, (5, DIM), np.int8)
    scales = rng.uniform(0.5, 1, 5).astype(np.float32)
    found = encoder.encode_documents(cupy.asarray(tokens), scales=cupy.asarray(scales))
    expected = encoder.encode_documents(tokens, scales=scales)
    assert_near(here(found), expected, 1e-5 * abs(expected).max())
    refused(
        lambda: encoder.encode_documents(cupy.asarray(tokens), scales=scales),
        TypeError,
        "scales: lies in host memory, and tokens in CUDA memory",
    )


def test_cuda_fde_refuses_what_does_not_fit(cupy, data):
    encoder = FixedDimensionalEncoder(DIM, num_repetitions=1, num_simhash_projections=1)
    tokens, offsets = there(cupy, data[1])
    out = np.empty((9, encoder.output_dimension), np.float32)
    words = "out: lies in host memory, and tokens in CUDA memory"
    refused(lambda: encoder.encode_documents(tokens, offsets, out=out), TypeError, words)
    words = "tokens: lies in host memory, and out in CUDA memory"
    refused(lambda: encoder.encode_documents(*data[1], out=cupy.asarray(out)), TypeError, words)
    tokens[4, 0] = np.inf
    refused(
        lambda: encoder.encode_queries(tokens, offsets),
        ValueError,
        "tokens: row 4 holds an infinity",
    )
    refused(
        lambda: encoder.encode_queries(tokens, cupy.asarray([0, 30])),
        ValueError,
        "offsets: expected the last one to be the number of tokens, 25, got 30",
    )


class Signs:
    """A quantiser."""

    def encode(self, rows):
        return pack_bits(rows)


def test_cuda_fde_goes_into_codes_on_the_gpu(cupy, data):
    encoder = FixedDimensionalEncoder(DIM, num_repetitions=1, num_simhash_projections=1)
    found = encoder.encode_documents(*there(cupy, data[1]), into=Signs())
    assert_near(here(found), encoder.encode_documents(*data[1], into=Signs()))


# ---- codes of integers


class Searcher(SymmetricSearch):
    """The mixin with nothing around it."""

    _code_shape = (0, 0)

    def __init__(self, m, n_bits):
        self._code_shape = m, n_bits


@pytest.mark.parametrize(("m", "n_bits"), [(33, 1), (13, 2), (7, 3), (20, 4)])
def test_cuda_symdist_searches_codes_in_cuda_memory(cupy, rng, m, n_bits):
    codes, q_codes = (product_codes(n, m, rng, n_bits) for n in (70, 5))
    search, mask = Searcher(m, n_bits), rng.random(70) < 0.7
    asked, rows, allowed = there(cupy, (q_codes, codes, mask))
    for base in (rows, search.pack(rows)):
        for k in (6, 300):
            found = search.topk(asked, base, k, mask=allowed)
            assert_near(here(found), search.topk(q_codes, codes, k, mask=mask))
        found = search.range(asked, base, 0.1, mask=allowed)
        assert_near(here(found), search.range(q_codes, codes, 0.1, mask=mask))
        found = search.similarity_matrix(asked, base)
        assert_near(here(found), search.similarity_matrix(q_codes, codes))


def test_cuda_symdist_takes_few_queries_at_once_and_none(cupy, rng, monkeypatch):
    codes, search = product_codes(40, 12, rng, 2), Searcher(12, 2)
    rows, expected = cupy.asarray(codes), search.range(codes, codes, 0.3)
    monkeypatch.setattr("tersevec._symmetric_search._QUERY_NUMBERS", 12 * 7)
    monkeypatch.setattr("tersevec._symmetric_codes._DEVICE_NUMBERS", 12 * 16)
    assert_near(here(search.range(rows, rows, 0.3)), expected)
    assert_near(here(search.range(rows[:0], rows, 0.3)), search.range(codes[:0], codes, 0.3))
    assert here(search.topk(rows[:0], rows, 3)).values.shape == (0, 3)


def test_cuda_symdist_codes_grow_shrink_and_travel_on_the_gpu(cupy, rng):
    codes = product_codes(50, 9, rng, 3)
    rows, expected = cupy.asarray(codes), ScanCodes(codes, 9, 3)
    base = ScanCodes(rows[:20], 9, 3)
    base.append(rows[20:])
    for same in (base, copy.copy(base), pickle.loads(pickle.dumps(base))):
        assert_near(here(same.unpack()), codes)
        assert_near(here(same.factors), expected.factors)
    assert base.nbytes == expected.nbytes
    base.remove(2)
    expected.remove(2)
    assert_near(here(base.unpack()), expected.unpack())
    assert_near(here(base.factors), expected.factors)
    for _ in range(49):
        base.remove(0)
    base.append(codes[:3])  # the last code has left, and so has the memory
    assert_near(base.unpack(), codes[:3])
    assert_near(base.factors, ScanCodes(codes[:3], 9, 3).factors)


def test_cuda_symdist_refuses_arguments_of_two_memories(cupy, rng):
    codes, search = product_codes(9, 12, rng, 2), Searcher(12, 2)
    rows = cupy.asarray(codes)
    words = "lies in host memory, and q_codes in CUDA memory; move one of them"
    refused(lambda: search.topk(rows, codes, 1), TypeError, f"codes: {words}")
    refused(lambda: search.range(rows, search.pack(codes), 1), TypeError, f"codes: {words}")
    mask = np.ones(9, bool)
    refused(lambda: search.topk(rows, rows, 1, mask=mask), TypeError, f"mask: {words}")
    refused(
        lambda: search.similarity_matrix(codes, rows),
        TypeError,
        "q_codes: lies in host memory, and codes in CUDA memory",
    )


def test_cuda_vectors_are_refused_where_codes_are_made_on_the_host(cupy, rng):
    x = rng.standard_normal((300, 16)).astype(np.float32)
    words = "lies in CUDA memory, where this function has no kernels"
    for quantizer in (RecurrentBinarizer(16, random_state=0), RaBitQuantizer(4, random_state=0)):
        codes = cupy.asarray(quantizer.fit(x).encode(x))
        refused(lambda q=quantizer: q.encode(cupy.asarray(x)), TypeError, words)
        refused(lambda q=quantizer, c=codes: q.decode(c), TypeError, words)
    refused(lambda: quantizer.pack(codes), TypeError, words)
