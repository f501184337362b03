"""The searching half of `ProductQuantizer`: tables, scans, and the signs of similarities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from tersevec import _arrays, _backend, _check, _threads
from tersevec._kernels import F32, I64, U8, ArrayIn
from tersevec._product import BATCH_BYTES, ProductBase, largest_number
from tersevec._results import RangeHits, TopK
from tersevec._scan_codes import ScanCodes


def _float32_at_most(value: float) -> float:
    """The largest float32 that is not above `value`: the same float32 distances lie within both."""
    with np.errstate(over="ignore"):
        rounded = np.float32(value)
    return float(np.nextafter(rounded, np.float32(-np.inf)) if float(rounded) > value else rounded)


class ProductSearch(ProductBase):
    """Everything that needs queries."""

    def _searchable(self, codes: ArrayIn) -> tuple[U8, int]:
        """What the kernels scan, and the number of codes."""
        self._require_codebooks()
        m, n_bits = len(self._codebooks), self._bits
        if isinstance(codes, ScanCodes):
            if codes.n_subspaces != m or codes.n_bits != n_bits:
                raise ValueError(f"codes: expected ScanCodes of {m} x {n_bits} bits, got {codes!r}")
            n = len(codes)  # before the blocks: an append meanwhile only adds to them
            return codes.blocks, n
        rows = _check.codes("codes", codes, (m * n_bits + 7) // 8)
        return rows, len(rows)

    def _signed_tables(self, Q: npt.NDArray[Any], threads: int) -> Iterator[tuple[slice, F32]]:
        """Lookup tables whose sums ascend from best to worst: negated for similarities."""
        for queries, tables in self._tables(Q, threads):
            yield queries, tables if self.metric == "l2" else np.negative(tables, out=tables)

    def _unsigned(self, values: F32) -> F32:
        """The sums that the user knows; the difference from zero keeps -0.0 out."""
        return values if self.metric == "l2" else np.subtract(np.float32(0), values, out=values)

    def pack(self, codes: ArrayIn) -> ScanCodes:
        """The codes, uint8 (n, code_size), in the layout that is fastest to search: `ScanCodes`."""
        return ScanCodes(codes, len(self.codebooks_), self._bits)

    def lookup_tables(self, Q: ArrayIn, *, threads: int | None = None) -> F32:
        """What each centroid is worth to each query: float32 (nq, n_subspaces, 2**n_bits).

        The distance or similarity of a query and a code is the float32 sum of the entries that the
        code names, one sub-space after the other. Entries are squared distances, or inner products
        for "ip" and "cosine".

        Examples
        --------
        >>> from tersevec.pq import ProductQuantizer
        >>> pq = ProductQuantizer(1)
        >>> pq.codebooks_ = [[[float(value)] for value in range(16)]]
        >>> pq.lookup_tables([[2.0]])[0, 0, :4]
        array([4., 1., 0., 1.], dtype=float32)
        """
        count = _threads.resolve(threads)
        rows = self._vectors("Q", Q)
        result = np.empty((len(rows), *self.codebooks_.shape[:2]), np.float32)
        for queries, tables in self._tables(rows, count):
            result[queries] = tables
        return result

    def distances(self, Q: ArrayIn, codes: ArrayIn, *, threads: int | None = None) -> F32:
        """Every distance of Q and `codes`: float32 (nq, n); similarities for "ip" and "cosine".

        `codes` are a `ScanCodes` or uint8 rows; the values are those of `topk`, to the last bit.
        """
        base, n = self._searchable(codes)
        count = _threads.resolve(threads)
        rows = self._vectors("Q", Q)
        result = np.empty((len(rows), n), np.float32)
        for queries, tables in self._tables(rows, count, 4 * n):
            result[queries] = _backend.pick("pqscan").distances(tables, base, n, count)
        return result

    def topk(
        self,
        Q: ArrayIn,
        codes: ArrayIn,
        k: int,
        *,
        mask: ArrayIn = None,
        threads: int | None = None,
    ) -> TopK:
        """The k best codes of each query by the sums of its table, as ``TopK(values, indices)``.

        Parameters
        ----------
        Q : array of float16, bfloat16, float32 or float64, shape (nq, d)
            Queries.
        codes : ScanCodes, or uint8 array of shape (n, code_size)
            The base; `n` may be 0. Rows may be strided.
        k : int
            Results per query, at least 1. It may exceed `n`.
        mask : bool array (n,) or uint8 array (ceil(n / 8),), optional
            Rows that may be found; packed masks are as ``numpy.packbits(..., bitorder="little")``
            writes them.
        threads : int, optional
            None means `tersevec.get_num_threads()`.

        Returns
        -------
        TopK
            `values` float32 and `indices` int64, both (nq, k). Best first: distances ascend,
            similarities descend; ties: lower index. Where fewer than `k` rows may be found, the
            rest is +inf (-inf for similarities) and -1.

        Raises
        ------
        NotFittedError
            A ValueError: there are no codebooks yet.
        TypeError, ValueError
            An argument has the wrong type, shape or range, or Q holds NaN or infinity; the message
            names it.

        Notes
        -----
        Exact, on every backend, CPU level and number of threads, and however the queries are
        batched.
        """
        base, n = self._searchable(codes)
        k = _check.positive("k", k)
        allowed = None if mask is None else _check.mask("mask", mask, n)
        count = _threads.resolve(threads)
        rows = self._vectors("Q", Q)
        search, limit = _backend.pick("pqscan").search, largest_number(self._dim)
        metric = "l2" if self.metric == "l2" else "ip"

        def found(queries: F32) -> TopK:
            best = search(queries, self._columns, metric, limit, base, n, k, allowed, count)
            if best is None:
                _check.finite("Q", rows, 0, limit)
            return TopK(*cast("tuple[F32, I64]", best))

        if _arrays.plain_float32(rows) and self.metric != "cosine":
            return found(rows)
        step = max(1, BATCH_BYTES // (12 * k + 4 * self._dim))
        if len(rows) > step:  # a bad number in the last query is told before the first search
            for _ in self._blocks("Q", rows):
                pass
        values, indices = np.empty((len(rows), k), np.float32), np.empty((len(rows), k), np.int64)
        for start, block in self._blocks("Q", rows, step):
            part = slice(start, start + len(block))
            values[part], indices[part] = found(block)
        return TopK(values, indices)

    def range(
        self,
        Q: ArrayIn,
        codes: ArrayIn,
        radius: float,
        *,
        mask: ArrayIn = None,
        threads: int | None = None,
    ) -> RangeHits:
        """Every code within `radius` of each query, as ``RangeHits(offsets, indices, values)``.

        For "l2" the radius is a squared distance; for "ip" and "cosine" it is the least similarity.
        For each query best first; ties: lower index. The other arguments and the errors are those
        of `topk`.
        """
        base, n = self._searchable(codes)
        limit = _check.float_radius(radius)
        limit = _float32_at_most(limit if self.metric == "l2" else -limit)
        allowed = _check.mask("mask", mask, n)
        count = _threads.resolve(threads)
        parts = [
            _backend.pick("pqscan").range_search(tables, base, n, limit, allowed, count)
            for _, tables in self._signed_tables(self._vectors("Q", Q), count)
        ]
        ends = [np.zeros(1, np.int64)]
        for offsets, _, _ in parts:
            ends.append(offsets[1:] + ends[-1][-1])
        indices = [np.empty(0, np.int64), *(part[1] for part in parts)]
        values = [np.empty(0, np.float32), *(part[2] for part in parts)]
        return RangeHits(
            np.concatenate(ends), np.concatenate(indices), self._unsigned(np.concatenate(values))
        )
