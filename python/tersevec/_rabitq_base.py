"""The ground under `RaBitQuantizer`: its rotation, and the checked way from queries to kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tersevec import _arrays, _check
from tersevec._estimator import Estimator, NotFittedError
from tersevec._hadamard import HadamardRotation
from tersevec._kernels import F32, ArrayIn
from tersevec._offset_search import Base, Queries
from tersevec._quantizer import BATCH_BYTES, largest_number, refuse_beyond
from tersevec._rabitq_codes import FLOAT_BYTES, RaBitQCodes, errors_of, parted, refuse_foreign

_QUERIES = 1024

Errors = Callable[[Any], F32]  # of the codes of some rows: see `errors_of`


class Asked(NamedTuple):
    """Some of the queries: as they are, as kernels take them, and what their errors follow from."""

    part: slice
    vectors: F32
    queries: Queries
    lengths: F32
    rounding: F32  # the length of what was rounded away from the rotated vector

    def half_widths(self, errors: F32, epsilon: float, query: int) -> F32:
        """So many deviations of the estimates of one query: float32 (codes,)."""
        of_codes, of_query = self.lengths[query] * errors[0], self.rounding[query] * errors[1]
        deviations: F32 = np.sqrt(of_codes * of_codes + of_query * of_query)
        return np.multiply(deviations, np.float32(epsilon), out=deviations)


class RaBitQBase(Estimator):
    """A fitted rotation and mean."""

    n_bits: int
    epsilon0: float
    _mean: F32
    _rotation: HadamardRotation
    _bits: int

    def __sklearn_is_fitted__(self) -> bool:
        """Whether `fit` was called; scikit-learn's `check_is_fitted` asks."""
        return "_mean" in self.__dict__

    def _require_fit(self) -> None:
        if not self.__sklearn_is_fitted__():
            name = type(self).__name__
            raise NotFittedError(f"this {name} has no rotation yet: call fit(X) first")

    @property
    def mean_(self) -> F32:
        """What is subtracted from vectors before they are rotated: float32 (d,), read-only."""
        self._require_fit()
        return self._mean

    @property
    def n_features_in_(self) -> int:
        """Dimensions of the vectors."""
        return len(self.mean_)

    @property
    def n_components_(self) -> int:
        """Dimensions that vectors are rotated in, and numbers of a code."""
        self._require_fit()
        return int(self._rotation.order.shape[1])

    @property
    def code_size(self) -> int:
        """Bytes of one code as a row: its numbers, and two floats."""
        return (self.n_components_ * self._bits + 7) // 8 + FLOAT_BYTES

    def _check_epsilon(self) -> float:
        epsilon = self.epsilon0
        if isinstance(epsilon, (bool, np.bool_)) or not isinstance(epsilon, Real):
            raise TypeError(f"epsilon0: expected a number of at least 0, got {epsilon!r}")
        if not 0 <= epsilon < np.inf:
            raise ValueError(f"epsilon0: expected a finite number of at least 0, got {epsilon!r}")
        return float(epsilon)

    def _vectors(self, name: str, x: ArrayIn) -> npt.NDArray[Any]:
        """Checked rows of the fitted dimension, not converted."""
        return _check.vectors(name, x, self.n_features_in_)

    def _searchable(self, codes: ArrayIn) -> tuple[Base, Errors]:
        """What the kernels scan, and the errors of the codes of some rows."""
        m, n_bits = self.n_components_, self._bits
        if type(codes) is RaBitQCodes:
            if (codes.n_components, codes.n_bits) != (m, n_bits):
                raise ValueError(f"codes: expected codes of {m} x {n_bits} bits, got {codes!r}")
            blocks, n, factors = codes.scanned()
            return Base(blocks, n, n_bits, factors), codes.errors
        rows = _check.codes("codes", codes, self.code_size)
        refuse_foreign("codes", rows)
        bits, floats = parted(rows)
        factors = np.ascontiguousarray(floats[:, 0])

        def errors(picked: Any) -> F32:
            return errors_of(bits[picked], floats[picked], m, n_bits)

        return Base(bits, len(rows), n_bits, factors), errors

    def _asked(self, Q: npt.NDArray[Any], result_bytes: int) -> Iterator[Asked]:
        """The queries, few at once; `result_bytes` is what the caller makes of one of them."""
        d, limit = len(self._mean), largest_number(len(self._mean), rotated=True)
        step = max(1, min(_QUERIES, BATCH_BYTES // (32 * d + result_bytes)))
        if len(Q) > step:  # a bad number in the last query is told before the first search
            refuse_beyond("Q", Q, limit)
        for start, block in _arrays.float_blocks(Q, step):
            _check.finite("Q", block, start, limit)
            yield self._rounded(slice(start, start + len(block)), block)

    def _rounded(self, part: slice, block: F32) -> Asked:
        """Queries turned, and rounded to integers times one scale each."""
        most = np.float32(63 if self._bits == 8 else 127)
        rotated = self._rotation.forward(block)
        scales = np.abs(rotated).max(axis=1) / most
        wide = rotated.astype(np.float64)
        steps = np.divide(wide, scales[:, None], out=np.zeros_like(wide), where=scales[:, None] > 0)
        integers = np.rint(steps, out=steps).clip(-most, most)
        lost = wide - integers * scales[:, None]
        whole = block.astype(np.float64)
        offsets, lengths, rounding = (
            sums.sum(axis=1) for sums in (whole * self._mean, whole * whole, lost * lost)
        )
        return Asked(
            part,
            block,
            Queries(integers.astype(np.int8), scales, (offsets + 0).astype(np.float32)),
            np.sqrt(lengths).astype(np.float32),
            np.sqrt(rounding).astype(np.float32),
        )
