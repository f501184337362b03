"""The ground under `ResidualQuantizer`: its parameters, codebooks, steps of lengths and tables."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Real

import numpy as np

from tersevec import _arrays, _backend, _check
from tersevec._cuda._device import module_of
from tersevec._kernels import F32, F64, U8, ArrayIn
from tersevec._quantizer import copied_codebooks, given_codebooks, largest_number
from tersevec._residual import crossed, length_bounds, squared_lengths
from tersevec._table_search import TableSearch

_BEAM_LIMIT = 1024
_LENGTH_LIMIT = _check.FLOAT32_MAX / 8
_HELD_BYTES = 64 << 20  # of the tables between centroids


def largest_term(d: int, levels: int) -> float:
    """Numbers up to this cannot overflow a distance, when sums have so many centroids."""
    return largest_number(d) / (2 * levels)


class ResidualBase(TableSearch):
    """Codebooks of whole vectors, and the range of their sums' squared lengths."""

    n_levels: int
    beam_width: int
    _norm_range: tuple[float, float]
    _columns: F32  # the codebooks as kernels multiply by them: (d, n_levels * 2**n_bits)
    _crossed: list[F32] | None = None  # what `crossed` says of each level

    def _check_parameters(self) -> tuple[int, int]:
        """The numbers of levels and of centroids of each, if the parameters are served."""
        levels = _check.positive("n_levels", self.n_levels, _check.SUBSPACE_LIMIT - 2)
        return levels, self._check_coding()

    def _check_beam_width(self) -> int:
        return _check.positive("beam_width", self.beam_width, _BEAM_LIMIT)

    @property
    def codebooks_(self) -> F32:
        """The centroids: float32 (n_levels, 2**n_bits, d). Assign to replace them.

        Foreign codebooks are welcome, before `fit` too. They are copied, and what you read is
        read-only. Codes that were written with the old ones do not change. `norm_range_` becomes
        one that is sure to hold every sum of the new ones; where you know a closer one, assign it
        next.
        """
        self._require_codebooks()
        return self._codebooks

    @codebooks_.setter
    def codebooks_(self, codebooks: ArrayIn) -> None:
        levels, K = self._check_parameters()
        array = given_codebooks(codebooks, levels, K, "d")
        copied = copied_codebooks(array, largest_term(array.shape[2], levels))
        self._hold(copied, length_bounds(copied))

    @property
    def norm_range_(self) -> tuple[float, float]:
        """The least and the largest squared length of decoded vectors that codes for "l2" hold.

        Assign another pair to replace it, before you encode: codes that were written with the old
        one are read by the new one.
        """
        self._require_codebooks()
        return self._norm_range

    @norm_range_.setter
    def norm_range_(self, bounds: tuple[float, float]) -> None:
        self._require_codebooks()
        expected = f"norm_range_: expected two numbers, the least first, got {bounds!r}"
        try:
            least, largest = bounds
        except (TypeError, ValueError):
            raise TypeError(expected) from None
        if not (isinstance(least, Real) and isinstance(largest, Real)):
            raise TypeError(expected)
        if not -_LENGTH_LIMIT <= least <= largest <= _LENGTH_LIMIT:
            raise ValueError(expected)
        self._norm_range = float(least), float(largest)

    def _hold(self, codebooks: F32, norm_range: tuple[float, float]) -> None:
        """Keep codebooks and the range of lengths, and what every search needs of them."""
        codebooks.flags.writeable = False
        levels, K, self._dim = codebooks.shape
        self._codebooks, self._norm_range = codebooks, norm_range
        self._columns = np.ascontiguousarray(codebooks.reshape(levels * K, self._dim).T)
        self._bits, self._crossed = K.bit_length() - 1, None

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        if self.__sklearn_is_fitted__():
            self._hold(self._codebooks, self._norm_range)

    def __getstate__(self) -> dict[str, object]:
        state = self.__dict__.copy()
        for name in ("_columns", "_crossed"):
            state.pop(name, None)
        return state

    @property
    def _subspaces(self) -> int:
        return len(self._codebooks) + (2 if self.metric == "l2" else 0)

    def _largest(self, d: int) -> float:
        return largest_term(d, len(self._codebooks))

    def _between(self, threads: int) -> Iterable[F32]:
        """The tables of centroids against centroids before them, level by level; held if small."""
        if self._crossed is not None:
            return self._crossed
        books = self._codebooks
        levels, K, _ = books.shape
        tables = (crossed(books, level, threads) for level in range(levels))
        if 2 * levels * (levels - 1) * K * K > _HELD_BYTES:
            return tables
        self._crossed = held = list(tables)
        return held

    def _steps(self, lengths: F32) -> U8:
        """The numbers (n, 2), coarse and fine, of the steps nearest to squared lengths."""
        least, largest = self._norm_range
        above = np.clip(lengths.astype(np.float64), least, largest) - least
        steps = np.rint(above / ((largest - least) or 1) * (4**self._bits - 1)).astype(np.int64)
        return np.stack([steps >> self._bits, steps % 2**self._bits], axis=1).astype(np.uint8)

    def _block_tables(self, queries: F32, threads: int) -> F32:
        levels, K, _ = self._codebooks.shape
        multiply = _backend.pick("pqencode", queries).products
        products = multiply(queries, _arrays.like(queries, self._columns), threads)
        products = products.reshape(len(queries), levels, K)
        if self.metric != "l2":
            return products
        tables: F32 = module_of(queries).empty((len(queries), levels + 2, K), np.float32)
        np.multiply(products, np.float32(-2), out=tables[:, :levels])
        tables[:, 0] += squared_lengths(queries)[:, None]
        least, largest = self._norm_range
        fine: F64 = np.arange(K) * ((largest - least) / (K * K - 1))
        tables[:, levels:] = _arrays.beside(queries, np.stack((least + K * fine, fine)))
        return tables
