"""The published recurrence: what it encodes, and weights from elsewhere and in files."""

from __future__ import annotations

import copy
import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone

from tersevec import _backend
from tersevec.binary import RecurrentBinarizer
from test_recurrent import embeddings


def layer(random, inputs, outputs):
    return random.standard_normal((outputs, inputs)), random.standard_normal(outputs)


def weights(d, m, n_levels, hidden=None, seed=0):
    """Names and arrays of random maps, of one layer or of two."""
    random, found = np.random.default_rng(seed), {}
    ends = {"W": (d, m), "D": (m, d)}
    for i in range(1, n_levels):
        ends |= {f"B{i}": (m, d), f"R{i}": (d, m)}
    for name, (inputs, outputs) in ends.items():
        widths = [inputs, outputs] if hidden is None else [inputs, hidden, outputs]
        for i, pair in enumerate(itertools.pairwise(widths)):
            found[f"{name}.{i}.weight"], found[f"{name}.{i}.bias"] = layer(random, *pair)
    return found


def mapped(named, name, x):
    """All layers of a map in float64."""
    i = 0
    while f"{name}.{i}.weight" in named:
        x = np.maximum(x, 0) if i else x
        weight, bias = (
            named[f"{name}.{i}.{what}"].astype(np.float32) for what in ("weight", "bias")
        )
        x = x @ weight.astype(np.float64).T + bias
        i += 1
    return x


def reference(named, n_levels, x):
    """The recurrence as it was published, and how near its signs came to a tie."""
    f = x.astype(np.float64)
    f /= np.linalg.norm(f, axis=1, keepdims=True)
    outcome = mapped(named, "W", f)
    b, nearest_tie = np.where(outcome >= 0, 1.0, -1.0), np.abs(outcome)
    for i in range(1, n_levels):
        back = mapped(named, f"B{i}", b)
        outcome = mapped(named, f"R{i}", f - back / np.linalg.norm(back, axis=1, keepdims=True))
        b = b + 2.0**-i * np.where(outcome >= 0, 1.0, -1.0)
        nearest_tie = np.minimum(nearest_tie, np.abs(outcome))
    return b, nearest_tie


def agrees(binarizer, named, x, n_levels):
    """Whether codes are those of the reference, but for rows of a sign too near to call."""
    b, tie = reference(named, n_levels, x)
    values = binarizer.code_values(binarizer.encode(x)) / 2.0 ** (n_levels - 1)
    clear = (tie > 1e-4).all(axis=1)
    assert clear.mean() > 0.6
    return np.array_equal(values[clear], b[clear])


