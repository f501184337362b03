"""Token rows of any type as float32."""

from __future__ import annotations

import numpy as np

from tersevec._kernels import F32, Tokens


def widened(tokens: Tokens, scales: F32 | None = None) -> F32:
    """The numbers that the rows stand for; uint16 holds the bits of bfloat16."""
    if tokens.dtype == np.uint16:
        upper = tokens.astype(np.uint32)
        return np.left_shift(upper, 16, out=upper).view(np.float32)
    wide: F32 = tokens.astype(np.float32, copy=False)
    return wide if scales is None else wide * scales[:, None]


def bfloat16_bits(x: F32) -> Tokens:
    """Finite float32 numbers rounded to bfloat16, nearest, ties to even: uint16 of the same shape.

    `x` is contiguous.

    >>> [f"{bits:#x}" for bits in bfloat16_bits(np.float32([1, -2, 1 + 2**-8, 1 + 3 * 2**-8]))]
    ['0x3f80', '0xc000', '0x3f80', '0x3f82']
    """
    bits = x.view(np.uint32)
    rounded = bits + (np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1)))
    return (rounded >> np.uint32(16)).astype(np.uint16)
