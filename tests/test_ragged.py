"""Bags of tokens in every form that people hold them in, and what is refused."""

from __future__ import annotations

from functools import partial

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bags import bag, offsets_of
from cases import refused
from tersevec._ragged_in import plain_bag, ragged
from tersevec.muvera import FixedDimensionalEncoder, maxsim, maxsim_pack, maxsim_topk

D = 6
LENGTHS = (3, 0, 5, 1, 0, 8)
OFFSETS = offsets_of(LENGTHS)
TOKENS = np.random.default_rng(0).standard_normal((OFFSETS[-1], D)).astype(np.float32)


def padded(tokens, offsets, fill=7.0):
    """Bags side by side, with other numbers behind each."""
    lengths = np.diff(offsets)
    array = np.full((len(lengths), lengths.max(), *tokens.shape[1:]), fill, tokens.dtype)
    for i, length in enumerate(lengths):
        array[i, :length] = bag(tokens, offsets, i)
    return array, lengths


def listed(tokens, offsets):
    return [bag(tokens, offsets, i) for i in range(len(offsets) - 1)]


def forms(tokens, offsets):
    """The same bags in every form, as arguments of a function that takes one batch."""
    yield (tokens, offsets), {}
    yield ((tokens, offsets),), {}
    yield (tokens, offsets.tolist()), {}
    yield (tokens, offsets.astype(np.int32)), {}
    yield (listed(tokens, offsets),), {}
    yield (tuple(listed(tokens, offsets)),), {}
    array, lengths = padded(tokens, offsets)
    yield (array,), {"lengths": lengths}
    yield ((array, lengths),), {}
    yield (np.asfortranarray(tokens), offsets), {}
    strided = np.repeat(tokens, 2, axis=0)[::2]
    yield (strided, offsets), {}
    yield (listed(strided, offsets),), {}


def chunks_of(batch, n_bytes, most):
    """All tokens and lengths, put together from chunks."""
    tokens, lengths, stop = [np.empty((0, batch.dim), np.float32)], [], 0
    for chunk in batch.chunks(n_bytes, most):
        assert (chunk.start, chunk.offsets[0]) == (stop, 0)
        stop = chunk.stop
        assert len(chunk.tokens) == chunk.offsets[-1]
        assert chunk.tokens.flags.c_contiguous
        tokens.append(chunk.tokens)
        lengths += np.diff(chunk.offsets).tolist()
    assert stop == len(batch)
    return np.concatenate(tokens), lengths


@pytest.mark.parametrize("n_bytes", [1, 4 * D * 4, 1 << 20])
@pytest.mark.parametrize("most", [None, 1, 4])
def test_every_form_holds_the_same_bags_however_they_are_read(n_bytes, most):
    for arguments, options in forms(TOKENS, OFFSETS):
        batch = ragged("tokens", *arguments, **options, dim=D)
        assert (len(batch), batch.n_tokens, batch.dim) == (len(LENGTHS), len(TOKENS), D)
        tokens, lengths = chunks_of(batch, n_bytes, most)
        np.testing.assert_array_equal(tokens, TOKENS)
        assert lengths == list(LENGTHS)


def test_picked_bags_are_those_of_their_numbers():
    for arguments, options in forms(TOKENS, OFFSETS):
        batch = ragged("tokens", *arguments, **options)
        ids = np.array([0, 2, 3, 5])
        bags, places = batch.picked(ids)
        for i, place in zip(ids, places, strict=True):
            np.testing.assert_array_equal(
                bag(bags.tokens, bags.offsets, place), bag(TOKENS, OFFSETS, i)
            )


def test_an_array_alone_is_one_bag_and_so_is_a_list_of_rows():
    for given_as in (TOKENS, TOKENS.tolist()):
        batch = ragged("tokens", given_as)
        assert batch.offsets.tolist() == [0, len(TOKENS)]
    assert len(ragged("tokens", [], dim=D)) == 0
    assert len(ragged("tokens", (np.empty((0, D)), [0]))) == 0


