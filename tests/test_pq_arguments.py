"""Every refusal of `ProductQuantizer` and `ScanCodes`, by the words that a person reads."""

from __future__ import annotations

import numpy as np
import pytest

from cases import refused, with_row
from tersevec._estimator import NotFittedError
from tersevec.binary import BinaryCodes
from tersevec.pq import ProductQuantizer, ScanCodes

BASE = np.zeros((9, 4), np.uint8)
X = np.random.default_rng(0).standard_normal((100, 8))


@pytest.fixture
def pq():
    return ProductQuantizer(4, random_state=0).fit(X)


QUANTISER = [
    (lambda pq: ProductQuantizer(0).fit(X), ValueError, "n_subspaces: expected an integer from 1"),
    (
        lambda pq: ProductQuantizer(2**16 + 1).fit(X),
        ValueError,
        "n_subspaces: expected an integer from 1 to 65536, got 65537",
    ),
    (lambda pq: ProductQuantizer(4.0).fit(X), TypeError, "n_subspaces: expected an integer"),
    (
        lambda pq: ProductQuantizer(4, 9).fit(X),
        ValueError,
        "n_bits: expected 4, 5, 6, 7 or 8, got 9",
    ),
    (lambda pq: ProductQuantizer(4, 3).fit(X), ValueError, "n_bits: expected 4, 5, 6, 7 or 8"),
    (lambda pq: ProductQuantizer(4, 4.0).fit(X), ValueError, "6, 7 or 8, got 4.0"),
    (lambda pq: ProductQuantizer(4, "4").fit(X), ValueError, "6, 7 or 8, got '4'"),
    (
        lambda pq: ProductQuantizer(4, 8).fit(X),
        ValueError,
        "X: expected at least 2**n_bits = 256 rows, got 100",
    ),
    (
        lambda pq: ProductQuantizer(4, metric="dot").fit(X),
        ValueError,
        "metric: expected one of l2, ip, cosine, got 'dot'",
    ),
    (
        lambda pq: ProductQuantizer(4, max_iter=0).fit(X),
        ValueError,
        "max_iter: expected an integer",
    ),
    (
        lambda pq: ProductQuantizer(4, random_state="a").fit(X),
        TypeError,
        "random_state: expected an int, a numpy.random.Generator or None, got 'a'",
    ),
    (
        lambda pq: ProductQuantizer(4, random_state=-1).fit(X),
        ValueError,
        "random_state: expected an int of at least 0, got -1",
    ),
    (
        lambda pq: ProductQuantizer(3).fit(X),
        ValueError,
        "X: expected a dimension that n_subspaces=3 divides, got 8",
    ),
    (
        lambda pq: ProductQuantizer(4).fit(X[:15]),
        ValueError,
        "X: expected at least 2**n_bits = 16 rows, got 15",
    ),
    (
        lambda pq: ProductQuantizer(4).fit(X[:0]),
        ValueError,
        "X: expected at least 2**n_bits = 16 rows",
    ),
    (
        lambda pq: ProductQuantizer(4).encode(X),
        NotFittedError,
        "this ProductQuantizer has no codebooks yet: call fit(X) first, or assign codebooks_",
    ),
    (
        lambda pq: pq.encode(X[:, :6]),
        ValueError,
        "X: expected floats of shape (?, 8), got float64 (100, 6)",
    ),
    (
        lambda pq: pq.topk(X[:, :6], BASE[:, :2], 1),
        ValueError,
        "Q: expected floats of shape (?, 8), got float64 (100, 6)",
    ),
    (
        lambda pq: pq.decode(BASE),
        ValueError,
        "codes: expected uint8 of shape (?, 2), got uint8 (9, 4)",
    ),
    (
        lambda pq: pq.topk(X, BASE, 1),
        ValueError,
        "codes: expected uint8 of shape (?, 2), got uint8 (9, 4)",
    ),
    (
        lambda pq: pq.topk(X, ScanCodes(BASE, 8), 1),
        ValueError,
        "codes: expected ScanCodes of 4 x 4 bits, got ScanCodes(9 codes of 8 x 4 bits)",
    ),
    (
        lambda pq: pq.topk(X, ScanCodes(BASE, 4, 8), 1),
        ValueError,
        "codes: expected ScanCodes of 4 x 4 bits, got ScanCodes(9 codes of 4 x 8 bits)",
    ),
    (
        lambda pq: pq.topk(X, BinaryCodes(BASE), 1),
        TypeError,
        "codes: expected an array of numbers, got BinaryCodes",
    ),
    (lambda pq: pq.range(X, BASE[:, :2], np.nan), ValueError, "radius: expected a number, got NaN"),
    (lambda pq: pq.range(X, BASE[:, :2], "1"), TypeError, "radius: expected a number, got '1'"),
    (lambda pq: pq.range(X, BASE[:, :2], True), TypeError, "radius: expected a number, got True"),
    (
        lambda pq: setattr(pq, "codebooks_", np.zeros((4, 15, 2))),
        ValueError,
        "codebooks_: expected floats of shape (4, 16, d / 4), got float64 (4, 15, 2)",
    ),
    (
        lambda pq: setattr(pq, "codebooks_", np.zeros((4, 16, 2), int)),
        TypeError,
        "codebooks_: expected floats of shape (4, 16, d / 4), got int64 (4, 16, 2)",
    ),
    (
        lambda pq: setattr(pq, "codebooks_", np.full((4, 16, 2), np.nan)),
        ValueError,
        "codebooks_[0]: row 0 holds NaN",
    ),
    (
        lambda pq: pq.set_params(nope=1),
        ValueError,
        "nope: expected a parameter of ProductQuantizer",
    ),
    (lambda pq: ScanCodes(BASE, 9), ValueError, "codes: expected uint8 of shape (?, 5)"),
    (lambda pq: ScanCodes(BASE, 4, 6), ValueError, "codes: expected uint8 of shape (?, 3)"),
    (lambda pq: ScanCodes(BASE, 4, 3), ValueError, "n_bits: expected 4, 5, 6, 7 or 8, got 3"),
    (lambda pq: ScanCodes(BASE, 4, True), ValueError, "n_bits: expected 4, 5, 6, 7 or 8, got True"),
    (lambda pq: ScanCodes(BASE, 0), ValueError, "n_subspaces: expected an integer from 1"),
]


