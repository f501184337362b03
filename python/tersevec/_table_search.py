"""The searching half of quantisers: the best codes of each query, or those within reach."""

from __future__ import annotations

from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt

from tersevec import _arrays, _backend, _check, _threads
from tersevec._kernels import F32, U8, ArrayIn
from tersevec._quantizer import largest_number
from tersevec._results import BoundedTopK, RangeHits, TopK, empty_topk
from tersevec._selection import Selection, select
from tersevec._table_sums import TableSums


class TableSearch(TableSums):
    """Everything whose queries are vectors."""

    _fused: F32 | None = None  # columns for the kernel that makes the tables of plain queries

    @overload
    def topk(
        self,
        Q: ArrayIn,
        codes: ArrayIn,
        k: int,
        *,
        mask: ArrayIn = None,
        threads: int | None = None,
        segments: ArrayIn = None,
        bias: ArrayIn = None,
        guarantee: str = "exact",
        bounds: Literal[False] = False,
    ) -> TopK: ...
    @overload
    def topk(
        self,
        Q: ArrayIn,
        codes: ArrayIn,
        k: int,
        *,
        mask: ArrayIn = None,
        threads: int | None = None,
        segments: ArrayIn = None,
        guarantee: str,
        bounds: Literal[True],
    ) -> BoundedTopK: ...
    def topk(
        self,
        Q: ArrayIn,
        codes: ArrayIn,
        k: int,
        *,
        mask: ArrayIn = None,
        threads: int | None = None,
        segments: ArrayIn = None,
        bias: ArrayIn = None,
        guarantee: str = "exact",
        bounds: bool = False,
    ) -> TopK | BoundedTopK:
        """The k best codes of each query by the sums of its table, as ``TopK(values, indices)``.

        Parameters
        ----------
        Q : array of float16, bfloat16, float32 or float64, shape (nq, d)
            Queries.
        codes : ScanCodes, or uint8 array of shape (n, code_size)
            The base; `n` may be 0. Rows may be strided.
        k : int
            Results per query, at least 1. It may exceed `n`.
        mask : bool array (n,) or (nq, n), or uint8 array (ceil(n / 8),) or (nq, ceil(n / 8))
            Optional: rows that may be found, for all queries or for each; packed masks are as
            ``numpy.packbits(..., bitorder="little")`` writes them.
        threads : int, optional
            None means `tersevec.get_num_threads()`.
        segments : integer array, shape (s, 2), optional
            Ranges ``[start, stop)`` of rows that do not overlap; no other rows are searched.
        bias : array of floats, shape (nq, s), optional
            Added, last and in float32, to the distances or similarities of each segment's rows.
        guarantee : {"exact", "quantised"}, default "exact"
            "quantised" ranks by the sums of tables rounded to a byte, which saves the second look
            at what may be among the best; it takes no `bias`.
        bounds : bool, default False
            With "quantised": return certified bounds of the exact values too.

        Returns
        -------
        TopK
            `values` float32 and `indices` int64, both (nq, k). Best first: distances ascend,
            similarities descend; ties: lower index. Where fewer than `k` rows may be found, the
            rest is +inf (-inf for similarities) and -1. With ``guarantee="quantised"`` the order is
            that of the rounded sums, and a value is the middle of its bounds.
        BoundedTopK
            With ``bounds=True``: ``(values, indices, lower, upper)``; the exact value of each row,
            as `distances` gives it, lies from `lower` to `upper`.

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
        batched; so are the rounded sums and their bounds.
        """
        base, n = self._searchable(codes)
        k = _check.positive("k", k)
        count = _threads.resolve(threads)
        rows = self._vectors("Q", Q, device=True)
        _arrays.in_one_memory(Q=rows, codes=base)
        columns = self._fused
        rare = mask is not None or segments is not None or bias is not None or bounds
        plain = not rare and self.metric != "cosine" and guarantee == "exact"
        if columns is not None and plain and _arrays.plain_float32(rows):
            limit, search = largest_number(self._dim), _backend.pick("pqscan", rows).search
            columns = _arrays.like(rows, columns)
            best = search(rows, columns, self.metric, limit, base, n, k, None, count)
            if best is not None:  # or else the row of a bad number is named below
                return TopK(*best)
        chosen = select(mask, segments, bias, n, rows)
        if guarantee != "exact" or bounds:
            return self._quantised_topk(rows, base, n, k, chosen, count, guarantee, bounds)
        return self._exact_topk(rows, base, n, k, chosen, count)

    def _exact_topk(
        self, rows: npt.NDArray[Any], base: U8, n: int, k: int, chosen: Selection, threads: int
    ) -> TopK:
        """`topk` of any queries and any selection."""
        if self.metric != "l2":
            chosen = chosen.negated()
        values, indices = empty_topk(rows, k)
        scan = _backend.pick("pqscan", rows).topk
        for part, tables in self._signed_tables(rows, threads, 12 * k):
            mine = chosen.of(part)
            given = (tables, base, n, k, mine.mask, threads)
            found = scan(*given, segments=mine.segments, bias=mine.bias)
            values[part], indices[part] = found
        return TopK(self._unsigned(values), indices)

    def _quantised_topk(
        self,
        rows: npt.NDArray[Any],
        base: U8,
        n: int,
        k: int,
        chosen: Selection,
        threads: int,
        guarantee: str,
        bounds: bool,
    ) -> TopK | BoundedTopK:
        """`topk` by the rounded tables' sums, and the middles of what bounds the exact ones."""
        if guarantee not in ("exact", "quantised"):
            raise ValueError(f"guarantee: expected 'exact' or 'quantised', got {guarantee!r}")
        if guarantee == "exact":
            raise ValueError("bounds: expected guarantee='quantised' with them, got 'exact'")
        if chosen.bias is not None:
            raise ValueError("bias: expected none with guarantee='quantised'")
        kept: list[npt.NDArray[Any]] = [*empty_topk(rows, k)]
        if bounds:
            kept += [np.empty_like(kept[0]), np.empty_like(kept[0])]
        scan, segments = _backend.pick("pqscan", rows).quantised_topk, chosen.segments
        for part, tables in self._signed_tables(rows, threads, 24 * k):
            mask = chosen.of(part).mask
            lower, upper, indices = scan(tables, base, n, k, mask, threads, segments=segments)
            if self.metric != "l2":
                lower, upper = self._unsigned(upper), self._unsigned(lower)
            middle = (lower.astype(np.float64) + upper) / 2
            for result, found in zip(kept, (middle, indices, lower, upper), strict=False):
                result[part] = found
        return BoundedTopK(*kept) if bounds else TopK(*kept)

    def range(
        self,
        Q: ArrayIn,
        codes: ArrayIn,
        radius: float,
        *,
        mask: ArrayIn = None,
        threads: int | None = None,
        segments: ArrayIn = None,
        bias: ArrayIn = None,
    ) -> RangeHits:
        """Every code within `radius` of each query, as ``RangeHits(offsets, indices, values)``.

        For "l2" the radius is a squared distance; for "ip" and "cosine" it is the least similarity;
        a `bias` counts. For each query best first; ties: lower index. The other arguments and the
        errors are those of `topk`.
        """
        base, n = self._searchable(codes)
        limit = self._limit(radius)
        count = _threads.resolve(threads)
        rows = self._vectors("Q", Q, device=True)
        _arrays.in_one_memory(Q=rows, codes=base)
        chosen = select(mask, segments, bias, n, rows)
        if self.metric != "l2":
            chosen = chosen.negated()
        scan, parts = _backend.pick("pqscan", rows).range_search, []
        for queries, tables in self._signed_tables(rows, count):
            mine = chosen.of(queries)
            given = (tables, base, n, limit, mine.mask, count)
            parts.append(scan(*given, segments=mine.segments, bias=mine.bias))
        return self._hits(parts)
