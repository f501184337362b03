"""The tables that a run of the bench ends with, and the machine that they belong to."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

import tersevec
from harness import Result
from tersevec import _native

PEERS = (
    "numpy",
    "faiss-cpu",
    "numkong",
    "usearch",
    "turbovec",
    "muvfde",
    "muvera-python",
    "fastembed",
    "maxsim-cpu",
    "torch",
)
FLAGS = re.compile(r"(sse4|avx|popcnt|asimd|sve)")


def _output(*command: str) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=Path(__file__).parent, check=False
    )
    return done.stdout.strip()


def _cpu() -> tuple[str, str]:
    """The name of the CPU, and those of its flags that kernels ask for."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    known = {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)
    }
    name = known.get("model name") or " ".join(
        f"{key} {known[key]}" for key in ("CPU implementer", "CPU part") if key in known
    )
    flags = known.get("flags", known.get("Features", "")).split()
    return name or platform.processor(), " ".join(sorted(filter(FLAGS.match, flags)))


def _caches() -> str:
    folders = sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"))
    return ", ".join(
        f"L{(folder / 'level').read_text().strip()} {(folder / 'size').read_text().strip()}"
        for folder in folders
        if (folder / "type").read_text().strip() != "Instruction"
    )


def _version(package: str) -> str:
    try:
        return f"{package} {importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError:
        return f"{package} not installed"


def machine(command: str, packages: Sequence[str] = PEERS) -> str:
    """What the figures depend on, as a Markdown list."""
    name, flags = _cpu()
    commit = _output("git", "rev-parse", "--short=12", "HEAD") or "unknown"
    changed = " with changes" if _output("git", "status", "--porcelain", "-uno") else ""
    facts = {
        "CPU": f"{name}, {os.cpu_count()} CPUs, {platform.machine()}",
        "levels": ", ".join(_native.isa_runnable()),
        "flags": flags,
        "caches": _caches(),
        "system": f"{platform.platform()}, Python {platform.python_version()}",
        "packages": ", ".join([f"tersevec {tersevec.__version__}", *map(_version, packages)]),
        "commit": commit + changed,
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "command": f"`{command}`",
    }
    return "\n".join(f"- {key}: {value or 'unknown'}" for key, value in facts.items())


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table that is one in a terminal too."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    ruler = [":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [rows[0], ruler, *rows[1:]]
    return "\n".join(
        "| "
        + " | ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        + " |"
        for line in lines
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _behind(result: Result) -> float:
    """How many times as long as tersevec's fastest path, in the same rounds."""
    return float(np.median(result.own) / np.median(result.reference))


def _row(result: Result, peers: Sequence[Result]) -> list[str]:
    scenario = result.scenario
    low, seconds, high = np.percentile(result.own, (25, 50, 75))
    speed = scenario.pairs * scenario.row_bytes / seconds
    read = scenario.n * scenario.row_bytes / np.median(result.read)
    ratios = [
        "" if result.contender.peer else f"{_behind(peer) / _behind(result):.2f}" for peer in peers
    ]
    return [
        result.contender.name,
        _number(seconds * 1e9 / scenario.pairs),
        f"{(high - low) / 2 / seconds:.1%}",
        _number(speed / 1e9),
        f"{speed / read:.2f}",
        *ratios,
    ]


def tables(results: Sequence[Result]) -> str:
    """One Markdown table for each scenario, in the order of the runs."""
    parts = []
    for scenario in dict.fromkeys(result.scenario for result in results):
        here = [result for result in results if result.scenario == scenario]
        peers = [result for result in here if result.contender.peer]
        read = scenario.n * scenario.row_bytes / np.median([np.median(r.read) for r in here]) / 1e9
        head = ["path", "ns", "±", "GB/s", "of read", *(f"x {p.contender.name}" for p in peers)]
        parts.append(
            f"### {scenario}\n\nA plain read of as many bytes: {read:.1f} GB/s.\n\n"
            + aligned([head, *(_row(result, peers) for result in here)])
        )
    return "\n\n".join(parts)
