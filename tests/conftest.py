"""Paths, seeds and hypothesis profiles.

A path is a way to an answer: the NumPy twins, or the compiled kernels at one CPU level. A test that
takes the `path` fixture runs on every path, and names none.
"""

from __future__ import annotations

import functools
import importlib
import os
import secrets
import types
import warnings
import zlib
from typing import Any

import hypothesis
import numpy as np
import pytest

with warnings.catch_warnings():  # without the extension the twins are tested, and that is fine
    warnings.filterwarnings("ignore", "tersevec's compiled extension", RuntimeWarning)
    from tersevec import _backend
    from tersevec._numpy import fde, hamming, maxsim, pqencode, pqscan, sparseproj, symdist

CI = bool(os.environ.get("CI"))
SEED = int(os.environ.get("TERSEVEC_TEST_SEED", "0" if CI else secrets.randbelow(2**32)))

hypothesis.settings.register_profile(
    "tersevec",
    deadline=None,
    derandomize=CI,
    max_examples=25,
    print_blob=True,
    # The path is the same for every example, which is what we want.
    suppress_health_check=[
        hypothesis.HealthCheck.function_scoped_fixture,
        hypothesis.HealthCheck.too_slow,
    ],
)
hypothesis.settings.load_profile("tersevec")


class Path:
    """The kernel families of one path; functions that take `isa` get the path's level."""

    def __init__(self, name: str, modules: dict[str, Any]) -> None:
        self.name = name
        self.families = modules
        for family, module in modules.items():
            setattr(self, family, self._bound(module))

    def _bound(self, module: Any) -> types.SimpleNamespace:
        bound = types.SimpleNamespace(rows=module.rows)
        for name in vars(_TWINS[module.__name__.rpartition(".")[2]]):
            function = getattr(module, name, None)
            if name.startswith("_") or name == "rows" or not callable(function):
                continue
            takes_isa = self.name != "numpy" and "isa: str" in (function.__doc__ or "")
            setattr(
                bound, name, functools.partial(function, isa=self.name) if takes_isa else function
            )
        return bound


_TWINS = {
    "hamming": hamming,
    "pqencode": pqencode,
    "pqscan": pqscan,
    "sparseproj": sparseproj,
    "symdist": symdist,
    "fde": fde,
    "maxsim": maxsim,
}


def _path(name: str) -> Path:
    """The path of that name, or a skip that says why there is none."""
    if name == "numpy":
        return Path(name, dict(_TWINS))
    extension, _ = _backend.native()
    if extension is None:
        pytest.skip(f"{name}: the extension is not built")
    if name not in extension.isa_runnable():
        pytest.skip(f"{name}: not on this CPU")
    modules = {f: importlib.import_module("tersevec._native").__dict__[f] for f in _TWINS}
    return Path(name, modules)


@pytest.fixture(params=["numpy", *_backend.ISA_LEVELS])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every path in turn; the public API goes it too."""
    chosen = _path(request.param)
    monkeypatch.setattr(_backend, "pick", lambda family: getattr(chosen, family))
    return chosen


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Random numbers of the test's own; the session's seed stands in the report's header."""
    name = request.node.originalname or request.node.name
    return np.random.default_rng([SEED, zlib.crc32(name.encode())])


@pytest.fixture(params=["native", "numpy"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both backends in turn, chosen as a user chooses them."""
    if request.param == "native" and _backend.native()[0] is None:
        pytest.skip("native: the extension is not built")
    monkeypatch.setattr(_backend, "_current", _backend._named("the test", request.param))
    return str(request.param)


def pytest_report_header() -> str:
    return f"tersevec: TERSEVEC_TEST_SEED={SEED}"
