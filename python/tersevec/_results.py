"""What searches return."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt


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
