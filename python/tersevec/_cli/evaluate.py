"""`python -m tersevec evaluate`: the comparison on the user's own arrays."""

from __future__ import annotations

import importlib
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import tersevec
from tersevec._cli.coders import (
    PRODUCT_BITS,
    RABITQ_BITS,
    RECURRENT_LEVELS,
    subspace_counts,
    subspace_dims,
)
from tersevec._cli.rows import Rows, UserError, prepare
from tersevec._cli.study import Plan, compare
from tersevec._cli.table import method_notes, table

FEWEST_TRAINING_ROWS = 16  # centroids of a 4-bit sub-space
OVERSAMPLE, PLOT_OVERSAMPLE = (10,), (2, 5, 10, 20)


def run(arguments: Namespace) -> None:
    """Print the comparison, and draw it if asked to; UserError where the input does not serve."""
    _check_numbers(arguments)
    if arguments.plot:
        _check_plot(arguments.plot)
    base_file, query_file = _open(arguments.base), _open(arguments.queries)
    _check_shapes(arguments, base_file, query_file)
    queries = prepare(arguments.queries, query_file, 0, arguments.metric)
    base = Rows(arguments.base, base_file, arguments.metric)
    plan = Plan(
        arguments.k,
        tuple(arguments.oversample or (PLOT_OVERSAMPLE if arguments.plot else OVERSAMPLE)),
        _products(min(base.n, arguments.train_rows), base.dim, every=bool(arguments.plot)),
        RECURRENT_LEVELS if base.n >= FEWEST_TRAINING_ROWS else (),
        () if base.metric == "l2" else RABITQ_BITS,
        arguments.train_rows,
        arguments.threads or tersevec.get_num_threads(),
    )
    print(
        f"{arguments.base}: {base.n:,} vectors of {base.dim:,} dimensions, {base_file.dtype}; "
        f"{len(queries):,} queries; metric {base.metric}\n"
    )
    results = compare(queries, base, plan)
    print(table(results, plan.k), end="\n\n")
    left_out = [] if plan.products else [f"pq left out: {_why_no_pq(base)}"]
    if not plan.rabitq:
        left_out.append("rabitq left out: it estimates inner products.")
    print(method_notes(results, base, plan, len(queries), *left_out))
    if arguments.plot:
        plot = importlib.import_module("tersevec._cli.plot")
        title = f"{Path(arguments.base).name}: {base.n:,} × {base.dim:,}, {base.metric}"
        try:
            plot.draw(results, plan.k, title, arguments.plot)
        except OSError as error:
            raise UserError(f"--plot: {arguments.plot}: {error.strerror or error}") from error
        print(f"\nTrade-off drawn in {arguments.plot}")


def _check_numbers(arguments: Namespace) -> None:
    least = {"k": 1, "threads": 1, "train_rows": FEWEST_TRAINING_ROWS}
    for name, bound in least.items():
        value = getattr(arguments, name)
        if value is not None and value < bound:
            option = name.replace("_", "-")
            raise UserError(f"--{option}: expected an integer of at least {bound}, got {value}")
    for multiple in arguments.oversample or ():
        if multiple < 1:
            raise UserError(f"--oversample: expected integers of at least 1, got {multiple}")


def _check_plot(path: str) -> None:
    """Before minutes of work: is matplotlib there, and can it write a file of this name?"""
    try:
        figure = importlib.import_module("matplotlib.figure")
    except ImportError as error:
        raise UserError("--plot needs matplotlib: pip install 'tersevec[plot]'") from error
    formats: dict[str, Any] = figure.Figure().canvas.get_supported_filetypes()
    suffix = Path(path).suffix[1:].lower()
    if suffix not in formats:
        raise UserError(
            f"--plot: expected a name ending in one of {', '.join(sorted(formats))}, got {path!r}"
        )
    if not Path(path).parent.is_dir():
        raise UserError(f"--plot: there is no folder {str(Path(path).parent)!r}")


def _open(path: str) -> npt.NDArray[np.floating]:
    """The memory-mapped array of a .npy file of float16, float32 or float64, of rank 2."""
    try:
        array: npt.NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from error
    except (ValueError, EOFError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: expected a .npy file of a float array: {reason}") from error
    if array.dtype.kind != "f" or array.dtype.itemsize not in (2, 4, 8):
        raise UserError(f"{path}: expected float16, float32 or float64, got {array.dtype}")
    if array.ndim != 2:
        raise UserError(f"{path}: expected rank 2, (vectors, dimensions), got shape {array.shape}")
    if 0 in array.shape:
        raise UserError(
            f"{path}: expected at least one vector and one dimension, got shape {array.shape}"
        )
    return array


def _check_shapes(arguments: Namespace, base: npt.NDArray[Any], queries: npt.NDArray[Any]) -> None:
    if base.shape[1] != queries.shape[1]:
        raise UserError(
            f"{arguments.queries}: expected {base.shape[1]} dimensions, as {arguments.base} has, "
            f"got {queries.shape[1]}"
        )
    if arguments.k > len(base):
        raise UserError(
            f"--k: expected at most {len(base)}, the vectors of {arguments.base}, got {arguments.k}"
        )


def _products(training_rows: int, dim: int, every: bool) -> Sequence[tuple[int, int]]:
    """The best sub-space count of each number of bits.

    For a plot also those of 4 bits for 2, 4 and 8 dimensions, where they divide.
    """
    products = set()
    for n_bits in PRODUCT_BITS:
        counts = subspace_counts(dim, n_bits) if training_rows >= 2**n_bits else []
        products |= {(m, n_bits) for m in counts[:1]}
        if every and n_bits == 4:
            products |= {(m, n_bits) for m in counts if dim // m in (2, 4, 8)}
    return sorted(products, key=lambda product: (product[1], product[0]))


def _why_no_pq(base: Rows) -> str:
    if base.n < FEWEST_TRAINING_ROWS:
        return f"it needs at least {FEWEST_TRAINING_ROWS} vectors to train on, there are {base.n}."
    fewest, most = subspace_dims(4)
    return (
        f"{base.dim} dimensions cannot be cut into equal sub-spaces of {fewest} to {most}; "
        "zeros can be appended to all vectors."
    )
