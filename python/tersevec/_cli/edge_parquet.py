"""Edge lists in Parquet files, read by pyarrow."""

from __future__ import annotations

import importlib
from pathlib import Path

from tersevec._cli.edge_text import HEADS, EdgeText, in_order, numbered
from tersevec._cli.rows import UserError
from tersevec._edges import read_edges


def read_parquet(path: Path, *, weighted: bool = True) -> EdgeText:
    """The edges of columns "source", "target" and, if it is there, "weight".

    Nodes are integers or strings. Other names of columns are those that text files may have.
    """
    try:
        arrow, parquet = map(importlib.import_module, ("pyarrow", "pyarrow.parquet"))
    except ImportError as error:
        raise UserError(f"{path}: a .parquet file needs pyarrow: pip install pyarrow") from error
    try:
        with parquet.ParquetFile(path) as file:
            columns = _columns(file.schema_arrow.names, weighted)
            table = file.read(list(columns)).select(list(columns))
    except (OSError, arrow.ArrowException) as error:
        raise UserError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    table = table.rename_columns(list(columns.values()))
    nodes = [table["source"], table["target"]]
    if all(arrow.types.is_integer(column.type) for column in nodes):
        for place, name in enumerate(("source", "target")):
            table = table.set_column(place, name, table[name].cast(arrow.int64()))
        edges = read_edges(table)
        return numbered(edges.sources, edges.targets, edges.weights)
    text = arrow.large_string()
    kinds = [getattr(column.type, "value_type", column.type) for column in nodes]
    if not {*kinds} <= {arrow.string(), text}:
        raise UserError(
            f"{path}: expected nodes that are all integers or all strings, got {kinds[0]} and "
            f"{kinds[1]}"
        )
    chunks = [chunk.cast(text) for column in nodes for chunk in column.chunks]
    ends = arrow.chunked_array(chunks, text).combine_chunks().dictionary_encode()
    for place, name in enumerate(("source", "target")):
        numbers = ends.indices[place * len(table) : (place + 1) * len(table)]
        table = table.set_column(place, name, numbers)
    edges = read_edges(table)
    return in_order(edges.sources, edges.targets, edges.weights, ends.dictionary.to_pylist())


def _columns(names: list[str], weighted: bool) -> dict[str, str]:
    """The columns to read, by the names that they go under, and what they are."""
    known = {"source": HEADS[0], "target": HEADS[1], "weight": {"weight"} if weighted else set()}
    found: dict[str, str] = {}
    for meaning, words in known.items():
        named = [name for name in names if name.lower() in words]
        if len(named) > 1 or not (named or meaning == "weight"):
            raise ValueError(
                'expected columns "source" and "target", and "weight" if edges have some, got '
                f"{', '.join(names)}"
            )
        found |= {name: meaning for name in named}
    return found
