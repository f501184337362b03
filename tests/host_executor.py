"""Device code compiled by g++ and run on the CPU, in the place of CuPy: see `cuda/executor.h`."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from tersevec import _cuda

HERE = Path(__file__).parent / "cuda"
SCHEDULES = ("forward", "reverse", "random")
_KERNEL = re.compile(r'extern "C" __global__ void (?:__launch_bounds__\([\d, ]+\)\s+)?(\w+)\(')
# Hidden: libraries of two versions of a module are loaded side by side and must share nothing.
_FLAGS = (
    "-std=c++20",
    "-O1",
    "-shared",
    "-fPIC",
    "-ffp-contract=off",
    "-fvisibility=hidden",
    "-fno-gnu-unique",
    "-U_FORTIFY_SOURCE",
    "-w",
)


class ExecutorError(RuntimeError):
    """A deadlock, or a launch that no GPU would take."""


def compiler() -> str | None:
    """The compiler of device code, if there is one here."""
    return shutil.which("g++")


def kernels_of(source: str) -> list[str]:
    """The names of a module's kernels."""
    return _KERNEL.findall(source)


def compiled(source: str, folder: Path, name: str, *flags: str) -> Path:
    """A library of the module's kernels; a name that is taken is not compiled again."""
    library = folder / f"{name}.so"
    if not library.exists():
        own = f"{name}-{os.getpid()}"  # another process may compile it too
        text = folder / f"{own}.cpp"
        exports = "".join(f"TERSEVEC_EXPORT({kernel});\n" for kernel in kernels_of(source))
        text.write_text(f"{source}\n{exports}")
        command = ["g++", *_FLAGS, *flags, "-include", str(HERE / "executor.h"), str(text)]
        built = folder / f"{own}.part"
        done = subprocess.run([*command, "-o", str(built)], capture_output=True, text=True)
        if done.returncode != 0:
            raise ExecutorError(f"{name}: {done.stderr[:3000]}")
        built.rename(library)
    return library


def _loaded(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    library.tersevec_signature.restype = ctypes.c_char_p
    library.tersevec_launch.restype = ctypes.c_char_p
    return library


def _code(value: Any) -> str:
    """An argument as `code_of` in the executor writes the parameter that it fits."""
    if isinstance(value, np.ndarray):
        plain = value.flags.c_contiguous or value.strides[-1] == value.dtype.itemsize
        assert plain, "kernels take rows of adjacent numbers"
        return f"p{value.dtype.itemsize}"
    assert isinstance(value, np.generic), f"neither a scalar nor an array of the device: {value!r}"
    return f"{value.dtype.kind}{value.dtype.itemsize}"


class HostDevice:
    """NumPy's arrays and the executor's launches, under one schedule."""

    xp: Any = np
    memory = 1 << 30  # bytes

    def __init__(
        self,
        folder: Path,
        schedule: str = "forward",
        seed: int = 0,
        flags: tuple[str, ...] = (),
        without: tuple[str, int] = ("", -1),  # a module, and which of its barriers to leave out
        **replaced: str,
    ) -> None:
        self._folder, self.schedule, self.seed, self._flags = folder, schedule, seed, flags
        self._without = without
        self._replaced = replaced  # sources by module, in the place of the package's
        self._libraries: dict[str, ctypes.CDLL] = {}

    def multiprocessors(self) -> int:
        return 1

    def free_bytes(self) -> int:
        return self.memory

    def _library(self, module: str) -> ctypes.CDLL:
        if module not in self._libraries:
            source = self._replaced.get(module, _cuda.sources()[module][0])
            name = f"{module}-{hashlib.sha256(source.encode()).hexdigest()[:16]}"
            library = compiled(source, self._folder, name, *self._flags)
            self._libraries[module] = _loaded(library)
        return self._libraries[module]

    def launch(
        self,
        module: str,
        kernel: str,
        grid: tuple[int, ...],
        block: int,
        arguments: tuple[Any, ...],
        shared_bytes: int,
    ) -> None:
        library = self._library(module)
        expected = library.tersevec_signature(kernel.encode()).decode().split()
        assert len(expected) == len(arguments), f"{kernel}: {len(expected)} arguments wanted"
        values = (ctypes.c_void_p * len(arguments))()
        kept = []
        for i, (value, code) in enumerate(zip(arguments, expected, strict=True)):
            if value is None or isinstance(value, self.xp.ndarray):
                value = getattr(value, "plain", value)
                assert code[0] == "p", f"{kernel}: argument {i} is no pointer"
                assert value is None or code in (_code(value), "p0"), f"{kernel}: argument {i}"
                address = None if value is None else value.ctypes.data
                kept.append(ctypes.c_void_p(address))
            else:
                assert _code(value) == code, f"{kernel}: argument {i} is {code}, got {value!r}"
                kept.append(np.array(value).ctypes.data_as(ctypes.c_void_p))
                values[i] = kept[-1]
                continue
            values[i] = ctypes.cast(ctypes.pointer(kept[-1]), ctypes.c_void_p)
        sizes = (ctypes.c_uint * 6)(*(*grid, 1, 1)[:3], block, 1, 1)
        self.seed += 1
        schedule = SCHEDULES.index(self.schedule)
        error = library.tersevec_launch(
            kernel.encode(),
            sizes,
            ctypes.c_size_t(shared_bytes),
            values,
            schedule,
            ctypes.c_uint64(self.seed),
            self._without[1] if module == self._without[0] else -1,
        )
        if error is not None:
            raise ExecutorError(f"{kernel}: {error.decode()}")
