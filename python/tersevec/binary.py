"""Binary codes: packing signs into bits, and searching packed bits by Hamming distance."""

from __future__ import annotations

from tersevec import _arrays, _backend, _check, _threads
from tersevec._binary_codes import BinaryCodes, pack_bits, unpack_bits
from tersevec._kernels import I32, ArrayIn, Codes
from tersevec._rabitq import RaBitQuantizer
from tersevec._recurrent import RecurrentBinarizer
from tersevec._results import RangeHits, TopK
from tersevec._symmetric_codes import ScanCodes

__all__ = [
    "BinaryCodes",
    "RaBitQuantizer",
    "RecurrentBinarizer",
    "ScanCodes",
    "hamming_distances",
    "hamming_range",
    "hamming_topk",
    "pack_bits",
    "unpack_bits",
]


def hamming_distances(a: ArrayIn, b: ArrayIn, *, threads: int | None = None) -> I32:
    """All Hamming distances between the rows of two code arrays: int32 (na, nb).

    Parameters
    ----------
    a, b : uint8 arrays, shapes (na, n_bytes) and (nb, n_bytes)
        Rows may be strided.
    threads : int, optional
        None means `tersevec.get_num_threads()`.

    Returns
    -------
    ndarray of int32, shape (na, nb)
        Numbers of differing bits.

    Raises
    ------
    TypeError, ValueError
        The codes are not uint8, or not of the same width.

    Notes
    -----
    Exact, on every backend, CPU level and number of threads.

    Examples
    --------
    >>> import numpy as np
    >>> from tersevec.binary import hamming_distances
    >>> hamming_distances(np.uint8([[0], [255]]), np.uint8([[1]]))
    array([[1],
           [7]], dtype=int32)
    """
    columns = _check.codes("b", b, device=True)
    rows = _check.codes("a", a, columns.shape[1], device=True)
    _arrays.in_one_memory(a=rows, b=columns)
    return _backend.pick("hamming", rows).distances(rows, columns, _threads.resolve(threads))


def _searchable(codes: ArrayIn) -> tuple[Codes, int, int]:
    """What the kernels scan, the number of codes, and the bytes of one."""
    if isinstance(codes, BinaryCodes):
        n = len(codes)  # before the blocks: an append meanwhile only adds to them
        return codes.blocks, n, codes.n_bytes
    rows = _check.codes("codes", codes, device=True)
    return rows, len(rows), rows.shape[1]


def hamming_topk(
    queries: ArrayIn, codes: ArrayIn, k: int, *, mask: ArrayIn = None, threads: int | None = None
) -> TopK:
    """The k nearest codes of each query by Hamming distance, as ``TopK(values, indices)``.

    Parameters
    ----------
    queries : uint8 array, shape (nq, n_bytes)
        Rows may be strided.
    codes : BinaryCodes, or uint8 array of shape (n, n_bytes)
        The base; `n` may be 0.
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
        `values` int32 and `indices` int64, both (nq, k). Best first; ties: lower index. Where fewer
        than `k` rows may be found, the rest is 2**31 - 1 and -1.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type, shape or range; the message names it.

    Notes
    -----
    Exact, on every backend, CPU level and number of threads. Reads every code once per group of
    queries.

    Examples
    --------
    >>> import numpy as np
    >>> from tersevec.binary import hamming_topk
    >>> hamming_topk(np.uint8([[3]]), np.uint8([[0], [1], [3]]), 2)
    TopK(values=array([[0, 1]], dtype=int32), indices=array([[2, 1]]))
    """
    base, n, n_bytes = _searchable(codes)
    wanted = _check.codes("queries", queries, n_bytes, device=True)
    k = _check.positive("k", k)
    allowed = _check.mask("mask", mask, n, device=True)
    _arrays.in_one_memory(queries=wanted, codes=base, mask=allowed)
    kernels = _backend.pick("hamming", wanted)
    return TopK(*kernels.topk(wanted, base, n, k, allowed, _threads.resolve(threads)))


def hamming_range(
    queries: ArrayIn,
    codes: ArrayIn,
    radius: int,
    *,
    mask: ArrayIn = None,
    threads: int | None = None,
) -> RangeHits:
    """Every code within `radius` of each query, as ``RangeHits(offsets, indices, values)``.

    Parameters
    ----------
    queries : uint8 array, shape (nq, n_bytes)
    codes : BinaryCodes, or uint8 array of shape (n, n_bytes)
    radius : int
        In bits; codes at exactly this distance are found too.
    mask, threads : optional
        As in `hamming_topk`.

    Returns
    -------
    RangeHits
        `offsets` int64 (nq + 1,), `indices` int64 and `values` int32; for each query best first;
        ties: lower index.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type, shape or range; the message names it.

    Notes
    -----
    Exact, on every backend, CPU level and number of threads.

    Examples
    --------
    >>> import numpy as np
    >>> from tersevec.binary import hamming_range
    >>> hamming_range(np.uint8([[3]]), np.uint8([[0], [1], [3]]), 1).indices
    array([2, 1])
    """
    base, n, n_bytes = _searchable(codes)
    wanted = _check.codes("queries", queries, n_bytes, device=True)
    bits = _check.hamming_radius(radius, n_bytes)
    allowed = _check.mask("mask", mask, n, device=True)
    _arrays.in_one_memory(queries=wanted, codes=base, mask=allowed)
    kernels = _backend.pick("hamming", wanted)
    return RangeHits(
        *kernels.range_search(wanted, base, n, bits, allowed, _threads.resolve(threads))
    )
