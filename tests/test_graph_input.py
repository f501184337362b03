"""Graphs in every form that people hold them become the same rows, or are refused by name."""

from __future__ import annotations

import importlib.util
import warnings
from fractions import Fraction

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tersevec import _graph_input
from tersevec._edges import Edges
from tersevec._graph_input import Graph, as_graph, csr_graph, edge_graph

sparse = pytest.importorskip("scipy.sparse")
networkx = pytest.importorskip("networkx")


def needs(name):
    return pytest.mark.skipif(not importlib.util.find_spec(name), reason=f"{name} is not installed")


def dense(graph):
    """The matrix by the definition of compressed rows."""
    matrix = np.zeros((graph.n_nodes, graph.n_nodes))
    for row in range(graph.n_nodes):
        for place in range(graph.indptr[row], graph.indptr[row + 1]):
            weight = 1 if graph.weights is None else graph.weights[place]
            matrix[row, graph.indices[place]] += weight
    return matrix


def is_well_formed(graph):
    assert graph.indptr.dtype in (np.int32, np.int64)
    assert graph.indices.dtype in (np.int32, np.int64)
    assert graph.indptr[-1] == len(graph.indices)
    if graph.weights is not None:
        assert graph.weights.dtype == np.float32
        assert graph.weights.shape == graph.indices.shape
        assert (graph.weights != 1).any()


@st.composite
def edge_lists(draw):
    """Edges with repeats and loops among up to nine nodes, and weights that float32 holds."""
    n = draw(st.integers(1, 9))
    m = draw(st.integers(0, 40))
    kinds = st.sampled_from([np.int8, np.uint16, np.int32, np.int64, np.uint64])
    edges = draw(arrays.arrays(draw(kinds), (2, m), elements=st.integers(0, n - 1)))
    weights = draw(
        st.none()
        | arrays.arrays(
            draw(st.sampled_from([np.float16, np.float32, np.float64, np.int64, np.bool_])),
            m,
            elements=st.integers(0, 1),
        )
        | arrays.arrays(np.float32, m, elements=st.integers(0, 40).map(lambda x: x / 8))
    )
    return n, edges, weights


def expected(n, edges, weights):
    matrix = np.zeros((n, n))
    for place, (source, target) in enumerate(edges.T):
        matrix[source, target] += 1 if weights is None else weights[place]
    return matrix


# ---- edges


@given(edge_lists())
def test_edges_add_up_to_the_matrix(case):
    n, edges, weights = case
    graph = as_graph((edges, weights), n_nodes=n)
    is_well_formed(graph)
    assert graph.n_nodes == n
    np.testing.assert_array_equal(dense(graph), expected(n, edges, weights))


@given(edge_lists())
def test_neighbours_keep_the_order_of_the_edges(case):
    n, edges, _ = case
    weights = np.arange(edges.shape[1]) + 2.0
    graph = as_graph((edges, weights), n_nodes=n)
    for row in range(n):
        here = slice(graph.indptr[row], graph.indptr[row + 1])
        places = np.flatnonzero(edges[0] == row)
        np.testing.assert_array_equal(graph.indices[here], edges[1, places])
        np.testing.assert_array_equal(graph.weights[here] if len(places) else [], places + 2.0)


def test_the_largest_number_tells_how_many_nodes_there_are():
    assert as_graph([[0, 4], [7, 0]]).n_nodes == 8
    assert as_graph([[0, 4], [7, 0]], n_nodes=20).n_nodes == 20
    assert as_graph([[], []]).n_nodes == 0
    assert as_graph([[], []], n_nodes=3).n_nodes == 3


def test_sources_and_targets_may_be_a_pair_of_lists():
    np.testing.assert_array_equal(dense(as_graph(([0, 1], [1, 0]))), [[0, 1], [1, 0]])
    np.testing.assert_array_equal(dense(as_graph(([[0, 1], [1, 0]], [0.5, 2]))), [[0, 0.5], [2, 0]])


def test_two_nodes_make_an_edge_index_not_a_dense_matrix():
    np.testing.assert_array_equal(dense(as_graph(np.array([[0, 1], [1, 1]]))), [[0, 1], [0, 1]])