def test_a_plain_bag_is_taken_as_it_is_and_nothing_else_is():
    tokens, ends = TOKENS, np.array([0, len(TOKENS)])
    for offsets in (None, ends):
        found = plain_bag(tokens, offsets, D)
        assert found.tokens is tokens
        assert (found.start, found.stop, found.scales) == (0, 1, None)
        assert found.offsets.tolist() == [0, len(tokens)]
    bad = tokens.copy()
    bad[4, 2] = np.nan
    for other, offsets, dim in (
        (tokens, ends, D + 1),
        (tokens, ends + 1, D),
        (tokens, OFFSETS, D),
        (tokens, ends.astype(np.int32), D),
        (tokens, ends.tolist(), D),
        (tokens[::2], None, D),
        (tokens.astype(np.float64), None, D),
        (tokens.astype(">f4"), None, D),
        (tokens.tolist(), None, D),
        (tokens[0], None, D),
        (bad, None, D),
    ):
        assert plain_bag(other, offsets, dim) is None


@pytest.mark.parametrize("of", ["queries", "documents"])
def test_one_bag_alone_is_encoded_as_in_a_batch_and_refused_alike(backend, of):
    encode = getattr(FixedDimensionalEncoder(D, num_repetitions=2), f"encode_{of}")
    expected = encode([TOKENS, TOKENS])[:1]
    np.testing.assert_array_equal(encode(TOKENS), expected)
    np.testing.assert_array_equal(encode(TOKENS, np.array([0, len(TOKENS)])), expected)
    bad = TOKENS.copy()
    bad[4, 2] = np.inf
    for arguments, words in (
        ((bad,), "tokens: row 4 holds an infinity"),
        ((TOKENS[:, :5].copy(),), "tokens: expected tokens of 6 dimensions"),
        ((TOKENS, np.array([0, 3])), "offsets: expected the last one to be the number of tokens"),
    ):
        refused(partial(encode, *arguments), ValueError, words)


def test_tokens_in_the_kernels_types_are_not_copied():
    for dtype in (np.float32, np.float16, ml_dtypes.bfloat16, np.int8):
        tokens = np.ones((4, D), dtype)
        scales = np.ones(4) if dtype == np.int8 else None
        batch = ragged("tokens", tokens, [0, 1, 4], scales=scales)
        assert np.shares_memory(batch.bags(0, 2).tokens, tokens)
        assert batch.readable


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ml_dtypes.bfloat16])
def test_other_types_mean_the_same_numbers(backend, dtype):
    encoder = FixedDimensionalEncoder(D, num_repetitions=3)
    tokens = TOKENS.astype(dtype)
    expected = encoder.encode_documents(tokens.astype(np.float32), OFFSETS)
    for arguments, options in forms(tokens, OFFSETS):
        found = encoder.encode_documents(*arguments, **options)
        np.testing.assert_array_equal(found, expected)


def test_int8_tokens_are_multiplied_with_their_scales(backend):
    rng = np.random.default_rng(1)
    whole = rng.integers(-128, 128, TOKENS.shape).astype(np.int8)
    scales = 2.0 ** rng.integers(-3, 3, len(whole))
    encoder = FixedDimensionalEncoder(D, num_repetitions=3)
    expected = encoder.encode_documents((whole * scales[:, None]).astype(np.float32), OFFSETS)
    array, lengths = padded(whole, OFFSETS)
    beside, _ = padded(scales, OFFSETS)
    for arguments, options in (
        ((whole, OFFSETS), {"scales": scales}),
        ((listed(whole, OFFSETS),), {"scales": scales}),
        ((array,), {"lengths": lengths, "scales": beside}),
    ):
        found = encoder.encode_documents(*arguments, **options)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
        packed = maxsim_pack(*arguments, **options, dtype="int8")
        np.testing.assert_array_equal(packed.tokens, whole)
        np.testing.assert_array_equal(packed.scales, scales)


