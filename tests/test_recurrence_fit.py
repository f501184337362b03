"""What a recurrence learns: gradients, steps, and what is kept of them."""

from __future__ import annotations

import numpy as np
import pytest

from tersevec._recurrence import Layer, Recurrence
from tersevec._recurrence_fit import moved, regressed
from tersevec._recurrence_gradient import backward, forward, listwise
from tersevec.binary import RecurrentBinarizer
from test_recurrence import weights
from test_recurrent import embeddings, nearest, recall


def wide(maps):
    """The same maps in float64."""

    def layers(one):
        return tuple(Layer(*(array.astype(np.float64) for array in part)) for part in one)

    backs, residuals = (tuple(map(layers, some)) for some in (maps.backs, maps.residuals))
    return Recurrence(layers(maps.first), backs, residuals)


def parameters(maps):
    every = (maps.first, *maps.backs, *maps.residuals)
    return [array for layers in every for part in layers for array in part]


@pytest.mark.parametrize("hidden", [None, 6])
def test_gradients_are_the_slopes_of_what_stands_for_the_signs(hidden):
    encoder = RecurrentBinarizer.from_weights(weights(5, 4, 3, hidden))._fitted.encoder
    maps = wide(encoder)
    for array in parameters(maps):
        array *= 0.5
    random = np.random.default_rng(7)
    f = random.standard_normal((12, 5))
    f /= np.linalg.norm(f, axis=1, keepdims=True)
    same = np.arange(12) == np.arange(4)[:, None]

    def loss():
        return listwise(forward(maps, f, lambda x: np.clip(x, -1, 1)).planes, f, same)

    trace = forward(maps, f, lambda x: np.clip(x, -1, 1))
    gradient = backward(maps, trace, loss()[1])
    largest = 0.0
    for array, slopes in zip(parameters(maps), parameters(gradient), strict=True):
        for place in np.ndindex(array.shape):
            before = array[place]
            array[place] = before + 1e-6
            above = loss()[0]
            array[place] = before - 1e-6
            slope = (above - loss()[0]) / 2e-6
            array[place] = before
            assert abs(slope - slopes[place]) < 1e-4 * max(1, abs(slope)), place
            largest = max(largest, abs(slope))
    assert largest > 0.1


def test_a_step_goes_down_and_is_a_share_of_each_layer():
    x = embeddings(600, 16)
    maps = regressed(x, np.linalg.qr(np.random.default_rng(0).standard_normal((16, 16)))[0], 2)
    same = np.arange(600) == np.arange(200)[:, None]
    trace = forward(maps, x)
    loss, slope = listwise(trace.planes, x, same)
    after, _ = moved(maps, None, backward(maps, trace, slope), 0.01)
    assert listwise(forward(after, x).planes, x, same)[0] < loss
    for before, now in zip(parameters(maps)[::2], parameters(after)[::2], strict=True):
        assert 0.001 < np.linalg.norm(now - before) / np.linalg.norm(before) < 0.0101


def test_a_learned_recurrence_finds_neighbours_and_is_kept_only_where_it_gains(monkeypatch):
    x, queries = embeddings(3000, 32), embeddings(200, 32, seed=8)
    truth = nearest(queries, x)

    def fitted(**more):
        made = RecurrentBinarizer(32, 2, method="recurrence", max_iter=5, random_state=0, **more)
        return made.fit(x)

    def found_by(binarizer):
        codes = binarizer.encode(x)
        return recall(binarizer.topk(binarizer.encode(queries), codes, 10).indices, truth)

    binarizer = fitted()
    assert ((binarizer.decode(binarizer.encode(x)) * x).sum(axis=1) > 0.8).all()
    monkeypatch.setattr("tersevec._recurrence_fit._RATE", 3.0)
    start = fitted(max_epochs=1)
    assert start.recall_ < binarizer.recall_
    assert 0.3 < found_by(start) < found_by(binarizer)
    layer = start.recurrence_["W.0.weight"]
    assert np.allclose(layer @ layer.T, layer[0] @ layer[0] * np.eye(32), atol=1e-4)


def test_few_and_equal_rows_give_a_recurrence_too():
    x = np.zeros((5, 8), np.float32)
    x[1:] = 3
    binarizer = RecurrentBinarizer(8, 3, method="recurrence", random_state=0).fit(x)
    codes = binarizer.encode(x)
    assert len(np.unique(codes[1:], axis=0)) == 1
    assert binarizer.recall_ == 0.0
    assert np.isfinite(binarizer.decode(codes)).all()


def test_a_recurrence_of_more_components_than_dimensions_is_learned_alike_from_a_seed():
    x = embeddings(700, 12)
    first, second = (
        RecurrentBinarizer(
            20, 2, method="recurrence", max_iter=2, max_epochs=2, random_state=3
        ).fit(x, threads=threads)
        for threads in (1, 3)
    )
    assert np.array_equal(first.encode(x), second.encode(x))


def test_a_new_model_searches_the_codes_of_an_old_recurrence(tmp_path):
    x, queries = embeddings(2000, 24), embeddings(100, 24, seed=9)
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((30, 30)))[0][:24]
    turn = turn.astype(np.float32)
    old = RecurrentBinarizer(24, 2, method="recurrence", max_epochs=2, random_state=0).fit(x)
    codes, truth = old.encode(x), nearest(queries, x)
    before = recall(old.topk(old.encode(queries), codes, 10).indices, truth)
    new = RecurrentBinarizer(24, 2, random_state=0).fit_compatible(x @ turn, x, old)
    after = recall(old.topk(new.encode(queries @ turn), codes, 10).indices, truth)
    assert after > before - 0.05
    assert ((new.decode(codes) * (x @ turn)).sum(axis=1) > 0.7).all()
    again = np.roll(np.eye(30, dtype=np.float32), 1, axis=1)
    third = RecurrentBinarizer(24, 2, random_state=0).fit_compatible(
        x @ turn @ again, x @ turn, new
    )
    assert recall(old.topk(third.encode(queries @ turn @ again), codes, 10).indices, truth) > (
        before - 0.05
    )
    third.save_weights(tmp_path / "third.npz")
    loaded = RecurrentBinarizer.from_weights(tmp_path / "third.npz")
    assert loaded.n_features_in_ == 30
    assert np.array_equal(loaded.encode(x @ turn @ again), third.encode(x @ turn @ again))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({"method": "signs"}, ("method", "signs")), ({"max_epochs": 0}, ("max_epochs", "0"))],
)
def test_parameters_that_are_not_served_are_refused(arguments, words):
    with pytest.raises(ValueError) as told:
        RecurrentBinarizer(8, **arguments).fit(np.eye(8))
    assert all(word in str(told.value) for word in words)
