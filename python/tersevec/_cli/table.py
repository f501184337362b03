"""The comparison as a table for a terminal, and the lines that say how it was measured."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import tersevec
from tersevec._cli.rows import Rows
from tersevec._cli.study import Measured, Plan

WIDTH = 96


def table(results: Sequence[Measured], k: int) -> str:
    """One line per method; the last column is the speed as a multiple of the first method's."""
    heads = ["method", "bytes/vector", f"recall@{k}", "queries/s", "x NumPy"]
    lines = [[*_cells(row), _ratio(row, results[0])] for row in results]
    lines[0][0] += " (NumPy)"
    widths = [max(len(line[i]) for line in [heads, *lines]) for i in range(len(heads))]
    shown = [_line(heads, widths), "  ".join("-" * width for width in widths)]
    for row, line in zip(results, lines, strict=True):
        if not row.candidates and row is not results[0] and len(results) > 7:
            shown.append("")  # long tables: a gap before each kind of code
        shown.append(_line(line, widths))
    return "\n".join(shown)


def _cells(row: Measured) -> list[str]:
    speed = (
        f"{row.queries_per_second:,.0f}"
        if row.queries_per_second >= 10
        else f"{row.queries_per_second:.2f}"
    )
    return [row.name, f"{row.bytes_per_vector:,}", f"{row.recall:.3f}", speed]


def _ratio(row: Measured, yardstick: Measured) -> str:
    ratio = row.queries_per_second / yardstick.queries_per_second
    return f"{ratio:.2f}" if ratio < 1 else f"{ratio:.1f}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    numbers = (f"{cell:>{width}}" for cell, width in zip(cells[1:], widths[1:], strict=True))
    return "  ".join([f"{cells[0]:<{widths[0]}}", *numbers])


def backend_line() -> str:
    """The backend and CPU level in use, in a few words."""
    config = tersevec.show_config(mode="dicts")
    assert config is not None
    level = config["isa"]["active"]
    name = "native kernels" if config["backend"]["name"] == "native" else "the NumPy backend"
    return f"{name} ({level})" if level else name


def method_notes(results: Sequence[Measured], base: Rows, plan: Plan, nq: int, *more: str) -> str:
    """How the figures came about: runs, threads, what each method is, what re-ranking needs."""
    runs = [row.runs for row in results]
    often = f"{min(runs):,}" if min(runs) == max(runs) else f"{min(runs):,} to {max(runs):,}"
    threads = f"{plan.threads} thread{'' if plan.threads == 1 else 's'}"
    place = "held in memory" if base.in_memory else "read from the file"
    notes = [
        f"queries/s: all {nq:,} queries in one call, median of {often} runs. tersevec: {threads}, "
        f"{backend_line()}.",
        "exact float32: a matrix product and numpy.argpartition, on as many threads as NumPy's "
        f"BLAS takes; recall@{plan.k} is the share of its results that a method finds.",
        "hamming: one sign bit per dimension, after subtracting the mean of the training rows.",
    ]
    if plan.products:
        notes.append("pq mxb: product quantisation, m sub-spaces of b bits.")
    if plan.recurrent:
        notes.append(
            "recurrent mxu: recurrent binary codes, m components of u bits; queries are encoded "
            "too, and compared by cosines."
        )
    if plan.rabitq:
        notes.append(
            "rabitq: one random rotation, so many bits per dimension, and an unbiased estimate of "
            "every inner product."
        )
    notes.append(
        f"re-rank c: the best c codes are scored again by the float32 vectors ({4 * base.dim:,} "
        f"bytes each, kept beside the codes; here {place}), by NumPy on one thread."
    )
    if not base.in_memory:
        notes.append(
            "The base is too large to be held as float32: exact float32 and re-rank include the "
            "time to read and convert its file."
        )
    return "\n".join(
        textwrap.fill(note, WIDTH, initial_indent="  ", subsequent_indent="    ")
        for note in [*notes, *more]
    )
