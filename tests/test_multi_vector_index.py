"""`MultiVectorIndex`: codes find candidates, MaxSim decides."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from sklearn.base import clone

from bags import bag, offsets_of, real_numbers
from cases import assert_equal, refused
from tersevec._estimator import NotFittedError
from tersevec.binary import RaBitQuantizer, RecurrentBinarizer
from tersevec.muvera import (
    FixedDimensionalEncoder,
    MultiVectorIndex,
    carve_queries,
    maxsim_pack,
    maxsim_topk,
)
from tersevec.pq import ProductQuantizer, ResidualQuantizer

D = 12
ENCODER = FixedDimensionalEncoder(
    D, num_repetitions=4, num_simhash_projections=2, projection_dimension=4
)
RABITQ = RaBitQuantizer(4, random_state=0)


@pytest.fixture(scope="module")
def documents():
    rng = np.random.default_rng(3)
    offsets = offsets_of(rng.integers(1, 9, 120))
    return real_numbers(offsets[-1], D, rng), offsets


@pytest.fixture(scope="module")
def queries():
    rng = np.random.default_rng(4)
    return real_numbers(20, D, rng), np.array([0, 5, 5, 11, 20])


@pytest.mark.parametrize("rerank", ["float32", "float16", "bfloat16", "int8"])
def test_with_all_candidates_it_is_exact_search(backend, documents, queries, rerank):
    index = MultiVectorIndex(ENCODER, quantizer=RABITQ, rerank=rerank).fit(documents)
    assert index.add(documents) is index
    packed = maxsim_pack(documents, dtype=rerank)
    assert_equal(index.search(queries, 7, oversample=1000), maxsim_topk(queries, packed, 7))


@pytest.mark.parametrize(
    "quantizer",
    [
        None,
        RABITQ,
        ProductQuantizer(16, metric="ip", random_state=0),
        ResidualQuantizer(2, metric="ip", random_state=0),
    ],
    ids=repr,
)
def test_every_quantiser_of_inner_products_finds_candidates(backend, documents, queries, quantizer):
    many = [bag(*documents, i % 120) for i in range(256)]
    index = MultiVectorIndex(ENCODER, quantizer=quantizer).fit(many).add(documents)
    rows = ENCODER.encode_documents(documents)
    asked = ENCODER.encode_queries(queries)
    codes = index.quantizer_.pack(index.quantizer_.encode(rows))
    candidates = index.quantizer_.topk(asked, codes, 15).indices
    expected = maxsim_topk(queries, documents, 3, candidates=candidates)
    assert_equal(index.search(queries, 3, oversample=5), expected)


def test_documents_added_in_parts_are_as_good_as_at_once(backend, documents, queries):
    whole = MultiVectorIndex(ENCODER, quantizer=RABITQ).fit(documents).add(documents)
    parts = MultiVectorIndex(ENCODER, quantizer=RABITQ).fit(documents)
    for start in range(0, 120, 7):
        parts.add([bag(*documents, i) for i in range(start, min(start + 7, 120))])
    assert_equal(parts.search(queries, 9), whole.search(queries, 9))
    assert (len(parts), parts.nbytes) == (len(whole), whole.nbytes)
    assert repr(parts) == repr(whole)


def test_results_are_ids_and_new_ones_go_on_behind_the_largest(backend, documents, queries):
    index = MultiVectorIndex(ENCODER, quantizer=RABITQ).fit(documents)
    ids = np.random.default_rng(0).permutation(1000)[:120]
    index.add(documents, ids)
    plain = MultiVectorIndex(ENCODER, quantizer=RABITQ).fit(documents).add(documents)
    np.testing.assert_array_equal(
        index.search(queries, 4).indices, ids[plain.search(queries, 4).indices]
    )
    index.add([bag(*documents, 0)])
    assert index.ids_[-1] == ids.max() + 1
    assert index.search(queries, 200).indices[0, -1] == -1
    assert np.isneginf(index.search(queries, 200).values[0, -1])


def test_masks_weights_and_carved_queries(backend, documents, queries):
    index = MultiVectorIndex(ENCODER, quantizer=RABITQ).fit(documents).add(documents)
    mask = np.arange(120) % 3 == 0
    found = index.search(queries, 5, oversample=100, mask=mask)
    assert_equal(found, maxsim_topk(queries, documents, 5, mask=mask))
    weights = np.arange(20.0)
    found = index.search(queries, 5, oversample=100, weights=weights)
    assert_equal(found, maxsim_topk(queries, documents, 5, weights=weights))
    found = index.search(queries, 5, oversample=100, carve=0.5)
    assert_equal(found, maxsim_topk(carve_queries(queries, 0.5), documents, 5))


def test_an_index_without_documents_finds_nothing(backend, documents, queries):
    index = MultiVectorIndex(ENCODER, quantizer=RABITQ).fit(documents)
    found = index.search(queries, 2)
    assert (found.indices == -1).all()
    assert np.isneginf(found.values).all()
    assert len(index.add([])) == 0


def test_copies_and_pickles_find_the_same(backend, documents, queries):
    index = MultiVectorIndex(ENCODER, quantizer=RABITQ).fit(documents).add(documents)
    for other in (pickle.loads(pickle.dumps(index)), copy.deepcopy(index)):
        assert_equal(other.search(queries, 6), index.search(queries, 6))
        other.add(documents)
        assert (len(other), len(index)) == (240, 120)
    assert len(clone(index)) == 0
    assert repr(MultiVectorIndex(ENCODER)).startswith("MultiVectorIndex(encoder=Fixed")


def test_later_changes_of_the_parameters_change_nothing(backend, documents, queries):
    encoder, quantizer = copy.deepcopy(ENCODER), copy.deepcopy(RABITQ)
    index = MultiVectorIndex(encoder, quantizer=quantizer).fit(documents).add(documents)
    before = index.search(queries, 6)
    encoder.set_params(seed=99)
    quantizer.fit(np.zeros((5, 64)))
    assert_equal(index.search(queries, 6), before)


def test_what_is_refused_leaves_the_index_as_it_was(backend, documents, queries):
    index = MultiVectorIndex(ENCODER, quantizer=RABITQ, rerank="float16").fit(documents)
    index.add(documents)
    before, size = index.search(queries, 6), index.nbytes
    good = [bag(*documents, 0), bag(*documents, 1)]
    bad = [good[0], good[1].copy()]
    bad[1][0, 0] = np.nan
    large = [good[0], good[1] * np.float32(1e6)]
    for call, kind, message in (
        (lambda: index.add(good, [7, 7]), ValueError, "ids: expected each one only once, got 7"),
        (lambda: index.add(good, [500, 3]), ValueError, "ids: expected each one only once, got 3"),
        (lambda: index.add(good, [500]), ValueError, "ids: expected integers of shape (2,)"),
        (lambda: index.add(good, [0.5, 1]), TypeError, "ids: expected integers of shape (2,)"),
        (lambda: index.add(bad), ValueError, "documents[1]: row 0 holds NaN"),
        (lambda: index.add(large), ValueError, "documents[1]: row 0 holds a number beyond float16"),
        (lambda: index.add([good[0][:, :5]]), ValueError, "expected tokens of 12 dimensions"),
        (lambda: index.search(queries, 0), ValueError, "k: expected an integer"),
        (lambda: index.search(queries, 1, oversample=0), ValueError, "oversample: expected"),
        (lambda: index.search(queries, 1, mask=np.ones(3, bool)), ValueError, "mask: expected"),
        (
            lambda: index.search(queries, 1, weights=np.ones(20), carve=0.7),
            ValueError,
            "carve: expected None with weights",
        ),
    ):
        refused(call, kind, message)
        assert (len(index), index.nbytes) == (120, size)
    assert_equal(index.search(queries, 6), before)


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        (
            {"quantizer": ProductQuantizer(8)},
            ValueError,
            "quantizer: expected one with metric='ip'",
        ),
        ({"quantizer": RecurrentBinarizer(8)}, TypeError, "quantizer: expected a ProductQuantizer"),
        ({"encoder": "muvera"}, TypeError, "encoder: expected a FixedDimensionalEncoder"),
        ({"rerank": "int4"}, ValueError, "rerank: expected one of float32"),
    ],
)
def test_parameters_that_do_not_serve_are_refused_by_fit(documents, given, kind, message):
    index = MultiVectorIndex(**{"encoder": ENCODER, **given})
    refused(lambda: index.fit(documents), kind, message)


def test_an_index_that_is_not_fitted_says_so(documents, queries):
    index = MultiVectorIndex(ENCODER)
    for call in (lambda: index.add(documents), lambda: index.search(queries, 1)):
        refused(call, NotFittedError, "call fit(documents) first")
    assert len(index) == 0
