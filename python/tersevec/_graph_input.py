"""Graphs in: whatever people hold becomes compressed sparse rows, or a clear refusal.

Objects are known by their attributes: SciPy, NetworkX, igraph and Arrow are never imported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from tersevec import _check as check
from tersevec._arrays import BFLOAT16, describe, float_blocks, in_one_memory, on_host, view
from tersevec._cuda._device import holds, module_of
from tersevec._edges import Edges, read_edges
from tersevec._types import F32, I64, ArrayIn

Integers: TypeAlias = npt.NDArray[Any]


class Graph(NamedTuple):
    """Compressed sparse rows: node i has the neighbours ``indices[indptr[i]:indptr[i + 1]]``.

    `indptr` (n_nodes + 1,) and `indices` (entries,) are int32 or int64, each for itself; `weights`
    are float32 (entries,), finite and at least 0, or None where all are 1. A neighbour that stands
    in a row twice counts twice. All lie in one memory.
    """

    indptr: Integers
    indices: Integers
    weights: F32 | None

    @property
    def n_nodes(self) -> int:
        """The number of rows."""
        return len(self.indptr) - 1


def as_graph(adjacency: Any, *, n_nodes: int | None = None, device: bool = False) -> Graph:
    """`adjacency` as checked sparse rows: an edge i -> j makes j a neighbour in row i.

    - A square ``scipy.sparse`` matrix or array; CSR passes without a copy of its indices.
    - An edge index, integers (2, m) of sources and targets, or ``(edges, weights)``. There are
      `n_nodes` nodes, by default as many as the largest number says. An undirected edge is listed
      both ways.
    - A NetworkX or igraph graph, nodes in its own order. Edges of undirected ones count both ways;
      their attribute "weight" is used if there is one.
    - An Arrow table with integer columns "source" and "target", and "weight" if edges have some.

    With `device`, compressed rows may lie in CUDA memory, such as those of ``cupyx.scipy.sparse``.

    Repeated edges add up. Dense matrices are refused: a small one looks like an edge index.

    >>> as_graph([[0, 0, 2], [1, 2, 1]]).indptr
    array([0, 2, 2, 3], dtype=int32)
    """
    expected = None if n_nodes is None else check.positive("n_nodes", n_nodes)
    if isinstance(adjacency, Graph):
        graph = adjacency
    elif is_matrix(adjacency):
        shape = tuple(adjacency.shape)
        if len(shape) != 2 or shape[0] != shape[1]:
            raise ValueError(
                f"adjacency: expected a square matrix, got {describe(adjacency)} {shape}"
            )
        graph = csr_graph(*compressed(adjacency), device=device)
    else:
        graph = edge_graph(read_edges(adjacency), expected)
    if expected not in (None, graph.n_nodes):
        raise ValueError(f"adjacency: expected {expected} nodes, got {graph.n_nodes}")
    return graph


def is_matrix(x: object) -> bool:
    """Whether this is a sparse matrix, or has the three arrays of compressed rows on a GPU."""
    sparse = hasattr(x, "tocsr") or (hasattr(x, "indices") and holds(getattr(x, "indptr", None)))
    return sparse and hasattr(x, "shape")


def compressed(matrix: Any) -> tuple[ArrayIn, ArrayIn, ArrayIn]:
    """The three arrays of its compressed rows; CSR gives itself."""
    rows = matrix.tocsr() if hasattr(matrix, "tocsr") else matrix
    return rows.indptr, rows.indices, rows.data


def csr_graph(
    indptr: ArrayIn,
    indices: ArrayIn,
    weights: ArrayIn = None,
    *,
    n_columns: int | None = None,
    device: bool = False,
) -> Graph:
    """The graph of three CSR arrays, checked; index arrays of int32 and int64 are not copied.

    Neighbours are below the number of rows, or below `n_columns`.
    """
    starts = view("adjacency's indptr", indptr, device=device)
    targets = view("adjacency's indices", indices, device=device)
    for name, numbers in (("indptr", starts), ("indices", targets)):
        if numbers.dtype.kind not in "iu" or numbers.ndim != 1:
            raise TypeError(
                f"adjacency's {name}: expected integers of rank 1, got {describe(numbers)}"
            )
    if not len(starts) or starts[0] != 0 or (starts[1:] < starts[:-1]).any():
        raise ValueError("adjacency's indptr: expected numbers that start at 0 and never fall")
    entries = int(starts[-1])
    if entries > len(targets):
        raise ValueError(
            f"adjacency's indptr: expected at most {len(targets)}, the number of indices, "
            f"got {entries}"
        )
    _check_size(len(starts) - 1)
    values = _weights(weights, len(targets), device)
    in_one_memory(**{"indptr": starts, "indices": targets, "weights": values})
    values = None if values is None else values[:entries]
    targets = targets[:entries]  # SciPy may keep spare room behind the last row
    _check_numbers(targets, len(starts) - 1 if n_columns is None else n_columns)
    used = _checked(values, targets, lambda at: _row_of(starts, at))
    return Graph(_as_index(starts), _as_index(targets), used)


def _row_of(starts: Integers, at: int) -> int:
    return int(np.searchsorted(on_host(starts), at, side="right")) - 1


def edge_graph(edges: Edges, n_nodes: int | None = None) -> Graph:
    """The graph of edges source -> target; neighbours keep the order of the edges."""
    sources, targets = edges.sources, edges.targets
    n = n_nodes if edges.n_nodes is None else edges.n_nodes
    if n is None:
        n = 1 + max(int(sources.max()), int(targets.max())) if len(sources) else 0
    _check_size(n)
    _check_numbers(sources, n)
    _check_numbers(targets, n)
    weights = _checked(_weights(edges.weights, len(sources)), targets, lambda at: int(sources[at]))
    rows = sources.astype(np.int64, copy=False)
    indptr = np.zeros(n + 1, np.int32 if len(rows) <= check.ROW_LIMIT else np.int64)
    np.cumsum(np.bincount(rows, minlength=n), out=indptr[1:])
    order = _stable_order(rows, n)
    indices = targets[order].astype(np.int32, copy=False)
    return Graph(indptr, indices, None if weights is None else weights[order])


def _stable_order(keys: I64, n: int) -> I64:
    """The order that sorts keys below n, equal ones as they come."""
    place_bits = len(keys).bit_length()
    if n.bit_length() + place_bits > 63:
        return np.argsort(keys, kind="stable")
    packed = keys << place_bits  # NumPy sorts plain integers by SIMD, but not stably
    packed |= np.arange(len(keys))
    packed.sort()
    packed &= (1 << place_bits) - 1
    return packed


def _as_index(numbers: Integers) -> Integers:
    """int32 and int64 as they are, unless kernels could not walk them."""
    kept = numbers.dtype in (np.int32, np.int64)
    index: Integers = module_of(numbers).ascontiguousarray(
        numbers, numbers.dtype if kept else np.int64
    )
    return index


def _check_size(n: int) -> None:
    if n > check.ROW_LIMIT:
        raise ValueError(
            f"adjacency: expected node numbers below 2**31 - 1, got {n - 1}; numpy.unique(edges, "
            "return_inverse=True) numbers nodes from 0"
        )


def _check_numbers(nodes: Integers, n: int) -> None:
    if not len(nodes):
        return
    for number in (int(nodes.min()), int(nodes.max())):
        if not 0 <= number < n:
            raise ValueError(
                f"adjacency: expected node numbers of at least 0 and below {n}, got {number}"
            )


def _weights(weights: ArrayIn, count: int, device: bool = False) -> F32 | None:
    """One float32 for each edge, still to be checked; None stands for ones."""
    if weights is None:
        return None
    values = view("adjacency's weights", weights, device=device)
    if values.dtype.kind not in "biuf" and values.dtype != BFLOAT16:
        raise TypeError(f"adjacency's weights: expected real numbers, got {describe(values)}")
    if values.shape != (count,):
        raise ValueError(
            f"adjacency's weights: expected shape ({count},), one for each edge, got "
            f"{describe(values)}"
        )
    if values.dtype.kind in "biu":
        return values.astype(np.float32)
    _, rows = next(float_blocks(values[None, :], 1))
    return rows.reshape(-1)


def _checked(values: F32 | None, targets: Integers, source: Callable[[int], int]) -> F32 | None:
    """Finite weights of at least 0, None if all are 1; `source` tells an entry's row."""
    if values is None or not len(values):
        return None
    low, high = values.min(), values.max()  # NaN, if there is one; and no array of bools
    if low >= 0 and high <= check.FLOAT32_MAX:
        return None if low == high == 1 else values
    at = int(np.flatnonzero(~((values >= 0) & (values <= check.FLOAT32_MAX)))[0])
    value = float(values[at])
    beyond = ", or a number beyond float32," if np.isinf(value) else ""
    shown = "NaN" if np.isnan(value) else f"{value:.6g}"
    raise ValueError(
        f"adjacency: expected finite weights of at least 0, got {shown}{beyond} on the edge "
        f"{source(at)} -> {int(targets[at])}"
    )
