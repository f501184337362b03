"""`BinaryCodes` and `ScanCodes` are lists of codes: they grow, shrink, and travel."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import BITS, bit_codes, product_codes, refused
from tersevec.binary import BinaryCodes
from tersevec.pq import ScanCodes

# What makes them, and rows for them, by the bits of a sub-space; 0 stands for bits without any.
KINDS = (0, *BITS)


def rows_of(kind, n, rng, m=21):
    return product_codes(n, m, rng, kind) if kind else bit_codes("random", n, m, rng)


def packed(kind, rows, m=21):
    return ScanCodes(rows, m, kind) if kind else BinaryCodes(rows)


@pytest.mark.parametrize("kind", KINDS)
def test_codes_appended_piece_by_piece_lie_as_if_given_at_once(path, rng, kind):
    codes = rows_of(kind, 200, rng)
    grown, at = packed(kind, codes[:0]), 0
    while at < len(codes):
        step = int(rng.integers(0, 40))
        grown.append(codes[at : at + step])
        at = min(at + step, len(codes))
    whole = packed(kind, codes)
    np.testing.assert_array_equal(grown.blocks, whole.blocks)
    assert (len(grown), grown.n_bytes, grown.nbytes) == (200, codes.shape[1], whole.blocks.nbytes)
    assert grown.blocks.ctypes.data % 64 == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_has_a_life_of_its_own(path, rng, kind):
    codes = rows_of(kind, 200, rng)
    first = packed(kind, codes)
    for twin in (pickle.loads(pickle.dumps(first)), copy.copy(first), copy.deepcopy(first)):
        assert repr(twin) == repr(first)
        twin.append(codes[:3])
        twin.remove(0)
        assert (len(first), len(twin)) == (200, 202)
        expected = np.concatenate([codes[2:3], codes[1:], codes[:2]])
        np.testing.assert_array_equal(twin.unpack(), expected)
        np.testing.assert_array_equal(first.unpack(), codes)


def test_scan_codes_say_what_they_hold(path, rng):
    for n_bits, block_bytes in (
        (4, 21 * 16),
        (5, 16 * 64),
        (6, 16 * 64),
        (7, 21 * 64),
        (8, 21 * 64),
    ):
        codes = ScanCodes(product_codes(200, 21, rng, n_bits), 21, n_bits)
        assert repr(codes) == f"ScanCodes(200 codes of 21 x {n_bits} bits)"
        assert (codes.n_subspaces, codes.n_bits) == (21, n_bits)
        assert codes.n_bytes == -(-21 * n_bits // 8)
        assert codes.nbytes == (7 if n_bits == 4 else 4) * block_bytes


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_code_takes_the_place_of_a_removed_one(path, rng, kind):
    codes = rows_of(kind, 66, rng)
    held, expected = packed(kind, codes), list(codes)
    for index in (0, 64, np.int64(63), 62, 5, 31, 32, 58):
        held.remove(index)
        expected[index] = expected[-1]
        expected.pop()
        np.testing.assert_array_equal(held.unpack(), np.array(expected))
        np.testing.assert_array_equal(held.blocks, packed(kind, np.array(expected)).blocks)
    while len(held):
        held.remove(len(held) - 1)
    assert held.unpack().shape == (0, held.n_bytes)
    held.append(codes)
    np.testing.assert_array_equal(held.blocks, packed(kind, codes).blocks)


@given(data=st.data())
def test_any_appends_and_removals_leave_what_a_list_would_hold(path, data):
    draw = data.draw
    kind, m = draw(st.sampled_from(KINDS), "kind"), draw(st.integers(1, 14), "m")
    rng = np.random.default_rng(draw(st.integers(0, 2**32), "seed"))
    expected = rows_of(kind, draw(st.integers(0, 140), "n"), rng, m)
    held = packed(kind, expected, m)
    for step in draw(st.lists(st.integers(-70, 140), max_size=6), "steps"):
        if step >= 0:
            more = rows_of(kind, step, rng, m)
            held.append(more)
            expected = np.concatenate([expected, more])
        for _ in range(min(len(expected), -step)):
            index = int(rng.integers(len(expected)))
            held.remove(index)
            expected[index] = expected[-1]
            expected = expected[:-1].copy()
    assert len(held) == len(expected)
    np.testing.assert_array_equal(held.unpack(), expected)
    np.testing.assert_array_equal(held.blocks, packed(kind, expected, m).blocks)


@pytest.mark.parametrize("kind", [0, 4, 6])
@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        (9, ValueError, "index: expected an integer of at least 0 and below 9, got 9"),
        (-1, ValueError, "index: expected an integer of at least 0 and below 9, got -1"),
        (1.0, TypeError, "index: expected an integer, got 1.0"),
        (True, TypeError, "index: expected an integer, got True"),
        (None, TypeError, "index: expected an integer, got None"),
    ],
)
def test_numbers_of_no_code_are_refused(backend, rng, kind, index, error, message):
    codes = rows_of(kind, 9, rng)
    held = packed(kind, codes)
    refused(lambda: held.remove(index), error, message)
    np.testing.assert_array_equal(held.unpack(), codes)
    refused(lambda: packed(kind, codes[:0]).remove(0), ValueError, "below 0, got 0")
