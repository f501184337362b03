"""The arithmetic of FastRP: E_0, its propagation, and the weighted sum."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from tersevec import _backend
from tersevec._graph_input import Graph
from tersevec._held import Held, Memory
from tersevec._projection_rows import DenseRows, Projector
from tersevec._sparse_rows import SparseRows
from tersevec._ternary import Ternary
from tersevec._types import F32, F64, I64
from tersevec._whitening import whiten_held

# Held rows are means of the first ones: if those are at most so large, float16 loses the least.
_TOP = 2.0**15
# Rows whose weights add up to less have none, and none may add up to more: float32 ends there.
_LEAST_DEGREE, _MOST_DEGREE = 1e-30, 1e30


class Plan(NamedTuple):
    """What is added up, and how rows are held in between."""

    weights: tuple[float, ...]  # the last of them is not 0
    self_weight: float
    normalize: bool
    whiten_every: int
    self_loops: bool
    state: str

    def whitens(self, step: int) -> bool:
        """Whether E_step is whitened."""
        last = step == len(self.weights)
        return self.whiten_every > 0 and (last or step % self.whiten_every == 0)

    @property
    def first_sum(self) -> int:
        """The first step that adds to the result; one more than there are if none does."""
        steps = len(self.weights)
        for i, weight in enumerate((self.self_weight, *self.weights)):
            if weight:
                return i if i == steps and not self.whitens(i) else i + 1
        return steps + 1


class First(NamedTuple):
    """E_0 as it is held, times `unit`; its numbers are at most 1 in size."""

    held: Held
    unit: float


def degrees(graph: Graph, self_loops: bool) -> F64:
    """The weight of each node's edges."""
    starts = graph.indptr
    if graph.weights is None:
        total = np.diff(starts).astype(np.float64)
    else:
        total = np.zeros(graph.n_nodes)
        there = starts[1:] > starts[:-1]
        if there.any():
            total[there] = np.add.reduceat(graph.weights, starts[:-1][there], dtype=np.float64)
    total[np.abs(total) < _LEAST_DEGREE] = 0
    if total.max(initial=0.0) > _MOST_DEGREE:
        row = int(total.argmax())
        raise ValueError(
            f"adjacency: expected weights of a row that add up to at most {_MOST_DEGREE:g}, got "
            f"{total[row]:.3g} in row {row}; scale them down, which changes no mean"
        )
    return total + 1.0 if self_loops else total


def powers(degree: F64, strength: float) -> F64 | None:
    """Degrees to a power, nodes without edges as if they had one; None for ones."""
    if strength == 0:
        return None
    with np.errstate(over="ignore", under="ignore"):
        found: F64 = np.where(degree > 0, degree, 1.0) ** strength
    if len(found) and not 0 < found.min() <= found.max() < np.inf:
        raise ValueError(f"normalization_strength: degrees to the power {strength:g} overflow")
    return found


def random_first(
    matrix: Ternary, ids: I64, power: F64 | None, memory: Memory, threads: int
) -> First:
    """E_0 = D**strength R: the signs as bytes, and a scale for each row."""
    unit, scales = matrix.scale(matrix.n_columns), None
    if power is not None and len(power):
        unit *= float(power.max())
        scales = (power / power.max()).astype(np.float32)
    signs = memory.of(0)[: len(ids) * matrix.width].view(np.int8).reshape(-1, matrix.width)
    matrix.write(ids, signs, threads)
    return First(Held(signs, scales, matrix.n_columns), unit)


def propagate(
    graph: Graph,
    degree: F64,
    first: First,
    plan: Plan,
    memory: Memory,
    out: F32,
    threads: int,
    moved: Callable[[int], object],
) -> None:
    """Writes the weighted sum of E_0, E_1, ... into `out`."""
    kernels = _backend.pick("sparseproj")
    inverse = np.divide(1.0, degree, out=np.zeros_like(degree), where=degree > 0)
    source, unit, lift = first.held, first.unit, _TOP
    weight, added = plan.self_weight, False
    for step, next_weight in enumerate(plan.weights, 1):
        target = None
        if step < len(plan.weights) or plan.whitens(step):
            target = Held.empty(len(degree), source.d, plan.state, memory.of(step))
        made = next_weight if target is None else 0.0
        held_unit, made_unit = (1.0, 1.0) if plan.normalize else (unit, unit / lift)
        kernels.propagate(
            graph.indptr,
            graph.indices,
            graph.weights,
            (inverse * lift).astype(np.float32),
            plan.self_loops,
            source.values,
            source.scales,
            None if target is None else target.values,
            None if target is None else target.scales,
            out if weight or made else None,
            weight * held_unit,
            made * made_unit,
            plan.normalize,
            added,
            threads,
        )
        added = added or bool(weight or made)
        weight = 0.0 if target is None else next_weight
        if target is not None:
            source, unit, lift = target, unit / lift, 1.0
        if plan.whitens(step):
            whiten_held(source, threads)
            unit = 1.0
        moved(1)
    if weight:
        factor = weight if plan.normalize else weight * unit
        _add_held(source, factor, plan.normalize, added, out, threads)


def _add_held(
    held: Held, weight: float, normalize: bool, add: bool, out: F32, threads: int
) -> None:
    for _, rows, floats in held.blocks(normalize=normalize, threads=threads):
        floats *= np.float32(weight)
        if add:
            floats += out[rows]
        out[rows] = floats


def averages(graph: Graph, known: Held, threads: int) -> F32:
    """The weighted mean of each row's known rows; 0 for a row without entries."""
    degree = degrees(graph, False)
    inverse = np.divide(1.0, degree, out=np.zeros_like(degree), where=degree > 0)
    return spmm(graph, known, inverse.astype(np.float32), None, threads)


def spmm(
    graph: Graph | SparseRows, x: Held, row_scales: F32 | None, out: F32 | None, threads: int
) -> F32:
    """Sparse rows times held rows, each scaled."""
    total = np.empty((len(graph.indptr) - 1, x.d), np.float32) if out is None else out
    _backend.pick("sparseproj").propagate(
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


def featured_first(
    matrix: Ternary,
    ids: I64,
    features: DenseRows | SparseRows,
    projector: Projector,
    power: F64 | None,
    state: str,
    memory: Memory,
    threads: int,
) -> First:
    """E_0 = D**strength (R, X S): random columns, then projections of features."""
    d = matrix.n_columns + projector.lists.matrix.n_columns
    held = Held.empty(len(ids), d, state, memory.of(0))
    projected = projector(features, threads)
    n_random, unit = matrix.n_columns, matrix.scale(d)

    def blocks() -> Iterator[tuple[Held, F32]]:
        step = max(1, (1 << 20) // d)
        for start in range(0, len(ids), step):
            rows = slice(start, start + step)
            block = np.empty((len(ids[rows]), d), np.float32)
            if n_random:
                block[:, :n_random] = matrix.rows(ids[rows], threads)[:, :n_random]
                block[:, :n_random] *= np.float32(unit)
            block[:, n_random:] = projected[rows]
            if power is not None:
                block *= power[rows, None].astype(np.float32)
            yield held.part(rows), block

    most = max((float(np.abs(block).max(initial=0.0)) for _, block in blocks()), default=0.0)
    lift = 2.0 ** -np.ceil(np.log2(most)) if most > 0 else 1.0  # to at most 1: halves go to 65504
    for part, block in blocks():
        block *= np.float32(lift)
        part.write(block, threads)
    return First(held, 1.0 / lift)