@pytest.mark.parametrize(("call", "kind", "message"), QUANTISER)
def test_the_quantiser_refuses_what_it_cannot_serve(backend, pq, call, kind, message):
    kept = pq.codebooks_
    refused(lambda: call(pq), kind, message)
    assert pq.codebooks_ is kept


SELECTIONS = [
    ({"segments": [[0.0, 3.0]]}, TypeError, "segments: expected integers of shape (?, 2), got"),
    ({"segments": np.ones((1, 2), bool)}, TypeError, "segments: expected integers of shape (?, 2)"),
    ({"segments": [0, 3]}, ValueError, "segments: expected integers of shape (?, 2), got int64 (2"),
    ({"segments": [[0, 3, 1]]}, ValueError, "segments: expected integers of shape (?, 2), got"),
    ({"segments": [[0, 10]]}, ValueError, "segments: expected 0 <= start <= stop <= 9, got (0, 10"),
    ({"segments": [[0, 2], [-1, 3]]}, ValueError, "start <= stop <= 9, got (-1, 3)"),
    ({"segments": [[5, 4]]}, ValueError, "segments: expected 0 <= start <= stop <= 9, got (5, 4)"),
    (
        {"segments": [[4, 9], [2, 2], [0, 5]]},
        ValueError,
        "segments: expected ranges that do not overlap, got (0, 5) and (4, 9)",
    ),
    ({"bias": [[0.0]] * 2}, ValueError, "bias: expected segments too, got a bias alone"),
    (
        {"segments": [[0, 3], [4, 5]], "bias": [[0.0]] * 2},
        ValueError,
        "bias: expected floats of shape (2, 2), got float64 (2, 1)",
    ),
    (
        {"segments": [[0, 3]], "bias": np.zeros((2, 1), np.int64)},
        TypeError,
        "bias: expected floats of shape (2, 1), got int64 (2, 1)",
    ),
    (
        {"segments": [[0, 3]], "bias": [[0.0], [np.nan]]},
        ValueError,
        "bias: row 1 holds NaN",
    ),
    ({"segments": [[0, 3]], "bias": [[np.inf], [0.0]]}, ValueError, "bias: row 0 holds an infin"),
    ({"segments": [[0, 3]], "bias": [[0.0], [3e38]]}, ValueError, "bias: row 1 holds 3e+38"),
    ({"mask": np.ones((3, 9), bool)}, ValueError, "for each of 2 bool of shape (9,) or uint8 of"),
    ({"mask": np.ones((2, 9), np.uint8)}, ValueError, "shape (2,) for 9 rows, got uint8 (2, 9)"),
]


