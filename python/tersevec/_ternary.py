"""Sparse random matrices: entries of -scale, 0 and scale from a counter, never held dense."""

from __future__ import annotations

from numbers import Real
from typing import NamedTuple

import numpy as np

from tersevec import _backend
from tersevec._cuda._device import module_of
from tersevec._types import F64, I8, I32, I64

_STEPS = 1 << 15  # densities are whole multiples of 1 / _STEPS
GROUP = 64  # columns
_CELLS = 1 << 22  # of the matrix that are made at once


def whole_groups(n_columns: int) -> int:
    """So many columns, with those that pad them."""
    return -(-n_columns // GROUP) * GROUP


class Ternary(NamedTuple):
    """A random matrix with rows by number: see `SparseprojKernels`."""

    n_columns: int
    seed: int
    threshold: int

    @property
    def width(self) -> int:
        """Columns with those that pad them."""
        return whole_groups(self.n_columns)

    @property
    def density(self) -> float:
        """The share of entries that are not zero."""
        return self.threshold / _STEPS

    def scale(self, dimensions: int) -> float:
        """What makes rows of so many dimensions keep lengths on average."""
        return float((self.density * dimensions) ** -0.5)

    def rows(self, ids: I64, threads: int) -> I8:
        """The rows of these numbers, padded by zeros to whole groups of columns."""
        out: I8 = module_of(ids).empty((len(ids), self.width), np.int8)
        self.write(ids, out, threads)
        return out

    def write(self, ids: I64, out: I8, threads: int, columns: slice = slice(None)) -> None:
        """`rows`, or those columns of them, from a whole group on, into memory that is there."""
        first, end, _ = columns.indices(self.n_columns)
        kernels = _backend.pick("sparseproj", out)
        kernels.ternary(ids, end - first, self.seed, self.threshold, out, threads, first=first)

    def lists(self, n_rows: int, threads: int) -> TernaryLists:
        """The first rows as lists of what is not zero."""
        step = max(1, _CELLS // self.n_columns)
        counts, codes = [np.zeros(1, np.int64)], [np.empty(0, np.int32)]
        for start in range(0, n_rows, step):
            ids = np.arange(start, min(start + step, n_rows), dtype=np.int64)
            part = self.rows(ids, threads)[:, : self.n_columns]
            row, column = np.nonzero(part)
            counts.append(np.bincount(row, minlength=len(part)))
            codes.append((column + self.n_columns * (part[row, column] < 0)).astype(np.int32))
        return TernaryLists(np.cumsum(np.concatenate(counts)), np.concatenate(codes), self)


class TernaryLists(NamedTuple):
    """A matrix by rows: c where column c adds it, n_columns + c where it takes it off."""

    starts: I64
    codes: I32
    matrix: Ternary

    def signs_by_rows(self) -> tuple[I64, I32]:
        """For each row the columns that add it, then those that take it off."""
        row = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))
        half_rows = 2 * row + self.codes // self.matrix.n_columns
        order = np.argsort(half_rows, kind="stable")
        counts = np.bincount(half_rows, minlength=2 * (len(self.starts) - 1))
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        return starts, self.codes[order] % self.matrix.n_columns

    def gram(self, n_rows: int) -> F64:
        """The inner products of the columns, as whole numbers."""
        d = self.matrix.n_columns
        gram, step = np.zeros((d, d)), max(1, _CELLS // d)
        for start in range(0, n_rows, step):
            ids = np.arange(start, min(start + step, n_rows), dtype=np.int64)
            part = self.matrix.rows(ids, 1)[:, :d].astype(np.float32)
            gram += part.T @ part
        return gram

    def by_columns(self) -> tuple[I64, I32]:
        """The same for each column: features that it adds, then those it takes off."""
        d = self.matrix.n_columns
        lists = 2 * (self.codes % d) + self.codes // d
        order = np.argsort(lists, kind="stable")
        counts = np.bincount(lists, minlength=2 * d)
        row = np.repeat(np.arange(len(self.starts) - 1, dtype=np.int32), np.diff(self.starts))
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]), row[order]


def ternary(n_columns: int, density: float, rng: np.random.Generator) -> Ternary:
    """A new matrix; the density is the nearest that there is, and above 0."""
    return Ternary(n_columns, int(rng.integers(2**63)), max(1, round(density * _STEPS)))


def density_of(density: object, automatic: float) -> float:
    """The share of entries that are not zero that a user asks for."""
    if isinstance(density, str) and density == "auto":
        return automatic
    if isinstance(density, (bool, str)) or not isinstance(density, Real):
        raise TypeError(f'density: expected a number or "auto", got {density!r}')
    if not 0 < float(density) <= 1:
        raise ValueError(f"density: expected a number above 0 and at most 1, got {density!r}")
    return float(density)