def test_torch_tensors_are_read_where_they_are():
    torch = pytest.importorskip("torch")
    expected = maxsim((TOKENS, OFFSETS), (TOKENS, OFFSETS))
    tokens, offsets = torch.from_numpy(TOKENS), torch.from_numpy(OFFSETS)
    np.testing.assert_array_equal(maxsim((tokens, offsets), (tokens, offsets)), expected)
    half = tokens.bfloat16()
    packed = maxsim_pack((half, offsets), dtype="float32")
    np.testing.assert_array_equal(packed.tokens, half.float().numpy())


REFUSED = [
    ((TOKENS, OFFSETS + 1), {}, ValueError, "offsets: expected the first one to be 0, got 1"),
    ((TOKENS, [0, 5, 3, 17]), {}, ValueError, "offsets: expected none below the one before, got 3"),
    ((TOKENS, [0, 5]), {}, ValueError, "to be the number of tokens, 17, got 5"),
    ((TOKENS, []), {}, ValueError, "offsets: expected integers of shape (bags + 1,)"),
    ((TOKENS, [[0, 17]]), {}, ValueError, "offsets: expected integers of shape (bags + 1,)"),
    ((TOKENS, [0.0, 17.0]), {}, TypeError, "offsets: expected integers"),
    ((TOKENS, OFFSETS.astype(np.uint64)), {}, TypeError, "offsets: expected integers"),
    (((TOKENS, OFFSETS + 1),), {}, ValueError, "tokens[1] (offsets): expected the first"),
    (((TOKENS, OFFSETS), OFFSETS), {}, ValueError, "tokens: expected no offsets"),
    (((TOKENS, OFFSETS),), {"lengths": [1]}, ValueError, "tokens: expected no offsets"),
    ((TOKENS,), {"lengths": [17]}, ValueError, "lengths: goes with padded tokens"),
    ((TOKENS[:, :4], OFFSETS), {}, ValueError, "tokens: expected tokens of 6 dimensions, got 4"),
    ((TOKENS[0],), {}, ValueError, "tokens: expected tokens of shape (?, 6), got float32 (6,)"),
    ((TOKENS[None],), {}, ValueError, "lengths: expected the tokens of each bag"),
    ((TOKENS[None],), {"lengths": [18]}, ValueError, "expected 0 to 17 tokens in each bag, got 18"),
    ((TOKENS[None],), {"lengths": [-1]}, ValueError, "lengths: expected 0 to 17 tokens"),
    ((TOKENS[None],), {"lengths": [1, 2]}, ValueError, "lengths: expected integers of shape (1,)"),
    ((TOKENS[None],), {"lengths": [1.0]}, TypeError, "lengths: expected integers"),
    (((TOKENS[None], [18]),), {}, ValueError, "tokens[1] (lengths): expected 0 to 17"),
    (([TOKENS, TOKENS[:, :4]],), {}, ValueError, "tokens[1]: expected tokens of 6 dimensions"),
    (([TOKENS, TOKENS[0]],), {}, ValueError, "tokens[1]: expected tokens of shape (?, ?)"),
    (([TOKENS, TOKENS.astype("f8")],), {}, TypeError, "tokens[1]: expected the type of tokens[0]"),
    (([TOKENS], [0, 17]), {}, ValueError, "tokens: expected no offsets"),
    (("abc",), {}, TypeError, "tokens: expected an array, got str"),
    ((TOKENS.astype(np.int32),), {}, TypeError, "tokens: expected float16, bfloat16, float32"),
    ((TOKENS.astype(np.uint16),), {}, TypeError, "tokens: expected float16, bfloat16, float32"),
    ((TOKENS.astype(complex),), {}, TypeError, "tokens: expected float16, bfloat16, float32"),
    ((TOKENS.astype(np.int8),), {}, TypeError, "scales: expected floats of shape (17,)"),
    ((TOKENS,), {"scales": np.ones(17)}, ValueError, "scales: expected None, since only int8"),
    (
        (TOKENS.astype(np.int8),),
        {"scales": np.ones(16)},
        ValueError,
        "scales: expected floats of shape (17,), got float64 (16,)",
    ),
    (
        (TOKENS.astype(np.int8),),
        {"scales": np.full(17, np.nan)},
        ValueError,
        "scales: row 0 holds NaN",
    ),
    (
        (TOKENS.astype(np.int8),),
        {"scales": np.full(17, 1, int)},
        TypeError,
        "scales: expected floats",
    ),
]


