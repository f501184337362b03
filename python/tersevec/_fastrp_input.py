"""What FastRP is given besides a graph: ids, features, new nodes, and where the result goes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tersevec._arrays import describe, in_one_memory, view
from tersevec._cuda._device import holds, module_of
from tersevec._edges import read_edges
from tersevec._graph_input import Graph, compressed, csr_graph, edge_graph, is_matrix
from tersevec._held import aligned
from tersevec._types import I64, ArrayIn


def node_ids(ids: ArrayIn, graph: Graph) -> I64:
    """A number for each node, by default its place, in the graph's memory."""
    n, xp = graph.n_nodes, module_of(graph.indptr)
    if ids is None:
        places: I64 = xp.arange(n, dtype=np.int64)
        return places
    found = numbers_of_nodes("ids", ids, graph)
    if len(np.unique(found)) != n:
        raise ValueError("ids: expected a different one for each node")
    return found


def numbers_of_nodes(name: str, x: ArrayIn, graph: Graph) -> I64:
    """An integer for each node, in the graph's memory."""
    n, there = graph.n_nodes, graph.indptr
    numbers = view(name, x, device=holds(there))
    in_one_memory(**{name: numbers, "adjacency": there})
    if numbers.dtype.kind not in "iu" or numbers.dtype == np.uint64:
        raise TypeError(f"{name}: expected integers that int64 holds, got {describe(numbers)}")
    if numbers.shape != (n,):
        raise ValueError(
            f"{name}: expected shape ({n},), one for each node, got {describe(numbers)}"
        )
    found: I64 = module_of(there).ascontiguousarray(numbers, np.int64)
    return found


def in_order_of(graph: Graph, ids: I64) -> Graph:
    """The same graph, each row's neighbours by ascending id: sums no longer depend on the rows."""
    xp = module_of(ids)
    rank = xp.empty(len(ids), np.int64)
    rank[np.argsort(ids)] = xp.arange(len(ids))
    keys = rank[graph.indices]
    falls = keys[1:] < keys[:-1]
    starts = graph.indptr[1:-1]
    falls[starts[(starts > 0) & (starts < len(keys))] - 1] = False  # from row to row it may
    if not falls.any():
        return graph
    keys += len(ids) * owners(graph)
    order = np.argsort(keys, kind="stable")
    weights = None if graph.weights is None else graph.weights[order]
    return Graph(graph.indptr, graph.indices[order], weights)


def owners(graph: Graph) -> I64:
    """The row of each entry."""
    if holds(graph.indptr):  # CuPy does not repeat by arrays
        entries = module_of(graph.indptr).arange(len(graph.indices), dtype=graph.indptr.dtype)
        found: I64 = np.searchsorted(graph.indptr, entries, side="right") - 1
        return found
    return np.repeat(np.arange(graph.n_nodes), np.diff(graph.indptr))


def new_rows(adjacency: Any, known: npt.NDArray[Any]) -> Graph:
    """Rows of new nodes whose neighbours are among known ones, in the memory of these."""
    n_nodes = len(known)
    if is_matrix(adjacency):
        shape = tuple(adjacency.shape)
        if len(shape) != 2 or shape[1] != n_nodes:
            raise ValueError(f"adjacency: expected shape (?, {n_nodes}), got {shape}")
        graph = csr_graph(*compressed(adjacency), n_columns=n_nodes, device=holds(known))
        in_one_memory(adjacency=graph.indptr, embedding_=known)
        return graph
    edges = read_edges(adjacency)
    n_new = int(edges.sources.max()) + 1 if len(edges.sources) else 0
    graph = edge_graph(edges, max(n_new, n_nodes))
    in_one_memory(adjacency=graph.indptr, embedding_=known)
    indptr = graph.indptr[: n_new + 1]
    return csr_graph(indptr, graph.indices, graph.weights, n_columns=n_nodes)


def result_array(
    out: ArrayIn, n: int, d: int, dtype: np.dtype[Any], like: npt.NDArray[Any] | None = None
) -> npt.NDArray[Any]:
    """The user's array for the result if it fits, or a new one, in the memory of `like`."""
    if out is None:
        return aligned((n, d), dtype, like)
    in_one_memory(out=out, adjacency=np.empty(0) if like is None else like)
    expected = f"out: expected a writeable {dtype} array of shape ({n}, {d})"
    if not isinstance(out, module_of(like).ndarray) or out.dtype != dtype:
        raise TypeError(f"{expected}, got {describe(out)}")
    if out.shape != (n, d):
        raise ValueError(f"{expected}, got {describe(out)}")
    plain = out.strides[1] == out.itemsize and out.strides[0] % out.itemsize == 0
    writeable = holds(out) or out.flags.writeable  # CuPy's arrays are
    if not writeable or not (out.flags.c_contiguous or (plain and out.strides[0] > 0)):
        raise ValueError(f"{expected} whose rows are contiguous, got strides {out.strides}")
    result: npt.NDArray[Any] = out
    return result
