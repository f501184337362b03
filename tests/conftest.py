"""Paths, seeds and hypothesis profiles.

A path is a way to an answer: the NumPy twins, the compiled kernels at one CPU level, the CUDA
kernels run on the CPU (`cuda`), or those on a GPU (`gpu`). A test that takes the `path` fixture
runs on every path, and names none; on the last two where its module is of a family with CUDA
kernels.
"""

from __future__ import annotations

import collections
import functools
import importlib
import os
import pathlib
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
    import fake_cupy
    import host_executor
    from tersevec import _backend
    from tersevec._cuda import FAMILIES as CUDA_FAMILIES
    from tersevec._cuda import _device, _pqscan_scan
    from tersevec._cuda._hosted import Hosted
    from tersevec._numpy import fde, hamming, maxsim, pqencode, pqscan, sparseproj, symdist

CI = bool(os.environ.get("CI"))
SEED = int(os.environ.get("TERSEVEC_TEST_SEED", "0" if CI else secrets.randbelow(2**32)))
os.environ["TERSEVEC_TEST_SEED"] = str(SEED)  # for the processes of `pytest -n`
DEVICE_CASES = 64  # of a test that the CPU runs on the path `cuda`

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
            setattr(self, family, self._bound(family, module))

    def _bound(self, family: str, module: Any) -> types.SimpleNamespace:
        bound = types.SimpleNamespace(rows=module.rows)
        for name in vars(_TWINS[family]):
            function = getattr(module, name, None)
            if name.startswith("_") or name == "rows" or not callable(function):
                continue
            takes_isa = self.name in _backend.ISA_LEVELS and "isa: str" in (function.__doc__ or "")
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


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The paths of `path`: device code only where the module tests the kernels of its family."""
    own = any("path" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if own or "path" not in metafunc.fixturenames:
        return
    paths: list[Any] = ["numpy", *_backend.ISA_LEVELS]
    module = metafunc.module
    family = module.__name__.rpartition(".")[2].removeprefix("test_").partition("_")[0]
    if family in CUDA_FAMILIES and getattr(module, "ON_DEVICES", True):
        paths += ["cuda", pytest.param("gpu", marks=pytest.mark.gpu)]
    metafunc.parametrize("path", paths, indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of a test's cases, the CPU runs some as device code, which is slow; a GPU runs all.

    Which ones follows from the seed.
    """
    cases = collections.defaultdict(list)
    for item in items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if parameters.get("path") == "cuda":
            cases[item.nodeid.partition("[")[0]].append(item)
    left_out = set()
    for same in cases.values():
        same.sort(key=lambda item: zlib.crc32(f"{SEED} {item.nodeid}".encode()))
        left_out.update(same[DEVICE_CASES:])
    if left_out:
        config.hook.pytest_deselected(items=[item for item in items if item in left_out])
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every path in turn; the public API goes it too."""
    if request.param in ("cuda", "gpu"):
        chosen = _device_path(request.param, request, monkeypatch)
    else:
        chosen = _path(request.param)
    monkeypatch.setattr(_backend, "pick", lambda family, *arrays: getattr(chosen, family))
    return chosen


def _device_path(name: str, request: pytest.FixtureRequest, monkeypatch: Any) -> Path:
    """CUDA kernels of the families that have them, NumPy twins of the others."""
    if name == "cuda":
        monkeypatch.setattr(_device, "_device", request.getfixturevalue("host_device"))
    elif why := _device.missing():
        pytest.skip(f"gpu: {why}")
    monkeypatch.setattr(_pqscan_scan, "WORD_LOOKUPS", 1 << 12)  # both ways on bases of tests
    modules: dict[str, Any] = {f: Hosted(f) for f in CUDA_FAMILIES}
    return Path(name, {**_TWINS, **modules})


@pytest.fixture(scope="session")
def host_folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Where device code compiled for the CPU is kept until the tests of all processes end."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    folder /= "host-executor"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def host_device(host_folder: pathlib.Path) -> host_executor.HostDevice:
    """The CPU in the place of a GPU, with a warp chosen at random for each round."""
    if host_executor.compiler() is None:
        pytest.skip("cuda: no g++ here to compile device code with")
    return host_executor.HostDevice(host_folder, "random", SEED)


@pytest.fixture
def cupy(host_device: host_executor.HostDevice, monkeypatch: pytest.MonkeyPatch) -> Any:
    """CuPy's stand-in, whose kernels the CPU runs."""
    return fake_cupy.install(monkeypatch, host_device)


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
