"""Arrays in: whatever people hold becomes a NumPy view of the same memory, or a clear refusal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from tersevec._cuda import _device
from tersevec._kernels import F32, I64, ArrayIn

# NumPy has no bfloat16. Here its 16 bits travel under this type, and nobody needs ml_dtypes.
BFLOAT16 = np.dtype([("bfloat16", np.uint16)])
FLOATS = (np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64), BFLOAT16)

_COMMON = "efdB?bilq"  # dtype characters that need no second look

_BLOCK_BYTES = (
    4 << 20
)  # of float32: small enough to stay in cache from the conversion to the kernel
_CPU, _CUDA, _CUDA_PINNED, _CUDA_MANAGED = 1, 2, 3, 13  # DLPack's numbers of devices


def describe(x: Any) -> str:
    """What came, for messages: ``float32 (1000, 128)``, or the type's name."""
    there = _device.holds(x) and isinstance(getattr(x, "dtype", None), np.dtype)
    if there or isinstance(x, np.ndarray):
        return f"{'bfloat16' if x.dtype == BFLOAT16 else x.dtype} {x.shape}"
    return type(x).__name__


def view(name: str, x: ArrayIn, *, device: bool = False) -> npt.NDArray[Any]:
    """`x` as an ndarray over its own memory; lists and chunked Arrow columns are copied.

    With `device`, what lies in CUDA memory comes as a CuPy array, for callers that have kernels
    there; the others refuse it, since nothing leaves a GPU in silence.
    """
    if type(x) is np.ndarray and x.dtype.char in _COMMON and x.dtype.isnative:
        return x  # the way of nearly every call: short, since a scan leaves the caches cold
    if _on_cuda(x):
        if device:
            return cast("npt.NDArray[Any]", _device.array_of(name, x))
        raise TypeError(
            f"{name}: {describe(x)} lies in CUDA memory, where this function has no kernels; copy "
            "it to the host first, with .get() or .cpu()"
        )
    if isinstance(x, np.ndarray):
        array = x
    elif type(x).__module__.partition(".")[0] == "pyarrow" and hasattr(x, "null_count"):
        array = _from_arrow(name, x)
    elif hasattr(x, "__dlpack__"):
        array = _from_dlpack(name, x)
    else:
        array = _from_anything(name, x)
    if array.dtype.name == "bfloat16":
        array = array.view(BFLOAT16)
    if not array.dtype.isnative:
        raise TypeError(
            f"{name}: expected native byte order, got {array.dtype.str}, which is "
            f"{'big' if sys.byteorder == 'little' else 'little'}-endian; convert it with .astype()"
        )
    return array


def in_one_memory(**arrays: Any) -> None:
    """Refuse arguments of which some lie in CUDA memory and some do not."""
    there = [name for name, array in arrays.items() if _device.holds(array)]
    here = [name for name, array in arrays.items() if array is not None and name not in there]
    if there and here:
        raise TypeError(
            f"{here[0]}: lies in host memory, and {there[0]} in CUDA memory; move one of them, "
            f"for example with cupy.asarray({here[0]})"
        )


def like(array: Any, constant: Any) -> Any:
    """What never changes, in the memory in which `array` lies."""
    return _device.constant(constant) if _device.holds(array) else constant


def beside(array: Any, x: npt.NDArray[Any]) -> Any:
    """`x` in the memory in which `array` lies."""
    return _device.current().xp.asarray(x) if _device.holds(array) else x


def on_host(x: Any) -> npt.NDArray[Any]:
    """`x` in host memory; what lies in CUDA memory is waited for."""
    return cast("npt.NDArray[Any]", x.get() if _device.holds(x) else x)


def plain_float32(x: npt.NDArray[Any]) -> bool:
    """Whether kernels can walk these rows as they are: float32, contiguous."""
    return x.dtype.char == "f" and x.flags.c_contiguous


