"""Edge lists in text: lines of a source, a target and perhaps a weight, nodes named at will."""

from __future__ import annotations

import io
import re
import warnings
from array import array
from codecs import BOM_UTF8
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from tersevec._check import FLOAT32_MAX
from tersevec._cli.rows import UserError
from tersevec._cli.text_lines import COMMENT_SIGNS, opened, telling_lines
from tersevec._types import I64

Names: TypeAlias = "I64 | list[str]"  # whole numbers or texts, ascending, each once

SEPARATORS = {"tab": "\t", "comma": ",", "semicolon": ";", "space": " "}
HEADS = ({"source", "src", "from"}, {"target", "tgt", "dst", "to"})
_BLOCK_BYTES = 1 << 24
_COMMENTS = re.compile(rb"^[ \t]*[%s].*$" % COMMENT_SIGNS.encode(), re.MULTILINE)


class EdgeText(NamedTuple):
    """Edges by the places of their nodes in `names`."""

    sources: I64
    targets: I64
    weights: npt.NDArray[Any] | None
    names: Names


class _Layout(NamedTuple):
    """What the first edge shows: its line, how fields are told apart, how many there are."""

    line: int
    split: Callable[[str], list[str]]
    columns: int
    numbers: bool


class _NotNumbersError(Exception):
    """Some line is no edge of whole numbers, or its weight is none."""


def read_text(path: Path, *, weighted: bool = True, separator: str | None = None) -> EdgeText:
    """The edges of a text file, or of one in a .gz.

    Empty lines and those that begin with "#" or "%" are passed over, and a first line that names
    columns. What separates fields is seen on the first edge: between whole numbers anything does,
    texts have tabs, else commas, else semicolons, else white space; or `separator` tells. If not
    `weighted`, only the first two columns are looked at.
    """
    layout = _layout(path, weighted, separator)
    if layout.numbers:
        try:
            return _read_numbers(path, layout, weighted)
        except _NotNumbersError:
            pass  # names that happen to begin with numbers, or an error that has a line
    return _read_names(path, layout, weighted)


def _layout(path: Path, weighted: bool, separator: str | None) -> _Layout:
    with closing(telling_lines(path)) as lines:
        for number, line in lines:
            split = _splitter(line, separator)
            fields = split(line)
            if is_header(fields):
                continue
            if len(fields) < 2 or (weighted and len(fields) > 3):
                advice = "; --unweighted takes the first two" if len(fields) > 3 else ""
                raise UserError(
                    f"{path}: line {number}: expected 2 or 3 columns, source, target and perhaps "
                    f"weight, got {len(fields)}{advice}"
                )
            numbers = separator is None and _whole_numbers(fields[:2])
            return _Layout(number, split, len(fields), numbers)
    raise UserError(f"{path}: expected edges, one a line, got none")


def is_header(fields: list[str]) -> bool:
    """Whether these are the names of columns."""
    words = [field.strip("\"'").lower() for field in fields[:2]]
    return len(words) == 2 and words[0] in HEADS[0] and words[1] in HEADS[1]


def _splitter(line: str, separator: str | None) -> Callable[[str], list[str]]:
    if separator is None and _whole_numbers(_split_anywhere(line)[:2]):
        return _split_anywhere
    mark = SEPARATORS[separator] if separator else next((m for m in "\t,;" if m in line), " ")
    if mark == " ":
        return str.split
    return lambda text: [field.strip() for field in text.split(mark)]


def _split_anywhere(line: str) -> list[str]:
    return line.replace(",", " ").replace(";", " ").split()


def _whole_numbers(fields: list[str]) -> bool:
    return all(re.fullmatch(r"[+-]?[0-9]+", field) for field in fields)


# ---- whole numbers: block by block


def _read_numbers(path: Path, layout: _Layout, weighted: bool) -> EdgeText:
    columns = layout.columns if weighted else 2
    kinds = [("source", np.int64), ("target", np.int64), ("weight", np.float64)]
    kind = np.dtype(kinds[:columns])
    parts = []
    with opened(path) as (file, show):
        for _ in range(layout.line - 1):
            file.readline()
        while lines := file.readlines(_BLOCK_BYTES):
            parts.append(_parse(b"".join(lines), kind, every_column=weighted))
            show()
    edges = np.concatenate(parts)
    weights = edges["weight"] if columns == 3 else None
    if weights is not None and not ((weights >= 0) & (weights <= FLOAT32_MAX)).all():
        raise _NotNumbersError
    return numbered(edges["source"], edges["target"], weights)


def _parse(block: bytes, kind: np.dtype[Any], every_column: bool) -> npt.NDArray[Any]:
    block = block.removeprefix(BOM_UTF8).replace(b",", b" ").replace(b";", b" ")
    if any(sign.encode() in block for sign in COMMENT_SIGNS):
        block = _COMMENTS.sub(b"", block)
    if not block.strip():
        return np.empty(0, kind)
    columns = None if every_column else range(2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what is whole only after rounding
        try:
            return np.loadtxt(
                io.BytesIO(block), kind, comments=None, usecols=columns, ndmin=1, encoding="latin-1"
            )
        except (ValueError, DeprecationWarning) as error:
            raise _NotNumbersError from error


def numbered(sources: I64, targets: I64, weights: npt.NDArray[Any] | None) -> EdgeText:
    """Edges between nodes that are whole numbers, of any size."""
    names, places = np.unique(np.concatenate([sources, targets]), return_inverse=True)
    return EdgeText(places[: len(sources)], places[len(sources) :], weights, names)


# ---- names: line by line


def _read_names(path: Path, layout: _Layout, weighted: bool) -> EdgeText:
    places: dict[str, int] = {}
    ends, weights = array("q"), array("d")
    for number, line in telling_lines(path):
        if number < layout.line:
            continue
        fields = layout.split(line)
        if len(fields) < 2 or (weighted and len(fields) != layout.columns):
            raise UserError(
                f"{path}: line {number}: expected {layout.columns} columns, as the first edge has, "
                f"got {len(fields)}; --separator tells what is between them"
            )
        for name in fields[:2]:
            if not name:
                raise UserError(f"{path}: line {number}: expected names of nodes, got an empty one")
            ends.append(places.setdefault(name, len(places)))
        if weighted and layout.columns == 3:
            weights.append(_weight(path, number, fields[2]))
    sources, targets = np.frombuffer(ends, np.int64).reshape(-1, 2).T
    return in_order(sources, targets, np.frombuffer(weights) if weights else None, list(places))


def in_order(
    sources: I64, targets: I64, weights: npt.NDArray[Any] | None, names: list[str]
) -> EdgeText:
    """The same edges, their names in ascending order."""
    order = sorted(range(len(names)), key=names.__getitem__)
    rank = np.empty(len(names), np.int64)
    rank[order] = np.arange(len(names))
    return EdgeText(rank[sources], rank[targets], weights, [names[place] for place in order])


def _weight(path: Path, number: int, field: str) -> float:
    try:
        weight = float(field)
    except ValueError:
        weight = np.nan
    if not 0 <= weight <= FLOAT32_MAX:
        raise UserError(
            f"{path}: line {number}: expected a finite weight of at least 0, got {field!r}"
        )
    return weight
