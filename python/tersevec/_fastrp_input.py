"""What FastRP is given besides a graph: ids, features, new nodes, and where the result goes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tersevec._arrays import describe, view
from tersevec._edges import read_edges
from tersevec._graph_input import Graph, csr_graph, edge_graph
from tersevec._held import aligned
from tersevec._sparse_rows import is_sparse
from tersevec._types import I64, ArrayIn


def node_ids(ids: ArrayIn, n: int) -> I64:
    """A number for each node, by default its place."""
    if ids is None:
        return np.arange(n, dtype=np.int64)
    numbers = view("ids", ids)
    if numbers.dtype.kind not in "iu" or numbers.dtype == np.uint64:
        raise TypeError(f"ids: expected integers that int64 holds, got {describe(numbers)}")
    if numbers.shape != (n,):
        raise ValueError(f"ids: expected shape ({n},), one for each node, got {describe(numbers)}")
    found = np.ascontiguousarray(numbers, np.int64)
    if len(np.unique(found)) != n:
        raise ValueError("ids: expected a different one for each node")
    return found


def in_order_of(graph: Graph, ids: I64) -> Graph:
    """The same graph, each row's neighbours by ascending id: sums no longer depend on the rows."""
    rank = np.empty(len(ids), np.int64)
    rank[np.argsort(ids)] = np.arange(len(ids))
    keys = rank[graph.indices]
    falls = keys[1:] < keys[:-1]
    starts = graph.indptr[1:-1]
    falls[starts[(starts > 0) & (starts < len(keys))] - 1] = False  # from row to row it may
    if not falls.any():
        return graph
    keys += np.repeat(np.arange(graph.n_nodes) * len(ids), np.diff(graph.indptr))
    order = np.argsort(keys, kind="stable")
    weights = None if graph.weights is None else graph.weights[order]
    return Graph(graph.indptr, graph.indices[order], weights)


def new_rows(adjacency: Any, n_nodes: int) -> Graph:
    """Rows of new nodes whose neighbours are among n_nodes known ones."""
    if is_sparse(adjacency):
        shape = tuple(adjacency.shape)
        if len(shape) != 2 or shape[1] != n_nodes:
            raise ValueError(f"adjacency: expected shape (?, {n_nodes}), got {shape}")
        rows = adjacency.tocsr()
        return csr_graph(rows.indptr, rows.indices, rows.data, n_columns=n_nodes)
    edges = read_edges(adjacency)
    n_new = int(edges.sources.max()) + 1 if len(edges.sources) else 0
    graph = edge_graph(edges, max(n_new, n_nodes))
    indptr = graph.indptr[: n_new + 1]
    return csr_graph(indptr, graph.indices, graph.weights, n_columns=n_nodes)


def result_array(out: ArrayIn, n: int, d: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """The user's array for the result if it fits, or a new one."""
    if out is None:
        return aligned((n, d), dtype)
    expected = f"out: expected a writeable {dtype} array of shape ({n}, {d})"
    if not isinstance(out, np.ndarray) or out.dtype != dtype:
        raise TypeError(f"{expected}, got {describe(out)}")
    if out.shape != (n, d):
        raise ValueError(f"{expected}, got {describe(out)}")
    plain = out.strides[1] == out.itemsize and out.strides[0] % out.itemsize == 0
    if not out.flags.writeable or not (out.flags.c_contiguous or (plain and out.strides[0] > 0)):
        raise ValueError(f"{expected} whose rows are contiguous, got strides {out.strides}")
    return out
