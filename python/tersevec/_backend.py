"""Which kernels answer: compiled (`native`), their NumPy twins (`numpy`), or a GPU's (`cuda`).

Arrays in CUDA memory are answered by the GPU whatever the backend; arrays in host memory only where
``cuda`` is the backend, since nothing moves to a GPU that nobody sent there.
"""

from __future__ import annotations

import functools
import importlib
import os
import warnings
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, cast, overload

import numpy as np

from tersevec._cuda import FAMILIES as CUDA_FAMILIES
from tersevec._cuda import _device
from tersevec._numpy import checks as _numpy_checks
from tersevec._numpy import fde as _numpy_fde
from tersevec._numpy import hamming as _numpy_hamming
from tersevec._numpy import maxsim as _numpy_maxsim
from tersevec._numpy import pqencode as _numpy_pqencode
from tersevec._numpy import pqscan as _numpy_pqscan
from tersevec._numpy import sparseproj as _numpy_sparseproj
from tersevec._numpy import symdist as _numpy_symdist

if TYPE_CHECKING:
    from tersevec._kernels import (
        F32,
        FdeKernels,
        HammingKernels,
        MaxsimKernels,
        PqencodeKernels,
        PqscanKernels,
        SparseprojKernels,
        SymdistKernels,
    )

    Kernels: TypeAlias = (
        FdeKernels
        | HammingKernels
        | MaxsimKernels
        | PqencodeKernels
        | PqscanKernels
        | SparseprojKernels
        | SymdistKernels
    )

BACKENDS = ("native", "numpy", "cuda")
Family: TypeAlias = Literal[
    "fde", "hamming", "maxsim", "pqencode", "pqscan", "sparseproj", "symdist"
]
_TWINS = {
    "fde": _numpy_fde,
    "hamming": _numpy_hamming,
    "maxsim": _numpy_maxsim,
    "pqencode": _numpy_pqencode,
    "pqscan": _numpy_pqscan,
    "sparseproj": _numpy_sparseproj,
    "symdist": _numpy_symdist,
}
FAMILIES: tuple[Family, ...] = (
    "fde",
    "hamming",
    "maxsim",
    "pqencode",
    "pqscan",
    "sparseproj",
    "symdist",
)
ISA_LEVELS = (
    "scalar",
    "sse4",
    "avx2",
    "avx512",
    "avx512icl",
    "avx512bf16",
    "amx",
    "neon",
    "neondot",
)


class Choice(NamedTuple):
    """A backend and the reason for it, as `show_config` prints them."""

    name: str
    why: str


@functools.cache
def native() -> tuple[Any, ImportError | None]:
    """The compiled extension and None, or None and the reason why it cannot be imported."""
    try:
        return importlib.import_module("tersevec._native"), None
    except ImportError as error:
        return None, error


def isa_wanted() -> str:
    """The level that TERSEVEC_ISA names, "" where it is unset; unknown names are refused."""
    level = os.environ.get("TERSEVEC_ISA", "")
    if level and level not in ISA_LEVELS:
        raise ValueError(f"TERSEVEC_ISA: expected one of {', '.join(ISA_LEVELS)}, got {level!r}")
    return level


def _require_runnable(extension: Any) -> None:
    level = isa_wanted()
    runnable = extension.isa_runnable()
    if level and level not in runnable:
        raise ValueError(
            f"TERSEVEC_ISA: this CPU cannot run {level!r}; it runs {', '.join(runnable)}"
        )


def _named(source: str, name: str) -> Choice:
    """The backend that a person asked for, or an error; never another one."""
    if name not in BACKENDS:
        raise ValueError(f"{source}: expected one of {', '.join(BACKENDS)}, got {name!r}")
    if name == "cuda" and (why := _device.missing()):
        raise ImportError(f"{source}: no CUDA device can be used: {why}")
    if name == "native":
        extension, error = native()
        if error is not None:
            raise ImportError(
                f"{source}: the compiled extension cannot be imported: {error}"
            ) from error
        _require_runnable(extension)
    return Choice(name, f"{source} says so")


