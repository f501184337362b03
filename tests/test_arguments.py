"""Every refusal, by the words that a person reads: the argument, what was expected, what came."""

from __future__ import annotations

import re

import numpy as np
import pytest

import tersevec
from cases import refused, with_row
from tersevec.binary import (
    BinaryCodes,
    hamming_distances,
    hamming_range,
    hamming_topk,
    pack_bits,
    unpack_bits,
)
from tersevec.pq import ProductQuantizer, ScanCodes

QUERY, BASE = np.zeros((1, 4), np.uint8), np.zeros((9, 4), np.uint8)
X = np.random.default_rng(0).standard_normal((100, 8))


def repeated(n, n_bytes=4):
    """So many rows in the memory of one."""
    return np.broadcast_to(np.zeros((1, n_bytes), np.uint8), (n, n_bytes))


@pytest.fixture(scope="module")
def pq():
    return ProductQuantizer(4, random_state=0).fit(X)


BITS = [
    (
        lambda: hamming_topk(QUERY, BASE.astype(np.int8), 1),
        TypeError,
        "codes: expected uint8 of shape (?, ?), got int8 (9, 4)",
    ),
    (
        lambda: hamming_topk(QUERY[:, :3], BASE, 1),
        ValueError,
        "queries: expected uint8 of shape (?, 4), got uint8 (1, 3)",
    ),
    (
        lambda: hamming_topk(QUERY[0], BASE, 1),
        ValueError,
        "queries: expected uint8 of shape (?, 4), got uint8 (4,)",
    ),
    (
        lambda: hamming_distances(QUERY, BASE[:, :3]),
        ValueError,
        "a: expected uint8 of shape (?, 3), got uint8 (1, 4)",
    ),
    (
        lambda: hamming_distances(QUERY, BASE.astype(float)),
        TypeError,
        "b: expected uint8 of shape (?, ?), got float64 (9, 4)",
    ),
    (
        lambda: hamming_distances(BinaryCodes(QUERY), BASE),
        TypeError,
        "a: ",
    ),
    (
        lambda: BinaryCodes([[1, 2]]),
        TypeError,
        "codes: expected uint8 of shape (?, ?), got int64 (1, 2)",
    ),
    (
        lambda: BinaryCodes(np.zeros((3, 0), np.uint8)),
        ValueError,
        "codes: expected 1 to 2**28 - 1 bytes a row, got uint8 (3, 0)",
    ),
    (
        lambda: BinaryCodes(np.broadcast_to(np.uint8(0), (0, 2**28))),
        ValueError,
        "codes: expected 1 to 2**28 - 1 bytes a row",
    ),
    (
        lambda: BinaryCodes(BASE).append(BASE[:, :3]),
        ValueError,
        "codes: expected uint8 of shape (?, 4), got uint8 (9, 3)",
    ),
    (
        lambda: unpack_bits(BASE, 33),
        ValueError,
        "codes: expected uint8 of shape (?, 5), got uint8 (9, 4)",
    ),
    (lambda: unpack_bits(BASE, 0), ValueError, "d: expected an integer from 1"),
    (
        lambda: pack_bits(np.ones((2, 3), int)),
        TypeError,
        "x: expected float16, bfloat16, float32 or float64 of shape (?, ?), got int64 (2, 3)",
    ),
    (
        lambda: pack_bits(np.ones((2, 3), complex)),
        TypeError,
        "x: expected float16, bfloat16, float32 or float64 of shape (?, ?), got complex128 (2, 3)",
    ),
    (lambda: pack_bits(np.ones(3)), ValueError, "x: expected floats of shape (?, ?), got float64"),
    (
        lambda: pack_bits(np.ones((3, 0))),
        ValueError,
        "x: expected at least 1 dimension, got float64 (3, 0)",
    ),
    (lambda: pack_bits([[1.0], [1.0, 2.0]]), ValueError, "x: expected rows of equal length"),
    (lambda: pack_bits("abc"), TypeError, "x: expected an array, got str"),
    (lambda: pack_bits(None), TypeError, "x: expected an array, got NoneType"),
    (lambda: pack_bits({1: 2}), TypeError, "x: expected an array, got dict"),
    (lambda: pack_bits(object()), TypeError, "x: expected an array of numbers, got object"),
    (lambda: hamming_topk(QUERY, None, 1), TypeError, "codes: expected an array, got NoneType"),
    (
        lambda: hamming_range(QUERY, BASE, -1),
        ValueError,
        "radius: expected an integer of at least 0",
    ),
    (
        lambda: hamming_range(QUERY, BASE, 1.5),
        TypeError,
        "radius: expected an integer of at least 0",
    ),
    (lambda: hamming_range(QUERY, BASE, True), TypeError, "radius: expected an integer"),
    (
        lambda: hamming_topk(QUERY, ScanCodes(BASE, 8), 1),
        TypeError,
        "codes: expected an array of numbers, got ScanCodes",
    ),
]


