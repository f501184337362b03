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
    (lambda pq: ProductQuantizer(4, 9).fit(X), ValueError, "n_bits: this version serves 4, got 9"),
    (
        lambda pq: ProductQuantizer(4, "4").fit(X),
        ValueError,
        "n_bits: this version serves 4, got '4'",
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
        "codes: expected ScanCodes of 4 sub-spaces, got ScanCodes(9 codes of 8 x 4 bits)",
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
    (lambda pq: ScanCodes(BASE, 0), ValueError, "n_subspaces: expected an integer from 1"),
]


@pytest.mark.parametrize(("call", "kind", "message"), QUANTISER)
def test_the_quantiser_refuses_what_it_cannot_serve(backend, pq, call, kind, message):
    kept = pq.codebooks_
    refused(lambda: call(pq), kind, message)
    assert pq.codebooks_ is kept


def test_numbers_whose_distances_would_overflow_are_refused(backend, pq):
    refused(
        lambda: pq.encode(with_row(5, 1e300)), ValueError, "X: row 5 holds an infinity, or a num"
    )
    refused(lambda: pq.encode(with_row(5, 1e30)), ValueError, "X: row 5 holds 1e+30; beyond")
    refused(
        lambda: ProductQuantizer(4).fit(with_row(5, -1e30)), ValueError, "scale the vectors down"
    )
