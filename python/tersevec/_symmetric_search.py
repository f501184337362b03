"""The searching half of binarisers: codes against codes, by the cosines of their integers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

import numpy as np

from tersevec import _backend, _check, _threads
from tersevec._arrays import in_one_memory
from tersevec._cuda._device import module_of
from tersevec._kernels import F32, I8, U8, ArrayIn
from tersevec._results import RangeHits, TopK, empty_topk, joined_hits
from tersevec._symmetric_codes import ScanCodes, integers_of, inverse_lengths
from tersevec._table_sums import float32_at_most

_QUERY_NUMBERS = 1 << 22  # of the query codes that are integers at once


class SymmetricSearch:
    """What needs the integers of codes alone, whatever wrote them."""

    @property
    @abstractmethod
    def _code_shape(self) -> tuple[int, int]:
        """Components of a code, and bits of each: at most 7."""

    @property
    def _code_bytes(self) -> int:
        m, n_bits = self._code_shape
        return (m * n_bits + 7) // 8

    def _searchable(self, codes: ArrayIn) -> tuple[U8, int, F32]:
        """What the kernels scan, the number of codes, and their factors."""
        m, n_bits = self._code_shape
        if type(codes) is ScanCodes:
            if (codes.n_components, codes.n_bits) != (m, n_bits):
                raise ValueError(f"codes: expected ScanCodes of {m} x {n_bits} bits, got {codes!r}")
            return codes.scanned()
        rows = _check.codes("codes", codes, self._code_bytes, device=True)
        return rows, len(rows), inverse_lengths(rows, m, n_bits)

    def _queries(self, q_codes: U8) -> Iterator[tuple[slice, I8, F32]]:
        """(which queries, their integers, 1 over the lengths of these), few at once."""
        m, n_bits = self._code_shape
        step = max(1, _QUERY_NUMBERS // m)
        for start in range(0, len(q_codes), step):
            rows = q_codes[start : start + step]
            numbers = _backend.pick("symdist", rows).split(rows, m, n_bits)
            scales = inverse_lengths(rows, m, n_bits)
            yield slice(start, start + len(rows)), integers_of(numbers, n_bits), scales

    def pack(self, codes: ArrayIn) -> ScanCodes:
        """The codes, uint8 (n, code bytes), in the layout that is fastest to search."""
        return ScanCodes(codes, *self._code_shape)

    def similarity_matrix(
        self, q_codes: ArrayIn, codes: ArrayIn, *, threads: int | None = None
    ) -> F32:
        """Every cosine of `q_codes` and `codes`: float32 (nq, n).

        `q_codes` are uint8 rows, `codes` such rows or `ScanCodes`; the values are those of `topk`,
        to the last bit. CuPy arrays too: then the result is one.
        """
        base, n, factors = self._searchable(codes)
        rows = _check.codes("q_codes", q_codes, self._code_bytes, device=True)
        in_one_memory(q_codes=rows, codes=base)
        count, n_bits = _threads.resolve(threads), self._code_shape[1]
        result: F32 = module_of(rows).empty((len(rows), n), np.float32)
        scores = _backend.pick("symdist", rows).scores
        for part, queries, scales in self._queries(rows):
            result[part] = scores(queries, scales, base, n, n_bits, factors, count)
        return result

    def topk(
        self,
        q_codes: ArrayIn,
        codes: ArrayIn,
        k: int,
        *,
        mask: ArrayIn = None,
        threads: int | None = None,
    ) -> TopK:
        """The k codes of the largest cosine with each query's code: ``TopK(values, indices)``.

        Parameters
        ----------
        q_codes : uint8 array, shape (nq, code bytes)
            The queries' codes. Rows may be strided. CuPy arrays too: then the base and the mask
            lie in CUDA memory, and so do the results.
        codes : ScanCodes, or uint8 array of shape (n, code bytes)
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
            `values` float32 and `indices` int64, both (nq, k). Best first: cosines descend; ties:
            lower index. Where fewer than `k` rows may be found, the rest is -inf and -1.

        Raises
        ------
        TypeError, ValueError
            An argument has the wrong type, shape or range; the message names it.

        Notes
        -----
        The integer product of the codes is exact. It is rounded to float32, then multiplied by 1
        over the length of the query's integers, then by 1 over that of the code's, both float32: a
        cosine to 3e-7, and to the last bit the same on every backend, CPU level and number of
        threads.
        """
        base, n, factors = self._searchable(codes)
        rows = _check.codes("q_codes", q_codes, self._code_bytes, device=True)
        k = _check.positive("k", k)
        allowed = _check.mask("mask", mask, n, device=True)
        in_one_memory(q_codes=rows, codes=base, mask=allowed)
        count, n_bits = _threads.resolve(threads), self._code_shape[1]
        values, indices = empty_topk(rows, k)
        scan = _backend.pick("symdist", rows).topk
        for part, queries, scales in self._queries(rows):
            found = scan(queries, scales, base, n, n_bits, factors, k, allowed, count)
            values[part], indices[part] = found
        return TopK(values, indices)

    def range(
        self,
        q_codes: ArrayIn,
        codes: ArrayIn,
        radius: float,
        *,
        mask: ArrayIn = None,
        threads: int | None = None,
    ) -> RangeHits:
        """Every code whose cosine is at least `radius`: ``RangeHits(offsets, indices, values)``.

        For each query best first; ties: lower index. The other arguments and the errors are those
        of `topk`.
        """
        base, n, factors = self._searchable(codes)
        rows = _check.codes("q_codes", q_codes, self._code_bytes, device=True)
        least = -float32_at_most(-_check.float_radius(radius))
        allowed = _check.mask("mask", mask, n, device=True)
        in_one_memory(q_codes=rows, codes=base, mask=allowed)
        count, n_bits = _threads.resolve(threads), self._code_shape[1]
        scan, parts = _backend.pick("symdist", rows).range_search, []
        for _, queries, scales in self._queries(rows):
            given = (queries, scales, base, n, n_bits, factors, least, allowed, count)
            parts.append(scan(*given))
        return RangeHits(*joined_hits(parts, rows))
