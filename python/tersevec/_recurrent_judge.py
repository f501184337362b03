"""What tells how good codes are: the neighbours that they find among rows held out."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tersevec import _arrays, _check
from tersevec._kernels import F32, I64, U8
from tersevec._quantizer import training_rows
from tersevec._recurrence import Map
from tersevec._symmetric_codes import integers_of

_ROWS = 50_000  # at most, to learn from
_BASE, _QUERIES, _K = 10_000, 500, 10  # queries are held out; the base is not
_SMALLEST = 200  # rows below which a look says nothing


class Encoder(Protocol):
    """What turns unit rows into odd integers."""

    @property
    def shape(self) -> tuple[int, int, int]: ...
    def numbers(self, x: F32, threads: int) -> U8: ...
    def decoder(self) -> Map: ...
    def adapted(self, adapter: F32) -> Encoder: ...


def values_of(encoder: Encoder, x: F32, threads: int) -> F32:
    """The odd integers of unit rows, as float32 (n, m)."""
    return integers_of(encoder.numbers(x, threads), encoder.shape[2]).astype(np.float32)


def picked(n: int, rng: np.random.Generator) -> I64:
    """Rows to learn from, in random order: what is held out is drawn at random too."""
    return rng.permutation(n)[:_ROWS]


def unit_training_rows(name: str, rows: npt.NDArray[Any], picked: I64) -> F32:
    """Unit rows to learn from, when all numbers are known to be finite."""
    if len(rows) < 2:
        raise ValueError(f"{name}: expected at least 2 rows, got {len(rows)}")
    for start, block in _arrays.float_blocks(rows):
        _check.finite(name, block, start)
    return training_rows(rows, picked, "cosine")


class Judge:
    """Rows held out, whose neighbours are known, to tell how many of them codes find."""

    def __init__(self, rows: F32) -> None:
        n = len(rows)
        self.trusted = n >= _SMALLEST
        n_queries = min(_QUERIES, n // 10)
        n_base = min(_BASE, n // 2)
        self.fitted = slice(0, n - n_queries)  # what takes few numbers from so many rows
        self.unseen = slice(n_base, n - n_queries)  # what could learn the base by heart
        self._queries, self._base = rows[n - n_queries :], rows[:n_base]
        self._truth = nearest(self._queries, self._base, _K)

    def parts(self, rows: F32) -> tuple[F32, F32]:
        """The queries and the base of as many rows, in the same order."""
        return rows[self.fitted.stop :], rows[: len(self._base)]

    def recall(self, encoder: Encoder, threads: int) -> float:
        """The share of true neighbours that cosines of its codes find; 0 with too few rows."""
        if not self.trusted:
            return 0.0
        queries, base = (values_of(encoder, x, threads) for x in (self._queries, self._base))
        return self.shared(queries, base)

    def shared(self, queries: F32, base: F32) -> float:
        """The same of codes that are there."""
        if not self.trusted:
            return 0.0
        found = nearest(queries, base / np.linalg.norm(base, axis=1, keepdims=True), _K)
        pairs = zip(found, self._truth, strict=True)
        shared = sum(len(np.intersect1d(a, b)) for a, b in pairs)
        return shared / found.size


def nearest(queries: F32, base: F32, k: int) -> I64:
    """The rows of the base of largest inner product: (nq, k), in no order; k gives way to few."""
    similarities = queries @ base.T
    k = min(k, max(1, base.shape[0] - 1))
    found: I64 = np.argpartition(-similarities, k - 1, axis=1)[:, :k]
    return found
