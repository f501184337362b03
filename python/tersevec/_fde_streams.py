"""tersevec's own random numbers for encodings: counter-based, the same on every platform.

Word i of stream (seed, purpose, repetition) is word i % 4 of the block that Philox4x64-10 makes of
the key (seed, purpose) and the counter (i // 4 + 1, repetition, 0, 0). This mapping has the name
`VERSION`, which is stored with an encoder: another mapping will have another name.
"""

from __future__ import annotations

import numpy as np

from tersevec._kernels import F32, F64, I8, I32, U64

VERSION = "tersevec-1"
HASH, PROJECTION, SKETCH = range(3)


def words(seed: int, purpose: int, repetition: int, count: int) -> U64:
    """The first words of a stream.

    >>> [hex(word) for word in words(1, HASH, 0, 2).tolist()]
    ['0x4db6a27b756282df', '0xd944fa03babe0e2f']
    """
    key = np.array([seed, purpose], np.uint64)
    counter = np.array([0, repetition, 0, 0], np.uint64)
    return np.random.Philox(key=key, counter=counter).random_raw(count)


def normals(seed: int, purpose: int, repetition: int, count: int) -> F64:
    """Normal numbers by the transformation of Box and Muller, in float64."""
    pairs = (words(seed, purpose, repetition, count + count % 2) >> np.uint64(11)).reshape(-1, 2)
    units = (pairs + 0.5) * 2.0**-53
    radius, angle = np.sqrt(-2 * np.log(units[:, 0])), 2 * np.pi * units[:, 1]
    return np.stack((radius * np.cos(angle), radius * np.sin(angle)), axis=1).ravel()[:count]


def choices(seed: int, purpose: int, repetition: int, count: int, below: int) -> tuple[I32, I8]:
    """Numbers in [0, below) from the upper halves of words, and signs from their lowest bits."""
    drawn = words(seed, purpose, repetition, count)
    numbers = ((drawn >> np.uint64(32)) * np.uint64(below)) >> np.uint64(32)
    return numbers.astype(np.int32), _signs(drawn & np.uint64(1))


def signs(seed: int, purpose: int, repetition: int, count: int) -> F32:
    """+1 or -1 for each bit of the words, the lowest first."""
    drawn = words(seed, purpose, repetition, -(-count // 64))
    bits = np.unpackbits(drawn.astype("<u8").view(np.uint8), count=count, bitorder="little")
    return _signs(bits).astype(np.float32)


def _signs(bits: U64 | np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> I8:
    return (1 - 2 * bits.astype(np.int8)).astype(np.int8)