@pytest.mark.parametrize(("call", "kind", "message"), BITS)
def test_binary_functions_refuse_what_they_cannot_serve(backend, call, kind, message):
    refused(call, kind, message)


SEARCHES = {
    "hamming_topk": lambda pq, **given: hamming_topk(QUERY, BASE, **{"k": 1, **given}),
    "hamming_range": lambda pq, **given: hamming_range(QUERY, BASE, 1, **given),
    "pq.topk": lambda pq, **given: pq.topk(X[:2], BASE[:, :2], **{"k": 1, **given}),
    "pq.range": lambda pq, **given: pq.range(X[:2], BASE[:, :2], 1.0, **given),
    "pq.symmetric_topk": lambda pq, **given: pq.symmetric_topk(
        BASE[:2, :2], BASE[:, :2], **{"k": 1, **given}
    ),
    "pq.symmetric_range": lambda pq, **given: pq.symmetric_range(
        BASE[:2, :2], BASE[:, :2], 1.0, **given
    ),
}


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        (
            np.ones(8, bool),
            ValueError,
            "bool of shape (9,) or uint8 of shape (2,) for 9 rows, got bool (8,)",
        ),
        (np.ones(9, np.uint8), ValueError, "uint8 of shape (2,) for 9 rows, got uint8 (9,)"),
        (np.ones(1, np.uint8), ValueError, "uint8 of shape (2,) for 9 rows, got uint8 (1,)"),
        (
            np.ones(9, np.float32),
            TypeError,
            "bool of shape (9,) or uint8 of shape (2,), got float32",
        ),
        (np.ones((9, 1), bool), ValueError, "got bool (9, 1)"),
        ("yes", TypeError, "expected an array, got str"),
    ],
)
def test_masks_of_another_size_or_kind_are_refused(backend, pq, search, given, kind, message):
    refused(lambda: SEARCHES[search](pq, mask=given), kind, "mask: ")
    refused(lambda: SEARCHES[search](pq, mask=given), kind, message)


@pytest.mark.parametrize("search", ["hamming_topk", "pq.topk"])
@pytest.mark.parametrize(
    ("k", "kind", "message"),
    [
        (0, ValueError, "k: expected an integer from 1 to 2**31 - 1, got 0"),
        (-3, ValueError, "k: expected an integer from 1 to 2**31 - 1, got -3"),
        (2**31, ValueError, "k: expected an integer from 1 to 2**31 - 1, got 2147483648"),
        (2.0, TypeError, "k: expected an integer of at least 1, got 2.0"),
        (True, TypeError, "k: expected an integer of at least 1, got True"),
        (None, TypeError, "k: expected an integer of at least 1, got None"),
    ],
)
def test_a_k_that_is_no_count_is_refused(backend, pq, search, k, kind, message):
    refused(lambda: SEARCHES[search](pq, k=k), kind, message)


THREADED = {
    **SEARCHES,
    "hamming_distances": lambda pq, threads: hamming_distances(QUERY, BASE, threads=threads),
    "pack_bits": lambda pq, threads: pack_bits(X, threads=threads),
    "fit": lambda pq, threads: ProductQuantizer(4).fit(X, threads=threads),
    "encode": lambda pq, threads: pq.encode(X, threads=threads),
    "lookup_tables": lambda pq, threads: pq.lookup_tables(X, threads=threads),
    "self_join": lambda pq, threads: pq.self_join(BASE[:, :2], 1.0, threads=threads),
    "pq.distances": lambda pq, threads: pq.distances(X, BASE[:, :2], threads=threads),
}


