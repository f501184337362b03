"""Public functions for projections and graphs in CUDA memory: the answers are the host's."""

from __future__ import annotations

import types
import warnings

import numpy as np
import pytest

from cases import refused
from fake_cupy import Csr, assert_near, here
from tersevec.binary import pack_bits
from tersevec.graph import FastRP, spmm
from tersevec.projection import SparseRandomProjection

# ---- projections


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8])
def test_cuda_sparseproj_projects_rows_in_cuda_memory(cupy, rng, monkeypatch, dtype):
    x = (9 * rng.standard_normal((23, 70))).astype(dtype)
    projection = SparseRandomProjection(30, random_state=0)
    rows = cupy.asarray(x)
    expected = SparseRandomProjection(30, random_state=0).fit_transform(x)
    assert_near(here(projection.fit_transform(rows)), expected)
    monkeypatch.setattr("tersevec._projection_rows._DEVICE_BLOCK", 70 * 6)
    assert_near(here(projection.transform(rows)), expected)
    assert_near(here(projection.transform(rows[::2])), expected[::2])
    assert here(projection.transform(rows[:0])).shape == (0, 30)


@pytest.mark.parametrize("bits", [64, 70])
def test_cuda_sparseproj_projects_packed_bits(cupy, rng, bits):
    codes = pack_bits(rng.standard_normal((11, bits)))
    projection = SparseRandomProjection(20, random_state=0).fit(codes, bits=bits)
    found = projection.transform(cupy.asarray(codes), bits=bits)
    assert_near(here(found), projection.transform(codes, bits=bits))


def test_cuda_sparseproj_refuses_bad_numbers_by_row_and_what_has_no_kernels(cupy, rng):
    x = rng.standard_normal((9, 30)).astype(np.float32)
    projection = SparseRandomProjection(20, random_state=0).fit(x)
    rows = cupy.asarray(x)
    refused(
        lambda: projection.inverse_transform(cupy.zeros((1, 20), np.float32)),
        TypeError,
        "X: float32 (1, 20) lies in CUDA memory, where this function has no kernels",
    )
    refused(
        lambda: projection.transform(Csr(cupy, x)),
        TypeError,
        "X: int32 (10,) lies in CUDA memory, where this function has no kernels",
    )
    for value, words in ((np.nan, "NaN"), (np.inf, "an infinity, or a number beyond float32")):
        rows[6, 3] = value
        refused(lambda: projection.transform(rows), ValueError, f"X: row 6 holds {words}")


# ---- graphs


def graph_of(rng, n, entries, weighted):
    """Rows as (weights, neighbours, starts), some of them empty, in no order."""
    sizes = rng.multinomial(entries, np.r_[0, rng.dirichlet(np.full(n - 2, 0.4)), 0])
    weights = rng.uniform(0.1, 3, entries) if weighted else np.ones(entries)
    starts = np.cumsum([0, *sizes]).astype(np.int32)
    return weights, rng.integers(0, n, entries).astype(np.int32), starts


def on_both(cupy, rows, n_columns=None):
    """The matrix of rows in host memory, and in CUDA memory."""
    sparse = pytest.importorskip("scipy.sparse", reason="cuda: no SciPy here")
    shape = len(rows[2]) - 1, n_columns or len(rows[2]) - 1
    return sparse.csr_array(rows, shape=shape), Csr(cupy, rows, shape)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("state", ["float16", "float32", "int8"])
def test_cuda_sparseproj_fastrp_takes_graphs_in_cuda_memory(cupy, rng, state, weighted):
    graph, rows = on_both(cupy, graph_of(rng, 40, 300, weighted))
    for parameters in (
        {},
        {"weights": (0.5, 0, 1), "self_weight": 0.3, "normalization_strength": -0.5},
        {"normalize": False, "self_loops": True, "dtype": "float16"},
    ):
        model = FastRP(24, state=state, random_state=0, **parameters)
        with warnings.catch_warnings(record=True) as expected_words:
            warnings.simplefilter("always")
            expected = model.fit_transform(graph)
        with warnings.catch_warnings(record=True) as words:
            warnings.simplefilter("always")
            found = model.fit_transform(rows)
        assert model.embedding_ is found
        assert_near(here(found), expected)
        assert [str(w.message) for w in words] == [str(w.message) for w in expected_words]


