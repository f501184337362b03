"""NumPy twin of the native check of numbers."""

from __future__ import annotations

import numpy as np

from tersevec._kernels import F32


def first_beyond(x: F32, limit: float) -> int:
    """The first row that holds NaN or a number beyond +-limit, -1 if there is none."""
    if x.size == 0 or max(x.max(), -x.min()) <= limit:  # both comparisons fail for NaN
        return -1
    beyond = ~(np.abs(x) <= limit)
    return int(beyond.any(axis=1).argmax()) if beyond.any() else -1