@pytest.mark.parametrize(("arguments", "options", "kind", "message"), REFUSED)
def test_bags_that_are_none_are_refused(arguments, options, kind, message):
    refused(lambda: ragged("tokens", *arguments, **options, dim=D), kind, message)


def test_tokens_have_1_to_65536_dimensions():
    for d in (0, 2**16 + 1):
        refused(lambda d=d: ragged("tokens", np.zeros((1, d))), ValueError, "1 to 2**16 dimensions")
    assert ragged("tokens", np.zeros((1, 2**16))).dim == 2**16
    refused(lambda: ragged("tokens", []), ValueError, "tokens: expected at least one array")


@pytest.mark.parametrize(
    ("value", "words"),
    [(np.nan, "holds NaN"), (np.inf, "an infinity"), (-np.inf, "an infinity"), (1e30, "1e+30")],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, ml_dtypes.bfloat16])
def test_the_token_of_a_number_that_is_none_is_named(backend, dtype, value, words):
    with np.errstate(over="ignore"):
        bad = TOKENS.astype(dtype)
        bad[7, 3] = value
    if dtype == np.float16 and value == 1e30:
        words = "an infinity"
    encoder = FixedDimensionalEncoder(D, num_repetitions=2)
    for arguments, options in forms(bad, OFFSETS):
        form = arguments[0]
        flat = isinstance(form, np.ndarray) and form.ndim == 2
        flat = flat or (isinstance(form, tuple) and len(form) == 2 and form[0].ndim == 2)
        where = "row 7 " if flat else "[2]: row 4 "
        for call in (
            lambda: encoder.encode_documents(*arguments, **options),  # noqa: B023
            lambda: encoder.encode_queries(*arguments, **options),  # noqa: B023
            lambda: encoder.fit(*arguments, **options),  # noqa: B023
            lambda: maxsim_pack(*arguments, **options),  # noqa: B023
        ):
            with pytest.raises(ValueError, match=r"(tokens|documents)") as caught:
                call()
            assert where in str(caught.value)
            assert words in str(caught.value)


def test_only_candidates_are_read(backend):
    bad = TOKENS.copy()
    bad[7] = np.nan  # of document 2
    asked = (TOKENS[:4], [0, 4])
    for base in ((bad, OFFSETS), listed(bad, OFFSETS), padded(bad, OFFSETS)):
        found = maxsim_topk(asked, base, 2, candidates=[[0, 3]])
        assert set(found.indices[0]) == {0, 3}
        refused(
            lambda base=base: maxsim_topk(asked, base, 2, candidates=[[2, 3]]),
            ValueError,
            "holds NaN",
        )
        refused(lambda base=base: maxsim_topk(asked, base, 2), ValueError, "holds NaN")


@given(data=st.data())
def test_any_lengths_in_any_chunks(data):
    lengths = data.draw(st.lists(st.integers(0, 9), max_size=12))
    offsets = offsets_of(lengths)
    tokens = np.arange(offsets[-1] * 3, dtype=np.float32).reshape(-1, 3)
    n_bytes, most = data.draw(st.integers(1, 300)), data.draw(st.sampled_from([None, 1, 3]))
    batch = ragged("tokens", tokens, offsets)
    found, counted = chunks_of(batch, n_bytes, most)
    np.testing.assert_array_equal(found, tokens)
    assert counted == lengths
