"""The arrays that kernels and checks speak of."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

ArrayIn: TypeAlias = (
    Any  # ndarray, buffer, DLPack, Arrow FixedSizeList, list of rows: see _arrays.view
)
U8: TypeAlias = npt.NDArray[np.uint8]
U32: TypeAlias = npt.NDArray[np.uint32]
U64: TypeAlias = npt.NDArray[np.uint64]
I8: TypeAlias = npt.NDArray[np.int8]
I32: TypeAlias = npt.NDArray[np.int32]
I64: TypeAlias = npt.NDArray[np.int64]
F32: TypeAlias = npt.NDArray[np.float32]
F64: TypeAlias = npt.NDArray[np.float64]
Codes: TypeAlias = npt.NDArray[Any]  # uint8 rows, or the blocked layout of the family
Tokens: TypeAlias = npt.NDArray[Any]  # float32, float16, uint16 (bfloat16's bits) or int8 rows
