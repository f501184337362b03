"""Recurrent binary codes: what they say, find and refuse."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone

from tersevec.binary import RecurrentBinarizer, ScanCodes


def embeddings(n, d, seed=7):
    """Clustered unit rows of a decaying spectrum."""
    shape, random = np.random.default_rng(d), np.random.default_rng(seed)
    spectrum = 1 / np.sqrt(1 + np.arange(d))
    centres = shape.standard_normal((60, d)) * spectrum
    x = centres[random.integers(0, 60, n)] + 0.6 * random.standard_normal((n, d)) * spectrum
    x = (x @ np.linalg.qr(shape.standard_normal((d, d)))[0]).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def fitted(d=48, m=48, u=2, n=1500, **more):
    x = embeddings(n, d)
    return RecurrentBinarizer(m, u, random_state=0, max_iter=5, **more).fit(x), x


def recall(found, truth):
    return np.mean([len(np.intersect1d(a, b)) for a, b in zip(found, truth, strict=True)]) / 10


def nearest(q, x):
    return np.argsort(-(q @ x.T), axis=1, kind="stable")[:, :10]


@pytest.mark.parametrize(("d", "m", "u"), [(48, 48, 1), (48, 20, 2), (48, 64, 3), (30, 33, 4)])
def test_codes_are_odd_integers_whose_cosines_are_the_similarities(d, m, u):
    binarizer, x = fitted(d, m, u)
    codes = binarizer.encode(x[:200])
    assert codes.dtype == np.uint8
    assert codes.shape == (200, (m * u + 7) // 8) == (200, binarizer.code_size)
    values = binarizer.code_values(codes)
    assert values.dtype == np.int8
    assert values.shape == (200, m)
    assert (values % 2 != 0).all()
    assert np.abs(values).max() == 2**u - 1
    wide = values.astype(np.int64)
    lengths = np.sqrt(np.square(wide).sum(axis=1))
    cosines = wide[:9] @ wide.T / lengths[:9, None] / lengths
    assert np.abs(binarizer.similarity_matrix(codes[:9], codes) - cosines).max() < 1e-6


def test_more_levels_find_more_and_codes_find_more_than_signs():
    x = embeddings(4000, 64)
    queries = embeddings(200, 64, seed=8)
    truth = nearest(queries, x)
    found = []
    for u in (1, 2, 4):
        binarizer = RecurrentBinarizer(64, u, random_state=0, max_iter=10).fit(x)
        codes = binarizer.pack(binarizer.encode(x))
        found.append(recall(binarizer.topk(binarizer.encode(queries), codes, 10).indices, truth))
    signs = np.where(x > 0, 1.0, -1.0)
    assert recall(nearest(np.where(queries > 0, 1.0, -1.0), signs), truth) < found[0]
    assert found[0] + 0.05 < found[1]
    assert found[1] + 0.05 < found[2]
    assert found[2] > 0.85
    assert abs(binarizer.recall_ - found[2]) < 0.1


def test_decoded_rows_are_unit_vectors_near_the_rows():
    binarizer, x = fitted(48, 64, 4)
    decoded = binarizer.decode(binarizer.encode(x[:100]))
    assert decoded.dtype == np.float32
    assert np.allclose(np.linalg.norm(decoded, axis=1), 1, atol=1e-5)
    assert ((decoded * x[:100]).sum(axis=1) > 0.98).all()


@given(st.integers(1, 30), st.integers(1, 40), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_a_row_is_encoded_alike_in_every_batch_dtype_and_length(d, m, u, seed):
    x = np.random.default_rng(seed).standard_normal((40, d)).astype(np.float16)
    binarizer = RecurrentBinarizer(m, u, random_state=0, max_iter=1).fit(x)
    codes = binarizer.encode(x)
    assert np.array_equal(binarizer.encode(x[7:8]), codes[7:8])
    assert np.array_equal(binarizer.encode(x.astype(np.float64), threads=3), codes)
    assert np.array_equal(binarizer.encode(x.astype(np.float32)[::2]), codes[::2])
    assert np.array_equal(binarizer.encode(x.astype(np.float32) * 4), codes)


def test_both_backends_encode_alike(backend):
    x = embeddings(300, 24)
    binarizer = RecurrentBinarizer(24, 2, random_state=0, max_iter=1).fit(x)
    other = pickle.loads(pickle.dumps(binarizer))
    assert np.array_equal(other.encode(x), binarizer.encode(x))
    assert np.array_equal(other.weights_, binarizer.weights_)


def test_the_same_seed_gives_the_same_codes():
    x = embeddings(500, 24)
    first, second = (
        RecurrentBinarizer(16, 2, random_state=3, max_iter=3).fit(x, threads=t) for t in (1, 3)
    )
    assert np.array_equal(first.encode(x), second.encode(x))


def test_zero_rows_equal_rows_and_few_rows_have_codes():
    x = np.zeros((5, 8), np.float32)
    x[1:] = 3
    binarizer = RecurrentBinarizer(8, 2, random_state=0).fit(x)
    codes = binarizer.encode(x)
    assert len(np.unique(codes[1:], axis=0)) == 1
    assert binarizer.recall_ == 0.0
    assert np.isfinite(binarizer.similarity_matrix(codes, codes)).all()


def test_packed_codes_are_scan_codes_and_masks_count():
    binarizer, x = fitted()
    codes = binarizer.encode(x)
    packed = binarizer.pack(codes)
    assert isinstance(packed, ScanCodes)
    mask = np.arange(len(x)) % 3 == 0
    found = binarizer.topk(codes[:5], packed, 10, mask=mask)
    assert (found.indices % 3 == 0).all()
    assert np.array_equal(found.indices, binarizer.topk(codes[:5], codes, 10, mask=mask).indices)


def test_a_new_model_searches_the_codes_of_the_old_one():
    x, queries = embeddings(3000, 40), embeddings(200, 40, seed=9)
    random = np.random.default_rng(0)
    turn = np.linalg.qr(random.standard_normal((50, 50)))[0][:40].astype(np.float32)
    old = RecurrentBinarizer(40, 2, random_state=0, max_iter=5).fit(x)
    codes = old.encode(x)
    new = RecurrentBinarizer(40, 2, random_state=0).fit_compatible(x[:2000] @ turn, x[:2000], old)
    truth = nearest(queries, x)
    before = recall(old.topk(old.encode(queries), codes, 10).indices, truth)
    after = recall(old.topk(new.encode(queries @ turn), codes, 10).indices, truth)
    assert after > before - 0.02
    assert new.n_features_in_ == 50
    assert min(new.compatibility_) > 0.3
    assert abs(new.compatibility_.new_on_old - new.compatibility_.old_on_old) < 0.05
    foreign = random.standard_normal((200, 40)).astype(np.float32)
    assert recall(old.topk(old.encode(foreign), codes, 10).indices, truth) < 0.1


def test_estimators_follow_scikit_learn():
    binarizer, x = fitted(24, 16, 2)
    assert repr(binarizer) == (
        "RecurrentBinarizer(n_components=16, n_levels=2, max_iter=5, random_state=0)"
    )
    copy = clone(binarizer)
    assert copy.get_params() == binarizer.get_params()
    with pytest.raises(ValueError, match="fit"):
        copy.encode(x)


def test_bad_input_is_refused_by_name():
    x = embeddings(300, 12)
    bad = x.copy()
    bad[37, 5] = np.nan
    binarizer = RecurrentBinarizer(12, 2, random_state=0, max_iter=1).fit(x)
    codes = binarizer.encode(x)
    for call, words in (
        (lambda: RecurrentBinarizer(0).fit(x), ("n_components", "0")),
        (lambda: RecurrentBinarizer(8, 5).fit(x), ("n_levels", "5")),
        (lambda: RecurrentBinarizer(8, max_iter=0).fit(x), ("max_iter", "0")),
        (lambda: RecurrentBinarizer(8).fit(x[:1]), ("X", "2", "1")),
        (lambda: RecurrentBinarizer(8).fit(bad), ("X", "37")),
        (lambda: binarizer.encode(bad), ("X", "37")),
        (lambda: binarizer.encode(x[:, :5]), ("X", "12", "5")),
        (lambda: binarizer.topk(codes[:, :2], codes, 3), ("q_codes", "3", "2")),
        (lambda: binarizer.topk(codes, codes, 0), ("k", "0")),
        (lambda: binarizer.decode(codes.astype(np.int32)), ("codes", "uint8", "int32")),
        (lambda: RecurrentBinarizer(8, 2).fit_compatible(x, x, binarizer), ("old", "8", "12")),
        (lambda: RecurrentBinarizer(12, 2).fit_compatible(x[:9], x, binarizer), ("X_old", "9")),
        (lambda: RecurrentBinarizer(12, 2).fit_compatible(x, x, None), ("old", "NoneType")),
        (lambda: RecurrentBinarizer(12, 2).fit_compatible(bad, x, binarizer), ("X", "37")),
    ):
        with pytest.raises((ValueError, TypeError)) as told:
            call()
        assert all(word in str(told.value) for word in words), told.value
