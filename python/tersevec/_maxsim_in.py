"""What MaxSim is asked: two ragged batches, weights, candidates."""

from __future__ import annotations

from typing import Any

import numpy as np

from tersevec import _arrays, _check
from tersevec._arrays import in_one_memory
from tersevec._cuda._device import module_of
from tersevec._kernels import F32, I64, ArrayIn
from tersevec._ragged import Ragged
from tersevec._ragged_in import ragged
from tersevec._token_rows import LARGEST


def both(queries: ArrayIn, documents: ArrayIn) -> tuple[Ragged, Ragged]:
    """Bags of tokens of the same dimension; a list without any takes that of the others."""
    if isinstance(documents, (list, tuple)) and len(documents) == 0:
        asked = ragged("queries", queries, device=True)
        return asked, ragged("documents", documents, dim=asked.dim)
    base = ragged("documents", documents, device=True)
    asked = ragged("queries", queries, dim=base.dim, device=True)
    in_one_memory(queries=asked.memory, documents=base.memory)
    return asked, base


def memory_of(queries: Ragged, documents: Ragged) -> Any:
    """An array in the memory in which tokens, and answers, lie."""
    return documents.memory if queries.memory is None else queries.memory


def checked_weights(x: ArrayIn, queries: Ragged) -> F32 | None:
    """A weight for each query token, float32 (n,), or None."""
    if x is None:
        return None
    n = queries.n_tokens
    array = _arrays.view_floats("weights", x, device=True)
    expected = f"weights: expected floats of shape ({n},)"
    if array.dtype not in _arrays.FLOATS:
        raise TypeError(f"{expected}, got {_arrays.describe(array)}")
    if array.shape != (n,):
        raise ValueError(f"{expected}, got {_arrays.describe(array)}")
    in_one_memory(weights=array, queries=queries.memory)
    weights: F32 = module_of(array).empty((n, 1), np.float32)
    for start, block in _arrays.float_blocks(array[:, None]):
        _check.finite("weights", block, start, LARGEST)
        weights[start : start + len(block)] = block
    return weights[:, 0]


def checked_candidates(x: ArrayIn, queries: Ragged, documents: Ragged) -> I64:
    """Documents for each query, int64 (nq, c), -1 for none."""
    nq, n = len(queries), len(documents)
    array = _arrays.view("candidates", x, device=True)
    expected = f"candidates: expected integers of shape ({nq}, ?)"
    if array.dtype.kind not in "iu" or not np.can_cast(array.dtype, np.int64):
        raise TypeError(f"{expected}, got {_arrays.describe(array)}")
    if array.ndim != 2 or len(array) != nq:
        raise ValueError(f"{expected}, got {_arrays.describe(array)}")
    in_one_memory(candidates=array, queries=memory_of(queries, documents))
    bad = array[(array < -1) | (array >= n)]
    if len(bad):
        raise ValueError(f"candidates: expected -1 or a document below {n}, got {int(bad[0])}")
    candidates: I64 = module_of(array).ascontiguousarray(array, np.int64)
    return candidates
