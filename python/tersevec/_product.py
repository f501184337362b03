"""The ground under `ProductQuantizer`: its parameters, codebooks, rotation and lookup tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from tersevec import _backend, _check
from tersevec._arrays import like
from tersevec._kernels import F32, I64, U8, ArrayIn
from tersevec._quantizer import BATCH_BYTES, copied_codebooks, given_codebooks, largest_number
from tersevec._results import TopK, empty_topk
from tersevec._rotation import given_rotation
from tersevec._selection import Selection
from tersevec._table_search import TableSearch

ROTATIONS = (None, "opq", "random")
LOSSES = ("reconstruction", "anisotropic")


class ProductBase(TableSearch):
    """Codebooks of parts of vectors, and the rotation before them."""

    n_subspaces: int
    rotation: str | None
    loss: str
    _subspaces: int = 0
    _rotation: F32 | None = None
    _columns: F32  # the codebooks as kernels search them: (n_subspaces, d / n_subspaces, 2**n_bits)
    _paired: tuple[F32, str, F32] | None = None  # codebooks, metric, and the tables between them

    def _check_parameters(self) -> tuple[int, int]:
        """The numbers of sub-spaces and of centroids of each, if the parameters are served."""
        m = _check.positive("n_subspaces", self.n_subspaces, _check.SUBSPACE_LIMIT)
        K = self._check_coding()
        if self.rotation not in ROTATIONS:
            raise ValueError(f"rotation: expected None, 'opq' or 'random', got {self.rotation!r}")
        if self.loss not in LOSSES:
            raise ValueError(f"loss: expected one of {', '.join(LOSSES)}, got {self.loss!r}")
        return m, K

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
        m, K = self._check_parameters()
        array = given_codebooks(codebooks, m, K, f"d / {m}")
        d = m * array.shape[2]
        if self._rotation is not None and len(self._rotation) != d:
            raise ValueError(
                f"codebooks_: expected {len(self._rotation)} dimensions, those of rotation_, got "
                f"{d}; assign rotation_ = None first"
            )
        self._hold(copied_codebooks(array, largest_number(d)), self._rotation)

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
        self._fused = self._columns if rotation is None else None
        self._subspaces, self._dim = len(codebooks), codebooks.shape[0] * codebooks.shape[2]
        self._bits = codebooks.shape[1].bit_length() - 1

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        if self.__sklearn_is_fitted__():
            self._hold(self._codebooks, self._rotation)

    def __getstate__(self) -> dict[str, object]:
        state = self.__dict__.copy()
        for name in ("_columns", "_fused", "_paired"):
            state.pop(name, None)
        return state

    def _largest(self, d: int) -> float:
        return largest_number(d, self._rotation is not None)

    def _blocks(
        self, name: str, rows: npt.NDArray[Any], threads: int, step: int | None = None
    ) -> Iterator[tuple[int, F32]]:
        """Blocks of rows in the codebooks' space: rotated where there is a rotation.

        In a fixed order, so that no result depends on how rows are batched.
        """
        blocks, rotation = super()._blocks(name, rows, threads, step), self._rotation
        if rotation is None:
            return blocks
        products, there = _backend.pick("pqencode", rows).products, like(rows, rotation)
        return ((start, products(block, there, threads)) for start, block in blocks)

    def _block_tables(self, queries: F32, threads: int) -> F32:
        metric = "l2" if self.metric == "l2" else "ip"
        kernels, books = _backend.pick("pqscan", queries), like(queries, self._codebooks)
        return kernels.lookup_tables(queries, books, metric, threads)

    def _exact_topk(
        self, rows: npt.NDArray[Any], base: U8, n: int, k: int, chosen: Selection, threads: int
    ) -> TopK:
        """`topk` of any queries and any selection, by the kernel that makes the tables itself."""
        metric = "l2" if self.metric == "l2" else "ip"
        step = max(1, BATCH_BYTES // (12 * k + 4 * self._dim))
        if len(rows) > step:  # a bad number in the last query is told before the first search
            self._refuse_bad_numbers("Q", rows)
        search, columns = _backend.pick("pqscan", rows).search, like(rows, self._columns)
        values, indices = empty_topk(rows, k)
        for start, block in self._blocks("Q", rows, threads, step):
            part = slice(start, start + len(block))
            mine, limit = chosen.of(part), _check.FLOAT32_MAX  # the block's numbers are known
            given = (block, columns, metric, limit, base, n, k, mine.mask, threads)
            found = search(*given, segments=mine.segments, bias=mine.bias)
            values[part], indices[part] = cast("tuple[F32, I64]", found)
        return TopK(values, indices)