@pytest.mark.parametrize(("given", "kind", "message"), SELECTIONS)
def test_selections_that_cannot_be_are_refused(backend, pq, given, kind, message):
    refused(lambda: pq.topk(X[:2], BASE[:, :2], 1, **given), kind, message)
    refused(lambda: pq.range(X[:2], BASE[:, :2], 1.0, **given), kind, message)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"guarantee": "fast"}, "guarantee: expected 'exact' or 'quantised', got 'fast'"),
        ({"guarantee": None}, "guarantee: expected 'exact' or 'quantised', got None"),
        ({"bounds": True}, "bounds: expected guarantee='quantised' with them, got 'exact'"),
        (
            {"guarantee": "quantised", "segments": [[0, 3]], "bias": [[1.0], [2.0]]},
            "bias: expected none with guarantee='quantised'",
        ),
    ],
)
def test_guarantees_that_nobody_gives_are_refused(backend, pq, given, message):
    refused(lambda: pq.topk(X[:2], BASE[:, :2], 1, **given), ValueError, message)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda pq, c: pq.symmetric_topk(BASE, c, 1), ValueError, "q_codes: expected uint8 of sha"),
        (lambda pq, c: pq.symmetric_topk(c, BASE, 1), ValueError, "codes: expected uint8 of shape"),
        (lambda pq, c: pq.symmetric_topk(c * 1.0, c, 1), TypeError, "q_codes: expected uint8"),
        (lambda pq, c: pq.symmetric_topk(c, c, 0), ValueError, "k: expected an integer from 1"),
        (lambda pq, c: pq.symmetric_range(c, c, np.nan), ValueError, "radius: expected a number"),
        (lambda pq, c: pq.symmetric_range(X, c, 1), TypeError, "q_codes: expected uint8"),
        (lambda pq, c: pq.self_join(c, "1"), TypeError, "radius: expected a number, got '1'"),
        (
            lambda pq, c: pq.self_join(BASE, 1.0),
            ValueError,
            "codes: expected uint8 of shape (?, 2)",
        ),
        (lambda pq, c: pq.self_join(ScanCodes(c, 2, 8), 1.0), ValueError, "codes: expected ScanC"),
        (
            lambda pq, c: ProductQuantizer(4).self_join(c, 1.0),
            NotFittedError,
            "this ProductQuantizer has no codebooks yet",
        ),
    ],
)
def test_symmetric_searches_refuse_what_they_cannot_serve(backend, pq, call, kind, message):
    refused(lambda: call(pq, BASE[:, :2]), kind, message)


def test_numbers_whose_distances_would_overflow_are_refused(backend, pq):
    refused(
        lambda: pq.encode(with_row(5, 1e300)), ValueError, "X: row 5 holds an infinity, or a num"
    )
    refused(lambda: pq.encode(with_row(5, 1e30)), ValueError, "X: row 5 holds 1e+30; beyond")
    refused(
        lambda: ProductQuantizer(4).fit(with_row(5, -1e30)), ValueError, "scale the vectors down"
    )
