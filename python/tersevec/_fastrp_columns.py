"""FastRP by columns: all of them at once, or a block after the other in the same memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tersevec import _check as check
from tersevec import _fastrp_steps as steps
from tersevec._fastrp_first import FeaturedFirst, RandomFirst
from tersevec._fastrp_plan import Plan
from tersevec._graph_input import Graph
from tersevec._held import Memory, aligned, row_bytes
from tersevec._standardize import standardize
from tersevec._ternary import GROUP
from tersevec._types import F64, I64, ArrayIn


def column_blocks(block: object, d: int, plan: Plan, node_features: ArrayIn) -> list[slice]:
    """The columns that are embedded at once; None for all."""
    if block is None:
        return [slice(0, d)]
    width = check.positive("column_block", block)
    if width % GROUP:
        raise ValueError(f"column_block: expected a multiple of {GROUP}, got {width}")
    if node_features is not None or plan.whiten_every:
        raise ValueError(
            "column_block: expected None with node_features or whiten_every, which need whole rows"
        )
    return [slice(start, min(start + width, d)) for start in range(0, d, width)]


class Embedding(NamedTuple):
    """What every block of columns needs: a graph, where it starts, and what is added up."""

    graph: Graph
    degree: F64
    first: RandomFirst | FeaturedFirst
    plan: Plan
    places: I64 | None
    standardize: bool
    threads: int

    def passes(self, columns: list[slice]) -> int:
        """How often the graph is gone through: unit rows need the lengths of whole rows first."""
        return len(columns) * (1 + self._measures(columns))

    def _measures(self, columns: list[slice]) -> bool:
        return len(columns) > 1 and self.plan.normalize

    def write(
        self, result: npt.NDArray[Any], columns: list[slice], moved: Callable[[int], object]
    ) -> None:
        """The embedding into `result`, in its type."""
        n, width = len(result), columns[0].stop
        if result.dtype == np.float32:
            total = result[:, :width]
        else:
            total = aligned((n, width), np.float32, result)
        memory = Memory(n, row_bytes(width, self.plan.state), self.plan.first_sum, total)
        squares = None
        if self._measures(columns):
            squares = steps.Squares(n, self.plan, result)
            for block in columns:
                self._propagate(block, memory, total, moved, squares)
            squares.measured = True
        for block in columns:
            if result.dtype == np.float32:
                total = result[:, block]
            else:
                total = total[:, : block.stop - block.start]
            self._propagate(block, memory, total, moved, squares)
            if self.standardize:
                standardize(total)
            if result.dtype != np.float32:
                result[:, block] = total

    def _propagate(
        self,
        block: slice,
        memory: Memory,
        out: npt.NDArray[Any],
        moved: Callable[[int], object],
        squares: steps.Squares | None,
    ) -> None:
        first = self.first.written(block, memory, self.threads)
        steps.propagate(
            self.graph,
            self.degree,
            first,
            self.plan,
            memory,
            out,
            self.places,
            self.threads,
            moved,
            squares,
        )
