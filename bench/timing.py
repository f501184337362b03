"""Interleaved timing: every round runs the contender, tersevec's fastest path and a plain read.

What disturbs the machine falls on all three alike, so that their ratios hold where their times do
not. With one thread the clock is the CPU time of the process, pinned to one CPU; else wall time.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from harness import Call, Contender, PerCall, Result, Scenario

ROUND_SECONDS = 0.02  # at least, of each contender in a round
RACE_SECONDS = 1.5  # about, unless three rounds take longer


@contextlib.contextmanager
def pinned(threads: int) -> Iterator[None]:
    """One thread stays on the last CPU of the process."""
    if threads > 1 or not hasattr(os, "sched_setaffinity"):
        yield
        return
    usable = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(usable)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, usable)


class Timed:
    """A call, repeated as often as a round needs."""

    def __init__(self, call: Call, clock: Callable[[], float]) -> None:
        self.call, self.clock, self.calls = call, clock, 1
        self.seconds = 0.0
        for _ in range(2):  # the second finds its data in the cache
            if self.seconds < 1:
                start = clock()
                self.first = call()
                self.seconds = max(clock() - start, 1e-7)
        self.calls = max(1, round(ROUND_SECONDS / self.seconds))

    def __call__(self) -> None:
        for _ in range(self.calls):
            self.call()

    def round(self) -> float:
        if self.calls > 1:
            self.call()  # brings its data back into the cache
        start = self.clock()
        self()
        return (self.clock() - start) / self.calls


class Read(Timed):
    """A plain read of as many bytes: libc's memcmp of the two equal halves of a buffer.

    Two streams at the full width of the registers. No slower, on any size tried, than an AVX-512
    loop over one stream, with prefetches or without, and faster than memchr and NumPy's reductions.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.compare = ctypes.CDLL(None).memcmp
        self.compare.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
        self.threads = scenario.threads
        self.half = max(scenario.n * scenario.row_bytes // 2 // self.threads, 1)
        self.memory = np.ones(2 * self.half * self.threads + 64, np.uint8)
        self.start = self.memory.ctypes.data + -self.memory.ctypes.data % 64
        super().__init__(lambda: self.share(0), scenario.clock)

    def share(self, thread: int) -> None:
        first = self.start + 2 * self.half * thread
        if self.compare(first, first + self.half, self.half) != 0:
            raise AssertionError("the halves differ")

    def __call__(self) -> None:
        def passes(thread: int) -> None:
            for _ in range(self.calls):
                self.share(thread)

        if self.threads == 1:
            passes(0)
            return
        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(passes, range(self.threads)))


def race(
    benchmark: Any, timer: PerCall, scenario: Scenario, contender: Contender, fastest: Contender
) -> Result:
    """Time a contender in rounds with `fastest` and the probe; pytest-benchmark keeps the times."""
    with pinned(scenario.threads):
        own = Timed(contender.build(scenario), scenario.clock)
        others: list[Timed] = [Read(scenario)]
        if contender is not fastest:
            others.append(Timed(fastest.build(scenario), own.clock))
            if contender.exact:
                np.testing.assert_array_equal(own.first[0], others[1].first[0])
        times: list[list[float]] = [[] for _ in others]

        def before_round() -> None:
            for seconds, other in zip(times, others, strict=True):
                seconds.append(other.round())
            if own.calls > 1:
                own.call()

        a_round = sum(timed.calls * timed.seconds for timed in (own, *others))
        rounds = min(max(int(RACE_SECONDS / a_round), 3), 15)
        benchmark.group, timer.calls = str(scenario), own.calls
        benchmark.pedantic(own, setup=before_round, rounds=rounds)
    measured = list(benchmark.stats.stats.data)
    return Result(scenario, contender, measured, times[1] if len(times) > 1 else measured, times[0])
