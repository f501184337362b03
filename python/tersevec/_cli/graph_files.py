"""Graphs in files of any kind that the command line reads."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tersevec._cli.edge_arrays import listed, read_arrays
from tersevec._cli.edge_parquet import read_parquet
from tersevec._cli.edge_text import Names, read_text
from tersevec._cli.rows import UserError
from tersevec._edges import Edges, as_directed
from tersevec._graph_input import Graph, as_graph, edge_graph
from tersevec._types import I64


class NamedGraph(NamedTuple):
    """A graph whose rows have names, ascending, or None where row i is node i.

    A node's id is the same wherever its row stands. None leaves neighbours in their order.
    """

    graph: Graph
    edges: str  # in words
    ids: I64 | None = None
    names: Names | None = None


class Reading(NamedTuple):
    """How to read a file; `directed` None: lists of edges are not, matrices are what they are."""

    directed: bool | None = None
    weighted: bool = True
    n_nodes: int | None = None
    separator: str | None = None


def load(path: Path, reading: Reading) -> NamedGraph:
    """The graph of a file; UserError says what is wrong with it, and where."""
    suffix = path.suffix.lower()
    try:
        if suffix in (".npz", ".npy"):
            found = read_arrays(path)
            if isinstance(found, Edges):
                return _of_edges(found, reading)
            return _of_matrix(found, reading)
        if suffix == ".parquet":
            edges = read_parquet(path, weighted=reading.weighted)
        else:
            edges = read_text(path, weighted=reading.weighted, separator=reading.separator)
        sources, targets, weights, names = edges
        if reading.n_nodes is None:
            named = Edges(sources, targets, weights, len(names))
            return _of_edges(named, reading)._replace(names=names, ids=ids_of(names))
        if isinstance(names, list):
            raise UserError(f"--nodes: expected nodes that are whole numbers, got {names[0]!r}")
        return _of_edges(Edges(names[sources], names[targets], weights), reading)
    except (ValueError, TypeError) as error:
        problem = str(error).removeprefix("adjacency: ").removeprefix("adjacency's ")
        raise UserError(f"{path}: {problem}") from error


def ids_of(names: Names) -> I64:
    """Whole numbers as they are, and 64 bits of each text."""
    if not isinstance(names, list):
        return names
    bits = b"".join(
        hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest()
        for name in names
    )
    return np.frombuffer(bits, "<i8").astype(np.int64)


def _of_matrix(graph: Graph, reading: Reading) -> NamedGraph:
    if reading.directed is False:
        return _of_edges(listed(graph), reading)
    if not reading.weighted:
        graph = graph._replace(weights=None)
    words = f"{len(graph.indices):,} {_weighted(graph)}entries"
    return NamedGraph(as_graph(graph, n_nodes=reading.n_nodes), words)


def _of_edges(edges: Edges, reading: Reading) -> NamedGraph:
    if not reading.weighted:
        edges = edges._replace(weights=None)
    count = len(edges.sources)
    if not reading.directed:
        ends = np.stack([edges.sources, edges.targets], axis=1)
        edges = as_directed(ends, edges.weights, edges.n_nodes, directed=False)
    graph = edge_graph(edges, reading.n_nodes)
    way = "directed" if reading.directed else "undirected"
    words = f"{count:,} {_weighted(graph)}{way} edges"
    return NamedGraph(graph, words, np.arange(graph.n_nodes))


def _weighted(graph: Graph) -> str:
    return "" if graph.weights is None else "weighted "
