"""Files of graphs, of every kind: what is read from them, and what is refused."""

from __future__ import annotations

import gzip
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tersevec._cli.edge_text import read_text
from tersevec._cli.graph_files import Reading, load
from tersevec._cli.rows import UserError

EDGES = np.array([[0, 0, 2, 3, 4, 4], [1, 2, 3, 4, 0, 4]])
WEIGHTS = np.array([1, 0.5, 2, 1, 3, 1])
NAMES = ["ant", "bee", "cat", "dog", "eel"]


def dense(found):
    """The adjacency matrix that a graph stands for."""
    graph = found.graph
    matrix = np.zeros((graph.n_nodes, graph.n_nodes))
    rows = np.repeat(np.arange(graph.n_nodes), np.diff(graph.indptr))
    weights = np.ones(len(rows)) if graph.weights is None else graph.weights
    np.add.at(matrix, (rows, graph.indices), weights)
    return matrix


def expected(edges, weights, n, directed=False):
    matrix = np.zeros((n, n))
    for u, v, weight in zip(*edges, weights, strict=True):
        matrix[u, v] += weight
        if not directed and u != v:
            matrix[v, u] += weight
    return matrix


def write(path, text):
    path.write_text(text, "utf-8")
    return path


def refused(path):
    """Why the file is not read, in one line."""
    with pytest.raises(UserError) as raised:
        load(path, Reading())
    assert "\n" not in str(raised.value)
    return str(raised.value)


# ---- text


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edges=st.lists(
        st.tuples(*[st.integers(-(10**12), 10**12) | st.integers(0, 5)] * 2),
        min_size=1,
        max_size=20,
    ),
    gaps=st.sampled_from([" ", "\t", ",", ";", ", ", "  ", " \t "]),
    weighted=st.booleans(),
    ending=st.sampled_from(["\n", "\r\n", "\n\n", "\n# said nothing\n", "\n  % nor here\n"]),
    prefix=st.sampled_from(["", "# from, to\n", "source,target\n", "\ufeff"]),
    text_names=st.booleans(),
    zipped=st.booleans(),
)
def test_text_in_any_shape_gives_the_edges_that_it_lists(
    tmp_path, edges, gaps, weighted, ending, prefix, text_names, zipped
):
    label = (lambda node: f"node {node}") if text_names and gaps in "\t,;" else str
    weights = [1 + i / 4 for i in range(len(edges))] if weighted else [1] * len(edges)
    if prefix.startswith("source"):
        prefix = prefix.replace(",", gaps)
    lines = [
        gaps.join([label(u), label(v), *([str(weight)] if weighted else [])])
        for (u, v), weight in zip(edges, weights, strict=True)
    ]
    text = (prefix + ending.join(lines)).encode()
    path = tmp_path / ("edges.txt.gz" if zipped else "edges.txt")
    path.write_bytes(gzip.compress(text, mtime=0) if zipped else text)
    found = load(path, Reading())
    as_text = isinstance(found.names, list)
    assert as_text == (label is not str)
    names = sorted({label(node) if as_text else node for edge in edges for node in edge})
    assert list(found.names) == names
    places = [
        [names.index(label(edge[side]) if as_text else edge[side]) for edge in edges]
        for side in (0, 1)
    ]
    np.testing.assert_allclose(dense(found), expected(places, weights, len(names)))


@pytest.mark.parametrize(
    ("text", "options", "names", "columns"),
    [
        ("New York\tRome\nRome\tOslo\n", {}, ["New York", "Oslo", "Rome"], 2),
        ("a b\tc d\t2\n", {}, ["a b", "c d"], 3),
        ("7 x\nx 7\n", {}, ["7", "x"], 2),
        ("C# C++\n", {}, ["C#", "C++"], 2),
        ("1\t2\nNew York\tRome\n", {"separator": "tab"}, ["1", "2", "New York", "Rome"], 2),
        ("1,2 3\n", {"separator": "comma"}, ["1", "2 3"], 2),
        ("a,b c\n", {"separator": "space"}, ["a,b", "c"], 2),
        ("1 2 5 1082008561\n", {"weighted": False}, [1, 2], 2),
        ("12345678901234567890 1\n", {}, ["1", "12345678901234567890"], 2),
        ("1.0 2\n", {}, ["1.0", "2"], 2),
        ("1 2\n1.0 2\n", {}, ["1", "1.0", "2"], 2),
        ("src dst Weight\na b 2\n", {}, ["a", "b"], 3),
    ],
)
def test_names_and_separators_are_told_apart(tmp_path, text, options, names, columns):
    found = read_text(write(tmp_path / "edges.txt", text), **options)
    assert list(found.names) == names
    assert (found.weights is not None) == (columns == 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "edges.txt: expected edges, one a line, got none"),
        ("# nothing\n", "edges.txt: expected edges, one a line, got none"),
        ("a\n", "line 1: expected 2 or 3 columns, source, target and perhaps weight, got 1"),
        ("a b 1 2\n", "got 4; --unweighted takes the first two"),
        ("# x\n1 2\n3\n", "line 3: expected 2 columns, as the first edge has, got 1"),
        ("1 2 1\n1 3\n", "line 2: expected 3 columns, as the first edge has, got 2"),
        ("a,b\na,\n", "line 2: expected names of nodes, got an empty one"),
        ("1 2 0.5\n1 3 -2\n", "line 2: expected a finite weight of at least 0, got '-2'"),
        ("1 2 0.5\n1 3 nan\n", "line 2: expected a finite weight of at least 0, got 'nan'"),
        ("a b 0.5\na c 1e39\n", "line 2: expected a finite weight of at least 0, got '1e39'"),
        ("a b much\n", "line 1: expected a finite weight of at least 0, got 'much'"),
        ("a\0b c\n", "line 1: expected UTF-8 text, got a zero byte"),
        ("%%MatrixMarket matrix\n2 2 1\n", "got a Matrix Market file"),
    ],
)
def test_text_that_is_no_list_of_edges_is_refused_by_line(tmp_path, text, message):
    assert message in refused(write(tmp_path / "edges.txt", text))


