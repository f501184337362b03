"""The recall / latency / size trade-off as a picture; needs matplotlib."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from tersevec._cli.study import Measured

# Colour-blind readers tell them.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#882255", "#999933")
GREY, INK = "#5a5a5a", "#222222"
DODGE = 1.14  # codes of the same size stand side by side


def draw(results: Sequence[Measured], k: int, title: str, path: str) -> None:
    """Write the picture: recall against time per query, and recall against bytes per vector."""
    figure = Figure(figsize=(11, 5.6), layout="constrained")
    by_time, by_size = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    exactly, rest = results[0], results[1:]
    codes = list(dict.fromkeys(row.code for row in rest))
    colours = dict(zip(codes, itertools.cycle(COLOURS), strict=False))
    sizes = {row.code: row.bytes_per_vector for row in rest}
    for code, colour in colours.items():
        rows = [row for row in rest if row.code == code]
        peers = [other for other in codes if sizes[other] == sizes[code]]
        place = sizes[code] * DODGE ** (peers.index(code) - (len(peers) - 1) / 2)
        _curve(by_time, [_latency(row) for row in rows], rows, colour)
        _curve(by_size, [place] * len(rows), rows, colour)
    for axes, x in ((by_time, _latency(exactly)), (by_size, exactly.bytes_per_vector)):
        axes.plot(x, 1, "*", color=INK, markersize=15, clip_on=False, zorder=4)
    _dress(by_time, "time per query, µs (all queries in one call)")
    by_time.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    _dress(by_size, "bytes per vector")
    by_size.xaxis.set_major_locator(FixedLocator(sorted({row.bytes_per_vector for row in results})))
    by_time.set_ylabel(f"recall@{k} against exact search")
    figure.suptitle(title, fontsize=13, color=INK)
    figure.legend(
        handles=_legend(results, colours), loc="outside lower center", ncols=4, frameon=False
    )
    figure.savefig(path, dpi=150)


def _latency(row: Measured) -> float:
    return 1e6 / row.queries_per_second


def _curve(axes: Any, x: Sequence[float], rows: Sequence[Measured], colour: str) -> None:
    """One kind of code: an open marker for the codes alone, full ones after re-ranking."""
    axes.plot(x, [row.recall for row in rows], color=colour, alpha=0.5, linewidth=1.5)
    for place, row in zip(x, rows, strict=True):
        face = colour if row.candidates else "white"
        axes.plot(place, row.recall, "o", color=colour, markerfacecolor=face, markersize=7)


def _legend(results: Sequence[Measured], colours: dict[str, str]) -> list[Line2D]:
    """Colours for the codes; shapes for exact search, codes alone and re-ranked ones."""
    sizes = {row.code: row.bytes_per_vector for row in results}
    lines = [
        _mark("o", colour, colour, f"{code}: {sizes[code]:,} bytes")
        for code, colour in colours.items()
    ]
    depths = sorted({row.candidates for row in results if row.candidates})
    lines.append(_mark("*", INK, INK, "exact float32 (NumPy)"))
    lines.append(_mark("o", GREY, "white", "codes alone"))
    upwards = ", ".join(map(str, depths))
    lines.append(_mark("o", GREY, GREY, f"best {upwards} re-ranked by floats"))
    return lines


def _mark(shape: str, colour: str, face: str, label: str) -> Line2D:
    size = 12 if shape == "*" else 7
    return Line2D(
        [], [], marker=shape, linestyle="none", color=colour, markerfacecolor=face,
        markersize=size, label=label,
    )  # fmt: skip


def _dress(axes: Any, label: str) -> None:
    axes.set_xscale("log")
    axes.set_xlabel(label)
    axes.margins(x=0.08)
    axes.grid(True, which="major", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
