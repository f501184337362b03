"""What is in use, and why."""

from __future__ import annotations

import os
import platform
from typing import Any

import numpy as np

from tersevec import _backend, _threads
from tersevec._cuda import FAMILIES as CUDA_FAMILIES
from tersevec._cuda import _device
from tersevec._version import __version__


def _backend_part() -> dict[str, Any]:
    name, why = _backend.choice()
    extension, error = _backend.native()
    found = {"extension": extension.__file__} if error is None else {"import error": str(error)}
    return {"name": name, "why": why, **found}


def _isa_part() -> dict[str, Any]:
    """The CPU levels: those that have a name, those that run here, and the highest that is used."""
    extension, _ = _backend.native()
    wanted = _backend.isa_wanted()
    if _backend.get_backend() != "numpy" and extension is not None:
        active, why = (
            extension.isa_active(),
            f"TERSEVEC_ISA={wanted}" if wanted else "the highest that runs here",
        )
    else:
        active, why = None, "the NumPy backend has one path"
    return {
        "known": list(_backend.ISA_LEVELS) if extension is None else extension.isa_levels(),
        "runnable": [] if extension is None else extension.isa_runnable(),
        "active": active,
        "why": why,
    }


def _cuda_part() -> dict[str, Any]:
    """The GPUs that CuPy finds, or why there are none; CuPy is looked for, but not needed."""
    why = _device.missing()
    return {"devices": [] if why else _device.names(), "why": why, "kernels": list(CUDA_FAMILIES)}


def _print(part: dict[str, Any], indent: int) -> None:
    for key, value in part.items():
        if isinstance(value, dict):
            print(f"{'':{indent}}{key}:")
            _print(value, indent + 2)
        else:
            shown = ", ".join(value) if isinstance(value, list) else value
            print(f"{'':{indent}}{key}: {'none' if shown in (None, '') else shown}")


def show_config(mode: str = "stdout") -> dict[str, Any] | None:
    """What is in use and why: the backend, CPU levels, threads, kernels and versions.

    Parameters
    ----------
    mode : {"stdout", "dicts"}
        Print, or return as nested dicts.

    Returns
    -------
    dict or None
        With "dicts": `version`, `backend`, `isa` (``["isa"]["runnable"]`` lists the CPU levels that
        run here, lowest first), `threads`, `kernels` (the paths of each family, fastest first),
        `cuda` (``["cuda"]["devices"]`` names the GPUs), `numpy`, `python` and `platform`.

    Raises
    ------
    ValueError
        `mode` is neither.

    Examples
    --------
    >>> import tersevec
    >>> tersevec.show_config(mode="dicts")["threads"]["count"] == tersevec.get_num_threads()
    True
    """
    if mode not in ("stdout", "dicts"):
        raise ValueError(f"mode: expected 'stdout' or 'dicts', got {mode!r}")
    config = {
        "version": __version__,
        "backend": _backend_part(),
        "isa": _isa_part(),
        "threads": {"count": _threads.get_num_threads(), "why": _threads.why()},
        "kernels": {family: _backend.pick(family).rows() for family in _backend.FAMILIES},
        "cuda": _cuda_part(),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
    }
    if mode == "dicts":
        return config
    _print(config, 0)
    return None
