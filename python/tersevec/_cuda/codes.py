"""Dense rows of numbers of 1 to 8 bits on a GPU, and the numbers themselves."""

from __future__ import annotations

import numpy as np

from tersevec._cuda._device import Array, current, each


def split(codes: Array, m: int, n_bits: int) -> Array:
    """The m numbers of each dense row: uint8 (n, m)."""
    numbers = current().xp.empty((len(codes), m), np.uint8)
    plain = current().xp.ascontiguousarray(codes)
    sizes = (np.int64(len(codes)), np.int64(codes.shape[1]), np.int64(m), np.int32(n_bits))
    each("codes", "codes_split", numbers.size, plain, *sizes, numbers)
    return numbers


def join(numbers: Array, n_bits: int) -> Array:
    """Dense rows of numbers, least significant bit first: uint8 (n, ceil(m * n_bits / 8))."""
    n, m = numbers.shape
    codes = current().xp.empty((n, (m * n_bits + 7) // 8), np.uint8)
    plain = current().xp.ascontiguousarray(numbers)
    sizes = (np.int64(n), np.int64(m), np.int32(n_bits), np.int64(codes.shape[1]))
    each("codes", "codes_join", codes.size, plain, *sizes, codes)
    return codes