def test_the_order_of_edges_is_found_where_numbers_are_too_large_to_carry_it(rng):
    keys = rng.integers(0, 5, 1000)
    np.testing.assert_array_equal(
        _graph_input._stable_order(keys, 2**62), _graph_input._stable_order(keys, 5)
    )


def test_tensors_are_edge_indexes():
    torch = pytest.importorskip("torch")
    edges = torch.tensor([[0, 2, 1], [1, 0, 2]])
    graph = as_graph((edges, torch.tensor([0.5, 1, 2], dtype=torch.bfloat16)))
    np.testing.assert_array_equal(dense(graph), [[0, 0.5, 0], [0, 0, 2], [1, 0, 0]])


# ---- matrices


FORMATS = ["csr", "csc", "coo", "lil", "dok", "dia", "bsr"]


@pytest.mark.parametrize("kind", ["matrix", "array"])
@pytest.mark.parametrize("name", FORMATS)
def test_sparse_matrices_of_every_format_are_the_same_graph(name, kind, rng):
    matrix = rng.integers(0, 3, (30, 30)) * (rng.random((30, 30)) < 0.2) / 4
    graph = as_graph(getattr(sparse, f"{name}_{kind}")(matrix))
    is_well_formed(graph)
    np.testing.assert_array_equal(dense(graph), matrix)


@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.int64, np.float16, np.float64])
def test_weights_of_one_in_any_type_are_none(dtype):
    ones = sparse.csr_array(np.array([[0, 1], [1, 1]], np.float32)).astype(np.float32)
    ones.data = ones.data.astype(dtype)
    assert as_graph(ones).weights is None


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_csr_arrays_are_not_copied(dtype, rng):
    matrix = sparse.random(50, 50, 0.1, format="csr", dtype=np.float32, random_state=1)
    matrix.indptr, matrix.indices = matrix.indptr.astype(dtype), matrix.indices.astype(dtype)
    graph = as_graph(matrix)
    for name, given_array in (("indptr", matrix.indptr), ("indices", matrix.indices)):
        assert getattr(graph, name).dtype == dtype
        assert np.shares_memory(getattr(graph, name), given_array)
    assert np.shares_memory(graph.weights, matrix.data)


def test_repeated_entries_and_spare_room_of_csr_matrices_are_understood():
    matrix = sparse.csr_matrix(
        (np.float32([1, 1, 3, 9]), np.int32([1, 1, 0, 99]), np.int32([0, 2, 3])), shape=(2, 2)
    )
    np.testing.assert_array_equal(dense(as_graph(matrix)), [[0, 2], [3, 0]])


def test_compressed_rows_need_no_scipy_and_take_any_integers():
    graph = csr_graph(np.uint16([0, 1, 2]), np.int8([1, 0, 5])[::1], None)
    np.testing.assert_array_equal(dense(graph), [[0, 1], [1, 0]])
    assert graph.indices.dtype == np.int64
    strided = csr_graph(np.int32([0, 1, 2]), np.repeat(np.int32([1, 0]), 2)[::2])
    assert strided.indices.flags.c_contiguous
    np.testing.assert_array_equal(dense(strided), dense(graph))


def test_a_graph_passes_as_it_is():
    graph = as_graph([[0], [1]])
    assert as_graph(graph, n_nodes=2) is graph


def test_a_matrix_without_entries_is_a_graph_without_edges():
    graph = as_graph(sparse.csr_matrix((4, 4)))
    assert (graph.n_nodes, len(graph.indices), graph.weights) == (4, 0, None)


# ---- objects


NETWORKX = ["Graph", "DiGraph", "MultiGraph", "MultiDiGraph"]


def named_graph(kind, weighted, rng):
    """Nodes with names, one of them lonely; a loop; some edges without the attribute."""
    graph = getattr(networkx, kind)()
    graph.add_nodes_from("hgfedcba")
    for u, v in rng.integers(0, 7, (20, 2)):
        if weighted and rng.random() < 0.7:
            graph.add_edge("abcdefg"[u], "abcdefg"[v], weight=int(rng.integers(1, 9)) / 4)
        else:
            graph.add_edge("abcdefg"[u], "abcdefg"[v])
    graph.add_edge("c", "c", weight=0.25 if weighted else 1)
    return graph


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", NETWORKX)
def test_networkx_graphs_are_their_adjacency_matrix(kind, weighted, rng):
    graph = named_graph(kind, weighted, rng)
    ours = as_graph(graph, n_nodes=8)
    is_well_formed(ours)
    np.testing.assert_array_equal(dense(ours), networkx.to_numpy_array(graph))


