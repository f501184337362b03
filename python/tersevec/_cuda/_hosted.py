"""Kernels on a GPU for arrays in host memory: what ``set_backend("cuda")`` asks for.

Arrays go to the device for one call and results come back; a base that does not fit is searched in
runs of rows. Those who search a base more than once keep it on the device, as CuPy arrays.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from tersevec._cuda import _device

# What operations write into, by the names of their arguments.
_WRITTEN = {
    "pack": ("blocks",),
    "encode": ("out", "out_scales"),
    "ternary": ("out",),
    "propagate": (
        "target",
        "target_scales",
        "out",
        "held_squares",
        "made_squares",
        "target_moments",
    ),
    "narrow": ("target", "scales"),
}
_PLAIN = ("rows", "block_shape", "products_pay", "make_words")  # no arrays go in that kernels read
_STREAMED = ("topk", "range_search")
_RUN_ROWS = 64  # a multiple of every layout's block, and of the rows of a mask's byte
_SHARE = 0.5  # of the free memory, for a base; scratch and results need the rest


class Hosted:
    """One family's kernels on the device, with the names and arguments of its contract."""

    def __init__(self, family: str) -> None:
        self._module = importlib.import_module(f"tersevec._cuda.{family}")

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._module, name)
        if name in _PLAIN or not callable(function):
            return function
        return functools.partial(_call, function, name)


def _call(function: Callable[..., Any], name: str, *arguments: Any, **named: Any) -> Any:
    bound = inspect.signature(function).bind(*arguments, **named)
    bound.apply_defaults()
    given = bound.arguments
    if name in _STREAMED and given.get("segments") is None and "n" in given:
        rows = _rows_that_fit(given)
        if rows < given["n"]:
            return _streamed(function, name, given, rows)
    return _on_device(function, name, given)


def _on_device(function: Callable[..., Any], name: str, given: dict[str, Any]) -> Any:
    """One call: arguments there, results here, and what it wrote."""
    there = {key: _to_device(value) for key, value in given.items()}
    result = function(**there)
    for key in _WRITTEN.get(name, ()):
        if given.get(key) is not None:
            given[key][...] = _to_host(there[key])
    return tuple(map(_to_host, result)) if isinstance(result, tuple) else _to_host(result)


def _to_device(value: Any) -> Any:
    return _device.current().xp.asarray(value) if isinstance(value, np.ndarray) else value


def _to_host(value: Any) -> Any:
    return value.get() if hasattr(value, "get") else value


# ---- bases that do not fit


def _rows_that_fit(given: dict[str, Any]) -> int:
    """Rows of the base that the device has room for, a multiple of _RUN_ROWS."""
    budget = int(_SHARE * _device.current().free_bytes())
    row_bytes = max(1, int(given["codes"].nbytes) // max(1, int(given["n"])))
    return max(_RUN_ROWS, budget // row_bytes // _RUN_ROWS * _RUN_ROWS)


def _block_rows(codes: npt.NDArray[Any], n: int) -> int:
    """Rows of one item of the first axis: 1, or the power of two of which the blocks hold n."""
    if codes.ndim == 2:
        return 1
    return next(rows for rows in (8, 16, 32, 64) if -(-n // rows) == len(codes))


def _streamed(function: Callable[..., Any], name: str, given: dict[str, Any], rows: int) -> Any:
    """The answers of runs of rows, merged; rows ascend from run to run, so ties stay in order."""
    n, codes = given["n"], given["codes"]
    step, found = _block_rows(codes, n), []
    for start in range(0, n, rows):
        stop = min(n, start + rows)
        part = {**given, "n": stop - start, "codes": codes[start // step : -(-stop // step)]}
        if given.get("factors") is not None:
            part["factors"] = given["factors"][start:stop]
        if given.get("mask") is not None:
            part["mask"] = np.ascontiguousarray(given["mask"][..., start // 8 : -(-stop // 8)])
        result = list(_on_device(function, name, part))
        result[1] = np.where(result[1] < 0, result[1], result[1] + start)
        found.append(result)
    sign = -1 if "factors" in given else 1  # the family that has factors has similarities
    return _merged_topk(found, given["k"], sign) if name == "topk" else _merged_hits(found, sign)


def _merged_topk(found: list[list[Any]], k: int, sign: int) -> tuple[Any, Any]:
    values, indices = (np.concatenate(parts, axis=1) for parts in zip(*found, strict=True))
    order = np.lexsort((indices < 0, sign * values))[:, :k]
    return np.take_along_axis(values, order, 1), np.take_along_axis(indices, order, 1)


def _merged_hits(found: list[list[Any]], sign: int) -> tuple[Any, Any, Any]:
    n_queries = len(found[0][0]) - 1
    owners = [np.repeat(np.arange(n_queries), np.diff(offsets)) for offsets, _, _ in found]
    owner, indices, values = (
        np.concatenate(parts) for parts in (owners, *([f[i] for f in found] for i in (1, 2)))
    )
    order = np.lexsort((sign * values, owner))
    offsets = np.searchsorted(owner[order], np.arange(n_queries + 1)).astype(np.int64)
    return offsets, indices[order], values[order]
