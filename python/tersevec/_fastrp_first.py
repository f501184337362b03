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
from tersevec._ternary import Ternary, density_of, ternary, whole_groups
from tersevec._types import F32, F64, I64, ArrayIn

_BLOCK = 1 << 20  # numbers
_DEVICE_BLOCK = 1 << 26  # the same on a GPU


class First(NamedTuple):
    """E_0 as it is held, times `unit`; its numbers are at most 1 in size."""

    held: Held
    unit: float


class RandomFirst(NamedTuple):
    """E_0 = D**strength R."""

    matrix: Ternary
    ids: I64
    power: F64 | None  # of the degrees

    def written(self, columns: slice, memory: Memory, threads: int) -> First:
        """Those columns: the signs as bytes, and a scale for each row."""
        unit, scales = self.matrix.scale(self.matrix.n_columns), None
        if self.power is not None and len(self.power):
            unit *= float(self.power.max())
            scales = beside(self.ids, (self.power / self.power.max()).astype(np.float32))
        n, d = len(self.ids), columns.stop - columns.start
        width = whole_groups(d)
        signs = memory.of(0)[: n * width].view(np.int8).reshape(n, width)
        self.matrix.write(self.ids, signs, threads, columns)
        return First(Held(signs, scales, d), unit)


class FeaturedFirst(NamedTuple):
    """E_0 = D**strength (R, X S): random columns, then projections of features."""

    matrix: Ternary
    projection: Ternary
    ids: I64
    features: DenseRows | SparseRows
    power: F64 | None  # of the degrees
    order: I64 | None
    state: str

    def written(self, columns: slice, memory: Memory, threads: int) -> First:
        """All columns, as states are held."""
        n_random, d = self.matrix.n_columns, columns.stop
        held = Held.empty(len(self.ids), d, self.state, memory.of(0))
        lists = self.projection.lists(self.features.n_columns, threads)
        projected = Projector(lists, self.projection.scale(d))(self.features, threads)
        unit = self.matrix.scale(d) if n_random else 1.0

        def blocks() -> Iterator[tuple[Held, F32]]:
            step = max(1, (_DEVICE_BLOCK if holds(self.ids) else _BLOCK) // d)
            for start in range(0, len(self.ids), step):
                rows = slice(start, start + step)
                block: F32 = module_of(self.ids).empty((len(self.ids[rows]), d), np.float32)
                if n_random:
                    block[:, :n_random] = self.matrix.rows(self.ids[rows], threads)[:, :n_random]
                    block[:, :n_random] *= np.float32(unit)
                block[:, n_random:] = projected[rows if self.order is None else self.order[rows]]
                if self.power is not None:
                    block *= beside(self.ids, self.power[rows, None].astype(np.float32))
                yield held.part(rows), block

        most = max((float(abs(block).max()) for _, block in blocks()), default=0.0)
        lift = 2.0 ** -np.ceil(np.log2(most)) if most > 0 else 1.0  # at most 1: halves go to 65504
        for part, block in blocks():
            block *= np.float32(lift)
            part.write(block, threads)
        return First(held, 1.0 / lift)


def first_of(
    model: Any, d: int, degree: F64, ids: I64, node_features: ArrayIn, order: I64 | None
) -> RandomFirst | FeaturedFirst:
    """E_0 as the model's parameters want it; features alone come in the caller's order."""
    power = _powers(degree, number("normalization_strength", model.normalization_strength))
    density = density_of(model.density, 1 / 3)
    rng = random_generator(model.random_state)
    if node_features is None:
        return RandomFirst(ternary(d, density, rng), ids, power)
    features = projectable("node_features", node_features, device=holds(ids))
    in_one_memory(node_features=features.memory, adjacency=ids)
    if features.n_rows != len(ids):
        raise ValueError(
            f"node_features: expected {len(ids)} rows, one for each node, got {features.n_rows}"
        )
    p = feature_columns(model.feature_ratio, d)
    matrix, projection = ternary(d - p, density, rng), ternary(p, density, rng)
    return FeaturedFirst(matrix, projection, ids, features, power, order, model.state)


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
