"""Encoders of recurrent codes as named arrays, and as files of these."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tersevec import _check
from tersevec._arrays import FLOATS, describe, float_blocks, view_floats
from tersevec._kernels import F32
from tersevec._recurrence import Layer, Map, Recurrence
from tersevec._recurrent_judge import Encoder
from tersevec._rounded_rotation import RoundedRotation

LEVELS = 4  # at most
VERSION = 1
Arrays = dict[str, npt.NDArray[Any]]


def arrays_of(encoder: Encoder) -> Arrays:
    """Views of what an encoder consists of, by the names that `encoder_of` reads."""
    if isinstance(encoder, RoundedRotation):
        named = {name: getattr(encoder, name) for name in ("weights", "metric", "shaping")}
    else:
        assert isinstance(encoder, Recurrence)
        maps = {"W": encoder.first, "D": encoder.last}
        maps |= {f"B{i}": back for i, back in enumerate(encoder.backs, 1)}
        maps |= {f"R{i}": residual for i, residual in enumerate(encoder.residuals, 1)}
        named = {} if encoder.adapter is None else {"A.weight": encoder.adapter.T}
        for name, layers in maps.items():
            for i, layer in enumerate(layers):
                named |= {f"{name}.{i}.weight": layer.weight.T, f"{name}.{i}.bias": layer.bias}
    return {"version": np.array(VERSION), "n_levels": np.array(encoder.shape[2]), **named}


def read(source: str | os.PathLike[str] | Mapping[str, Any]) -> dict[str, Any]:
    """The named arrays of a file, or a copy of the mapping that was given."""
    if isinstance(source, Mapping):
        return {str(name): array for name, array in source.items()}
    if not isinstance(source, (str, os.PathLike)):
        raise TypeError(f"weights: expected a path or a mapping of arrays, got {describe(source)}")
    try:
        with open(source, "rb") as file:
            found = np.load(file, allow_pickle=False)
            if isinstance(found, np.ndarray):
                raise ValueError("it holds one array")
            return {name: found[name] for name in found.files}
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"weights: expected a .npz file, got {source}: {error}") from error


def encoder_of(source: str | os.PathLike[str] | Mapping[str, Any]) -> Encoder:
    """The encoder that named arrays make, each copied as float32 and checked."""
    left = read(source)
    version = _whole(left, "version", VERSION)
    if version != VERSION:
        raise ValueError(f"weights: expected version {VERSION} or none, got {version}")
    encoder = _rotation(left) if "weights" in left else _recurrence(left)
    _check.positive("weights: components", encoder.shape[1], _check.SUBSPACE_LIMIT)
    if left:
        raise ValueError(f"weights: nothing is known of {', '.join(map(repr, sorted(left)))}")
    return encoder


def _rotation(left: dict[str, Any]) -> Encoder:
    n_levels = _check.positive("weights: n_levels", _whole(left, "n_levels"), LEVELS)
    weights = _array(left, "weights", (None, None))
    m = weights.shape[1]
    metric, shaping = (_array(left, name, (m, m)) for name in ("metric", "shaping"))
    if not (np.diag(metric) > 0).all():
        raise ValueError("metric: expected a diagonal above 0")
    return RoundedRotation(weights, metric, shaping, n_levels)


def _recurrence(left: dict[str, Any]) -> Encoder:
    first = _map(left, "W", None, None)
    d, m = len(first[0].weight), len(first[-1].bias)
    backs: list[Map] = []
    residuals: list[Map] = []
    while any(name.startswith((f"B{len(backs) + 1}.", f"R{len(backs) + 1}.")) for name in left):
        number = len(backs) + 1
        backs.append(_map(left, f"B{number}", m, d))
        residuals.append(_map(left, f"R{number}", d, m))
    n_levels = 1 + len(backs)
    named = _whole(left, "n_levels", n_levels)
    if named != n_levels or n_levels > LEVELS:
        raise ValueError(
            f"n_levels: expected 1 to {LEVELS}, one more than there are maps B, which are "
            f"{len(backs)}; got {named}"
        )
    last = _map(left, "D", m, d) if any(name.startswith("D.") for name in left) else ()
    adapter = _array(left, "A.weight", (d, None)) if "A.weight" in left else None
    turned = None if adapter is None else np.ascontiguousarray(adapter.T)
    return Recurrence(first, tuple(backs), tuple(residuals), last, turned)


def _map(left: dict[str, Any], name: str, inputs: int | None, outputs: int | None) -> Map:
    """All the layers of that name, the first of so many inputs, the last of so many outputs."""
    layers: list[Layer] = []
    while not layers or f"{name}.{len(layers)}.weight" in left:
        prefix = f"{name}.{len(layers)}"
        is_last = f"{name}.{len(layers) + 1}.weight" not in left
        weight = _array(left, f"{prefix}.weight", (outputs if is_last else None, inputs))
        inputs = len(weight)  # of the next layer
        bias = np.zeros(inputs, np.float32)
        if f"{prefix}.bias" in left:
            bias = _array(left, f"{prefix}.bias", (inputs,))
        layers.append(Layer(np.ascontiguousarray(weight.T), bias))
    return tuple(layers)


def _array(left: dict[str, Any], name: str, shape: tuple[int | None, ...]) -> F32:
    """A finite float32 copy of the array of that name, which is taken out; None is any length."""
    if name not in left:
        raise ValueError(f"weights: {name!r} is missing")
    array = view_floats(name, left.pop(name))
    lengths = ", ".join("?" if length is None else str(length) for length in shape)
    expected = f"expected floats of shape ({lengths}{',' if len(shape) == 1 else ''})"
    if array.dtype not in FLOATS:
        raise TypeError(f"{name}: {expected}, got {describe(array)}")
    fits = array.ndim == len(shape) and array.size > 0
    if not fits or any(a not in (b, None) for a, b in zip(shape, array.shape, strict=True)):
        raise ValueError(f"{name}: {expected}, got {describe(array)}")
    copied = np.empty(array.shape, np.float32)
    rows = copied.reshape(-1, array.shape[-1])
    for start, block in float_blocks(array.reshape(rows.shape)):
        _check.finite(name, block, start)
        rows[start : start + len(block)] = block
    return copied


def _whole(left: dict[str, Any], name: str, default: int | None = None) -> int:
    """The whole number of that name, which is taken out."""
    if name not in left:
        if default is None:
            raise ValueError(f"weights: {name!r} is missing")
        return default
    value = np.asarray(left.pop(name))
    if value.shape != () or value.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected a whole number, got {describe(value)}")
    return int(value)
