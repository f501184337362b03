"""`binary.ScanCodes` is a list of codes and of their factors: it grows, shrinks, and travels."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import layouts, odd_integers, product_codes, refused
from tersevec.binary import ScanCodes

BITS = (1, 2, 3, 4, 5, 6, 7, 8)
M = 21


def factors(codes, m, n_bits):
    """1 over the lengths of the integers, by definition."""
    integers = odd_integers(codes, m, n_bits)
    return (1 / np.sqrt((integers**2).sum(axis=1))).astype(np.float32)


def assert_holds(held, codes, m=M):
    """The rows, their factors, and the blocks that codes given at once would have."""
    assert len(held) == len(codes)
    np.testing.assert_array_equal(held.unpack(), codes)
    np.testing.assert_array_equal(held.factors, factors(codes, m, held.n_bits), strict=True)
    np.testing.assert_array_equal(held.blocks, ScanCodes(codes, m, held.n_bits).blocks)


@pytest.mark.parametrize("n_bits", BITS)
def test_codes_appended_piece_by_piece_lie_as_if_given_at_once(path, rng, n_bits):
    codes = product_codes(200, M, rng, n_bits)
    grown, at = ScanCodes(codes[:0], M, n_bits), 0
    while at < len(codes):
        step = int(rng.integers(0, 40))
        grown.append(codes[at : at + step])
        at = min(at + step, len(codes))
    assert_holds(grown, codes)
    assert grown.blocks.ctypes.data % 64 == 0


@pytest.mark.parametrize("n_bits", BITS)
def test_a_copy_has_a_life_of_its_own(path, rng, n_bits):
    codes = product_codes(200, M, rng, n_bits)
    first = ScanCodes(codes, M, n_bits)
    for twin in (pickle.loads(pickle.dumps(first)), copy.copy(first), copy.deepcopy(first)):
        assert repr(twin) == repr(first)
        assert_holds(twin, codes)
        twin.append(codes[:3])
        twin.remove(0)
        assert_holds(twin, np.concatenate([codes[2:3], codes[1:], codes[:2]]))
        assert_holds(first, codes)


@pytest.mark.parametrize("n_bits", BITS)
def test_the_last_code_takes_the_place_of_a_removed_one(path, rng, n_bits):
    codes = product_codes(66, M, rng, n_bits)
    held, expected = ScanCodes(codes, M, n_bits), list(codes)
    for index in (0, 64, np.int64(63), 62, 5, 31, 32, 58):
        held.remove(index)
        expected[index] = expected[-1]
        expected.pop()
        assert_holds(held, np.array(expected))
    while len(held):
        held.remove(len(held) - 1)
    assert held.unpack().shape == (0, held.n_bytes)
    held.append(codes)
    assert_holds(held, codes)


@given(data=st.data())
def test_any_appends_and_removals_leave_what_a_list_would_hold(path, data):
    draw = data.draw
    n_bits, m = draw(st.sampled_from(BITS), "n_bits"), draw(st.integers(1, 40), "m")
    rng = np.random.default_rng(draw(st.integers(0, 2**32), "seed"))
    expected = product_codes(draw(st.integers(0, 140), "n"), m, rng, n_bits)
    held = ScanCodes(expected, m, n_bits)
    for step in draw(st.lists(st.integers(-70, 140), max_size=6), "steps"):
        if step >= 0:
            more = product_codes(step, m, rng, n_bits)
            held.append(more)
            expected = np.concatenate([expected, more])
        for _ in range(min(len(expected), -step)):
            index = int(rng.integers(len(expected)))
            held.remove(index)
            expected[index] = expected[-1]
            expected = expected[:-1].copy()
    assert_holds(held, expected, m)


def test_scan_codes_say_what_they_hold(path, rng):
    for n_bits, lines in ((1, 1), (2, 2), (3, 3), (4, 3), (5, 6), (8, 6)):
        codes = ScanCodes(product_codes(200, M, rng, n_bits), M, n_bits)
        assert repr(codes) == f"ScanCodes(200 codes of 21 x {n_bits} bits)"
        assert (codes.n_components, codes.n_bits) == (M, n_bits)
        assert codes.n_bytes == -(-M * n_bits // 8)
        assert codes.blocks.shape == (13, lines, 64)
        assert codes.nbytes == codes.blocks.nbytes + 4 * 200


def test_every_layout_of_rows_is_packed_alike(path, rng):
    codes = product_codes(50, M, rng, 3)
    for rows in layouts(codes):
        assert_holds(ScanCodes(rows, M, 3), codes)


@pytest.mark.parametrize("n_bits", [1, 3, 7])
def test_the_padding_bits_of_a_row_mean_nothing(path, rng, n_bits):
    codes = product_codes(50, M, rng, n_bits)
    dirty = codes.copy()
    dirty[:, -1] |= 256 - 2 ** (M * n_bits % 8)
    assert_holds(ScanCodes(dirty, M, n_bits), codes)


def test_what_is_read_cannot_be_written(rng):
    held = ScanCodes(product_codes(5, M, rng, 2), M, 2)
    for view in (held.blocks, held.factors):
        with pytest.raises(ValueError, match="read-only"):
            view[:] = 0


@pytest.mark.parametrize(
    ("codes", "n_components", "n_bits", "error", "message"),
    [
        (np.zeros((2, 6), np.uint8), 21, 2, None, ""),
        (np.zeros((2, 5), np.uint8), 21, 2, ValueError, "codes: expected uint8 of shape (?, 6)"),
        (np.zeros((2, 6), np.int8), 21, 2, TypeError, "codes: expected uint8 of shape (?, 6)"),
        (np.zeros(6, np.uint8), 21, 2, ValueError, "codes: expected uint8 of shape (?, 6)"),
        (np.zeros((2, 6), np.uint8), 21, 0, ValueError, "n_bits: expected an integer from 1 to 8"),
        (np.zeros((2, 6), np.uint8), 21, 9, ValueError, "n_bits: expected an integer from 1 to 8"),
        (np.zeros((2, 6), np.uint8), 21, 2.0, TypeError, "n_bits: expected an integer"),
        (np.zeros((2, 6), np.uint8), 0, 2, ValueError, "n_components: expected an integer from 1"),
        (
            np.zeros((2, 6), np.uint8),
            2**16 + 1,
            2,
            ValueError,
            "n_components: expected an integer from 1 to 65536",
        ),
    ],
)
def test_codes_that_do_not_fit_are_refused(codes, n_components, n_bits, error, message):
    if error is None:
        assert len(ScanCodes(codes, n_components, n_bits)) == 2
    else:
        refused(lambda: ScanCodes(codes, n_components, n_bits), error, message)


def test_a_refused_append_changes_nothing(rng):
    codes = product_codes(9, M, rng, 4)
    held = ScanCodes(codes, M, 4)
    refused(lambda: held.append(codes[:, 1:]), ValueError, "codes: expected uint8 of shape (?, 11)")
    refused(lambda: held.remove(9), ValueError, "index: expected an integer of at least 0")
    assert_holds(held, codes)
