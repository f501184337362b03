"""The comparison itself: every method against exact search, with its size, recall and speed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from tersevec._cli import exact
from tersevec._cli.coders import Coder, Product, RaBitQ, Recurrent, Signs
from tersevec._cli.progress import stage
from tersevec._cli.rows import Rows
from tersevec._kernels import F32, I64

SEED = 0
FEWEST_RUNS, FEWEST_SECONDS, MOST_SECONDS = 3, 0.3, 15.0


@dataclass(frozen=True)
class Plan:
    """What to compare: results, multiples of `k` to re-rank, the codes, training rows.

    Codes are signs, and those of `products` (sub-spaces, bits of each), `recurrent` (levels) and
    `rabitq` (bits).
    """

    k: int
    oversample: Sequence[int]
    products: Sequence[tuple[int, int]]
    recurrent: Sequence[int]
    rabitq: Sequence[int]
    train_rows: int
    threads: int


@dataclass(frozen=True)
class Measured:
    """One method: its codes, how many of them were scored again by floats (0: none), and the rest.

    All queries were searched in one call, `runs` times; `queries_per_second` is the median's.
    """

    code: str
    candidates: int
    bytes_per_vector: int
    recall: float
    queries_per_second: float
    runs: int
    indices: I64 = field(repr=False)

    @property
    def name(self) -> str:
        """The method as tables show it."""
        return f"{self.code} + re-rank {self.candidates}" if self.candidates else self.code


def measure(search: Callable[[], I64]) -> tuple[I64, float, int]:
    """What a search finds, the median seconds of a run, and the number of runs.

    The first run warms up and is not counted, unless it alone takes more than `MOST_SECONDS`.
    """
    start = time.perf_counter()
    found = search()
    seconds = [time.perf_counter() - start]
    if seconds[0] > MOST_SECONDS:
        return found, seconds[0], 1
    seconds.clear()
    while len(seconds) < FEWEST_RUNS or sum(seconds) < FEWEST_SECONDS:
        start = time.perf_counter()
        search()
        seconds.append(time.perf_counter() - start)
        if sum(seconds) > MOST_SECONDS:
            break
    return found, statistics.median(seconds), len(seconds)


def recall(found: I64, truth: I64) -> float:
    """The share of the true rows that were found, over all queries."""
    hits = sum(len(np.intersect1d(a, b)) for a, b in zip(found, truth, strict=True))
    return hits / truth.size


def compare(queries: F32, base: Rows, plan: Plan) -> list[Measured]:
    """Every method of the plan, exact search first; needs `k` of at most the base's rows."""
    exactly = _exact(queries, base, plan.k)
    results = [exactly]
    coders = _encoded(base, plan)
    depths = sorted({min(base.n, plan.k * multiple) for multiple in plan.oversample})
    with stage("measure", len(coders) * (1 + len(depths))) as advance:
        for coder in coders:
            for depth in (0, *depths):
                results.append(_measured(coder, depth, queries, base, exactly.indices))
                advance(1)
    return results


def _exact(queries: F32, base: Rows, k: int) -> Measured:
    with stage("exact search", base.n) as advance:
        left = [base.n]  # the bar shows the first run; the timed ones move nothing

        def moved(rows: int) -> None:
            if left[0] > 0:
                left[0] -= rows
                advance(rows)

        found, seconds, runs = measure(lambda: exact.search(queries, base, k, moved))
    return Measured("exact float32", 0, 4 * base.dim, 1.0, len(queries) / seconds, runs, found)


def _encoded(base: Rows, plan: Plan) -> list[Coder]:
    training, threads = base.sample(plan.train_rows, SEED), plan.threads
    kinds: list[Callable[[], Coder]] = [partial(Signs, training, threads)]
    for m, n_bits in plan.products:
        kinds.append(partial(Product, training, m, n_bits, base.metric, SEED, threads))
    for n_levels in plan.recurrent:
        kinds.append(partial(Recurrent, training, n_levels, SEED, threads))
    for n_bits in plan.rabitq:
        kinds.append(partial(RaBitQ, training, n_bits, SEED, threads))
    coders: list[Coder] = []
    with stage("train", len(kinds)) as advance:
        for kind in kinds:
            coders.append(kind())
            advance(1)
    with stage("encode", base.n) as advance:
        for _, block in base.blocks():
            for coder in coders:
                coder.add(block)
            advance(len(block))
    return coders


def _measured(coder: Coder, depth: int, queries: F32, base: Rows, truth: I64) -> Measured:
    k = truth.shape[1]

    def search() -> I64:
        if depth == 0:
            return coder.search(queries, k)
        return exact.rescore(queries, base, coder.search(queries, depth), k)

    found, seconds, runs = measure(search)
    speed = len(queries) / seconds
    return Measured(coder.name, depth, coder.code_bytes, recall(found, truth), speed, runs, found)