@needs("igraph")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("directed", [False, True])
def test_igraph_graphs_are_their_adjacency_matrix(directed, weighted, rng):
    import igraph

    edges = [*map(tuple, rng.integers(0, 7, (20, 2)).tolist()), (3, 3)]
    weights = (rng.integers(1, 9, len(edges)) / 4).tolist() if weighted else [1] * len(edges)
    graph = igraph.Graph(8, edges, directed=directed)
    if weighted:
        graph.es["weight"] = weights
    matrix = np.zeros((8, 8))
    for (u, v), weight in zip(edges, weights, strict=True):
        matrix[u, v] += weight
        matrix[v, u] += weight * (not directed and u != v)
    np.testing.assert_array_equal(dense(as_graph(graph)), matrix)


@pytest.mark.parametrize("make", [networkx.Graph, networkx.DiGraph])
def test_graphs_without_edges_keep_their_nodes(make):
    graph = make()
    assert as_graph(graph).n_nodes == 0
    graph.add_nodes_from("ab")
    assert as_graph(graph).n_nodes == 2


@needs("pyarrow")
def test_arrow_tables_of_edges_are_graphs():
    import pyarrow

    columns = {"weight": [0.5, 1, 2], "source": [0, 2, 1], "kind": ["a", "b", "c"]}
    table = pyarrow.table({**columns, "target": pyarrow.array([1, 0, 2], pyarrow.uint32())})
    matrix = [[0, 0.5, 0], [0, 0, 2], [1, 0, 0]]
    for form in (table, table.combine_chunks().to_batches()[0], table.slice(0, 3)):
        np.testing.assert_array_equal(dense(as_graph(form)), matrix)
    chunked = pyarrow.concat_tables([table, table]).drop_columns(["weight"])
    np.testing.assert_array_equal(dense(as_graph(chunked)), 2 * (np.array(matrix) > 0))


@needs("pyarrow")
def test_arrow_tables_that_are_no_edges_are_refused():
    import pyarrow

    def refused(kind, message, **columns):
        with pytest.raises(kind, match=message):
            as_graph(pyarrow.table(columns))

    refused(ValueError, r'adjacency: .*"source" and "target".*got source, to', source=[0], to=[1])
    refused(TypeError, r'adjacency: .*"target", got string', source=[0], target=["x"])
    refused(ValueError, r'adjacency: .*"source" without nulls', source=[0, None], target=[0, 1])


# ---- refusals


def with_data(value):
    matrix = sparse.csr_matrix(np.float64([[0, 1, 0], [2, 0, 3], [0, 0, 0]]))
    matrix.data[2] = value
    return matrix


