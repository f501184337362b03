"""E_0 of FastRP: random signs and projected features, times powers of the degrees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from tersevec._arrays import beside, in_one_memory, on_host
from tersevec._cuda._device import holds, module_of
from tersevec._estimator import random_generator
from tersevec._fastrp_plan import feature_columns, number
from tersevec._held import Held, Memory
from tersevec._projection_rows import DenseRows, Projector, projectable
from tersevec._sparse_rows import SparseRows
from tersevec._ternary import Ternary, density_of, ternary
from tersevec._types import F32, F64, I64, ArrayIn

_BLOCK = 1 << 20  # numbers
_DEVICE_BLOCK = 1 << 26  # the same on a GPU


class First(NamedTuple):
    """E_0 as it is held, times `unit`; its numbers are at most 1 in size."""

    held: Held
    unit: float


def first_of(
    model: Any,
    d: int,
    degree: F64,
    ids: I64,
    node_features: ArrayIn,
    order: I64 | None,
    memory: Memory,
    threads: int,
) -> First:
    """E_0 as the model's parameters want it; features alone come in the caller's order."""
    power = _powers(degree, number("normalization_strength", model.normalization_strength))
    density = density_of(model.density, 1 / 3)
    rng = random_generator(model.random_state)
    if node_features is None:
        return _random_first(ternary(d, density, rng), ids, power, memory, threads)
    features = projectable("node_features", node_features, device=holds(ids))
    in_one_memory(node_features=features.memory, adjacency=ids)
    if features.n_rows != len(ids):
        raise ValueError(
            f"node_features: expected {len(ids)} rows, one for each node, got {features.n_rows}"
        )
    p = feature_columns(model.feature_ratio, d)
    matrix, projection = ternary(d - p, density, rng), ternary(p, density, rng)
    projector = Projector(projection.lists(features.n_columns, threads), projection.scale(d))
    return _featured_first(
        matrix, ids, features, projector, power, order, model.state, memory, threads
    )


def _powers(degree: F64, strength: float) -> F64 | None:
    """Degrees to a power, nodes without edges as if they had one; None for ones.

    On the host, whose powers are the same wherever the graph lies.
    """
    if strength == 0:
        return None
    degree = on_host(degree)
    with np.errstate(over="ignore", under="ignore"):
        found: F64 = np.where(degree > 0, degree, 1.0) ** strength
    if len(found) and not 0 < found.min() <= found.max() < np.inf:
        raise ValueError(f"normalization_strength: degrees to the power {strength:g} overflow")
    return found


def _random_first(
    matrix: Ternary, ids: I64, power: F64 | None, memory: Memory, threads: int
) -> First:
    """E_0 = D**strength R: the signs as bytes, and a scale for each row."""
    unit, scales = matrix.scale(matrix.n_columns), None
    if power is not None and len(power):
        unit *= float(power.max())
        scales = beside(ids, (power / power.max()).astype(np.float32))
    signs = memory.of(0)[: len(ids) * matrix.width].view(np.int8).reshape(-1, matrix.width)
    matrix.write(ids, signs, threads)
    return First(Held(signs, scales, matrix.n_columns), unit)


def _featured_first(
    matrix: Ternary,
    ids: I64,
    features: DenseRows | SparseRows,
    projector: Projector,
    power: F64 | None,
    order: I64 | None,
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
        step = max(1, (_DEVICE_BLOCK if holds(ids) else _BLOCK) // d)
        for start in range(0, len(ids), step):
            rows = slice(start, start + step)
            block: F32 = module_of(ids).empty((len(ids[rows]), d), np.float32)
            if n_random:
                block[:, :n_random] = matrix.rows(ids[rows], threads)[:, :n_random]
                block[:, :n_random] *= np.float32(unit)
            block[:, n_random:] = projected[rows if order is None else order[rows]]
            if power is not None:
                block *= beside(ids, power[rows, None].astype(np.float32))
            yield held.part(rows), block

    most = max((float(abs(block).max()) for _, block in blocks()), default=0.0)
    lift = 2.0 ** -np.ceil(np.log2(most)) if most > 0 else 1.0  # to at most 1: halves go to 65504
    for part, block in blocks():
        block *= np.float32(lift)
        part.write(block, threads)
    return First(held, 1.0 / lift)
