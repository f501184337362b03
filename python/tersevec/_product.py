"""The ground under `ProductQuantizer`: its checks, codebooks, blocks of rows and tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from tersevec import _arrays, _backend, _check
from tersevec._estimator import Estimator, NotFittedError
from tersevec._kernels import F32, I64, ArrayIn
from tersevec._rotation import given_rotation

METRICS = ("l2", "ip", "cosine")
ROTATIONS = (None, "opq", "random")
LOSSES = ("reconstruction", "anisotropic")

BATCH_BYTES = 8 << 20  # of the tables, and of what they lead to, alive at once
_QUERIES = 256


def largest_number(d: int, rotated: bool = False) -> float:
    """Numbers up to this cannot overflow a float32 distance or similarity of d dimensions.

    A rotation may gather a row's whole length in one number.
    """
    return float((_check.FLOAT32_MAX / d) ** 0.5 / (8 * d**0.5 if rotated else 4))


def unit_rows(block: F32) -> F32:
    """The rows divided by their lengths; zero rows stay zero."""
    lengths = np.sqrt(np.square(block, dtype=np.float64).sum(axis=1, keepdims=True))
    return np.asarray(np.divide(block, np.where(lengths > 0, lengths, 1)), np.float32)


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


class ProductBase(Estimator):
    """Parameters and codebooks of a product quantiser, and the checked way from rows to tables."""

    n_subspaces: int
    n_bits: int
    metric: str
    rotation: str | None
    loss: str
    _codebooks: F32
    _rotation: F32 | None = None
    _columns: F32  # the codebooks as kernels search them: (n_subspaces, d / n_subspaces, 2**n_bits)
    _dim: int
    _bits: int  # of a sub-space of the codebooks
    _paired: tuple[F32, str, F32] | None = None  # codebooks, metric, and the tables between them

    def _check_parameters(self) -> int:
        """The number of sub-spaces, if the parameters are served."""
        m = _check.positive("n_subspaces", self.n_subspaces, _check.SUBSPACE_LIMIT)
        _check.code_bits("n_bits", self.n_bits)
        if self.metric not in METRICS:
            raise ValueError(f"metric: expected one of {', '.join(METRICS)}, got {self.metric!r}")
        if self.rotation not in ROTATIONS:
            raise ValueError(f"rotation: expected None, 'opq' or 'random', got {self.rotation!r}")
        if self.loss not in LOSSES:
            raise ValueError(f"loss: expected one of {', '.join(LOSSES)}, got {self.loss!r}")
        return m

    @property
    def codebooks_(self) -> F32:
        """The centroids: float32 (n_subspaces, 2**n_bits, d / n_subspaces). Assign to replace them.

        Foreign codebooks are welcome, before `fit` too. They are copied, and what you read is
        read-only. Codes that were written with the old ones do not change. With a rotation, they
        lie in the rotated space.
        """
        self._require_codebooks()
        return self._codebooks

    @codebooks_.setter
    def codebooks_(self, codebooks: ArrayIn) -> None:
        m, K = self._check_parameters(), 2**self.n_bits
        array = _arrays.view_floats("codebooks_", codebooks)
        expected = f"expected floats of shape ({m}, {K}, d / {m})"
        if array.dtype not in _arrays.FLOATS:
            raise TypeError(f"codebooks_: {expected}, got {_arrays.describe(array)}")
        if array.ndim != 3 or array.shape[:2] != (m, K) or array.shape[2] < 1:
            raise ValueError(f"codebooks_: {expected}, got {_arrays.describe(array)}")
        d = m * array.shape[2]
        if self._rotation is not None and len(self._rotation) != d:
            raise ValueError(
                f"codebooks_: expected {len(self._rotation)} dimensions, those of rotation_, got "
                f"{d}; assign rotation_ = None first"
            )
        learned = np.empty(array.shape, np.float32)
        for j, book in enumerate(array):
            for start, block in _arrays.float_blocks(book):
                _check.finite(f"codebooks_[{j}]", block, start, largest_number(d))
                learned[j, start : start + len(block)] = block
        self._hold(learned, self._rotation)

    @property
    def rotation_(self) -> F32 | None:
        """The rotation: float32 (d, d), or None without one. Assign to replace it.

        A vector v enters the space of `codebooks_` as ``v @ rotation_``. A foreign rotation is
        copied, and what you read is read-only; its columns must be orthogonal and of length 1.
        """
        self._require_codebooks()
        return self._rotation

    @rotation_.setter
    def rotation_(self, rotation: ArrayIn) -> None:
        d = self.n_features_in_
        checked = None if rotation is None else given_rotation("rotation_", rotation, d)
        self._hold(self._codebooks, checked)

    def _hold(self, codebooks: F32, rotation: F32 | None) -> None:
        """Keep codebooks and the rotation before them, and what every search needs of them."""
        codebooks.flags.writeable = False
        if rotation is not None:
            rotation.flags.writeable = False
        self._rotation = rotation
        self._codebooks = codebooks
        self._columns = np.ascontiguousarray(codebooks.transpose(0, 2, 1))
        self._dim = codebooks.shape[0] * codebooks.shape[2]
        self._bits = codebooks.shape[1].bit_length() - 1

    def _require_codebooks(self) -> None:
        if "_codebooks" not in self.__dict__:
            name = type(self).__name__
            raise NotFittedError(
                f"this {name} has no codebooks yet: call fit(X) first, or assign codebooks_"
            )

    def __sklearn_is_fitted__(self) -> bool:
        """Whether there are codebooks; scikit-learn's `check_is_fitted` asks."""
        return "_codebooks" in self.__dict__

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        if self.__sklearn_is_fitted__():
            self._hold(self._codebooks, self._rotation)

    def __getstate__(self) -> dict[str, object]:
        state = self.__dict__.copy()
        for name in ("_columns", "_paired"):
            state.pop(name, None)
        return state

    @property
    def n_features_in_(self) -> int:
        """Dimensions of the vectors."""
        self._require_codebooks()
        return self._dim

    @property
    def code_size(self) -> int:
        """Bytes of one code as a row."""
        self._require_codebooks()
        return int(len(self._codebooks) * self._bits + 7) // 8

    def _vectors(self, name: str, x: ArrayIn) -> npt.NDArray[Any]:
        """Checked rows of the dimension that the codebooks fit, not converted."""
        return _check.vectors(name, x, self.n_features_in_)

    def _refuse_bad_numbers(self, name: str, rows: npt.NDArray[Any]) -> None:
        """Tell the first row that kernels may not see."""
        limit = largest_number(rows.shape[1], self._rotation is not None)
        for start, block in _arrays.float_blocks(rows):
            _check.finite(name, block, start, limit)

    def _blocks(
        self, name: str, rows: npt.NDArray[Any], threads: int, step: int | None = None
    ) -> Iterator[tuple[int, F32]]:
        """(start, finite float32 rows in the codebooks' space), block by block.

        Of unit length for "cosine", and rotated where there is a rotation: in a fixed order, so
        that no result depends on how rows are batched.
        """
        rotation = self._rotation
        limit = largest_number(rows.shape[1], rotation is not None)
        for start, block in _arrays.float_blocks(rows, step):
            _check.finite(name, block, start, limit)
            vectors = unit_rows(block) if self.metric == "cosine" else block
            if rotation is not None:
                vectors = _backend.pick("pqencode").products(vectors, rotation, threads)
            yield start, vectors

    def _tables(
        self, Q: npt.NDArray[Any], threads: int, result_bytes: int = 0
    ) -> Iterator[tuple[slice, F32]]:
        """The lookup tables of the queries, few at once: (which queries, (queries, m, K)).

        `result_bytes` is what the caller makes of one query before it asks for the next ones.
        """
        books = self.codebooks_
        query_bytes = 4 * books.shape[0] * books.shape[1] + result_bytes
        step = max(1, min(_QUERIES, BATCH_BYTES // query_bytes))
        metric = "l2" if self.metric == "l2" else "ip"
        if len(Q) > step:  # a bad number in the last query is told before the first search
            self._refuse_bad_numbers("Q", Q)
        for start, block in self._blocks("Q", Q, threads, step):
            tables = _backend.pick("pqscan").lookup_tables(block, books, metric, threads)
            yield slice(start, start + len(block)), tables
