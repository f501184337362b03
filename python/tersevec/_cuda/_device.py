"""The device that kernels run on: CuPy's current one; tests put another in its place."""

from __future__ import annotations

import functools
import importlib
import weakref
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from tersevec._cuda._sources import OPTIONS, source

Array: TypeAlias = Any  # a CuPy array
WARP = 32
_PLAIN_SHARED = 48 << 10  # bytes of shared memory that a launch may ask for without being allowed


class Device(Protocol):
    """What twins need: arrays and launches."""

    @property
    def xp(self) -> Any:
        """CuPy, or a module with its functions."""

    def multiprocessors(self) -> int:
        """How many blocks run at once, at the least."""

    def free_bytes(self) -> int:
        """Memory that arrays can still have."""

    def launch(
        self,
        module: str,
        kernel: str,
        grid: tuple[int, ...],
        block: int,
        arguments: tuple[Any, ...],
        shared_bytes: int,
    ) -> None:
        """Run a kernel. Arguments are arrays, None for null, or NumPy scalars of its types."""


class CupyDevice:
    """CuPy's current device and stream."""

    def __init__(self) -> None:
        self.xp = importlib.import_module("cupy")

    def multiprocessors(self) -> int:
        device = self.xp.cuda.runtime.getDevice()
        return _multiprocessors(self.xp, device)

    def free_bytes(self) -> int:
        pool = self.xp.get_default_memory_pool()
        return int(self.xp.cuda.runtime.memGetInfo()[0]) + int(pool.free_bytes())

    def launch(
        self,
        module: str,
        kernel: str,
        grid: tuple[int, ...],
        block: int,
        arguments: tuple[Any, ...],
        shared_bytes: int,
    ) -> None:
        function = _module(self.xp, module).get_function(kernel)
        if shared_bytes > _PLAIN_SHARED:
            function.max_dynamic_shared_size_bytes = shared_bytes
        plain = tuple(np.uintp(0) if value is None else value for value in arguments)
        function(grid, (block,), plain, shared_mem=shared_bytes)


@functools.cache
def _module(xp: Any, name: str) -> Any:
    """Compiled at its first kernel for each device, by CuPy, which keeps the result on disk."""
    return xp.RawModule(code=source(name), options=OPTIONS)


@functools.cache
def _multiprocessors(xp: Any, device: int) -> int:
    return int(xp.cuda.Device(device).attributes["MultiProcessorCount"])


_device: Device | None = None


def use(device: Device | None) -> None:
    """Put a device in the place of CuPy's, or None to go back."""
    global _device
    _device = device


def current() -> Device:
    """The device in use. CuPy is imported here, at first use, and nowhere else."""
    global _device
    if _device is None:
        _device = CupyDevice()
    return _device


def missing() -> str | None:
    """Why no GPU can be used here, or None if one can."""
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        return (
            f"CuPy cannot be imported ({error}); pip install 'tersevec[cuda13]' or "
            "'tersevec[cuda12]', as the driver asks for"
        )
    try:
        count = int(cupy.cuda.runtime.getDeviceCount())
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return f"CuPy finds no CUDA driver or GPU: {error}"
    return None if count > 0 else "CuPy finds no GPU"


def names() -> list[str]:
    """The GPUs that CuPy sees."""
    runtime = importlib.import_module("cupy").cuda.runtime
    found = (runtime.getDeviceProperties(i)["name"] for i in range(runtime.getDeviceCount()))
    return [name.decode() if isinstance(name, bytes) else str(name) for name in found]


def holds(array: Any) -> bool:
    """Whether this is a CuPy array, or what has its interface."""
    # Nearly all arrays are NumPy's own, and to look for what is not there is slow.
    return type(array) is not np.ndarray and hasattr(array, "__cuda_array_interface__")


def module_of(array: Any) -> Any:
    """NumPy or CuPy: whose array this is."""
    return current().xp if holds(array) else np


def constant(array: npt.NDArray[Any] | None) -> Array | None:
    """A copy on the current device of what never changes, such as codebooks: made once."""
    if array is None:
        return None
    xp = current().xp
    key = (id(array), int(xp.cuda.runtime.getDevice()))
    if key not in _constants:
        _constants[key] = xp.asarray(array)
        weakref.finalize(array, _constants.pop, key, None)
    return _constants[key]


_constants: dict[tuple[int, int], Array] = {}


def array_of(name: str, x: Any) -> Array:
    """Anything in CUDA memory as a CuPy array over the same memory."""
    if why := missing():
        raise TypeError(f"{name}: {type(x).__name__} lies in CUDA memory, but {why}")
    cupy = importlib.import_module("cupy")
    return cupy.asarray(x) if holds(x) else cupy.from_dlpack(x)


def blocks_for(items: int, block: int) -> int:
    """Blocks of so many threads for one thread an item; 0 items take none."""
    return -(-items // block)


def each(module: str, kernel: str, items: int, *arguments: Any, block: int = 256) -> None:
    """Run a kernel with a thread for each item; nothing where there are none."""
    if items > 0:
        grid = (blocks_for(items, block),)
        current().launch(module, kernel, grid, block, arguments, 0)
