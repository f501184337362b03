"""Between quantisers and the scan kernels: codes, lookup tables, the signs of similarities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from tersevec import _arrays, _backend, _check, _threads
from tersevec._cuda._device import module_of
from tersevec._kernels import F32, I64, U8, ArrayIn
from tersevec._quantizer import Quantizer
from tersevec._results import RangeHits, joined_hits
from tersevec._scan_codes import ScanCodes


def float32_at_most(value: float) -> float:
    """The largest float32 that is not above `value`: the same float32 distances lie within both."""
    with np.errstate(over="ignore"):
        rounded = np.float32(value)
    return float(np.nextafter(rounded, np.float32(-np.inf)) if float(rounded) > value else rounded)


class TableSums(Quantizer):
    """The checked way from codes to scans, and the sums that every search ranks by."""

    def _searchable(self, codes: ArrayIn) -> tuple[U8, int]:
        """What the kernels scan, and the number of codes."""
        self._require_codebooks()
        m, n_bits = self._subspaces, self._bits
        if isinstance(codes, ScanCodes):
            if codes.n_subspaces != m or codes.n_bits != n_bits:
                raise ValueError(f"codes: expected ScanCodes of {m} x {n_bits} bits, got {codes!r}")
            n = len(codes)  # before the blocks: an append meanwhile only adds to them
            return codes.blocks, n
        rows = _check.codes("codes", codes, (m * n_bits + 7) // 8, device=True)
        return rows, len(rows)

    def _signed_tables(
        self, Q: npt.NDArray[Any], threads: int, result_bytes: int = 0
    ) -> Iterator[tuple[slice, F32]]:
        """Lookup tables whose sums ascend from best to worst: negated for similarities."""
        for queries, tables in self._tables(Q, threads, result_bytes):
            yield queries, tables if self.metric == "l2" else np.negative(tables, out=tables)

    def _unsigned(self, values: F32) -> F32:
        """The sums that the user knows; the difference from zero keeps -0.0 out."""
        return values if self.metric == "l2" else np.subtract(np.float32(0), values, out=values)

    def pack(self, codes: ArrayIn) -> ScanCodes:
        """The codes, uint8 (n, code_size), in the layout that is fastest to search: `ScanCodes`."""
        self._require_codebooks()
        return ScanCodes(codes, self._subspaces, self._bits)

    def lookup_tables(self, Q: ArrayIn, *, threads: int | None = None) -> F32:
        """What each number of a code is worth to each query: float32 (nq, sub-spaces, 2**n_bits).

        The distance or similarity of a query and a code is the float32 sum of the entries that the
        code names, one sub-space after the other. Of a `ProductQuantizer`, entries are squared
        distances, or inner products for "ip" and "cosine"; of a `ResidualQuantizer`, whose levels
        are sub-spaces, they are inner products, and for "l2" what its notes say.

        Examples
        --------
        >>> from tersevec.pq import ProductQuantizer
        >>> pq = ProductQuantizer(1)
        >>> pq.codebooks_ = [[[float(value)] for value in range(16)]]
        >>> pq.lookup_tables([[2.0]])[0, 0, :4]
        array([4., 1., 0., 1.], dtype=float32)
        """
        count = _threads.resolve(threads)
        rows = self._vectors("Q", Q, device=True)
        shape = (len(rows), self._subspaces, 1 << self._bits)
        result: F32 = module_of(rows).empty(shape, np.float32)
        for queries, tables in self._tables(rows, count):
            result[queries] = tables
        return result

    def distances(self, Q: ArrayIn, codes: ArrayIn, *, threads: int | None = None) -> F32:
        """Every distance of Q and `codes`: float32 (nq, n); similarities for "ip" and "cosine".

        `codes` are a `ScanCodes` or uint8 rows; the values are those of `topk`, to the last bit.
        """
        base, n = self._searchable(codes)
        count = _threads.resolve(threads)
        rows = self._vectors("Q", Q, device=True)
        _arrays.in_one_memory(Q=rows, codes=base)
        result: F32 = module_of(rows).empty((len(rows), n), np.float32)
        for queries, tables in self._tables(rows, count, 4 * n):
            result[queries] = _backend.pick("pqscan", base).distances(tables, base, n, count)
        return result

    def _limit(self, radius: object) -> float:
        """The greatest distance, as kernels know it, that is within the radius."""
        limit = _check.float_radius(radius)
        return float32_at_most(limit if self.metric == "l2" else -limit)

    def _hits(self, parts: list[tuple[I64, I64, F32]]) -> RangeHits:
        """What the kernels found for some queries each, as the user knows it."""
        offsets, indices, values = joined_hits(parts)
        return RangeHits(offsets, indices, self._unsigned(values))
