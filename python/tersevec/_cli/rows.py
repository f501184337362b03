"""Vectors of any float dtype, in memory or in a file, as float32 rows ready for one metric."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from tersevec._kernels import F32, I64

METRICS = ("cosine", "ip", "l2")
IN_MEMORY_BYTES = (
    1 << 30
)  # a base of more float32 bytes stays in its file and is read block by block
BLOCK_FLOATS = 1 << 21
LONGEST_SQUARED = 1e30  # sums of two such rows, and their products, are still finite in float32


class UserError(Exception):
    """Something that the person at the command line can mend; its text is one line."""


def prepare(name: str, raw: npt.NDArray[np.floating], start: int, metric: str) -> F32:
    """Rows as float32, of unit length for "cosine"; UserError names a row of NaN or infinity."""
    with np.errstate(over="ignore"):
        block = np.ascontiguousarray(raw, dtype=np.float32)
    squared = np.einsum("ij,ij->i", block, block, dtype=np.float64)
    bad = np.flatnonzero(~(squared <= LONGEST_SQUARED))
    if len(bad):
        row = int(bad[0])
        problem = (
            "is too long for float32 sums"
            if np.isfinite(raw[row]).all()
            else "holds NaN or infinity"
        )
        raise UserError(f"{name}: row {start + row} {problem}")
    if metric != "cosine":
        return block
    lengths = np.sqrt(squared, out=squared)
    lengths[lengths == 0] = 1
    unit: F32 = block / lengths[:, None].astype(np.float32)
    return unit


class Rows:
    """The base: float32 in memory up to `IN_MEMORY_BYTES`, else read from its file, in blocks."""

    def __init__(self, name: str, source: npt.NDArray[np.floating], metric: str) -> None:
        self.name, self.metric = name, metric
        self.n, self.dim = source.shape
        self.block_rows = max(1, BLOCK_FLOATS // self.dim)
        self._source = source
        self._held: F32 | None = None
        if 4 * source.size <= IN_MEMORY_BYTES:
            self._held = np.empty(source.shape, np.float32)
            for start, block in self._read():
                self._held[start : start + len(block)] = block

    @property
    def in_memory(self) -> bool:
        """Whether the float32 rows are held in memory."""
        return self._held is not None

    def _read(self) -> Iterator[tuple[int, F32]]:
        for start in range(0, self.n, self.block_rows):
            raw = self._source[start : start + self.block_rows]
            yield start, prepare(self.name, raw, start, self.metric)

    def blocks(self) -> Iterator[tuple[int, F32]]:
        """(first row, float32 rows), one block after the other."""
        if self._held is None:
            yield from self._read()
            return
        for start in range(0, self.n, self.block_rows):
            yield start, self._held[start : start + self.block_rows]

    def take(self, rows: I64) -> F32:
        """The float32 rows of these numbers: (len(rows), dim)."""
        if self._held is not None:
            return self._held.take(
                rows, axis=0, mode="clip"
            )  # "raise" is slower; rows are in range
        return prepare(self.name, self._source[rows], 0, self.metric)

    def sample(self, count: int, seed: int) -> F32:
        """`count` distinct rows drawn at random, in the base's order; all where there are fewer."""
        if count >= self.n:
            return self.take(np.arange(self.n))
        picked = np.random.default_rng(seed).choice(self.n, count, replace=False, shuffle=False)
        return self.take(np.sort(picked))
