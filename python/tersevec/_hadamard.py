"""A random rotation of any dimension in few additions: shuffles, signs, Walsh-Hadamard transforms.

Every operation is a float32 sum, difference or product of its own, element by element: a row's
result depends on nothing but the row, the rotation and IEEE arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tersevec._kernels import F32, I64

_ROUNDS = 3
_FLOATS = 1 << 17  # of the rows that are turned at once: they stay in cache


class HadamardRotation(NamedTuple):
    """A rotation of d dimensions: ``forward(x)`` of each row x.

    A round shuffles the coordinates, flips signs, and turns the first p of them by a normalised
    Walsh-Hadamard matrix, where p is the largest power of two that is at most d. Unless p is d, it
    flips signs again and turns the last p of them too; the two blocks overlap.
    """

    order: I64  # (rounds, d): the coordinate that each place takes
    signs: F32  # (rounds, 2, d): +1 or -1, before the first block and before the last

    @classmethod
    def random(cls, d: int, rng: np.random.Generator) -> HadamardRotation:
        """One of many; `d` is at least 1."""
        order = np.stack([rng.permutation(d) for _ in range(_ROUNDS)])
        signs = rng.integers(0, 2, (_ROUNDS, 2, d)) * 2 - 1
        return cls(order.astype(np.int64), signs.astype(np.float32))

    def forward(self, x: F32) -> F32:
        """The rotated rows of x, float32 (n, d); columns that x lacks are zero."""
        n, given = x.shape
        turned = np.empty((n, self.order.shape[1]), np.float32)
        for part, transform in self._parts(n):
            columns = np.zeros(turned[part].T.shape, np.float32)
            columns[:given] = x[part].T
            for order, (before, between) in zip(self.order, self.signs, strict=True):
                columns = columns[order] * before[:, None]
                transform.first_block(columns)
                if transform.blocks == 2:
                    columns *= between[:, None]
                    transform.last_block(columns)
            turned[part] = columns.T
        return turned

    def inverse(self, x: F32) -> F32:
        """The rows that `forward` turns into those of x, but for rounding: float32 (n, d)."""
        back = np.empty(x.shape, np.float32)
        for part, transform in self._parts(len(x)):
            columns = x[part].T.copy()
            for order, (before, between) in zip(self.order[::-1], self.signs[::-1], strict=True):
                if transform.blocks == 2:
                    transform.last_block(columns)
                    columns *= between[:, None]
                transform.first_block(columns)
                columns *= before[:, None]
                shuffled, columns = columns, np.empty_like(columns)
                columns[order] = shuffled
            back[part] = columns.T
        return back

    def _parts(self, n: int) -> Iterator[tuple[slice, _Transform]]:
        """Few rows at once, and what transforms them."""
        d = self.order.shape[1]
        step = max(1, min(n, _FLOATS // d))
        transform = _Transform(d, step)
        for start in range(0, n, step):
            if n - start < step:
                transform = _Transform(d, n - start)
            yield slice(start, start + step), transform


class _Transform:
    """The normalised Walsh-Hadamard transform of the first or last p of d rows of n numbers."""

    def __init__(self, d: int, n: int) -> None:
        stages = d.bit_length() - 1
        p = 1 << stages
        self.blocks = 1 if p == d else 2
        self._p, self._unit = p, np.float32(p**-0.5)
        source = self._start = np.empty((p, n), np.float32)
        target = np.empty_like(source)
        self._steps = []
        for stage in range(
            stages
        ):  # views of both, made once: of few rows they are most of the work
            pairs, sums = (rows.reshape(-1, 2, 1 << stage, n) for rows in (source, target))
            self._steps.append((pairs[:, 0], pairs[:, 1], sums[:, 0], sums[:, 1]))
            source, target = target, source
        self._end = source

    def first_block(self, columns: F32) -> None:
        """Transform the first p rows in place."""
        self._run(columns[: self._p])

    def last_block(self, columns: F32) -> None:
        """Transform the last p rows in place."""
        self._run(columns[-self._p :])

    def _run(self, block: F32) -> None:
        np.multiply(block, self._unit, out=self._start)
        for first, second, total, difference in self._steps:
            np.add(first, second, out=total)
            np.subtract(first, second, out=difference)
        block[...] = self._end
