"""Contenders and the scenarios that they meet in: the rows and the columns of the bench."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest

import tersevec
from tersevec import _native

Call = Callable[[], Any]
THREADS = sorted({1, tersevec.get_num_threads()})


@dataclass(frozen=True)
class Scenario:
    """One table of the report: `n` rows of `row_bytes`, each met by every query, if any."""

    what: str
    n: int
    row_bytes: int
    queries: int = 0
    threads: int = 1
    bits: int = 0  # of a code, or of its parts
    m: int = 0  # sub-spaces of a code
    k: int = 0  # results of a query, where they vary

    @property
    def clock(self) -> Callable[[], float]:
        return time.process_time if self.threads == 1 else time.perf_counter

    @property
    def pairs(self) -> int:
        return self.n * max(self.queries, 1)

    @property
    def id(self) -> str:
        code = f"{self.m}x{self.bits or 4}" if self.m else f"{self.bits}bits"
        results = f"-k{self.k}" if self.k else ""
        return f"{code}-{self.n}-{self.queries}q-{self.threads}t{results}"

    def __str__(self) -> str:
        size = f"{self.n:,} x {self.row_bytes} bytes = {self.n * self.row_bytes / 1e6:.1f} MB"
        queries = {0: "", 1: ", 1 query"}.get(self.queries, f", {self.queries} queries")
        clock = "1 thread, CPU time" if self.threads == 1 else f"{self.threads} threads, wall time"
        parts = f" to {self.m} x {self.bits} bits" if self.m and self.bits else ""
        return f"{self.what}{parts}: {size}{queries}, {clock}"


class PerCall:
    """A clock that runs `calls` times slower: what it shows of a round is the time of one call."""

    __name__ = "PerCall"

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock, self.calls = clock, 1

    def __call__(self) -> float:
        return self.clock() / self.calls


class Contender(NamedTuple):
    """`build` prepares everything and returns what is timed: a call that returns its result.

    The first array of the result of an `exact` contender equals that of tersevec's fastest path.
    """

    name: str
    build: Callable[[Scenario], Call]
    exact: bool = True
    peer: bool = False
    fits: Callable[[Scenario], bool] = lambda scenario: True


@dataclass
class Result:
    """Seconds of each call, round by round."""

    scenario: Scenario
    contender: Contender
    own: list[float]
    reference: list[float] = field(default_factory=list)
    read: list[float] = field(default_factory=list)


def one_thread(scenario: Scenario) -> bool:
    return scenario.threads == 1


def small(scenario: Scenario) -> bool:
    """What the NumPy twins are asked to do."""
    return scenario.threads == 1 and scenario.n <= 20_000


def paths(operation: Any, *families: Any, twin: Any) -> list[Contender]:
    """Every level that runs here, fastest first, and the NumPy twin.

    Levels are those with rows of their own in one of the families, the first being the one that is
    called.
    """
    native, rows = families[0], {row for family in families for row in family.rows()}
    levels = [level for level in reversed(_native.isa_runnable()) if level in rows]
    found = [
        Contender(level, functools.partial(operation, module=native, isa=level), fits=one_thread)
        for level in levels
    ]
    found[0] = found[0]._replace(fits=lambda scenario: True)
    return [*found, Contender("numpy", functools.partial(operation, module=twin), fits=small)]


def grid(scenarios: Iterable[Scenario], contenders: Iterable[Contender]) -> list[Any]:
    """Parameters of a test: every contender in every scenario that it fits."""
    return [
        pytest.param(
            scenario,
            contender,
            id=f"{scenario.id}-{contender.name.replace(' ', '_')}",
            marks=pytest.mark.benchmark(timer=PerCall(scenario.clock)),
        )
        for scenario in scenarios
        for contender in contenders
        if contender.fits(scenario)
    ]
