"""The order in which FastRP goes through nodes: it changes how long that takes, not what comes."""

from __future__ import annotations

import numpy as np

from tersevec._cuda._device import module_of
from tersevec._fastrp_input import numbers_of_nodes, owners
from tersevec._graph_input import Graph
from tersevec._types import I64, ArrayIn


def node_order(order: ArrayIn, graph: Graph) -> I64 | None:
    """The node at each place, in the graph's memory; None for the graph's own order."""
    if order is None:
        return None
    if isinstance(order, str):
        if order != "degree":
            raise ValueError(f'order: expected "degree" or each node once, got {order!r}')
        by_degree: I64 = np.argsort(-np.diff(graph.indptr), kind="stable")
        return by_degree
    found = numbers_of_nodes("order", order, graph)
    seen = module_of(found).zeros(len(found), bool)
    seen[found[(found >= 0) & (found < len(found))]] = True
    if not seen.all():
        raise ValueError(f"order: expected each node once, got no {int(seen.argmin())}")
    return found


def in_places(graph: Graph, order: I64) -> Graph:
    """The same graph, node `order[i]` at place i, its neighbours in the order that they had."""
    xp = module_of(order)
    places = xp.empty(graph.n_nodes, graph.indices.dtype)
    places[order] = xp.arange(graph.n_nodes, dtype=places.dtype)
    indptr = xp.zeros(graph.n_nodes + 1, graph.indptr.dtype)
    indptr[1:] = np.cumsum(np.diff(graph.indptr)[order])
    moved = Graph(indptr, graph.indices, graph.weights)
    entries = (graph.indptr[:-1][order] - indptr[:-1])[owners(moved)]
    entries += xp.arange(len(entries), dtype=entries.dtype)
    weights = None if graph.weights is None else graph.weights[entries]
    return Graph(indptr, places[graph.indices[entries]], weights)