@pytest.mark.parametrize("hidden", [None, 37])
@pytest.mark.parametrize(("d", "m", "n_levels"), [(24, 24, 1), (24, 10, 2), (11, 30, 3), (9, 8, 4)])
def test_codes_are_those_of_the_published_recurrence(d, m, n_levels, hidden):
    named = weights(d, m, n_levels, hidden)
    binarizer = RecurrentBinarizer.from_weights(named)
    x = np.random.default_rng(1).standard_normal((200, d)).astype(np.float32)
    assert agrees(binarizer, named, x, n_levels)
    assert (binarizer.n_components, binarizer.n_levels) == (m, n_levels)
    assert (binarizer.n_features_in_, binarizer.code_size) == (d, (m * n_levels + 7) // 8)
    assert np.isnan(binarizer.recall_)


def test_the_sign_of_zero_is_a_set_bit_and_a_zero_row_has_a_code():
    eye = np.eye(3)
    named = {"W.0.weight": eye, "B1.0.weight": eye, "R1.0.weight": -eye}
    binarizer = RecurrentBinarizer.from_weights(named)
    values = binarizer.code_values(binarizer.encode(np.zeros((1, 3), np.float32)))
    assert values.tolist() == [[3, 3, 3]]


def test_weights_whose_products_overflow_give_codes_all_the_same():
    named = {name: array * 1e37 for name, array in weights(6, 5, 3, 4).items()}
    binarizer = RecurrentBinarizer.from_weights(named)
    x = np.random.default_rng(8).standard_normal((9, 6)).astype(np.float32)
    codes = binarizer.encode(x)
    assert np.array_equal(binarizer.encode(x[3:4]), codes[3:4])


@given(st.integers(1, 20), st.integers(1, 24), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_a_row_is_encoded_alike_in_every_batch_dtype_and_length(d, m, n_levels, seed):
    binarizer = RecurrentBinarizer.from_weights(weights(d, m, n_levels, 7, seed))
    x = np.random.default_rng(seed).standard_normal((40, d)).astype(np.float16)
    codes = binarizer.encode(x)
    assert np.array_equal(np.concatenate([binarizer.encode(row[None]) for row in x]), codes)
    assert np.array_equal(binarizer.encode(x.astype(np.float64), threads=3), codes)
    assert np.array_equal(binarizer.encode(x.astype(np.float32)[::2]), codes[::2])
    assert np.array_equal(binarizer.encode(x.astype(np.float32) * 4), codes)


def test_codes_do_not_depend_on_the_blocks_that_rows_are_encoded_in(monkeypatch):
    binarizer = RecurrentBinarizer.from_weights(weights(12, 16, 2, 20))
    x = np.random.default_rng(2).standard_normal((100, 12)).astype(np.float32)
    codes = binarizer.encode(x)
    monkeypatch.setattr("tersevec._recurrent_codes._BLOCK", 16 * 7)
    assert np.array_equal(binarizer.encode(x), codes)


def test_both_backends_encode_alike(backend, monkeypatch):
    named = weights(20, 24, 3, 33)
    x = np.random.default_rng(4).standard_normal((300, 20)).astype(np.float32)
    binarizer = RecurrentBinarizer.from_weights(named)
    codes, decoded = binarizer.encode(x), binarizer.decode(binarizer.encode(x))
    monkeypatch.setattr(_backend, "_current", _backend._named("the test", "numpy"))
    assert np.array_equal(codes, binarizer.encode(x))
    assert np.array_equal(decoded, binarizer.decode(codes))


def test_searches_take_the_codes_of_a_recurrence():
    binarizer = RecurrentBinarizer.from_weights(weights(16, 20, 2))
    x = np.random.default_rng(3).standard_normal((300, 16)).astype(np.float32)
    codes = binarizer.encode(x)
    values = binarizer.code_values(codes).astype(np.float64)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    similarities = binarizer.similarity_matrix(codes[:5], codes)
    assert np.abs(similarities - values[:5] @ values.T).max() < 1e-6
    found = binarizer.topk(codes[:5], binarizer.pack(codes), 4)
    assert np.array_equal(found.values, -np.sort(-similarities, axis=1)[:, :4])
    hits = binarizer.range(codes[:5], codes, 0.5)
    assert len(hits.indices) == (similarities >= 0.5).sum()


@pytest.mark.parametrize("hidden", [None, 9])
def test_decoding_goes_through_the_map_back(hidden):
    d, m = 12, 18
    named = weights(d, m, 3, hidden)
    x = np.random.default_rng(5).standard_normal((50, d)).astype(np.float32)
    for name in ("D", "B2"):
        binarizer = RecurrentBinarizer.from_weights(named)
        codes = binarizer.encode(x)
        wanted = mapped(named, name, binarizer.code_values(codes) / 4.0)
        wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
        assert np.abs(binarizer.decode(codes) - wanted).max() < 1e-4
        named = {key: array for key, array in named.items() if not key.startswith("D")}
    signs = RecurrentBinarizer.from_weights({"W.0.weight": np.eye(8)})
    with pytest.raises(ValueError, match=r"D\.0\.weight"):
        signs.decode(signs.encode(np.ones((1, 8))))


# ---- weights


@pytest.mark.parametrize("hidden", [None, 9])
def test_saved_weights_come_back(tmp_path, hidden):
    x = np.random.default_rng(5).standard_normal((50, 12)).astype(np.float32)
    binarizer = RecurrentBinarizer.from_weights(weights(12, 18, 3, hidden))
    binarizer.save_weights(tmp_path / "weights")
    codes = binarizer.encode(x)
    for given_weights in (tmp_path / "weights", str(tmp_path / "weights"), binarizer.recurrence_):
        other = RecurrentBinarizer.from_weights(given_weights)
        assert np.array_equal(other.encode(x), codes)
        assert np.array_equal(other.decode(codes), binarizer.decode(codes))
        assert other.get_params() == binarizer.get_params()


def test_saved_rotations_come_back(tmp_path):
    x = embeddings(400, 20)
    binarizer = RecurrentBinarizer(16, 2, random_state=0, max_iter=2).fit(x)
    binarizer.save_weights(tmp_path / "rotation.npz")
    other = RecurrentBinarizer.from_weights(tmp_path / "rotation.npz")
    codes = binarizer.encode(x)
    assert np.array_equal(other.encode(x), codes)
    assert np.array_equal(other.decode(codes), binarizer.decode(codes))
    assert np.array_equal(other.weights_, binarizer.weights_)
    with pytest.raises(AttributeError, match="weights_"):
        _ = other.recurrence_


def test_given_arrays_are_copied_and_held_ones_cannot_be_written():
    named = weights(8, 8, 2)
    binarizer = RecurrentBinarizer.from_weights(named)
    x = np.random.default_rng(6).standard_normal((20, 8)).astype(np.float32)
    codes = binarizer.encode(x)
    for array in named.values():
        array[:] = 0
    assert np.array_equal(binarizer.encode(x), codes)
    with pytest.raises(ValueError, match="read-only"):
        binarizer.recurrence_["W.0.weight"][0, 0] = 1
    with pytest.raises(AttributeError, match="recurrence_"):
        _ = binarizer.weights_


def changed(**changes):
    """Sound weights of 3 levels but for these; None takes one away, "_" stands for a dot."""
    named = weights(6, 5, 3)
    for name, value in changes.items():
        key = name.replace("_", ".") if name[0] in "WBRDA" else name
        named.pop(key, None) if value is None else named.update({key: value})
    return named


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"W_0_weight": None}, ("W.0.weight", "missing")),
        ({"B2_0_weight": None}, ("B2.0.weight", "missing")),
        ({"R1_0_weight": None, "R1_0_bias": None}, ("R1.0.weight", "missing")),
        ({"B1_0_weight": np.ones((6, 4))}, ("B1.0.weight", "(6, 5)", "(6, 4)")),
        ({"R2_0_weight": np.ones((6, 6))}, ("R2.0.weight", "(5, 6)", "(6, 6)")),
        ({"R2_0_bias": np.ones(6)}, ("R2.0.bias", "(5,)", "(6,)")),
        ({"W_1_weight": np.ones((3, 3))}, ("W.1.weight", "(?, 5)", "(3, 3)")),
        ({"W_0_weight": np.ones(6)}, ("W.0.weight", "(6,)")),
        ({"W_0_weight": np.ones((5, 6), int)}, ("W.0.weight", "int64")),
        ({"D_0_bias": np.full(6, np.nan)}, ("D.0.bias", "NaN")),
        ({"B1_0_weight": np.full((6, 5), np.inf)}, ("B1.0.weight", "infinity")),
        ({"B1_0_wieght": np.ones((6, 5))}, ("'B1.0.wieght'",)),
        ({"A_weight": np.ones((4, 9))}, ("A.weight", "(6, ?)", "(4, 9)")),
        ({"n_levels": 2}, ("n_levels", "2")),
        ({"n_levels": 2.0}, ("n_levels", "float64")),
        ({"version": 2}, ("version", "1", "2")),
    ],
)
def test_bad_weights_are_refused_by_name(changes, words):
    with pytest.raises((ValueError, TypeError)) as told:
        RecurrentBinarizer.from_weights(changed(**changes))
    assert all(word in str(told.value) for word in words), told.value


