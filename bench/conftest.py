"""Options of the bench, the fixture that times a contender, and the tables at the end."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import harness
import report
import timing

RESULTS = pytest.StashKey[list[harness.Result]]()
LEGEND = (
    "ns: nanoseconds per row and query, median of the rounds; ±: half the range of the middle half "
    "of the rounds; GB/s: bytes of rows, times queries; of read: that over a plain read of as many "
    "bytes; x peer: how many times as fast as the peer. Read, peers and fastest path take turns."
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("tersevec")
    group.addoption("--bench-n", type=int, metavar="N", help="at most N rows: a quick try")
    group.addoption("--bench-report", metavar="FILE", help="write the tables to a Markdown file")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("filterwarnings", "default")  # peers may warn
    config.stash[RESULTS] = []


@pytest.fixture
def race(request: pytest.FixtureRequest, benchmark: Any) -> Callable[..., None]:
    """Time a contender against tersevec's fastest path and a plain read, and keep the result."""
    most = request.config.getoption("--bench-n")
    results = request.config.stash[RESULTS]
    timer = request.node.get_closest_marker("benchmark").kwargs["timer"]

    def run(
        scenario: harness.Scenario, contender: harness.Contender, fastest: harness.Contender
    ) -> None:
        if most is not None:
            scenario = dataclasses.replace(scenario, n=min(scenario.n, most))
            if any((r.scenario, r.contender) == (scenario, contender) for r in results):
                pytest.skip("--bench-n makes it the same as a smaller one")
        if benchmark.disabled:
            contender.build(scenario)()
            return
        results.append(timing.race(benchmark, timer, scenario, contender, fastest))

    return run


@pytest.hookimpl(trylast=True)  # behind pytest-benchmark's own tables
def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    results = config.stash[RESULTS]
    if not results:
        return
    command = shlex.join(["pytest", *config.invocation_params.args])
    text = f"{report.machine(command)}\n\n{LEGEND}\n\n{report.tables(results)}\n"
    terminalreporter.section("tersevec")
    terminalreporter.write_line(text)
    if path := config.getoption("--bench-report"):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(f"# {Path(path).stem}\n\n{text}", encoding="utf-8")
