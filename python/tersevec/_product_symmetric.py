"""Codes against codes: searches without vectors, through tables between centroids."""

from __future__ import annotations

import numpy as np

from tersevec import _arrays, _backend, _check, _progress, _threads
from tersevec._cuda._device import module_of
from tersevec._kernels import F32, I64, U8, ArrayIn
from tersevec._numpy.pqscan_codes import block_shape
from tersevec._product import ProductBase
from tersevec._results import RangeHits, TopK

_ROWS = 256  # of a base that are searched for at once by `self_join`: whole blocks


class SymmetricSearch(ProductBase):
    """Everything whose queries are codes themselves."""

    def _pairs(self, threads: int) -> F32:
        """The tables of centroids against centroids, (K, m, K), made when first needed."""
        books, metric = self._codebooks, "l2" if self.metric == "l2" else "ip"
        held = self._paired
        if held is None or held[0] is not books or held[1] != metric:
            queries = np.ascontiguousarray(books.transpose(1, 0, 2)).reshape(-1, self._dim)
            pairs = _backend.pick("pqscan").lookup_tables(queries, books, metric, threads)
            held = self._paired = books, metric, pairs if metric == "l2" else -pairs
        return held[2]

    def symmetric_topk(
        self,
        q_codes: ArrayIn,
        codes: ArrayIn,
        k: int,
        *,
        mask: ArrayIn = None,
        threads: int | None = None,
    ) -> TopK:
        """The k best codes of each code by the sums of centroid-to-centroid entries, as `TopK`.

        Parameters
        ----------
        q_codes : uint8 array, shape (nq, code_size)
            What is searched for. Rows may be strided.
        codes, k, mask, threads
            As in `topk`.

        Returns
        -------
        TopK
            As that of `topk`: distances, or similarities, of what the codes stand for.

        Raises
        ------
        NotFittedError
            A ValueError: there are no codebooks yet.
        TypeError, ValueError
            An argument has the wrong type, shape or range; the message names it.

        Notes
        -----
        Exact and the same everywhere, as `topk` is. The first symmetric search makes tables of ``4
        * n_subspaces * 4**n_bits`` bytes, which stay until the codebooks change.

        Examples
        --------
        >>> import numpy as np
        >>> from tersevec.pq import ProductQuantizer
        >>> pq = ProductQuantizer(2)
        >>> pq.codebooks_ = [[[float(value)] for value in range(16)]] * 2
        >>> pq.symmetric_topk(np.uint8([[0x21]]), np.uint8([[0x33], [0x20]]), k=2)
        TopK(values=array([[1., 5.]], dtype=float32), indices=array([[1, 0]]))
        """
        base, n = self._searchable(codes)
        wanted, allowed = self._wanted(q_codes, mask, base, n)
        k = _check.positive("k", k)
        count = _threads.resolve(threads)
        pairs = _arrays.like(base, self._pairs(count))
        scan = _backend.pick("pqscan", base).symmetric_topk
        values, indices = scan(pairs, wanted, base, n, k, allowed, count)
        return TopK(self._unsigned(values), indices)

    def symmetric_range(
        self,
        q_codes: ArrayIn,
        codes: ArrayIn,
        radius: float,
        *,
        mask: ArrayIn = None,
        threads: int | None = None,
    ) -> RangeHits:
        """Every code within `radius` of each code, by centroid-to-centroid entries, as `RangeHits`.

        The arguments are those of `range` and `symmetric_topk`, and so are the errors.

        Examples
        --------
        >>> import numpy as np
        >>> from tersevec.pq import ProductQuantizer
        >>> pq = ProductQuantizer(2)
        >>> pq.codebooks_ = [[[float(value)] for value in range(16)]] * 2
        >>> pq.symmetric_range(np.uint8([[0x21]]), np.uint8([[0x33], [0x20]]), 4.0).indices
        array([1])
        """
        base, n = self._searchable(codes)
        wanted, allowed = self._wanted(q_codes, mask, base, n)
        limit = self._limit(radius)
        count = _threads.resolve(threads)
        pairs = _arrays.like(base, self._pairs(count))
        scan = _backend.pick("pqscan", base).symmetric_range
        return self._hits([scan(pairs, wanted, base, n, limit, allowed, count)])

    def _wanted(self, q_codes: ArrayIn, mask: ArrayIn, base: U8, n: int) -> tuple[U8, U8 | None]:
        """The codes that are searched for, and what may be found, checked."""
        wanted = _check.codes("q_codes", q_codes, self.code_size, device=True)
        allowed = _check.mask("mask", mask, n, len(wanted), device=True)
        _arrays.in_one_memory(q_codes=wanted, codes=base, mask=allowed)
        return wanted, allowed

    def self_join(
        self,
        codes: ArrayIn,
        radius: float,
        *,
        threads: int | None = None,
        progress: bool = False,
    ) -> RangeHits:
        """Every pair of codes within `radius` of each other, once: near-duplicates, for example.

        Parameters
        ----------
        codes : ScanCodes, or uint8 array of shape (n, code_size)
            Rows may be strided.
        radius : float
            For "l2" the greatest squared distance, for "ip" and "cosine" the least similarity.
        threads : int, optional
            None means `tersevec.get_num_threads()`.
        progress : bool, default False
            Show a bar over the codes; needs tqdm.

        Returns
        -------
        RangeHits
            The hits of row i are rows j > i, best first; ties: lower index.

        Raises
        ------
        NotFittedError
            A ValueError: there are no codebooks yet.
        TypeError, ValueError
            An argument has the wrong type, shape or range; the message names it.

        Notes
        -----
        Exact and the same everywhere; values are those of `symmetric_range`. Beside the hits, a few
        MiB are in use.

        Examples
        --------
        >>> import numpy as np
        >>> from tersevec.pq import ProductQuantizer
        >>> pq = ProductQuantizer(2)
        >>> pq.codebooks_ = [[[float(value)] for value in range(16)]] * 2
        >>> hits = pq.self_join(np.uint8([[0x21], [0x33], [0x20]]), 4.0)
        >>> hits.offsets, hits.indices, hits.values
        (array([0, 1, 1, 1]), array([2]), array([1.], dtype=float32))
        """
        base, n = self._searchable(codes)
        limit = self._limit(radius)
        count = _threads.resolve(threads)
        pairs, kernels = _arrays.like(base, self._pairs(count)), _backend.pick("pqscan", base)
        parts = []
        with _progress.bar(progress, n, "self-join", "code") as joined:
            for start in range(0, n, _ROWS):
                rows = self._rows(base, start, min(n, start + _ROWS))
                behind = _arrays.beside(base, np.array([[start, n]], np.int64))
                found = kernels.symmetric_range(
                    pairs, rows, base, n, limit, None, count, segments=behind
                )
                parts.append(_later(found, start))
                joined(len(rows))
        return self._hits(parts)

    def _rows(self, base: U8, start: int, stop: int) -> U8:
        """Codes start to stop as rows; `start` is the first of a block."""
        if base.ndim == 2:
            return base[start:stop]
        m = len(self._codebooks)
        blocks = base[start // block_shape(m, self._bits)[0] :]
        return _backend.pick("pqscan", base).unpack(blocks, stop - start, m, self._bits)


def _later(found: tuple[I64, I64, F32], start: int) -> tuple[I64, I64, F32]:
    """The hits of rows start, start + 1, ... that are rows behind them."""
    offsets, indices, values = found
    xp = module_of(offsets)
    rows = np.searchsorted(offsets, xp.arange(len(indices)), side="right") + (start - 1)
    kept = indices > rows
    before = xp.zeros(len(kept) + 1, np.int64)
    before[1:] = np.cumsum(kept)
    return before[offsets], indices[kept], values[kept]
