"""Hamming kernels and `tersevec.binary` on every path, against bits that NumPy counts."""

from __future__ import annotations

import copy
import pickle

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import (
    BIT_KINDS,
    CODE_BYTES,
    SIZES,
    WORST_INT,
    assert_equal,
    bit_codes,
    first_k,
    hamming,
    layouts,
    masks,
    packed,
    strided_rows,
    within,
)
from tersevec.binary import (
    BinaryCodes,
    hamming_distances,
    hamming_range,
    hamming_topk,
    pack_bits,
    unpack_bits,
)


def blocks_of(path, codes):
    blocks = np.zeros((-(-len(codes) // 8), -(-codes.shape[1] // 8), 8), np.uint64)
    path.hamming.pack(codes, blocks, 0)
    return blocks


# ---- kernels


@pytest.mark.quick
def test_blocks_hold_words_of_eight_codes_side_by_side(path, rng):
    codes = bit_codes("random", 19, 11, rng)
    words = np.pad(codes, ((0, 5), (0, 5))).view("<u8")
    expected = words.reshape(3, 8, 2).transpose(0, 2, 1)
    np.testing.assert_array_equal(blocks_of(path, codes), expected)


@pytest.mark.quick
@pytest.mark.parametrize("n_bytes", [1, 8, 33])
def test_distances_are_counts_of_differing_bits(path, rng, n_bytes):
    queries, codes = bit_codes("random", 5, n_bytes, rng), bit_codes("random", 19, n_bytes, rng)
    assert_equal((path.hamming.distances(queries, codes, 1),), (hamming(queries, codes),))


@pytest.mark.quick
@pytest.mark.parametrize("n_bytes", [8, 31, 32, 1024])
def test_no_counter_is_too_small_for_codes_that_differ_in_every_bit(path, rng, n_bytes):
    queries = bit_codes("random", 7, n_bytes, rng)
    codes = np.repeat(~queries, 20, axis=0)
    distances = hamming(queries, codes)
    assert distances.max() == 8 * n_bytes
    assert_equal((path.hamming.distances(queries, codes, 1),), (distances,))
    for base in (codes, blocks_of(path, codes)):
        found = path.hamming.range_search(queries, base, 140, 8 * n_bytes - 1, None, 1)
        assert_equal(found, within(distances, 8 * n_bytes - 1, None))


@pytest.mark.quick
@pytest.mark.parametrize("n_bytes", [7, 32])
def test_topk_of_rows_and_blocks_is_the_stable_order(path, rng, n_bytes):
    queries, codes = bit_codes("few", 11, n_bytes, rng), bit_codes("few", 33, n_bytes, rng)
    mask = rng.random(33) < 0.5
    expected = first_k(hamming(queries, codes), 7, WORST_INT, mask)
    for base in (codes, blocks_of(path, codes)):
        assert_equal(path.hamming.topk(queries, base, 33, 7, packed(mask), 1), expected)


@pytest.mark.quick
def test_range_search_finds_what_lies_within_the_radius(path, rng):
    queries, codes = bit_codes("few", 3, 9, rng), bit_codes("few", 33, 9, rng)
    mask, distances = rng.random(33) < 0.8, hamming(queries, codes)
    radius = int(np.median(distances))
    for base in (codes, blocks_of(path, codes)):
        found = path.hamming.range_search(queries, base, 33, radius, packed(mask), 1)
        assert_equal(found, within(distances, radius, mask))


@pytest.mark.quick
@pytest.mark.parametrize("d", [1, 8, 17, 33])
def test_pack_bits_agrees_with_numpy(path, rng, d):
    x = rng.standard_normal((5, d), dtype=np.float32)
    x[0, 0], x[1, 0], x[2, 0] = 0.0, -0.0, 1e-45
    x[3, 0], x[4, 0] = np.inf, -np.inf
    assert_equal((path.hamming.pack_bits(x, 1),), (np.packbits(x > 0, axis=1),))


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("n_bytes", CODE_BYTES)
def test_scans_agree_with_counted_bits(path, rng, n, n_bytes):
    nq = 13 if n < 100 else 3
    queries, codes = bit_codes("few", nq, n_bytes, rng), bit_codes("few", n, n_bytes, rng)
    distances, mask = hamming(queries, codes), rng.random(n) < 0.3
    np.testing.assert_array_equal(path.hamming.distances(queries, codes, 2), distances)
    radius = 2 * n_bytes
    for base in (codes, blocks_of(path, codes)):
        for allowed in (None, mask):
            for k in (1, n // 2 + 1, n + 2):
                found = path.hamming.topk(queries, base, n, k, packed(allowed), 1)
                assert_equal(found, first_k(distances, k, WORST_INT, allowed))
            found = path.hamming.range_search(queries, base, n, radius, packed(allowed), 2)
            assert_equal(found, within(distances, radius, allowed))


@pytest.mark.parametrize("kind", BIT_KINDS)
@pytest.mark.parametrize("n_bytes", [31, 257, 4096])
def test_extreme_bits_are_counted_without_overflow(path, rng, kind, n_bytes):
    codes = bit_codes(kind, 65, n_bytes, rng)
    queries = np.stack([np.zeros(n_bytes, np.uint8), np.full(n_bytes, 255, np.uint8), codes[0]])
    expected = hamming(queries, codes)
    np.testing.assert_array_equal(path.hamming.distances(queries, codes, 1), expected)
    found = path.hamming.topk(queries, blocks_of(path, codes), 65, 10, None, 1)
    assert_equal(found, first_k(expected, 10, WORST_INT))


def test_every_layout_of_rows_gives_the_same_answer(path, rng):
    codes, queries = bit_codes("random", 65, 33, rng), bit_codes("random", 9, 33, rng)
    expected = first_k(hamming(queries, codes), 20, WORST_INT)
    for base in layouts(codes):
        for wanted in layouts(queries):
            assert_equal(path.hamming.topk(wanted, base, 65, 20, None, 1), expected)
        np.testing.assert_array_equal(blocks_of(path, base), blocks_of(path, codes))


@pytest.mark.parametrize("n", [1, 9, 64, 130])
def test_no_mask_lets_a_forbidden_row_through(path, rng, n):
    codes, queries = bit_codes("few", n, 16, rng), bit_codes("few", 9, 16, rng)
    distances, blocks = hamming(queries, codes), blocks_of(path, codes)
    for mask in masks(n, rng):
        expected = first_k(distances, 12, WORST_INT, mask)
        for base in (codes, blocks):
            assert_equal(path.hamming.topk(queries, base, n, 12, packed(mask), 1), expected)


@pytest.mark.parametrize(("nq", "n", "n_bytes"), [(70, 1000, 64), (1, 30_000, 100)])
def test_threads_change_no_answer(path, rng, nq, n, n_bytes):
    queries, codes = bit_codes("few", nq, n_bytes, rng), bit_codes("few", n, n_bytes, rng)
    mask, blocks = packed(rng.random(n) < 0.7), blocks_of(path, codes)
    expected = first_k(hamming(queries, codes), 100, WORST_INT)
    radius = int(expected[0][0, 50])
    ranges = path.hamming.range_search(queries, blocks, n, radius, mask, 1)
    masked = path.hamming.topk(queries, codes, n, 300, mask, 1)
    bits = path.hamming.distances(queries, codes, 1)
    for threads in (1, 2, 5):
        assert_equal(path.hamming.topk(queries, blocks, n, 100, None, threads), expected)
        assert_equal(path.hamming.topk(queries, codes, n, 300, mask, threads), masked)
        found = path.hamming.range_search(queries, codes, n, radius, mask, threads)
        assert_equal(found, ranges)
        np.testing.assert_array_equal(path.hamming.distances(queries, codes, threads), bits)


def test_batches_answer_as_single_queries_do(path, rng):
    queries, codes = bit_codes("few", 23, 24, rng), bit_codes("few", 333, 24, rng)
    together = path.hamming.topk(queries, codes, 333, 9, None, 1)
    alone = [path.hamming.topk(query[None], codes, 333, 9, None, 1) for query in queries]
    assert_equal(together, tuple(np.concatenate(parts) for parts in zip(*alone, strict=True)))


def test_a_k_of_thousands_keeps_the_first_of_equal_rows(path, rng):
    codes, queries = bit_codes("few", 6000, 2, rng), bit_codes("few", 2, 2, rng)
    expected = first_k(hamming(queries, codes), 2500, WORST_INT)
    assert_equal(path.hamming.topk(queries, blocks_of(path, codes), 6000, 2500, None, 2), expected)


@given(data=st.data())
def test_any_shape_agrees_with_counted_bits(path, data):
    draw = data.draw
    n, nq = draw(st.integers(0, 200), "n"), draw(st.integers(0, 20), "nq")
    n_bytes, k = draw(st.integers(1, 80), "n_bytes"), draw(st.integers(1, 220), "k")
    rng = np.random.default_rng(draw(st.integers(0, 2**32), "seed"))
    kind = draw(st.sampled_from(BIT_KINDS), "kind")
    codes, queries = bit_codes(kind, n, n_bytes, rng), bit_codes("few", nq, n_bytes, rng)
    mask = draw(st.sampled_from(list(masks(n, rng))), "mask")
    distances, radius = hamming(queries, codes), draw(st.integers(0, 8 * n_bytes), "radius")
    base = draw(st.sampled_from([codes, strided_rows(codes), BinaryCodes(codes)]), "base")
    found = hamming_topk(queries, base, k, mask=mask)
    assert_equal(found, first_k(distances, k, WORST_INT, mask))
    found = hamming_range(queries, base, radius, mask=packed(mask))
    assert_equal(found, within(distances, radius, mask))


# ---- the public module


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ml_dtypes.bfloat16])
@pytest.mark.parametrize("d", [1, 9, 64, 100])
def test_pack_bits_takes_the_sign_of_every_float_type(path, rng, dtype, d):
    x = rng.standard_normal((37, d)).astype(dtype)
    expected = np.packbits(x.astype(np.float64) > 0, axis=1)
    for given_x in (x, np.asfortranarray(x), np.repeat(x, 2, axis=0)[::2], x[::-1][::-1]):
        np.testing.assert_array_equal(pack_bits(given_x), expected, strict=True)


def test_pack_bits_sees_numbers_that_float32_would_lose(path):
    np.testing.assert_array_equal(pack_bits([[1e-300, -1e-300, 1e300, -1e300]]), [[0b10100000]])


def test_pack_bits_converts_block_by_block_without_seams(backend, rng):
    x = rng.standard_normal((20_000, 72)).astype(np.float16)  # more than one block of conversion
    np.testing.assert_array_equal(pack_bits(x, threads=2), np.packbits(x > 0, axis=1))


def test_unpack_bits_gives_signs_back(path, rng):
    for d in (1, 7, 8, 9, 100):
        x = rng.standard_normal((5, d))
        signs = unpack_bits(pack_bits(x), d)
        assert signs.dtype == np.int8
        np.testing.assert_array_equal(signs, np.where(x > 0, 1, -1))


def test_appending_equals_packing_at_once(path, rng):
    codes = bit_codes("random", 300, 11, rng)
    grown, at = BinaryCodes(codes[:0]), 0
    while at < len(codes):
        step = int(rng.integers(0, 40))
        grown.append(strided_rows(codes[at : at + step]))
        at = min(at + step, len(codes))
        assert len(grown) == at
    np.testing.assert_array_equal(grown.blocks, BinaryCodes(codes).blocks)
    np.testing.assert_array_equal(grown.unpack(), codes, strict=True)


def test_binary_codes_say_what_they_hold(path, rng):
    codes = BinaryCodes(bit_codes("random", 17, 9, rng))
    assert repr(codes) == "BinaryCodes(17 codes of 9 bytes)"
    assert (len(codes), codes.n_bytes, codes.nbytes) == (17, 9, 3 * 2 * 64)
    assert codes.blocks.shape == (3, 2, 8)
    assert codes.blocks.ctypes.data % 64 == 0
    assert not codes.blocks.flags.writeable


@pytest.mark.parametrize(
    "copied", [lambda x: pickle.loads(pickle.dumps(x)), copy.copy, copy.deepcopy]
)
def test_copies_of_binary_codes_live_on_their_own(path, rng, copied):
    codes = bit_codes("random", 20, 9, rng)
    packed_codes = BinaryCodes(codes)
    twin = copied(packed_codes)
    twin.append(codes[:3])
    assert (len(packed_codes), len(twin)) == (20, 23)
    np.testing.assert_array_equal(packed_codes.unpack(), codes)
    np.testing.assert_array_equal(twin.unpack(), np.concatenate([codes, codes[:3]]))


def test_binary_codes_copy_what_they_are_given(path, rng):
    codes = bit_codes("random", 20, 9, rng)
    kept, base = codes.copy(), BinaryCodes(codes)
    codes[:] = 0
    np.testing.assert_array_equal(base.unpack(), kept)


def test_read_only_arrays_are_welcome(path, rng):
    codes = bit_codes("random", 20, 9, rng)
    expected = first_k(hamming(codes, codes), 3, WORST_INT)
    codes.flags.writeable = False
    assert_equal(hamming_topk(codes, codes, 3), expected)
    assert_equal(hamming_topk(codes, BinaryCodes(codes), 3), expected)
    assert hamming_distances(codes, codes).trace() == 0


def test_one_row_repeated_by_a_stride_of_zero_is_searched(path):
    base = np.broadcast_to(np.uint8([[3, 5]]), (50, 2))
    found = hamming_topk(np.uint8([[3, 4]]), base, 4)
    assert_equal(found, (np.full((1, 4), 1, np.int32), np.array([[0, 1, 2, 3]])))


def test_an_empty_base_gives_padding_alone(path):
    queries, none = np.zeros((2, 5), np.uint8), np.zeros((0, 5), np.uint8)
    for base in (none, BinaryCodes(none)):
        found = hamming_topk(queries, base, 3, mask=np.zeros(0, bool))
        assert_equal(found, (np.full((2, 3), WORST_INT), np.full((2, 3), -1)))
        offsets, indices, values = hamming_range(queries, base, 40)
        assert offsets.tolist() == [0, 0, 0]
        assert (len(indices), len(values)) == (0, 0)
    assert hamming_distances(queries, none).shape == (2, 0)


def test_no_queries_give_no_rows(path):
    queries, base = np.zeros((0, 5), np.uint8), np.zeros((9, 5), np.uint8)
    found = hamming_topk(queries, base, 3)
    assert found.values.shape == found.indices.shape == (0, 3)
    assert hamming_range(queries, base, 3).offsets.tolist() == [0]
    assert hamming_distances(queries, base).shape == (0, 9)


def test_bits_of_a_mask_past_the_last_row_mean_nothing(path):
    base, queries = np.zeros((9, 2), np.uint8), np.zeros((1, 2), np.uint8)
    found = hamming_topk(queries, base, 3, mask=np.uint8([0b100, 0xFE]))
    assert found.indices.tolist() == [[2, -1, -1]]


def test_a_radius_beyond_every_distance_finds_all_rows(path, rng):
    codes = bit_codes("random", 40, 3, rng)
    for radius in (24, 25, 10**30):
        assert_equal(hamming_range(codes[:2], codes, radius), within(hamming(codes[:2], codes), 24))


def test_results_can_be_taken_apart_by_name_and_by_place(path):
    found = hamming_topk(np.uint8([[3]]), np.uint8([[0], [1], [3]]), 2)
    values, indices = found
    assert values is found.values
    assert indices is found.indices
    assert (values.dtype, indices.dtype) == (np.int32, np.int64)
