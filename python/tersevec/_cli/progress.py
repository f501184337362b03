"""Progress on a terminal's stderr: tqdm's bar if installed, else one line; nothing in log files."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def stage(label: str, total: int) -> Iterator[Callable[[int], object]]:
    """A function that moves the stage's bar on by some of `total` units; the end wipes the bar."""
    if not sys.stderr.isatty():
        yield lambda units: None
        return
    try:
        tqdm = importlib.import_module("tqdm").tqdm
    except ImportError:
        yield from _one_line(label, total)
        return
    with tqdm(total=total, desc=label, leave=False, unit_scale=True) as bar:
        yield bar.update


def _one_line(label: str, total: int) -> Iterator[Callable[[int], object]]:
    done, shown = 0, -1

    def advance(units: int) -> None:
        nonlocal done, shown
        done += units
        percent = 100 * done // max(1, total)
        if percent > shown:
            shown = percent
            print(f"\r{label}: {percent:3d} %", end="", file=sys.stderr, flush=True)

    advance(0)
    try:
        yield advance
    finally:
        print(f"\r{'':{len(label) + 8}}\r", end="", file=sys.stderr, flush=True)
