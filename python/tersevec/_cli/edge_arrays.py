"""Graphs in .npz and .npy files: lists of edges, and what scipy.sparse.save_npz wrote."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tersevec._arrays import describe
from tersevec._cli.rows import UserError
from tersevec._edges import Edges, read_edges
from tersevec._graph_input import Graph, csr_graph, edge_graph

_KNOWN = ("edges", "weights", "format", "shape", "data", "indptr", "indices", "row", "col")
_EXPECTED = (
    'expected a matrix as scipy.sparse.save_npz writes it, or "edges", integers of shape (2, m), '
    'and "weights" (m,) if edges have some'
)


def read_arrays(path: Path) -> Graph | Edges:
    """The graph of a matrix, or the edges of a list. SciPy is not needed."""
    try:
        held = np.load(path, allow_pickle=False)
        if not isinstance(held, np.ndarray):
            with held:
                held = {name: held[name] for name in held.files if name in _KNOWN}
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from error
    except (zipfile.BadZipFile, EOFError, ValueError) as error:
        raise UserError(f"{path}: expected a file of NumPy arrays, without objects") from error
    return read_edges(held) if isinstance(held, np.ndarray) else _from_names(held)


def _from_names(held: Mapping[str, npt.NDArray[Any]]) -> Graph | Edges:
    if "edges" in held:
        edges, weights = read_edges(held["edges"]), held.get("weights")
        if weights is not None and weights.shape != edges.sources.shape:
            raise ValueError(
                f"weights: expected shape {edges.sources.shape}, one for each edge, got "
                f"{describe(weights)}"
            )
        return edges._replace(weights=weights)
    kind = held["format"].item().decode() if "format" in held else "csr"
    if kind not in ("csr", "csc", "coo"):
        raise ValueError(f"expected a matrix in CSR, CSC or COO format, got {kind.upper()}")
    needed = ("row", "col") if kind == "coo" else ("indptr", "indices")
    if not held.keys() >= {*needed}:
        raise ValueError(_EXPECTED)
    first, second = (held[name] for name in needed)
    weights = held.get("data")
    n = _side(held, len(first) - 1)
    if kind == "coo":
        return edge_graph(Edges(first, second, weights, n))
    graph = csr_graph(first, second, weights)
    if graph.n_nodes != n:
        raise ValueError(f"expected indptr of {n + 1} numbers, got {len(first)}")
    return graph if kind == "csr" else edge_graph(turned(listed(graph)))


def _side(held: Mapping[str, npt.NDArray[Any]], default: int) -> int:
    """The number of rows and columns."""
    if "shape" not in held:
        return default
    shape = tuple(held["shape"].tolist())
    if len(shape) != 2 or shape[0] != shape[1]:
        raise ValueError(f"expected a square matrix, got shape {shape}")
    return int(shape[0])


def listed(graph: Graph) -> Edges:
    """The edges of a graph, one for each entry."""
    rows = np.repeat(np.arange(graph.n_nodes), np.diff(graph.indptr))
    return Edges(rows, graph.indices, graph.weights, graph.n_nodes)


def turned(edges: Edges) -> Edges:
    """Every edge the other way round."""
    return edges._replace(sources=edges.targets, targets=edges.sources)
