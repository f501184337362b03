"""Lists of edges in the forms that people hold them, as arrays of sources and targets."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tersevec._arrays import describe, view
from tersevec._types import ArrayIn

KINDS = (
    "a scipy.sparse matrix, an integer edge index of shape (2, m), (edges, weights), a NetworkX "
    "or igraph graph, or an Arrow table of edges"
)


class Edges(NamedTuple):
    """Edges source -> target by node number; nothing is checked but that numbers are integers."""

    sources: npt.NDArray[Any]
    targets: npt.NDArray[Any]
    weights: ArrayIn = None  # None: all are 1
    n_nodes: int | None = None  # None: nobody has said


def read_edges(adjacency: Any) -> Edges:
    """The edges of an edge index, a NetworkX or igraph graph, or an Arrow table."""
    if hasattr(adjacency, "number_of_nodes") and hasattr(adjacency, "edges"):
        return _from_networkx(adjacency)
    if hasattr(adjacency, "vcount") and hasattr(adjacency, "get_edgelist"):
        return _from_igraph(adjacency)
    if hasattr(adjacency, "schema") and hasattr(adjacency, "column"):
        return _from_arrow(adjacency)
    if isinstance(adjacency, tuple) and len(adjacency) == 2 and np.ndim(adjacency[0]) == 2:
        return _from_index(adjacency[0], adjacency[1])
    return _from_index(adjacency, None)


def _from_index(adjacency: Any, weights: ArrayIn) -> Edges:
    try:
        pairs = view("adjacency", adjacency)
    except TypeError as error:
        raise TypeError(f"{error}; tersevec takes {KINDS}") from error
    square = pairs.ndim == 2 and pairs.shape[0] == pairs.shape[1]
    integer = pairs.dtype.kind in "iu"
    if square and not (integer and len(pairs) == 2):
        raise TypeError(
            f"adjacency: expected {KINDS}, got a dense matrix, {describe(pairs)}; pass "
            "scipy.sparse.csr_array(adjacency)"
        )
    if not integer and pairs.shape != (2, 0):  # empty lists are floats to NumPy
        raise TypeError(f"adjacency: expected {KINDS}, got {describe(pairs)}")
    if pairs.ndim != 2 or len(pairs) != 2:
        turned = "; pass adjacency.T" if pairs.ndim == 2 and pairs.shape[1] == 2 else ""
        raise ValueError(
            f"adjacency: expected an edge index of shape (2, m), got {describe(pairs)}{turned}"
        )
    return Edges(pairs[0], pairs[1], weights)


def _from_networkx(graph: Any) -> Edges:
    number = {node: place for place, node in enumerate(graph)}
    listed = list(graph.edges(data="weight", default=1))
    ends = np.array([(number[u], number[v]) for u, v, _ in listed], np.int64).reshape(-1, 2)
    weights = [weight for _, _, weight in listed]
    return as_directed(ends, weights, len(number), graph.is_directed())


def _from_igraph(graph: Any) -> Edges:
    ends = np.array(graph.get_edgelist(), np.int64).reshape(-1, 2)
    weights = graph.es["weight"] if "weight" in graph.es.attributes() else None
    return as_directed(ends, weights, graph.vcount(), graph.is_directed())


def as_directed(ends: Any, weights: Any, n_nodes: int | None, directed: bool) -> Edges:
    """Edges (m, 2) as they are if the graph is directed, else both ways; a loop is there once."""
    sources, targets = ends.T
    if directed:
        return Edges(sources, targets, weights, n_nodes)
    back = sources != targets
    if weights is not None:
        values = view("adjacency's weights", weights)
        weights = np.concatenate([values, values[back]])
    return Edges(
        np.concatenate([sources, targets[back]]),
        np.concatenate([targets, sources[back]]),
        weights,
        n_nodes,
    )


def _from_arrow(table: Any) -> Edges:
    names = list(table.schema.names)
    if names.count("source") != 1 or names.count("target") != 1 or names.count("weight") > 1:
        raise ValueError(
            'adjacency: expected an Arrow table of columns "source" and "target", and "weight" if '
            f"edges have some, got {', '.join(names) or 'none'}"
        )
    weights = _column(table, "weight") if "weight" in names else None
    return Edges(_integers(table, "source"), _integers(table, "target"), weights)


def _integers(table: Any, name: str) -> npt.NDArray[Any]:
    numbers = _column(table, name)
    if numbers.dtype.kind not in "iu":
        raise TypeError(
            f'adjacency: expected integers in column "{name}", got {table.column(name).type}; '
            "number the nodes 0, 1, ... first"
        )
    return numbers


def _column(table: Any, name: str) -> npt.NDArray[Any]:
    column = table.column(name)
    if column.null_count:
        raise ValueError(f'adjacency: expected column "{name}" without nulls; drop them first')
    return np.asarray(column)