def test_more_levels_than_codes_have_and_bad_rotations_are_refused():
    with pytest.raises(ValueError, match="n_levels"):
        RecurrentBinarizer.from_weights(weights(4, 4, 5))
    with pytest.raises(ValueError, match="components"):
        RecurrentBinarizer.from_weights({"W.0.weight": np.ones((2**16 + 1, 1))})
    eye = np.eye(4)
    rotation = {"weights": eye, "metric": eye, "shaping": eye}
    with pytest.raises(ValueError, match="n_levels"):
        RecurrentBinarizer.from_weights(rotation)
    with pytest.raises(ValueError, match="metric"):
        RecurrentBinarizer.from_weights({**rotation, "metric": -eye, "n_levels": 2})


def test_what_is_no_file_of_weights_is_refused(tmp_path):
    path = tmp_path / "weights.npz"
    RecurrentBinarizer.from_weights(weights(6, 5, 2)).save_weights(path)
    whole = path.read_bytes()
    for content in (b"", b"no archive", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"weights: expected a \.npz"):
            RecurrentBinarizer.from_weights(path)
    with path.open("wb") as file:
        np.save(file, np.eye(3))
    with pytest.raises(ValueError, match="one array"):
        RecurrentBinarizer.from_weights(path)
    with pytest.raises(FileNotFoundError):
        RecurrentBinarizer.from_weights(tmp_path / "nothing.npz")
    with pytest.raises(TypeError, match="weights"):
        RecurrentBinarizer.from_weights(7)
    with pytest.raises(ValueError, match="fit"):
        RecurrentBinarizer().save_weights(path)


def test_recurrences_are_cloned_copied_pickled_and_shown():
    binarizer = RecurrentBinarizer.from_weights(weights(12, 10, 2))
    assert repr(binarizer) == (
        "RecurrentBinarizer(n_components=10, n_levels=2, method='recurrence')"
    )
    x = np.random.default_rng(5).standard_normal((50, 12)).astype(np.float32)
    for other in (pickle.loads(pickle.dumps(binarizer)), copy.deepcopy(binarizer)):
        assert np.array_equal(other.encode(x), binarizer.encode(x))
    fresh = clone(binarizer)
    assert fresh.get_params() == binarizer.get_params()
    with pytest.raises(ValueError, match="fit"):
        fresh.encode(x)