@pytest.mark.parametrize("broken", [b"no gzip", gzip.compress(b"1 2\n" * 999, mtime=0)[:-9]])
def test_a_broken_gzip_file_is_refused(tmp_path, broken):
    path = tmp_path / "edges.txt.gz"
    path.write_bytes(broken)
    assert "edges.txt.gz: " in refused(path)


# ---- arrays


@pytest.mark.parametrize("directed", [None, False, True])
@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
def test_a_matrix_is_read_as_scipy_saved_it(tmp_path, form, directed):
    sparse = pytest.importorskip("scipy.sparse")
    matrix = sparse.coo_array((WEIGHTS, tuple(EDGES)), shape=(6, 6))
    sparse.save_npz(tmp_path / "matrix.npz", matrix.asformat(form))
    found = load(tmp_path / "matrix.npz", Reading(directed=directed))
    assert found.names is None
    np.testing.assert_array_equal(
        dense(found), expected(EDGES, WEIGHTS, 6, directed=directed is not False)
    )


@pytest.mark.parametrize("weighted", [True, False])
def test_lists_of_edges_in_arrays(tmp_path, weighted):
    np.savez(tmp_path / "edges.npz", edges=EDGES.astype(np.uint16), weights=WEIGHTS)
    np.save(tmp_path / "edges.npy", EDGES)
    weights = WEIGHTS if weighted else np.ones(6)
    found = load(tmp_path / "edges.npz", Reading(weighted=weighted, n_nodes=7))
    np.testing.assert_array_equal(dense(found), expected(EDGES, weights, 7))
    plain = load(tmp_path / "edges.npy", Reading(directed=True))
    np.testing.assert_array_equal(dense(plain), expected(EDGES, np.ones(6), 5, directed=True))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.ones(3)}, 'or "edges", integers of shape (2, m)'),
        ({"edges": EDGES.T}, "expected an edge index of shape (2, m), got int64 (6, 2)"),
        ({"edges": EDGES, "weights": -WEIGHTS}, "finite weights of at least 0, got -"),
        ({"edges": EDGES, "weights": WEIGHTS[:5]}, "weights: expected shape (6,)"),
        ({"edges": EDGES - 1}, "node numbers of at least 0 and below"),
        ({"indptr": [0, 1], "indices": [3]}, "node numbers of at least 0 and below 1, got 3"),
        (
            {"indptr": [0, 1, 1], "indices": [1], "shape": [2, 3]},
            "expected a square matrix, got shape (2, 3)",
        ),
        ({"format": b"dia", "offsets": [0]}, "in CSR, CSC or COO format, got DIA"),
    ],
)
def test_arrays_that_are_no_graph_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "graph.npz", **arrays)
    assert message in refused(tmp_path / "graph.npz")


@pytest.mark.parametrize("name", ["graph.npz", "graph.npy"])
def test_a_file_that_holds_no_arrays_is_refused(tmp_path, name):
    path = write(tmp_path / name, "not an array")
    assert f"{name}: expected a file of NumPy arrays" in refused(path)


# ---- Parquet


@pytest.mark.parametrize("named", [True, False])
def test_parquet_columns_are_edges(tmp_path, named):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    ends = [[NAMES[node] for node in side] if named else side * 10 for side in EDGES]
    columns = {"note": [""] * 6, "weight": WEIGHTS, "dst": ends[1], "src": ends[0]}
    parquet.write_table(arrow.table(columns), tmp_path / "edges.parquet")
    found = load(tmp_path / "edges.parquet", Reading())
    assert list(found.names) == (NAMES if named else [0, 10, 20, 30, 40])
    np.testing.assert_array_equal(dense(found), expected(EDGES, WEIGHTS, 5))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": [1], "b": [2]}, 'expected columns "source" and "target"'),
        ({"source": [1, 2], "target": [2, None]}, 'column "target" without nulls'),
        ({"source": ["a", None], "target": ["b", "c"]}, 'column "source" without nulls'),
        ({"source": [1, 2], "target": ["b", "c"]}, "all integers or all strings, got int64 and"),
        ({"source": [1.0], "target": [2.0]}, "all integers or all strings, got double"),
        ({"source": [1], "target": [2], "weight": [-1.0]}, "finite weights of at least 0, got -1"),
    ],
)
def test_parquet_columns_that_are_no_edges_are_refused(tmp_path, columns, message):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.table(columns), tmp_path / "edges.parquet")
    assert message in refused(tmp_path / "edges.parquet")


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = write(tmp_path / "edges.parquet", "")
    assert "edges.parquet: a .parquet file needs pyarrow: pip install pyarrow" in refused(path)
