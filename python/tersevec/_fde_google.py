"""The random numbers of the reference implementation, as its builds for Linux draw them.

It takes them from C++ distributions, whose algorithms differ between standard libraries; these are
those of GNU's libstdc++ over a 32-bit Mersenne Twister.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tersevec._kernels import F32, I8, I32

U32 = npt.NDArray[np.uint32]
_TWO_32, _TWO_64 = 2.0**32, 2.0**64


class Words:
    """The numbers of a Mersenne Twister, from the first on."""

    def __init__(self, seed: int) -> None:
        self._twister = np.random.RandomState(seed % 2**32)
        self._ahead = np.empty(0, np.uint32)

    def peek(self, count: int) -> U32:
        """The next numbers, without taking them."""
        missing = count - len(self._ahead)
        if missing > 0:
            more = np.frombuffer(self._twister.bytes(4 * missing), "<u4")
            self._ahead = np.concatenate((self._ahead, more.astype(np.uint32)))
        return self._ahead[:count]

    def take(self, count: int) -> U32:
        """The next numbers."""
        words = self.peek(count)
        self._ahead = self._ahead[count:]
        return words


def normals(seed: int, count: int) -> F32:
    """Marsaglia's polar method in float32; of each pair the second number comes first."""
    words, found = Words(seed), np.empty(0, np.float32)
    one, two = np.float32(1), np.float32(2)
    while len(found) < count:
        tries = words.take(2 * (count - len(found) // 2)).reshape(-1, 2)
        units = tries.astype(np.float32) / np.float32(_TWO_32)
        pairs = two * np.minimum(units, np.nextafter(one, np.float32(0))) - one
        squares = pairs[:, 0] * pairs[:, 0] + pairs[:, 1] * pairs[:, 1]
        good = (squares <= 1) & (squares != 0)
        pairs, squares = pairs[good], squares[good]
        logarithms = np.log(squares.astype(np.float64)).astype(np.float32)
        factors = np.sqrt(np.float32(-2) * logarithms / squares)
        found = np.concatenate((found, (pairs[:, ::-1] * factors[:, None]).ravel()))
    return found[:count]


def choices(seed: int, count: int, below: int) -> tuple[I32, I8]:
    """A number in [0, below) and a sign, by turns."""
    words = Words(seed)
    numbers, signs = np.empty(count, np.int32), np.empty(count, np.int8)
    done, refused = 0, (2**32 - below) % below
    while done < count:
        turns = words.peek(3 * (count - done)).reshape(-1, 3)
        wide = turns[:, 0].astype(np.uint64) * np.uint64(below)
        again = np.flatnonzero((wide & np.uint64(2**32 - 1)) < refused)
        good = int(again[0]) if len(again) else len(turns)
        part = slice(done, done + good)
        numbers[part] = (wide[:good] >> np.uint64(32)).astype(np.int32)
        halves = turns[:good, 1] + turns[:good, 2] * _TWO_32
        signs[part] = np.where(halves / _TWO_64 < 0.5, 1, -1)
        words.take(3 * good + (good < len(turns)))  # a refused word is drawn anew
        done += good
    return numbers, signs
