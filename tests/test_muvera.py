"""`FixedDimensionalEncoder`: its random numbers, encodings, files, and what it refuses."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone

from bags import bag, encoding, offsets_of, real_numbers
from cases import assert_equal, refused
from tersevec import _fde_google, _fde_streams
from tersevec.binary import pack_bits
from tersevec.muvera import FixedDimensionalEncoder, maxsim
from tersevec.pq import ProductQuantizer

D = 16
SMALL = {"num_repetitions": 3, "num_simhash_projections": 3, "projection_dimension": 4}


@pytest.fixture
def batch(rng):
    offsets = offsets_of([4, 0, 9, 30, 1])
    return real_numbers(offsets[-1], D, rng), offsets


# ---- random numbers


def test_the_references_random_numbers_are_redrawn():
    """The first words of a Mersenne Twister of seed 1, and a polar method written as a loop."""
    words = _fde_google.Words(1)
    assert words.take(3).tolist() == [1791095845, 4282876139, 3093770124]
    state, expected = np.random.RandomState(5), []

    def unit():
        return np.float32(np.frombuffer(state.bytes(4), "<u4")[0]) / np.float32(2**32)

    while len(expected) < 400:
        x, y = np.float32(2) * unit() - 1, np.float32(2) * unit() - 1
        square = x * x + y * y
        if 0 < square <= 1:
            factor = np.sqrt(-2 * np.log(square) / square)
            expected += [y * factor, x * factor]
    np.testing.assert_allclose(_fde_google.normals(5, 400), expected, rtol=1e-5)
    np.testing.assert_array_equal(_fde_google.normals(5, 399), _fde_google.normals(5, 400)[:399])


@pytest.mark.parametrize("below", [1, 8, 1000, 3 << 29])
def test_the_references_choices_refuse_words_that_would_be_unfair(below):
    words, numbers, signs = _fde_google.Words(9).take(9000).tolist(), [], []
    while len(numbers) < 800:
        wide = words.pop(0) * below
        while wide % 2**32 < (2**32 - below) % below:  # of 3 << 29 every fourth is refused
            wide = words.pop(0) * below
        numbers.append(wide >> 32)
        low, high = words.pop(0), words.pop(0)
        signs.append(1 if (low + high * 2.0**32) / 2.0**64 < 0.5 else -1)
    found = _fde_google.choices(9, 800, below)
    assert_equal(found, (np.int32(numbers), np.int8(signs)))


def test_own_random_numbers_stay_what_they_are():
    assert _fde_streams.VERSION == "tersevec-1"
    words = _fde_streams.words(1, _fde_streams.SKETCH, 3, 5)
    assert words.tolist() == WORDS
    np.testing.assert_array_equal(words[:2], _fde_streams.words(1, _fde_streams.SKETCH, 3, 2))
    normals = _fde_streams.normals(1, _fde_streams.HASH, 0, 3)
    np.testing.assert_allclose(normals, NORMALS, rtol=1e-12)


WORDS = [
    2533144363980168765,
    4154714089138655030,
    4708083050069965526,
    15439169602403406943,
    11718119225425969450,
]
NORMALS = [0.8974446665924707, -1.2565397431446046, 1.8905005212648325]


def test_streams_are_as_random_as_they_should_be():
    numbers = _fde_streams.normals(7, _fde_streams.HASH, 2, 100_001)
    assert abs(numbers.mean()) < 0.02
    assert abs(numbers.std() - 1) < 0.02
    numbers, signs = _fde_streams.choices(7, _fde_streams.PROJECTION, 0, 100_000, 10)
    assert np.abs(np.bincount(numbers, minlength=10) - 10_000).max() < 600
    assert abs(signs.mean(dtype=float)) < 0.02
    assert set(np.unique(_fde_streams.signs(7, 1, 0, 99))) == {-1, 1}


@pytest.mark.parametrize("kind", ["orthogonal", "dense", "ams_sketch"])
def test_projections_keep_inner_products_on_average(kind, rng):
    x, y = real_numbers(2, 64, rng) / 8
    encoder = FixedDimensionalEncoder(64, num_repetitions=4000, projection_type=kind)
    projected = (np.stack([x, y]) @ encoder.matrices.projections).reshape(2, 4000, 16)
    products = (projected[0] * projected[1]).sum(axis=1)
    assert abs(products.mean() - x @ y) < 5 * products.std() / np.sqrt(4000) + 1e-4


def test_orthogonal_projections_of_enough_repetitions_keep_every_inner_product(rng):
    encoder = FixedDimensionalEncoder(32, num_repetitions=8, projection_dimension=4)
    projections = encoder.matrices.projections
    np.testing.assert_allclose(projections @ projections.T, 8 * np.eye(32), atol=1e-5)
    more = FixedDimensionalEncoder(32, num_repetitions=20, projection_dimension=4)
    np.testing.assert_array_equal(more.matrices.projections[:, :32], projections)


def test_matrices_are_drawn_once_and_anew_where_parameters_change():
    encoder = FixedDimensionalEncoder(D, **SMALL, final_projection_dimension=9)
    first = encoder.matrices
    assert encoder.matrices is first
    assert [array.flags.writeable for array in first] == [False] * 4
    assert encoder.set_params(seed=2).matrices is not first
    assert not np.array_equal(encoder.matrices.hashes, first.hashes)
    np.testing.assert_array_equal(encoder.set_params(seed=1).matrices.hashes, first.hashes)
    shifted = FixedDimensionalEncoder(
        D, **SMALL, projection_type="ams_sketch", random_streams="google", seed=4
    ).matrices
    there = FixedDimensionalEncoder(
        D, **SMALL, projection_type="ams_sketch", random_streams="google", seed=5
    ).matrices
    np.testing.assert_array_equal(shifted.hashes[:, 3:], there.hashes[:, :-3])


# ---- the encoder


@pytest.mark.parametrize("fill", [False, True])
@pytest.mark.parametrize("kind", ["orthogonal", "dense", "ams_sketch", "identity"])
def test_encodings_are_those_of_the_matrices(backend, batch, kind, fill):
    encoder = FixedDimensionalEncoder(D, **SMALL, projection_type=kind, fill_empty_partitions=fill)
    shape = 3, 3, D if kind == "identity" else 4
    hashes, projections, *_ = encoder.matrices
    for documents, encode in ((True, encoder.encode_documents), (False, encoder.encode_queries)):
        found = encode(*batch)
        assert found.shape == (5, encoder.output_dimension)
        for i, row in enumerate(found):
            mine = bag(*batch, i)
            expected = encoding(mine, hashes, projections, shape, documents, fill)
            np.testing.assert_allclose(row, expected, atol=1e-4)


def test_the_estimate_is_repetitions_times_chamfer_and_exact_for_documents_of_one_token(
    backend, rng
):
    queries, documents = [real_numbers(5, D, rng)], [real_numbers(1, D, rng) for _ in range(6)]
    encoder = FixedDimensionalEncoder(D, num_repetitions=7, projection_type="identity")
    estimate = encoder.encode_queries(queries) @ encoder.encode_documents(documents).T
    np.testing.assert_allclose(estimate, 7 * maxsim(queries, documents), atol=1e-3)


@pytest.mark.parametrize("final", [None, 50])
def test_rows_go_to_the_callers_array_in_every_type(backend, batch, final):
    encoder = FixedDimensionalEncoder(D, **SMALL, final_projection_dimension=final)
    wide = encoder.encode_documents(*batch)
    shape = (5, encoder.output_dimension)
    for dtype in (np.float32, np.float16):
        out = np.empty(shape, dtype)
        assert encoder.encode_documents(*batch, out=out, dtype=dtype) is out
        np.testing.assert_array_equal(out, wide.astype(dtype))
    out = np.empty(shape, np.int8), np.empty(5, np.float32)
    found = encoder.encode_documents(*batch, out=out, dtype="int8")
    assert found.values is out[0]
    assert (np.abs(found.values * found.scales[:, None] - wide).max(axis=1) <= found.scales).all()
    assert_equal(found, encoder.encode_documents(*batch, dtype="int8"))


def test_codes_are_those_of_the_encodings(backend, rng):
    offsets = offsets_of(rng.integers(0, 9, 300))
    tokens = real_numbers(offsets[-1], D, rng)
    encoder = FixedDimensionalEncoder(D, num_simhash_projections=6)  # 20,480 numbers: many chunks
    rows = encoder.encode_documents(tokens, offsets)
    pq = ProductQuantizer(16, random_state=0)
    pq.codebooks_ = rng.standard_normal((16, 16, rows.shape[1] // 16))
    codes = encoder.encode_documents(tokens, offsets, into=pq)
    np.testing.assert_array_equal(codes, pq.encode(rows))
    assert encoder.encode_documents([], into=pq).shape == (0, 8)


def test_a_center_is_subtracted_from_every_token(backend, batch):
    tokens, offsets = batch
    center = np.linspace(-0.1, 0.1, D)
    plain, centred = FixedDimensionalEncoder(D), FixedDimensionalEncoder(D, center=center)
    for encode in ("encode_documents", "encode_queries"):
        expected = getattr(plain, encode)(tokens - center.astype(np.float32), offsets)
        np.testing.assert_array_equal(getattr(centred, encode)(tokens, offsets), expected)
    assert centred.fit(tokens).center_.tolist() == center.astype(np.float32).tolist()


def test_fit_learns_the_mean_and_warns_where_tokens_share_a_direction(backend, rng):
    tokens = real_numbers(2000, D, rng)
    encoder = FixedDimensionalEncoder(D)
    assert encoder.fit(tokens) is encoder
    np.testing.assert_allclose(encoder.center_, tokens.mean(axis=0), atol=1e-6)
    assert abs(encoder.mean_cosine_) < 0.02
    shifted = tokens + np.float32(2)
    with pytest.warns(UserWarning, match=r"share a direction \(mean cosine 0\.[78]"):
        encoder.fit(shifted, [0, 10, 2000])
    units = shifted / np.linalg.norm(shifted.astype(float), axis=1)[:, None]
    expected = ((units.sum(axis=0) ** 2).sum() - 2000) / (2000 * 1999)
    np.testing.assert_allclose(encoder.mean_cosine_, expected, rtol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FixedDimensionalEncoder(D, center=np.full(D, 2.0)).fit(shifted)
    with pytest.warns(UserWarning, match="fit without `center`"):
        FixedDimensionalEncoder(D, center=np.full(D, -3.0)).fit(tokens)
    assert FixedDimensionalEncoder(D).fit(tokens[:0]).mean_cosine_ == 0


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"projection_type": "identity", "projection_dimension": None},
        {
            "final_projection_dimension": 20,
            "center": np.full(D, 0.1, np.float32),
            "fill_empty_partitions": False,
        },
        {"projection_type": "ams_sketch", "random_streams": "google", "seed": np.int64(9)},
        {"num_simhash_projections": 0},
    ],
)
def test_files_pickles_and_clones_encode_the_same(backend, batch, tmp_path, given):
    encoder = FixedDimensionalEncoder(D, **{**SMALL, **given})
    path = tmp_path / "encoder"
    for _ in range(2):
        expected = encoder.encode_documents(*batch)
        encoder.save(path)
        loaded = FixedDimensionalEncoder.load(path)
        for other in (loaded, pickle.loads(pickle.dumps(encoder))):
            np.testing.assert_array_equal(other.encode_documents(*batch), expected)
        for name, value in encoder.get_params().items():
            np.testing.assert_array_equal(loaded.get_params()[name], value)
        encoder.fit(*batch)
    assert [file.name for file in tmp_path.iterdir()] == ["encoder"]
    fresh = clone(encoder)
    assert "center_" not in vars(fresh)
    assert repr(fresh) == repr(encoder)


def test_files_of_another_kind_are_refused(tmp_path):
    path = tmp_path / "file.npz"
    load = FixedDimensionalEncoder.load
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match=r"path|pickle"):
        load(path)
    np.savez(path, a=np.ones(3))
    refused(lambda: load(path), ValueError, "is no file of an encoder")
    FixedDimensionalEncoder(D, **SMALL).save(path)
    with np.load(path) as file:
        arrays = dict(file)
    for name, value, message in (
        ("format", np.array("tersevec FixedDimensionalEncoder 2"), "expected a file of format"),
        ("streams", np.array("tersevec-2"), "expected random streams 'tersevec-1'"),
        ("hashes", arrays["hashes"][1:], "the file's hashes do not fit"),
    ):
        np.savez(path, **{**arrays, name: value})
        refused(lambda: load(path), ValueError, message)


REFUSED = [
    ({"num_simhash_projections": 31}, ValueError, "from 0 to 30, got 31"),
    ({"num_simhash_projections": -1}, ValueError, "num_simhash_projections: expected"),
    ({"num_simhash_projections": 2.0}, TypeError, "num_simhash_projections: expected"),
    ({"num_repetitions": 0}, ValueError, "num_repetitions: expected"),
    ({"projection_dimension": 0}, ValueError, "projection_dimension: expected"),
    ({"projection_dimension": None}, ValueError, "projection_dimension: expected None with"),
    ({"projection_type": "sparse"}, ValueError, "projection_type: expected one of orthogonal"),
    ({"random_streams": "numpy"}, ValueError, "random_streams: expected one of tersevec, google"),
    ({"random_streams": "google"}, ValueError, "'ams_sketch' or 'identity' with random_streams"),
    ({"final_projection_dimension": 0}, ValueError, "final_projection_dimension: expected"),
    ({"seed": -1}, ValueError, "seed: expected an integer from 0"),
    ({"seed": None}, TypeError, "seed: expected an integer from 0"),
    ({"dimension": 0}, ValueError, "dimension: expected an integer from 1"),
    ({"fill_empty_partitions": 1}, TypeError, "fill_empty_partitions: expected True or False"),
    ({"num_simhash_projections": 30}, ValueError, "at most 2**31 - 1 numbers, got 20 * 2**30"),
    ({"center": np.ones(5)}, ValueError, "center: expected None or floats of shape (128,)"),
    ({"center": np.full(128, np.nan)}, ValueError, "center: row 0 holds NaN"),
    ({"center": np.ones(128, int)}, TypeError, "center: expected None or floats"),
]


@pytest.mark.parametrize(("given", "kind", "message"), REFUSED)
def test_parameters_that_are_not_served_are_refused_at_once(given, kind, message):
    refused(lambda: FixedDimensionalEncoder(**given), kind, message)


def test_results_that_cannot_be_written_are_refused(backend, batch):
    encoder = FixedDimensionalEncoder(D, **SMALL)
    encode, width = encoder.encode_documents, encoder.output_dimension
    readonly = np.empty((5, width), np.float32)
    readonly.flags.writeable = False
    for options, kind, message in (
        ({"out": np.empty((5, width))}, TypeError, "out: expected a writable"),
        ({"out": np.empty((4, width), np.float32)}, ValueError, "out: expected a writable"),
        ({"out": readonly}, ValueError, "out: expected a writable"),
        ({"out": np.empty((5, 2 * width), np.float32)[:, ::2]}, ValueError, "C-contiguous"),
        ({"out": readonly, "dtype": "int8"}, TypeError, "out: expected a pair"),
        ({"dtype": "float64"}, ValueError, "dtype: expected one of float32, float16, int8"),
        ({"dtype": "int3"}, ValueError, "dtype: expected one of float32, float16, int8"),
        ({"into": pack_bits}, TypeError, "into: expected a quantiser"),
        ({"into": ProductQuantizer(2), "out": readonly}, ValueError, "out: expected None"),
        ({"threads": 0}, ValueError, "threads: expected an integer of at least 1"),
    ):
        refused(lambda options=options: encode(*batch, **options), kind, message)
