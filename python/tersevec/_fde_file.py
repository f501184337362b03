"""Encoders in files: parameters, what was learned, and the matrices themselves."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tersevec._fde_matrices import Matrices, Shape
from tersevec._fde_streams import VERSION

FORMAT = "tersevec FixedDimensionalEncoder 1"


def write(
    path: str | os.PathLike[str],
    parameters: dict[str, Any],
    matrices: Matrices,
    arrays: dict[str, npt.NDArray[Any]],
) -> None:
    """One .npz file; the old one is there until the new one is whole."""
    target = Path(path)
    present = {name: array for name, array in matrices._asdict().items() if array is not None}
    words = {
        "format": np.array(FORMAT),
        "streams": np.array(VERSION),
        "parameters": np.array(json.dumps(parameters)),
    }
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with unfinished.open("wb") as file:
            np.savez(file, allow_pickle=False, **words, **present, **arrays)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """The parameters, and every array by its name; ValueError if this is no such file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        found = str(arrays.pop("format"))
        if found != FORMAT:
            raise ValueError(f"path: expected a file of format {FORMAT!r}, got {found!r}")
        streams = str(arrays.pop("streams"))
        if streams != VERSION:
            raise ValueError(f"path: expected random streams {VERSION!r}, got {streams!r}")
        return json.loads(str(arrays.pop("parameters"))), arrays
    except (AttributeError, EOFError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise ValueError(f"path: {os.fspath(path)!r} is no file of an encoder: {error}") from error


def matrices(shape: Shape, arrays: dict[str, npt.NDArray[Any]]) -> Matrices:
    """The file's matrices, if they are of this shape."""
    width, n = shape.n_repetitions * shape.n_dims, shape.n_numbers
    sizes = {
        "hashes": (np.float32, (shape.d, shape.n_repetitions * shape.n_bits)),
        "projections": (np.float32, (shape.d, width)),
        "buckets": (np.int32, (n,)),
        "signs": (np.int8, (n,)),
    }
    if shape.projection == "identity":
        del sizes["projections"]
    if shape.final is None:
        del sizes["buckets"], sizes["signs"]
    found: dict[str, Any] = dict.fromkeys(Matrices._fields)
    for name, (dtype, size) in sizes.items():
        array = arrays.get(name)
        if array is None or array.dtype != dtype or array.shape != size:
            raise ValueError(f"path: the file's {name} do not fit its parameters")
        found[name] = np.ascontiguousarray(array)
        found[name].flags.writeable = False
    buckets = found["buckets"]
    if buckets is not None and (buckets.min() < 0 or buckets.max() >= shape.final):
        raise ValueError("path: the file's buckets do not fit its parameters")
    return Matrices(**found)
