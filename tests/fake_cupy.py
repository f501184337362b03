"""A module in the place of CuPy whose arrays lie in host memory, but refuse what CuPy refuses.

Functions take and give `ndarray`s of this module; none of them takes a NumPy array beside one, and
nothing turns one into a NumPy array but `get`. `install` runs kernels on the executor.
"""

from __future__ import annotations

import functools
import sys
import types
from typing import Any

import numpy as np
import pytest
from numpy.lib.mixins import NDArrayOperatorsMixin

from host_executor import HostDevice
from tersevec._cuda import _device


class ndarray(NDArrayOperatorsMixin):  # noqa: N801 (CuPy's name)
    """An array that NumPy may not look into; what it does not define itself, `plain` does."""

    def __init__(self, plain: np.ndarray) -> None:
        self.plain = plain

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        data = self.plain.ctypes.data, False
        return {"shape": self.shape, "typestr": self.dtype.str, "data": data, "version": 3}

    def __array__(self, *arguments: Any, **named: Any) -> np.ndarray:
        raise TypeError("implicit conversion to a NumPy array; use .get()")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **named: Any) -> Any:
        plain = {key: _plain(value) for key, value in named.items()}
        return _there(getattr(ufunc, method)(*map(_plain, inputs), **plain))

    def __array_function__(self, function: Any, kinds: Any, inputs: Any, named: Any) -> Any:
        if function.__name__ == "packbits" and "axis" in named:
            raise TypeError("packbits: axis is not supported")
        return _there(function(*_plain(inputs), **{k: _plain(v) for k, v in named.items()}))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "plain":
            raise AttributeError(name)
        value = getattr(self.plain, name)
        return _wrapped(value) if callable(value) else _there(value)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.plain[_plain(key)] = _plain(value)

    def __getitem__(self, key: Any) -> Any:
        return _there(self.plain[_plain(key)])

    def __len__(self) -> int:
        return len(self.plain)

    def __bool__(self) -> bool:
        return bool(self.plain)

    def __int__(self) -> int:
        return int(self.plain)

    def __float__(self) -> float:
        return float(self.plain)

    def __index__(self) -> int:
        return int(self.plain)

    def __repr__(self) -> str:
        return repr(self.plain)

    def get(self) -> np.ndarray:
        """A copy in host memory."""
        return self.plain.copy()


def _plain(value: Any) -> Any:
    """What NumPy works on; a NumPy array of any size beside CuPy's is refused."""
    if isinstance(value, ndarray):
        return value.plain
    if isinstance(value, (tuple, list)):
        return type(value)(map(_plain, value))
    if isinstance(value, np.ndarray) and value.ndim > 0:
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    return value


def _there(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_there, value))
    return ndarray(np.asarray(value)) if isinstance(value, (np.ndarray, np.generic)) else value


def _wrapped(function: Any) -> Any:
    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        plain = {key: _plain(value) for key, value in named.items()}
        return _there(function(*map(_plain, arguments), **plain))

    return call


class CUDARuntimeError(RuntimeError):
    """What CuPy raises where there is no driver."""


_FUNCTIONS = [
    "abs",
    "all",
    "any",
    "arange",
    "argmax",
    "argsort",
    "ascontiguousarray",
    "clip",
    "concatenate",
    "cumsum",
    "diff",
    "empty",
    "empty_like",
    "full",
    "isfinite",
    "isinf",
    "isnan",
    "lexsort",
    "maximum",
    "minimum",
    "ones",
    "packbits",
    "repeat",
    "rint",
    "searchsorted",
    "sign",
    "sort",
    "sqrt",
    "square",
    "stack",
    "sum",
    "take",
    "unpackbits",
    "where",
    "zeros",
    "zeros_like",
]


def _module() -> types.ModuleType:
    cupy = types.ModuleType("cupy")

    for name in _FUNCTIONS:
        setattr(cupy, name, _wrapped(getattr(np, name)))
    cupy.ndarray = ndarray
    cupy.asarray = lambda x: x if isinstance(x, ndarray) else ndarray(np.array(x))
    cupy.from_dlpack = lambda x: ndarray(np.from_dlpack(x))
    runtime = types.SimpleNamespace(
        getDevice=lambda: 0,
        getDeviceCount=lambda: 1,
        getDeviceProperties=lambda i: {"name": b"a CPU"},
        CUDARuntimeError=CUDARuntimeError,
    )
    cupy.cuda = types.SimpleNamespace(runtime=runtime)
    return cupy


def install(monkeypatch: pytest.MonkeyPatch, device: HostDevice) -> types.ModuleType:
    """Make `import cupy` find this module, and its launches go to the executor."""
    cupy = _module()
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    device.xp = cupy
    monkeypatch.setattr(_device, "_device", device)
    return cupy


def there(cupy: Any, value: Any) -> Any:
    """All arrays of tuples and lists, in CUDA memory."""
    if isinstance(value, (tuple, list)):
        return type(value)(there(cupy, part) for part in value)
    return cupy.asarray(value) if isinstance(value, np.ndarray) else value


def here(result: Any) -> Any:
    """Results in host memory, after a look that they were not."""
    if isinstance(result, tuple):
        parts = map(here, result)
        return result._make(parts) if hasattr(result, "_make") else tuple(parts)
    assert isinstance(result, ndarray)
    return result.get()


def assert_near(found: Any, expected: Any, atol: float = 0.0) -> None:
    """The same types, shapes and, up to `atol`, numbers."""
    found, expected = (x if isinstance(x, tuple) else (x,) for x in (found, expected))
    for mine, yours in zip(found, expected, strict=True):
        assert mine.dtype == yours.dtype
        np.testing.assert_allclose(mine, yours, rtol=0, atol=atol)


class Csr:
    """What cupyx.scipy.sparse makes of a matrix, or (data, indices, indptr)."""

    def __init__(self, cupy: Any, matrix: Any, shape: tuple[int, int] | None = None) -> None:
        if not isinstance(matrix, tuple):
            rows, columns = np.nonzero(matrix)
            indptr = np.searchsorted(rows, np.arange(len(matrix) + 1)).astype(np.int32)
            matrix, shape = (matrix[rows, columns], columns.astype(np.int32), indptr), matrix.shape
        self.data, self.indices, self.indptr = map(cupy.asarray, matrix)
        self.shape = shape

    def tocsr(self) -> Csr:
        return self