@pytest.mark.filterwarnings("ignore:.*no neighbours")
def test_cuda_sparseproj_fastrp_takes_ids_out_and_features_in_cuda_memory(cupy, rng, monkeypatch):
    graph, rows = on_both(cupy, graph_of(rng, 40, 300, True))
    ids, features = rng.permutation(1000)[:40], rng.standard_normal((40, 7)).astype(np.float32)
    model = FastRP(24, random_state=0, normalization_strength=0.3)
    expected = model.fit_transform(graph, features, ids=ids)
    monkeypatch.setattr("tersevec._fastrp_first._DEVICE_BLOCK", 24 * 9)
    monkeypatch.setattr("tersevec._held._DEVICE_BLOCK", 32 * 9)
    memory = cupy.zeros(40 * 24 + 8, np.float32)
    for skip in (0, 1, 4):  # only some addresses are those of whole words
        out = memory[skip : skip + 40 * 24].reshape(40, 24)
        given = {"ids": cupy.asarray(ids), "out": out}
        for order in (None, "degree", cupy.asarray(rng.permutation(40))):
            moved = model.fit_transform(rows, cupy.asarray(features), order=order, **given)
            assert moved is out
            assert_near(here(out), expected)


@pytest.mark.filterwarnings("ignore:.*no neighbours")
@pytest.mark.parametrize("self_weight", [0.0, 2.0])
def test_cuda_sparseproj_fastrp_takes_blocks_of_columns(cupy, rng, self_weight):
    _, rows = on_both(cupy, graph_of(rng, 40, 300, True))
    for weights in ((0, 1, 1), (1, 0, 2)):
        model = FastRP(150, weights=weights, self_weight=self_weight, random_state=0)
        whole = here(model.fit_transform(rows))
        blocks = here(model.fit_transform(rows, column_block=64))
        np.testing.assert_array_equal(blocks, whole)


@pytest.mark.filterwarnings("ignore:.*no neighbours")
def test_cuda_sparseproj_fastrp_finds_new_nodes_on_the_gpu(cupy, rng):
    graph, rows = on_both(cupy, graph_of(rng, 40, 300, True))
    weights, neighbours, starts = graph_of(rng, 11, 50, True)
    new, new_rows = on_both(cupy, (weights, neighbours, starts), 40)
    expected = FastRP(20, random_state=0).fit(graph).transform(new)
    model = FastRP(20, random_state=0).fit(rows)
    assert_near(here(model.transform(new_rows)), expected)
    words = "adjacency: lies in host memory, and embedding_ in CUDA memory"
    refused(lambda: model.transform(new), TypeError, words)
    refused(lambda: model.transform(np.zeros((2, 1), int)), TypeError, words)
    model = FastRP(20, random_state=0).fit(graph)
    words = "lies in CUDA memory, where this function has no kernels"
    refused(lambda: model.transform(new_rows), TypeError, words)


def test_cuda_sparseproj_fastrp_knows_compressed_rows_by_their_arrays(cupy, rng):
    _, rows = on_both(cupy, graph_of(rng, 20, 90, False))
    bare = types.SimpleNamespace(**vars(rows))
    found = [FastRP(8, self_weight=1, random_state=0).fit_transform(x) for x in (rows, bare)]
    assert_near(here(found[1]), here(found[0]))


def test_cuda_sparseproj_fastrp_refuses_what_does_not_fit(cupy, rng):
    n, entries = 20, 90
    weights, neighbours, starts = graph_of(rng, n, entries, True)
    graph, rows = on_both(cupy, (weights, neighbours, starts))

    def fit(model=None, matrix=rows, **arguments):
        return (model or FastRP(8)).fit_transform(matrix, **arguments)

    words = "adjacency: lies in CUDA memory, where whiten_every and standardize have no kernels"
    refused(lambda: fit(FastRP(8, whiten_every=1)), TypeError, words)
    refused(lambda: fit(FastRP(8, standardize=True)), TypeError, words)
    out = np.empty((n, 8), np.float32)
    words = "lies in host memory, and adjacency in CUDA memory"
    refused(lambda: fit(out=out), TypeError, f"out: {words}")
    refused(lambda: fit(ids=np.arange(n)), TypeError, f"ids: {words}")
    refused(lambda: fit(order=np.arange(n)), TypeError, f"order: {words}")
    refused(lambda: fit(node_features=out), TypeError, f"node_features: {words}")
    words = "adjacency: lies in host memory, and out in CUDA memory"
    refused(lambda: fit(matrix=graph, out=cupy.asarray(out)), TypeError, words)
    words = "lies in CUDA memory, where this function has no kernels"
    refused(lambda: fit(matrix=cupy.asarray(np.array([[0, 1], [1, 0]]))), TypeError, words)
    refused(lambda: spmm(rows, out), TypeError, words)
    rows.data[7] = np.nan
    source = int(np.searchsorted(starts, 7, side="right")) - 1
    words = f"at least 0, got NaN on the edge {source} -> {neighbours[7]}"
    refused(fit, ValueError, words)
    rows.data[7], rows.indices[3] = 1, n
    refused(fit, ValueError, f"adjacency: expected node numbers of at least 0 and below {n}")
    rows.indices[3], rows.indptr[2] = 0, entries + 1
    refused(fit, ValueError, "adjacency's indptr: expected numbers that start at 0 and never fall")
