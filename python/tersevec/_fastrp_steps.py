"""The arithmetic of FastRP: steps along the edges, and the weighted sum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from tersevec import _backend
from tersevec._arrays import beside, on_host
from tersevec._cuda._device import module_of
from tersevec._fastrp_first import First
from tersevec._fastrp_plan import Plan
from tersevec._graph_input import Graph
from tersevec._held import Held, Memory
from tersevec._sparse_rows import SparseRows
from tersevec._types import F32, F64, I64
from tersevec._whitening import whiten_held

# Held rows are means of the first ones: if those are at most so large, float16 loses the least.
_TOP = 2.0**15
# Rows whose weights add up to less have none, and none may add up to more: float32 ends there.
_LEAST_DEGREE, _MOST_DEGREE = 1e-30, 1e30


def degrees(graph: Graph, self_loops: bool) -> F64:
    """The weight of each node's edges; weights are added on the host, wherever the graph lies."""
    if graph.weights is None:
        total: F64 = np.diff(graph.indptr).astype(np.float64)
    else:
        starts, sums = on_host(graph.indptr), np.zeros(graph.n_nodes)
        there = starts[1:] > starts[:-1]
        if there.any():
            weights = on_host(graph.weights)
            sums[there] = np.add.reduceat(weights, starts[:-1][there], dtype=np.float64)
        total = beside(graph.indptr, sums)
        total[np.abs(total) < _LEAST_DEGREE] = 0
    if len(total) > 0 and total.max() > _MOST_DEGREE:
        row = int(total.argmax())
        raise ValueError(
            f"adjacency: expected weights of a row that add up to at most {_MOST_DEGREE:g}, got "
            f"{float(total[row]):.3g} in row {row}; scale them down, which changes no mean"
        )
    return total + 1.0 if self_loops else total


def inverse_of(degree: F64) -> F64:
    """One divided by each degree, 0 for those that are 0."""
    found: F64 = np.maximum(degree, _LEAST_DEGREE)
    np.reciprocal(found, out=found)
    found *= degree > 0
    return found


class Squares:
    """Squares of the rows of each E_i that counts, where columns come a block at a time."""

    def __init__(self, n: int, plan: Plan, like: npt.NDArray[Any]) -> None:
        """Zeros, in the memory of `like`; blocks add to them until they are `measured`."""
        counts = (plan.self_weight, *plan.weights)
        self._of = {i: module_of(like).zeros(n, np.float32) for i, w in enumerate(counts) if w}
        self.measured = False

    def of(self, i: int) -> F32:
        """Those of E_i."""
        found: F32 = self._of[i]
        return found


def propagate(
    graph: Graph,
    degree: F64,
    first: First,
    plan: Plan,
    memory: Memory,
    out: F32,
    places: I64 | None,
    threads: int,
    moved: Callable[[int], object],
    squares: Squares | None = None,
) -> None:
    """Writes the weighted sum of E_0, E_1, ... into `out`, row i to `places[i]`, or to i.

    Or adds their squares to `squares`, if these are not measured yet; else they count.
    """
    kernels = _backend.pick("sparseproj", out)
    means = inverse_of(degree).astype(np.float32)
    source, unit, lift = first.held, first.unit, _TOP
    weight, added = plan.self_weight, False
    measured = squares is None or squares.measured
    for step, next_weight in enumerate(plan.weights, 1):
        target = None
        if step < len(plan.weights) or plan.whitens(step):
            target = Held.empty(len(degree), source.d, plan.state, memory.of(step))
        made = next_weight if target is None else 0.0
        held_unit, made_unit = (1.0, 1.0) if plan.normalize else (unit, unit / lift)
        total = out if measured and (weight or made) else None
        moments = np.empty((source.d + 1,) * 2) if plan.whitens(step) else None
        kernels.propagate(
            graph.indptr,
            graph.indices,
            graph.weights,
            means if lift == 1 else means * np.float32(lift),
            plan.self_loops,
            source.values,
            source.scales,
            None if target is None else target.values,
            None if target is None else target.scales,
            total,
            weight * held_unit,
            made * made_unit,
            plan.normalize,
            added,
            threads,
            places=places,
            held_squares=squares.of(step - 1) if squares is not None and weight else None,
            made_squares=squares.of(step) if squares is not None and made else None,
            target_moments=moments,
        )
        added = added or bool(weight or made)
        weight = 0.0 if target is None else next_weight
        if target is not None:
            source, unit, lift = target, unit / lift, 1.0
        if moments is not None:
            whiten_held(source, moments, threads)
            unit = 1.0
        moved(1)
    if weight:  # of the last E_i, which no step is left to add
        kernels.propagate(
            np.zeros_like(graph.indptr),
            graph.indices[:0],
            None,
            None,
            False,
            source.values,
            source.scales,
            None,
            None,
            out if measured else None,
            weight if plan.normalize else weight * unit,
            0.0,
            plan.normalize,
            added,
            threads,
            places=places,
            held_squares=None if squares is None else squares.of(len(plan.weights)),
        )


def averages(graph: Graph, known: Held, threads: int) -> F32:
    """The weighted mean of each row's known rows; 0 for a row without entries."""
    inverse = inverse_of(degrees(graph, False))
    return spmm(graph, known, inverse.astype(np.float32), None, threads)


def spmm(
    graph: Graph | SparseRows, x: Held, row_scales: F32 | None, out: F32 | None, threads: int
) -> F32:
    """Sparse rows times held rows, each scaled."""
    shape = len(graph.indptr) - 1, x.d
    total: F32 = module_of(graph.indptr).empty(shape, np.float32) if out is None else out
    _backend.pick("sparseproj", total).propagate(
        graph.indptr,
        graph.indices,
        graph[2],
        row_scales,
        False,
        x.values,
        x.scales,
        None,
        None,
        total,
        0.0,
        1.0,
        False,
        False,
        threads,
    )
    return total
