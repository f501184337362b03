"""The ground under every quantiser by codebooks: its checks, blocks of rows and lookup tables."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from tersevec import _arrays, _check
from tersevec._estimator import Estimator, NotFittedError
from tersevec._kernels import F32, I64, ArrayIn
from tersevec._kmeans import sample_rows

METRICS = ("l2", "ip", "cosine")

BATCH_BYTES = 8 << 20  # of the tables, and of what they lead to, alive at once
_QUERIES = 256


def largest_number(d: int, rotated: bool = False) -> float:
    """Numbers up to this cannot overflow a float32 distance or similarity of d dimensions.

    A rotation may gather a row's whole length in one number.
    """
    return float((_check.FLOAT32_MAX / d) ** 0.5 / (8 * d**0.5 if rotated else 4))


def refuse_beyond(name: str, rows: npt.NDArray[Any], limit: float) -> None:
    """Tell the first row that holds NaN, an infinity or a number beyond +-limit."""
    for start, block in _arrays.float_blocks(rows):
        _check.finite(name, block, start, limit)


def unit_rows(block: F32) -> F32:
    """The rows divided by their lengths; zero rows stay zero."""
    lengths = np.sqrt(np.square(block, dtype=np.float64).sum(axis=1, keepdims=True))
    units: F32 = np.divide(block, np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return units


def training_rows(rows: npt.NDArray[Any], picked: I64 | None, metric: str) -> F32:
    """The rows to train on as one float32 array; unpicked float32 rows are not copied."""
    if (
        picked is None
        and metric != "cosine"
        and rows.dtype == np.float32
        and rows.flags.c_contiguous
    ):
        return rows
    training = np.empty((len(rows) if picked is None else len(picked), rows.shape[1]), np.float32)
    for start, block in _arrays.float_blocks(rows, picked=picked):
        training[start : start + len(block)] = unit_rows(block) if metric == "cosine" else block
    return training


def given_codebooks(x: ArrayIn, m: int, K: int, width: str) -> npt.NDArray[Any]:
    """A user's m codebooks of K centroids of some width, not converted yet."""
    array = _arrays.view_floats("codebooks_", x)
    expected = f"expected floats of shape ({m}, {K}, {width})"
    if array.dtype not in _arrays.FLOATS:
        raise TypeError(f"codebooks_: {expected}, got {_arrays.describe(array)}")
    if array.ndim != 3 or array.shape[:2] != (m, K) or array.shape[2] < 1:
        raise ValueError(f"codebooks_: {expected}, got {_arrays.describe(array)}")
    return array


def copied_codebooks(array: npt.NDArray[Any], limit: float) -> F32:
    """A float32 copy of codebooks whose numbers are finite and at most `limit`."""
    codebooks = np.empty(array.shape, np.float32)
    for j, book in enumerate(array):
        for start, block in _arrays.float_blocks(book):
            _check.finite(f"codebooks_[{j}]", block, start, limit)
            codebooks[j, start : start + len(block)] = block
    return codebooks


class Quantizer(Estimator):
    """Codebooks, and the checked way from rows to blocks and tables of the kernels."""

    n_bits: int
    metric: str
    _codebooks: F32
    _dim: int
    _bits: int  # of a sub-space of the codes

    @property
    @abstractmethod
    def _subspaces(self) -> int:
        """Numbers of n_bits in a code."""

    @abstractmethod
    def _largest(self, d: int) -> float:
        """Numbers of d-dimensional rows may be so large."""

    @abstractmethod
    def _block_tables(self, queries: F32, threads: int) -> F32:
        """The lookup tables of a block of queries: (queries, sub-spaces, 2**n_bits)."""

    def _check_coding(self) -> int:
        """The number of centroids of a codebook, if `n_bits` and `metric` are served."""
        K: int = 2 ** _check.code_bits("n_bits", self.n_bits)
        if self.metric not in METRICS:
            raise ValueError(f"metric: expected one of {', '.join(METRICS)}, got {self.metric!r}")
        return K

    def _require_codebooks(self) -> None:
        if "_codebooks" not in self.__dict__:
            name = type(self).__name__
            raise NotFittedError(
                f"this {name} has no codebooks yet: call fit(X) first, or assign codebooks_"
            )

    def __sklearn_is_fitted__(self) -> bool:
        """Whether there are codebooks; scikit-learn's `check_is_fitted` asks."""
        return "_codebooks" in self.__dict__

    @property
    def n_features_in_(self) -> int:
        """Dimensions of the vectors."""
        self._require_codebooks()
        return self._dim

    @property
    def code_size(self) -> int:
        """Bytes of one code as a row."""
        self._require_codebooks()
        return int(self._subspaces * self._bits + 7) // 8

    def _sampled(
        self, rows: npt.NDArray[Any], K: int, limit: float, rng: np.random.Generator
    ) -> F32:
        """The rows of X to train K centroids on, when all numbers are known to be within limit."""
        if len(rows) < K:
            raise ValueError(f"X: expected at least 2**n_bits = {K} rows, got {len(rows)}")
        refuse_beyond("X", rows, limit)
        return training_rows(rows, sample_rows(len(rows), K, rng), self.metric)

    def _vectors(self, name: str, x: ArrayIn, *, device: bool = False) -> npt.NDArray[Any]:
        """Checked rows of the dimension that the codebooks fit, not converted."""
        return _check.vectors(name, x, self.n_features_in_, device=device)

    def _refuse_bad_numbers(self, name: str, rows: npt.NDArray[Any]) -> None:
        """Tell the first row that kernels may not see."""
        refuse_beyond(name, rows, self._largest(rows.shape[1]))

    def _blocks(
        self, name: str, rows: npt.NDArray[Any], threads: int, step: int | None = None
    ) -> Iterator[tuple[int, F32]]:
        """(start, finite float32 rows as codebooks take them), block by block.

        Of unit length for "cosine".
        """
        limit = self._largest(rows.shape[1])
        for start, block in _arrays.float_blocks(rows, step):
            _check.finite(name, block, start, limit)
            yield start, unit_rows(block) if self.metric == "cosine" else block

    def _tables(
        self, Q: npt.NDArray[Any], threads: int, result_bytes: int = 0
    ) -> Iterator[tuple[slice, F32]]:
        """The lookup tables of the queries, few at once: (which queries, (queries, m, K)).

        `result_bytes` is what the caller makes of one query before it asks for the next ones.
        """
        query_bytes = (4 * self._subspaces << self._bits) + result_bytes
        step = max(1, min(_QUERIES, BATCH_BYTES // query_bytes))
        if len(Q) > step:  # a bad number in the last query is told before the first search
            self._refuse_bad_numbers("Q", Q)
        for start, block in self._blocks("Q", Q, threads, step):
            yield slice(start, start + len(block)), self._block_tables(block, threads)