def _at_start() -> Choice:
    """What TERSEVEC_BACKEND names, else the extension, else NumPy with a warning."""
    isa_wanted()
    name = os.environ.get("TERSEVEC_BACKEND", "")
    if name:
        return _named("TERSEVEC_BACKEND", name)
    extension, error = native()
    if error is None:
        _require_runnable(extension)
        return Choice("native", "the compiled extension is there")
    warnings.warn(
        f"tersevec's compiled extension cannot be imported ({type(error).__name__}: {error}); "
        "the NumPy backend serves the whole API, many times slower. "
        "TERSEVEC_BACKEND=numpy chooses it without this warning.",
        RuntimeWarning,
        stacklevel=2,
    )
    return Choice("numpy", f"the compiled extension cannot be imported: {error}")


_start = _at_start()
_current = _start


def choice() -> Choice:
    """The backend in use and why."""
    return _current


def get_backend() -> str:
    """The name of the backend in use: ``"native"``, ``"numpy"`` or ``"cuda"``.

    Examples
    --------
    >>> import tersevec
    >>> tersevec.get_backend() in ("native", "numpy", "cuda")
    True
    """
    return _current.name


def set_backend(name: str | None) -> None:
    """Choose the kernels for the whole process; None goes back to what was chosen at import.

    Parameters
    ----------
    name : {"native", "numpy", "cuda"} or None
        With ``"cuda"``, arrays in host memory go to the GPU for each call and results come back; a
        base that does not fit there is searched in runs of rows. What has no CUDA kernels runs on
        the CPU. Arrays in CUDA memory need no choice: they select the GPU themselves.

    Raises
    ------
    ValueError
        The name is unknown, or TERSEVEC_ISA names a level that this CPU cannot run.
    ImportError
        The backend is not installed; for ``"cuda"``: CuPy, a driver or a GPU is missing.

    Notes
    -----
    Answers do not depend on the backend, only the time they take.

    Examples
    --------
    >>> import tersevec
    >>> tersevec.set_backend("numpy"); tersevec.get_backend()
    'numpy'
    >>> tersevec.set_backend(None)
    """
    global _current
    _current = _start if name is None else _named("set_backend", name)


@overload
def pick(family: Literal["hamming"], *arrays: Any) -> HammingKernels: ...
@overload
def pick(family: Literal["pqencode"], *arrays: Any) -> PqencodeKernels: ...
@overload
def pick(family: Literal["pqscan"], *arrays: Any) -> PqscanKernels: ...
@overload
def pick(family: Literal["sparseproj"], *arrays: Any) -> SparseprojKernels: ...
@overload
def pick(family: Literal["symdist"], *arrays: Any) -> SymdistKernels: ...
@overload
def pick(family: Literal["fde"], *arrays: Any) -> FdeKernels: ...
@overload
def pick(family: Literal["maxsim"], *arrays: Any) -> MaxsimKernels: ...
@overload
def pick(family: Family, *arrays: Any) -> Kernels: ...
def pick(family: Family, *arrays: Any) -> Kernels:
    """The kernels of one family for arrays of one memory, or of the backend in use."""
    return cast("Kernels", _kernels(family, any(map(_device.holds, arrays))))


def _kernels(family: Family, on_device: bool) -> Any:
    if on_device:
        return importlib.import_module(f"tersevec._cuda.{family}")
    name, extension = _current.name, native()[0]
    if name == "cuda" and family in CUDA_FAMILIES:
        return _hosted(family)
    if name == "numpy" or extension is None:
        return _TWINS[family]
    return getattr(extension, family)


@functools.cache
def _hosted(family: Family) -> Any:
    return importlib.import_module("tersevec._cuda._hosted").Hosted(family)


def first_beyond(x: F32, limit: float) -> int:
    """The first row that holds NaN or a number beyond +-limit, -1 if there is none."""
    if _device.holds(x):  # the host waits for it
        bad = ~(abs(x) <= np.float32(limit)).all(axis=1)
        return int(bad.argmax()) if bool(bad.any()) else -1
    extension = native()[0]
    if _current.name == "numpy" or extension is None:
        return _numpy_checks.first_beyond(x, limit)
    return cast("int", extension.first_beyond(x, limit))
