"""FastRP on every path: the formulas, in float64."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest

from graphs import random_graph
from tersevec.graph import FastRP, whiten

sparse = pytest.importorskip("scipy.sparse")

STATES = {"float32": 1e-6, "float16": 2e-3, "int8": 3e-2}


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".* have no neighbours", UserWarning)
        yield


def unit(rows):
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1)


def transition(a):
    degree = a.sum(axis=1)
    return sparse.diags_array(1 / np.where(degree > 0, degree, 1)) @ a.astype(np.float64), degree


def powers(a, d, n_steps, **parameters):
    """E_0 as the package draws it, and P E_0, P^2 E_0, ... in float64."""
    first = FastRP(d, weights=(0,), self_weight=1, normalize=False, state="float32", **parameters)
    found = [np.float64(first.fit_transform(a))]
    for _ in range(n_steps):
        found.append(transition(a)[0] @ found[-1])
    return found


def close(found, expected, tolerance):
    np.testing.assert_allclose(found, expected, atol=tolerance * np.abs(expected).max(), rtol=0)


# ---- the formula


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_result_is_the_weighted_sum_of_powers(path, rng, state, normalize, weighted):
    a = random_graph(200, rng, weighted=weighted, directed=True)
    e = powers(a, 40, 4, random_state=3)
    of = unit if normalize else np.asarray
    for weights, self_weight in (((0, 1, 1), 0), ((1,), 0.5), ((0.5, 0, 0, 2), 0), ((1, 2, 3), 1)):
        model = FastRP(
            40,
            weights=weights,
            self_weight=self_weight,
            normalize=normalize,
            state=state,
            random_state=3,
        )
        total = self_weight * of(e[0]) + sum(
            w * of(x) for w, x in zip(weights, e[1:], strict=False)
        )
        found = model.fit_transform(a)
        assert (found.dtype, found.shape) == (np.float32, (200, 40))
        close(found, total, STATES[state])
        assert not found[(a.sum(axis=1) == 0) & (self_weight == 0)].any()


@pytest.mark.parametrize("strength", [-0.7, 0.25, 1.0])
@pytest.mark.parametrize("state", STATES)
def test_normalization_strength_is_a_power_of_the_degree(path, rng, strength, state):
    a = random_graph(150, rng, weighted=True)
    degree = a.sum(axis=1)
    factor = np.where(degree > 0, degree, 1)[:, None] ** strength
    e = powers(a, 32, 0, random_state=1)[0] * factor
    close(powers(a, 32, 0, random_state=1, normalization_strength=strength)[0], e, 1e-6)
    for _ in range(3):
        e = transition(a)[0] @ e
    model = FastRP(
        32,
        weights=(0, 0, 1),
        normalize=False,
        normalization_strength=strength,
        state=state,
        random_state=1,
    )
    close(model.fit_transform(a), e, 2 * STATES[state])


def test_steps_that_count_nothing_are_not_made(path, rng):
    a = random_graph(60, rng)
    found = [FastRP(16, weights=w, random_state=0).fit_transform(a) for w in ((1,), (1, 0, 0))]
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("density", ["auto", 0.1, 1])
def test_the_random_matrix_has_the_density_and_variance_that_it_should(density):
    a = random_graph(5000, np.random.default_rng(0))
    e = powers(a, 64, 0, density=density, random_state=0)[0]
    wanted = 1 / 3 if density == "auto" else density
    assert abs((e != 0).mean() - wanted) < 0.005
    assert len(np.unique(np.abs(e[e != 0]))) == 1
    assert abs(e.var() * 64 - 1) < 0.02


def test_self_loops_add_the_node_to_its_neighbours(path, rng):
    a = random_graph(90, rng, weighted=True)
    with_loops = a + sparse.eye_array(90, format="csr")
    found = FastRP(24, self_loops=True, state="float32", random_state=0).fit_transform(a)
    expected = FastRP(24, state="float32", random_state=0).fit_transform(with_loops)
    close(found, expected, 1e-5)


def test_repeated_edges_are_weights(path, rng):
    edges = rng.integers(0, 40, (2, 200))
    twice = np.concatenate([edges, edges[:, :70]], axis=1)
    weights = np.where(np.arange(200) < 70, 2, 1)
    model = FastRP(16, state="float32", random_state=0)
    close(model.fit_transform((edges, weights)), model.fit_transform(twice), 1e-5)


def test_leaves_of_a_star_are_alike_and_edges_have_directions(path):
    spokes = np.array([[0] * 5, [1, 2, 3, 4, 5]])
    both_ways = np.concatenate([spokes, spokes[::-1]], axis=1)
    e = FastRP(32, weights=(0, 1), random_state=0).fit_transform(both_ways)
    assert (e[1:] == e[1]).all()
    assert not np.array_equal(e[0], e[1])
    outward = FastRP(32, weights=(1,), random_state=0).fit_transform(spokes)
    assert outward[0].any()
    assert not outward[1:].any()


# ---- what changes no byte


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("strength", [0.0, -0.5])
def test_threads_index_types_and_forms_change_no_byte(path, rng, state, strength):
    a = random_graph(3000, rng, hub=1)
    a.data[:] = 1
    model = FastRP(20, normalization_strength=strength, state=state, random_state=2)
    expected = model.fit_transform(a, threads=1)
    np.testing.assert_array_equal(model.fit_transform(a, threads=3), expected)
    wide = a.copy()
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    np.testing.assert_array_equal(model.fit_transform(wide), expected)
    again = FastRP(20, normalization_strength=strength, state=state, random_state=3)
    assert not np.array_equal(again.fit_transform(a), expected)


@pytest.mark.parametrize("weighted", [False, True])
def test_with_ids_the_order_of_the_nodes_changes_no_byte(path, rng, weighted):
    n = 2500
    a = random_graph(n, rng, weighted=weighted, hub=1)
    ids = rng.permutation(10 * n)[:n] - n
    model = FastRP(24, random_state=1, normalization_strength=-0.3)
    expected = model.fit_transform(a, ids=ids)
    order = rng.permutation(n)
    shuffled = a[order][:, order]
    for form in (shuffled, shuffled.tocsc()):
        np.testing.assert_array_equal(model.fit_transform(form, ids=ids[order]), expected[order])
    assert not np.array_equal(model.fit_transform(a), expected)
    by_place = model.fit_transform(a, ids=np.arange(n))
    a.sort_indices()
    np.testing.assert_array_equal(model.fit_transform(a), by_place)


def test_results_go_where_they_are_wanted(path, rng, tmp_path):
    a = random_graph(100, rng)
    expected = FastRP(20, random_state=0).fit_transform(a)
    file = np.lib.format.open_memmap(tmp_path / "e.npy", "w+", np.float32, (100, 20))
    wide = np.zeros((100, 30), np.float32)
    for out in (np.full((100, 20), np.nan, np.float32), file, wide[:, 4:24]):
        assert FastRP(20, random_state=0).fit_transform(a, out=out) is out
        np.testing.assert_array_equal(out, expected)
    assert not wide[:, [0, 1, 2, 3, 24, 29]].any()
    for dtype in ("float16", np.float64):
        found = FastRP(20, dtype=dtype, random_state=0).fit_transform(a)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, expected.astype(dtype))


@pytest.mark.parametrize("state", STATES)
def test_rows_that_share_memory_with_the_result_are_done_with_before_it(path, rng, state):
    a = random_graph(120, rng)
    for d in (1, 5, 16, 64, 70):
        for weights in ((1,), (0, 1), (1, 1), (0, 0, 1, 1), (1, 0, 0, 0, 1), (0,) * 6 + (1,)):
            model = FastRP(d, weights=weights, state=state, random_state=0)
            expected = np.asfortranarray(np.zeros((120, d), np.float32))
            memory = np.zeros((120, d + 1), np.float32)  # rows apart: nothing else fits in
            np.copyto(expected, model.fit_transform(a, out=memory[:, :d]))
            np.testing.assert_array_equal(model.fit_transform(a), expected)


# ---- whitening, standardising, features, new nodes


@pytest.mark.parametrize("state", ["float32", "float16"])
def test_whitening_makes_the_covariance_the_identity(path, rng, state):
    a = random_graph(400, rng)
    there = a.sum(axis=1) > 0
    model = FastRP(
        12, weights=(0, 0, 0, 1), whiten_every=2, normalize=False, state=state, random_state=0
    )
    e = model.fit_transform(a)
    assert not e[~there].any()
    assert np.abs(e[there].mean(axis=0)).max() < 1e-3
    np.testing.assert_allclose(np.cov(e[there].T, bias=True), np.eye(12), atol=2e-3)
    p = transition(a)[0]
    expected = powers(a, 12, 2, random_state=0)[2]
    for steps in (0, 2):
        for _ in range(steps):
            expected = p @ expected
        expected[there] = whiten(unit(expected[there]))
    close(e, expected, 50 * STATES[state])
    normal = FastRP(12, weights=(0, 0, 0, 1), whiten_every=2, state=state, random_state=0)
    close(normal.fit_transform(a), unit(e), 1e-2)


def test_whitened_steps_count_like_others(path, rng):
    a = random_graph(200, rng)
    parts = [
        FastRP(8, weights=w, whiten_every=1, state="float32", random_state=0).fit_transform(a)
        for w in ((1,), (0, 1), (1, 1))
    ]
    close(parts[2], parts[0] + parts[1], 1e-5)


def test_standardized_columns_have_mean_0_and_variance_1(path, rng):
    e = FastRP.paper(24, random_state=0).fit_transform(random_graph(300, rng))
    np.testing.assert_allclose(e.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(e.std(axis=0), 1, atol=1e-5)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("ratio", [0.25, 1])
def test_features_fill_a_share_of_the_columns(path, rng, state, ratio):
    a = random_graph(300, rng)
    features = rng.standard_normal((300, 40), dtype=np.float32)
    features[:, 0] = 100
    model = FastRP(64, feature_ratio=ratio, weights=(0, 1), state=state, random_state=0)
    e = powers(a, 64, 0, feature_ratio=ratio, random_state=0)[0]
    raw = dict(weights=(0,), self_weight=1, normalize=False, state="float32", random_state=0)
    first = FastRP(64, feature_ratio=ratio, **raw).fit_transform(a, features)
    count = round(64 * (1 - ratio))
    if count:
        assert len(np.unique(np.abs(first[:, :count]))) == 2
    lengths = (first[:, count:] ** 2).sum(axis=1) / (features**2).sum(axis=1)
    assert abs(lengths.mean() / ratio - 1) < 0.7
    again = FastRP(64, feature_ratio=ratio, **raw).fit_transform(a, 2 * features)
    close(again[:, count:], 2 * first[:, count:], 1e-6)
    close(
        model.fit_transform(a, features), unit(transition(a)[0] @ (transition(a)[0] @ first)), 0.1
    )
    np.testing.assert_array_equal(
        model.fit_transform(a, features), model.fit_transform(a, sparse.csr_array(features))
    )
    assert e.shape == first.shape
    if ratio == 1:
        np.testing.assert_array_equal(
            model.fit_transform(a, features, ids=np.arange(300) + 7),
            model.fit_transform(a, features, ids=np.arange(300)),
        )


def test_new_nodes_are_means_of_their_neighbours(path, rng):
    a = random_graph(100, rng)
    model = FastRP(20, random_state=0).fit(a)
    rows = sparse.random_array((7, 100), density=0.1, format="csr", rng=np.random.default_rng(0))
    total = rows.sum(axis=1)
    expected = rows @ model.embedding_ / np.where(total > 0, total, 1)[:, None]
    np.testing.assert_allclose(model.transform(rows), expected, atol=1e-6)
    found = model.transform(np.array([[0, 0, 2], [5, 99, 5]]))
    np.testing.assert_allclose(found[0], model.embedding_[[5, 99]].mean(axis=0), atol=1e-6)
    assert not found[1].any()
    np.testing.assert_array_equal(found[2], model.embedding_[5])


def test_presets_have_the_parameters_of_others():
    assert repr(FastRP.gds(64, random_seed=1)) == (
        "FastRP(n_components=64, weights=(0.0, 1.0, 1.0), feature_ratio=0.0, random_state=1)"
    )
    paper = FastRP.paper()
    assert (paper.n_components, paper.weights, paper.standardize) == (
        512,
        (0.0, 0.0, 1.0, 6.67),
        True,
    )


def test_models_are_estimators_that_survive_pickling(rng):
    a = random_graph(50, rng)
    model = FastRP(8, random_state=0).fit(a)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.embedding_, model.embedding_)
    base = pytest.importorskip("sklearn.base")
    assert base.clone(model).get_params() == model.get_params()


def test_empty_graphs_and_isolated_nodes(path):
    assert FastRP(8).fit_transform(sparse.csr_array((0, 0))).shape == (0, 8)
    with pytest.warns(UserWarning, match="4 of 4 nodes have no neighbours"):
        found = FastRP(8).fit_transform(sparse.csr_array((4, 4)))
    assert found.shape == (4, 8)
    assert not found.any()
    own = FastRP(8, self_weight=1, random_state=0).fit_transform(sparse.csr_array((4, 4)))
    assert own.any()
    assert not FastRP(8, whiten_every=1).fit_transform(sparse.csr_array((4, 4))).any()


def test_weights_too_small_to_divide_by_are_no_weights(path):
    for size in (1e-44, 1e-38, 1e-29, 1e29):
        e = FastRP(8, random_state=0).fit_transform((np.array([[0, 1], [1, 0]]), np.full(2, size)))
        assert np.isfinite(e).all()
        assert e.any() == (size > 1e-30)


def test_a_bar_shows_the_steps(capsys, rng):
    pytest.importorskip("tqdm")
    FastRP(8, weights=(0, 0, 1)).fit_transform(random_graph(20, rng), progress=True)
    assert "3/3" in capsys.readouterr().err


# ---- what is refused

A = sparse.csr_array(np.array([[0, 1], [1, 0]], np.float32))


def run(adjacency=A, *arguments, n_components=4, **parameters):
    names = ("ids", "n_nodes", "order", "out", "threads")
    given = {name: parameters.pop(name) for name in names if name in parameters}
    return FastRP(n_components, **parameters).fit_transform(adjacency, *arguments, **given)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: run(A[:, :1]), ValueError, "adjacency: .* square"),
        (lambda: run(A * -1), ValueError, "adjacency: .* at least 0"),
        (lambda: run(A * np.float32(1e37)), ValueError, "adjacency: .* at most 1e"),
        (lambda: run(A * np.nan), ValueError, "adjacency: .* NaN"),
        (lambda: run(np.array([[0], [-1]])), ValueError, "adjacency: .* at least 0"),
        (lambda: run(np.array([[0], [5]]), n_nodes=3), ValueError, "adjacency: .* below 3"),
        (lambda: run(weights=()), ValueError, "weights"),
        (lambda: run(weights=(0, 0)), ValueError, "weights"),
        (lambda: run(weights=(1, np.inf)), ValueError, "weights"),
        (lambda: run(weights=1), TypeError, "weights"),
        (lambda: run(weights="01"), TypeError, "weights"),
        (lambda: run(self_weight="a"), TypeError, "self_weight"),
        (lambda: run(n_components=0), ValueError, "n_components"),
        (lambda: run(n_components=2.0), TypeError, "n_components"),
        (lambda: run(normalization_strength=np.nan), ValueError, "normalization_strength"),
        (lambda: run(A * 2, normalization_strength=2000), ValueError, "normalization_strength"),
        (lambda: run(density=0), ValueError, "density"),
        (lambda: run(state="float8"), ValueError, "state: .*float8"),
        (lambda: run(dtype="int8"), ValueError, "dtype"),
        (lambda: run(whiten_every=-1), ValueError, "whiten_every"),
        (lambda: run(whiten_every=True), TypeError, "whiten_every"),
        (lambda: run(normalize=1), TypeError, "normalize"),
        (lambda: run(random_state=1.5), TypeError, "random_state"),
        (lambda: run(ids=[1]), ValueError, "ids"),
        (lambda: run(ids=[1, 1]), ValueError, "ids"),
        (lambda: run(ids=[0.5, 1]), TypeError, "ids"),
        (lambda: run(order="random"), ValueError, "order: .*random"),
        (lambda: run(order=[0.5, 1]), TypeError, "order"),
        (lambda: run(order=[0]), ValueError, r"order: .*\(2,\)"),
        (lambda: run(order=[1, 1]), ValueError, "order: .*no 0"),
        (lambda: run(order=[0, 2]), ValueError, "order: .*no 1"),
        (lambda: run(threads=0), ValueError, "threads"),
        (lambda: run(A, np.zeros((3, 2))), ValueError, "node_features: expected 2 rows"),
        (lambda: run(A, np.full((2, 2), np.nan)), ValueError, "node_features: row 0 holds NaN"),
        (lambda: run(A, np.zeros((2, 2)), feature_ratio=0), ValueError, "feature_ratio"),
        (lambda: run(A, np.zeros((2, 2)), feature_ratio=1.5), ValueError, "feature_ratio"),
        (lambda: run(out=np.zeros((2, 4))), TypeError, "out: .*float32"),
        (lambda: run(out=np.zeros((2, 3), "f4")), ValueError, r"out: .*\(2, 4\)"),
        (lambda: run(out=np.zeros((4, 2), "f4").T), ValueError, "out: .* contiguous"),
        (lambda: FastRP(4).transform(A), ValueError, "fit_transform first"),
        (lambda: FastRP(4).fit(A).transform(A[:, :1]), ValueError, r"adjacency: .*\(\?, 2\)"),
        (lambda: FastRP(4).fit(A).transform([[0], [2]]), ValueError, "adjacency: .* below 2"),
    ],
)
def test_bad_input_is_refused_by_name(call, error, words):
    with pytest.raises(error, match=words):
        call()