@pytest.mark.parametrize(
    ("adjacency", "kind", "message"),
    [
        (sparse.csr_matrix((3, 4)), ValueError, r"a square matrix, got csr_matrix \(3, 4\)"),
        (with_data(np.nan), ValueError, "finite weights of at least 0, got NaN on the edge 1 -> 2"),
        (with_data(-0.5), ValueError, "finite weights of at least 0, got -0.5 on the edge 1 -> 2"),
        (with_data(np.inf), ValueError, "got inf, or a number beyond float32, on the edge 1 -> 2"),
        (with_data(1e300), ValueError, "got inf, or a number beyond float32, on the edge 1 -> 2"),
        (with_data(1).astype(complex), TypeError, r"weights: expected real numbers, got complex"),
        (np.zeros((2, 5), np.float32), TypeError, r"edge index .*, got float32 \(2, 5\)"),
        (np.zeros((5, 5), np.float32), TypeError, r"dense matrix, .*scipy.sparse.csr_array\("),
        (np.zeros((5, 5), np.int64), TypeError, r"dense matrix, .*scipy.sparse.csr_array\("),
        (np.zeros((2, 2), np.float32), TypeError, r"dense matrix, .*scipy.sparse.csr_array\("),
        (np.zeros((5, 2), np.int64), ValueError, r"\(2, m\), got int64 \(5, 2\); pass .*\.T"),
        (np.zeros((3, 5), np.int64), ValueError, r"\(2, m\), got int64 \(3, 5\)$"),
        (np.zeros(5, np.int64), ValueError, r"\(2, m\), got int64 \(5,\)$"),
        (np.zeros((2, 5), np.bool_), TypeError, r"edge index .*, got bool \(2, 5\)"),
        ([[0, 1], [2]], ValueError, "rows of equal length"),
        ([["a", "b", "c"], ["b", "c", "a"]], TypeError, "edge index"),
        ("edges.txt", TypeError, "expected an array, got str; tersevec takes a scipy.sparse"),
        (None, TypeError, "expected an array, got NoneType; tersevec takes a scipy.sparse"),
        (Fraction(1, 2), TypeError, "got Fraction; tersevec takes a scipy.sparse"),
        ([[0, -1, 1], [1, 0, 0]], ValueError, "at least 0 and below 2, got -1"),
        ([[0, 2**31, 1], [1, 0, 0]], ValueError, r"below 2\*\*31 - 1, got 2147483648; numpy.uni"),
        ((np.ones((2, 3), int), [1.0, 2]), ValueError, r"weights: expected shape \(3,\), one for"),
        ((np.ones((2, 1), int), ["x"]), TypeError, "weights: expected real numbers, got <U1"),
        ((np.ones((2, 2), int), [1, -2.5]), ValueError, "at least 0, got -2.5 on the edge 1 -> 1"),
    ],
)
def test_what_is_no_graph_is_refused_by_name(adjacency, kind, message):
    with pytest.raises(kind, match=f"^adjacency.*{message}"):
        as_graph(adjacency)


def test_numbers_beyond_n_nodes_are_refused():
    with pytest.raises(ValueError, match=r"adjacency: .* below 7, got 7"):
        as_graph([[0, 1], [1, 7]], n_nodes=7)
    with pytest.raises(ValueError, match="adjacency: expected 4 nodes, got 3"):
        as_graph(sparse.csr_matrix((3, 3)), n_nodes=4)
    with pytest.raises(ValueError, match="adjacency: expected 4 nodes, got 3"):
        as_graph(networkx.path_graph(3), n_nodes=4)
    with pytest.raises(ValueError, match="n_nodes: expected an integer from 1"):
        as_graph([[0], [0]], n_nodes=0)
    with pytest.raises(TypeError, match="n_nodes: expected an integer"):
        as_graph([[0], [0]], n_nodes=2.0)


@pytest.mark.parametrize(
    ("indptr", "indices", "message"),
    [
        ([], [], "indptr: expected numbers that start at 0"),
        ([1, 1], [], "indptr: expected numbers that start at 0"),
        ([0, 2, 1], [0, 1], "indptr: .*never fall"),
        ([0, 1, 3], [0, 1], "indptr: expected at most 2, the number of indices, got 3"),
        ([0, 1, 2], [0, 2], "at least 0 and below 2, got 2"),
        ([0, 1, 2], [-1, 0], "at least 0 and below 2, got -1"),
    ],
)
def test_damaged_rows_are_refused(indptr, indices, message):
    with pytest.raises(ValueError, match=f"^adjacency.*{message}"):
        csr_graph(np.array(indptr, np.int64), np.array(indices, np.int32))


def test_rows_that_are_no_integers_are_refused():
    with pytest.raises(TypeError, match=r"adjacency's indices: expected integers of rank 1, got"):
        csr_graph(np.array([0, 1]), np.array([0.0]))


def test_a_missing_weight_of_a_networkx_edge_is_one_but_none_is_refused():
    graph = networkx.Graph([(0, 1), (1, 2, {"weight": 3})])
    np.testing.assert_array_equal(dense(as_graph(graph))[1], [1, 0, 3])
    graph.edges[0, 1]["weight"] = None
    with pytest.raises(TypeError, match="adjacency's weights: expected an array of numbers"):
        as_graph(graph)


def test_checks_of_weights_warn_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for value in (np.nan, np.inf, 1e300):
            with pytest.raises(ValueError, match="finite weights"):
                edge_graph(Edges(np.array([0]), np.array([1]), np.array([value])))


def test_node_counts_of_graphs_are_their_rows():
    assert Graph(np.zeros(6, np.int32), np.zeros(0, np.int32), None).n_nodes == 5
