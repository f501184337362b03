"""What searches return."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tersevec._cuda._device import module_of
from tersevec._kernels import F32, I64


class TopK(NamedTuple):
    """The best rows of every query: `values` and `indices`, best first, ties by smaller index.

    Attributes
    ----------
    values : ndarray of int32 or float32, shape (nq, k)
        Distances ascend, similarities descend. A row that has fewer than `k` results ends in the
        worst possible value: the int32 maximum, ``+inf`` for distances, ``-inf`` for similarities.
    indices : ndarray of int64, shape (nq, k)
        Row numbers in the base; -1 where there is no further result.
    """

    values: npt.NDArray[np.int32] | npt.NDArray[np.float32]
    indices: npt.NDArray[np.int64]


class RangeHits(NamedTuple):
    """Every row within a radius; those of query q lie at ``offsets[q]:offsets[q + 1]``.

    Attributes
    ----------
    offsets : ndarray of int64, shape (nq + 1,)
        Where the hits of each query begin; ``offsets[-1]`` is the number of all hits.
    indices : ndarray of int64, shape (offsets[-1],)
        Row numbers in the base; for each query best first, ties by smaller index.
    values : ndarray of int32 or float32, shape (offsets[-1],)
        Distances, or similarities for a similarity metric.
    """

    offsets: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int64]
    values: npt.NDArray[np.int32] | npt.NDArray[np.float32]


class BoundedTopK(NamedTuple):
    """`TopK` by quantised tables, and how far the exact values may be from its own.

    Attributes
    ----------
    values : ndarray of float32, shape (nq, k)
        The middle of the two bounds; at the end the worst possible value, as in `TopK`.
    indices : ndarray of int64, shape (nq, k)
        Row numbers in the base, in the order of the quantised tables' sums; -1 where there is no
        further result.
    lower, upper : ndarrays of float32, shape (nq, k)
        The exact value of each row lies between them, or is one of them.
    """

    values: F32
    indices: I64
    lower: F32
    upper: F32


def empty_topk(queries: Any, k: int) -> tuple[F32, I64]:
    """Room for the values and indices of k results a query, in the queries' memory."""
    xp, shape = module_of(queries), (len(queries), k)
    return xp.empty(shape, np.float32), xp.empty(shape, np.int64)


class ScaledInt8(NamedTuple):
    """Rows of small integers, and what each row is to be multiplied with.

    Attributes
    ----------
    values : ndarray of int8, shape (n, d)
        From -127 to 127.
    scales : ndarray of float32, shape (n,)
        The largest magnitude of the row's numbers, divided by 127.

    Examples
    --------
    >>> import numpy as np
    >>> from tersevec.muvera import FixedDimensionalEncoder
    >>> encoder = FixedDimensionalEncoder(4, num_repetitions=1, num_simhash_projections=0,
    ...                                   projection_type="identity")
    >>> rows = encoder.encode_documents([np.diag([1.0, 2, 3, 4])], dtype="int8")
    >>> rows.values, (rows.values * rows.scales[:, None]).round(2)
    (array([[ 32,  64,  95, 127]], dtype=int8), array([[0.25, 0.5 , 0.75, 1.  ]], dtype=float32))
    """

    values: npt.NDArray[np.int8]
    scales: F32


def joined_hits(parts: list[tuple[I64, I64, F32]], queries: Any = None) -> tuple[I64, I64, F32]:
    """The hits of all queries from (offsets, indices, values) of some queries each.

    Where there are none, the results lie in the queries' memory.
    """
    if len(parts) == 1:
        return parts[0]
    if not parts:
        xp = module_of(queries)
        return xp.zeros(1, np.int64), xp.empty(0, np.int64), xp.empty(0, np.float32)
    ends = [parts[0][0][:1]]
    for offsets, _, _ in parts:
        ends.append(offsets[1:] + ends[-1][-1])
    indices, values = [part[1] for part in parts], [part[2] for part in parts]
    return np.concatenate(ends), np.concatenate(indices), np.concatenate(values)