@pytest.mark.parametrize("call", THREADED)
@pytest.mark.parametrize(
    ("threads", "kind", "message"),
    [
        (0, ValueError, "threads: expected an integer of at least 1, got 0"),
        (2**31, ValueError, "threads: expected an integer of at most 2**31 - 1, got 2147483648"),
        (-2, ValueError, "threads: expected an integer of at least 1, got -2"),
        (1.0, TypeError, "threads: expected an integer of at least 1 or None, got 1.0"),
        (True, TypeError, "threads: expected an integer of at least 1 or None, got True"),
        ("2", TypeError, "threads: expected an integer of at least 1 or None, got '2'"),
    ],
)
def test_threads_that_are_no_count_are_refused(backend, pq, call, threads, kind, message):
    refused(lambda: THREADED[call](pq, threads=threads), kind, message)


def test_more_threads_than_any_machine_has_are_no_error(backend, pq):
    for call in THREADED.values():
        call(pq, threads=2**31 - 1)
        call(pq, threads=np.int64(3))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    ("value", "words"),
    [(np.nan, "holds NaN"), (np.inf, "holds an infinity"), (-np.inf, "infinity")],
)
def test_the_row_of_a_number_that_is_none_is_named(backend, pq, dtype, value, words):
    x = with_row(37, value, dtype)
    refused(lambda: ProductQuantizer(4).fit(x), ValueError, "X: row 37")
    for call in (
        lambda: ProductQuantizer(4).fit(x),
        lambda: pq.encode(x),
        lambda: pq.topk(x, BASE[:, :2], 1),
        lambda: pq.range(x, BASE[:, :2], 1),
        lambda: pq.distances(x, BASE[:, :2]),
        lambda: pq.lookup_tables(x),
    ):
        with pytest.raises(ValueError, match=f"^[XQ]: row 37 .*{words}"):
            call()


def test_the_row_is_named_in_later_blocks_of_a_conversion_too(backend, pq):
    row = 150_001  # blocks hold 4 MiB of float32
    x = with_row(row, np.nan, np.float32, n=150_003)
    refused(lambda: pq.encode(x), ValueError, f"X: row {row} holds NaN")
    refused(lambda: pack_bits(x), ValueError, f"x: row {row} holds NaN")
    refused(lambda: ProductQuantizer(4).fit(x), ValueError, f"X: row {row} holds NaN")


def test_pack_bits_refuses_nan_and_takes_infinities(backend):
    refused(lambda: pack_bits(with_row(37, np.nan)), ValueError, "x: row 37 holds NaN")
    assert pack_bits([[np.inf, -np.inf]]).tolist() == [[128]]


def test_more_rows_than_can_be_numbered_are_refused_before_any_work(backend, pq):
    message = "codes: expected at most 2**31 - 1 rows, got 2147483648; split the base"
    refused(lambda: hamming_topk(QUERY, repeated(2**31), 1), ValueError, message)
    refused(lambda: hamming_range(QUERY, repeated(2**31), 1), ValueError, message)
    refused(lambda: BinaryCodes(repeated(2**31)), ValueError, message)
    refused(lambda: BinaryCodes(BASE).append(repeated(2**31 - 5)), ValueError, message[:45])
    refused(lambda: pq.topk(X, repeated(2**31, 2), 1), ValueError, message)
    refused(lambda: ScanCodes(repeated(2**31), 8), ValueError, message)
    x = np.broadcast_to(np.float32(0), (2**31, 8))
    refused(lambda: pq.encode(x), ValueError, "X: expected at most 2**31 - 1 rows")
    refused(lambda: pack_bits(x), ValueError, "x: expected at most 2**31 - 1 rows")


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda: tersevec.set_backend("cuda"),
            ImportError,
            "set_backend: no CUDA device can be used",
        ),
        (lambda: tersevec.set_backend("gpu"), ValueError, "expected one of native, numpy, cuda"),
        (
            lambda: tersevec.set_num_threads(0),
            ValueError,
            "count: expected an integer of at least 1",
        ),
        (lambda: tersevec.set_num_threads(2.5), TypeError, "count: expected an integer"),
        (lambda: tersevec.show_config("json"), ValueError, "mode: expected 'stdout' or 'dicts'"),
    ],
)
def test_settings_refuse_what_they_do_not_know(call, kind, message):
    before = tersevec.get_backend(), tersevec.get_num_threads()
    refused(call, kind, message)
    assert (tersevec.get_backend(), tersevec.get_num_threads()) == before


def test_a_refused_append_leaves_the_codes_as_they_were(backend):
    codes = BinaryCodes(BASE)
    with pytest.raises(ValueError, match=re.escape("codes: expected uint8 of shape (?, 4)")):
        codes.append(BASE[:, :2])
    assert len(codes) == 9
    np.testing.assert_array_equal(codes.unpack(), BASE)