def view_floats(name: str, x: ArrayIn, *, device: bool = False) -> npt.NDArray[Any]:
    """`view`, where a list of whole numbers is a list of floats; an array of integers is not."""
    array = view(name, x, device=device)
    listed = isinstance(x, (list, tuple)) and array.dtype.kind in "iu"
    return array.astype(np.float64) if listed else array


def _on_cuda(x: ArrayIn) -> bool:
    return hasattr(x, "__cuda_array_interface__") or (
        hasattr(x, "__dlpack_device__") and x.__dlpack_device__()[0] in (_CUDA, _CUDA_MANAGED)
    )


def _from_dlpack(name: str, x: ArrayIn) -> npt.NDArray[Any]:
    if getattr(x, "requires_grad", False):
        raise TypeError(f"{name}: {describe(x)} requires a gradient; pass {name}.detach()")
    if x.__dlpack_device__()[0] not in (_CPU, _CUDA_PINNED):
        raise TypeError(f"{name}: {describe(x)} does not lie in host memory; copy it there first")
    torch = sys.modules.get("torch")
    try:
        if not str(getattr(x, "dtype", "")).endswith("bfloat16"):
            return np.from_dlpack(x)
        if torch is not None and isinstance(x, torch.Tensor):
            return np.from_dlpack(x.view(torch.int16)).view(BFLOAT16)
        return np.asarray(x)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise TypeError(
            f"{name}: NumPy cannot view this {describe(x)} through DLPack: {error}"
        ) from error


def _from_arrow(name: str, x: ArrayIn) -> npt.NDArray[Any]:
    """A FixedSizeList column as (rows, list size); `flatten`, unlike `values`, respects slices."""
    width = getattr(x.type, "list_size", None)
    if width is None:
        raise TypeError(f"{name}: expected an Arrow FixedSizeList column, got {x.type}")
    parts = []
    for chunk in x.chunks if hasattr(x, "chunks") else [x]:
        numbers = chunk.flatten()
        if chunk.null_count or numbers.null_count:
            raise ValueError(
                f"{name}: expected an Arrow column without nulls; fill or drop them first"
            )
        parts.append(numbers.to_numpy(zero_copy_only=True).reshape(len(chunk), width))
    if not parts:
        return np.empty((0, width), x.type.value_type.to_pandas_dtype())
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _from_anything(name: str, x: ArrayIn) -> npt.NDArray[Any]:
    if isinstance(x, (str, bytes, dict, set, type(None))):
        raise TypeError(f"{name}: expected an array, got {describe(x)}")
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise ValueError(f"{name}: expected rows of equal length: {error}") from error
    if array.dtype == object:
        raise TypeError(f"{name}: expected an array of numbers, got {describe(x)}")
    return array


def float_blocks(
    x: npt.NDArray[Any], rows: int | None = None, picked: I64 | None = None
) -> Iterator[tuple[int, F32]]:
    """(start, float32 C-contiguous rows), block by block; float32 rows pass through as views.

    With `picked`, the rows of those numbers only, counted from 0 in `start`. A float64 number
    beyond float32's range becomes an infinity, for the caller to refuse.
    """
    if rows is None:
        rows = max(1, _BLOCK_BYTES // (4 * max(1, x.shape[1])))
    if picked is None and plain_float32(x):
        if 0 < len(x) <= rows:
            yield 0, x
            return
        for start in range(0, len(x), rows):
            yield start, x[start : start + rows]
        return
    for start in range(0, len(x if picked is None else picked), rows):
        part = x[start : start + rows] if picked is None else x[picked[start : start + rows]]
        if part.dtype == BFLOAT16:
            upper = part["bfloat16"].astype(np.uint32, order="C")
            yield start, np.left_shift(upper, 16, out=upper).view(np.float32)
        else:
            with np.errstate(over="ignore", under="ignore"):
                yield start, _device.module_of(part).ascontiguousarray(part, np.float32)
