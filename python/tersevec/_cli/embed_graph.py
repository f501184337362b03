"""`python -m tersevec embed-graph`: FastRP's embedding of a graph in a file."""

from __future__ import annotations

import errno
import importlib.util
import os
import sys
import time
import warnings
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import tersevec
from tersevec import _check as check
from tersevec._cli.edge_text import Names
from tersevec._cli.embed_graph_options import PARAMETERS
from tersevec._cli.graph_files import NamedGraph, Reading, load
from tersevec._cli.rows import UserError
from tersevec._cli.table import backend_line
from tersevec.graph import FastRP


def run(arguments: Namespace) -> None:
    """Write the embedding, and the names of its rows; UserError where the input does not serve."""
    edges, out = Path(arguments.edges), Path(arguments.out)
    names_file = out.with_suffix(".names.txt")
    _check_out(edges, out, names_file)
    try:
        found = load(edges, _reading(arguments))
        print(f"{edges}: {found.graph.n_nodes:,} nodes, {found.edges}", flush=True)
        with _replaced(out) as partial:
            embedding = _embed(found, arguments, partial)
            if found.names is not None:
                _write_names(names_file, found.names)
    except (ValueError, TypeError) as error:
        raise UserError(_of_option(str(error))) from error
    print(f"{out}: {embedding.dtype} {embedding.shape}, {embedding.nbytes / 1e6:,.1f} MB")
    if found.names is not None:
        print(f"{names_file}: the nodes of its rows, one a line")


def _check_out(edges: Path, out: Path, names_file: Path) -> None:
    """Before minutes of work: can there be a file of this name?"""
    if out.suffix != ".npy":
        raise UserError(f"OUT.npy: expected a name that ends in .npy, got {str(out)!r}")
    if not out.parent.is_dir():
        raise UserError(f"OUT.npy: there is no folder {str(out.parent)!r}")
    for file in (out, names_file):
        if file.exists() and edges.exists() and file.samefile(edges):
            raise UserError(f"OUT.npy: {str(file)!r} would replace EDGES")


def _reading(arguments: Namespace) -> Reading:
    n = arguments.nodes
    return Reading(
        directed=arguments.directed,
        weighted=arguments.weighted,
        n_nodes=None if n is None else check.positive("--nodes", n),
        separator=arguments.separator,
    )


def _embed(found: NamedGraph, arguments: Namespace, path: Path) -> npt.NDArray[Any]:
    """Embed into a new file, and say what that took."""
    features = _features(arguments.features)
    model = FastRP(**{name: getattr(arguments, name) for name in PARAMETERS})
    threads = tersevec.get_num_threads() if arguments.threads is None else arguments.threads
    threads = check.positive("threads", threads)
    shape = (found.graph.n_nodes, check.positive("n_components", model.n_components))
    memory = _new_array(path, shape, np.dtype(arguments.dtype))
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        model.fit_transform(
            found.graph,
            features,
            ids=found.ids,
            order=arguments.order,
            column_block=arguments.column_block,
            out=memory,
            threads=threads,
            progress=sys.stderr.isatty() and importlib.util.find_spec("tqdm") is not None,
        )
    memory.flush()
    seconds = time.perf_counter() - start
    print(
        f"{model!r}: {seconds:,.3f} s, {threads} thread{'' if threads == 1 else 's'}, "
        f"{backend_line()}"
    )
    for note in notes:
        print(f"note: {note.message}")
    return memory


def _features(path: str | None) -> npt.NDArray[Any] | None:
    """The array of a .npy file, left in it."""
    if path is None:
        return None
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except OSError as error:
        raise UserError(f"--features: {path}: {error.strerror or error}") from error
    except (ValueError, EOFError) as error:
        raise UserError(f"--features: {path}: expected a .npy file of an array") from error


def _of_option(problem: str) -> str:
    """The same, its parameter written as an option."""
    name, colon, rest = problem.partition(":")
    if name not in (*PARAMETERS, "column_block", "threads", "node_features"):
        return problem
    return f"--{name.removeprefix('node_').replace('_', '-')}{colon}{rest}"


# ---- files


@contextmanager
def _replaced(path: Path) -> Iterator[Path]:
    """A file beside this one, to write; it takes its place in the end."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)


def _new_array(path: Path, shape: tuple[int, int], kind: np.dtype[Any]) -> np.memmap[Any, Any]:
    """A .npy file as memory; its bytes are claimed now, since a full disk would kill later."""
    memory: np.memmap[Any, Any] = np.lib.format.open_memmap(path, "w+", kind, shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
            except OSError as error:
                if error.errno == errno.ENOSPC:  # others: this file system cannot tell
                    raise
    return memory


def _write_names(path: Path, names: Names) -> None:
    listed = names if isinstance(names, list) else map(str, names.tolist())
    text = "".join(f"{name}\n" for name in listed)
    with _replaced(path) as partial:
        partial.write_text(text, "utf-8", errors="surrogateescape", newline="\n")
