"""Ragged batches in: what people hold becomes a `Ragged`, or a clear refusal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tersevec import _arrays, _check
from tersevec._arrays import describe, on_host
from tersevec._cuda._device import holds
from tersevec._kernels import I64, ArrayIn
from tersevec._ragged import Bags, Flat, Listed, Padded, Ragged
from tersevec._token_rows import MOST_DIMENSIONS, checked_scales, first_beyond, token_array

_FLOAT32, _INT64 = np.dtype(np.float32), np.dtype(np.int64)


def ragged(
    name: str,
    x: ArrayIn,
    offsets: ArrayIn = None,
    *,
    lengths: ArrayIn = None,
    scales: ArrayIn = None,
    dim: int | None = None,
    device: bool = False,
) -> Ragged:
    """Bags of tokens, of `dim` dimensions where that is known; in CUDA memory too with `device`.

    Parameters
    ----------
    x : the tokens
        An array (tokens, d) with `offsets`, or a pair of both; an array for each bag in a list; an
        array (bags, L, d) with `lengths`, or a pair of both; an array (tokens, d) that is one bag;
        or a `Ragged`, which is returned as it is.
    offsets : integers (bags + 1,), optional
    lengths : integers (bags,), optional
    scales : floats, optional
        For int8, one for each token: (tokens,), with padded tokens (bags, L).

    Offsets and lengths are copied to the host, and may lie there with tokens in CUDA memory.
    """
    if isinstance(x, Ragged):
        _refuse_more(name, offsets, lengths, scales)
        _width(name, x.dim, x, dim)
        return x
    where = "offsets", "lengths"
    if _is_pair(name, x, device):
        _refuse_more(name, offsets, lengths)
        x, extent = x
        offsets, lengths = extent, None
        if _arrays.view(name, x, device=device).ndim == 3:
            offsets, lengths = None, extent
        where = f"{name}[1] (offsets)", f"{name}[1] (lengths)"
    elif isinstance(x, (list, tuple)) and not _is_rows(name, x, device):
        _refuse_more(name, offsets, lengths)
        return _listed(name, x, scales, dim, device)
    array = token_array(name, x, device=device)
    if array.ndim == 3:
        return _padded(name, array, lengths, scales, dim, where[1])
    if array.ndim != 2:
        raise ValueError(
            f"{name}: expected tokens of shape (?, {'?' if dim is None else dim}), got "
            f"{describe(array)}"
        )
    if lengths is not None:
        raise ValueError(f"{where[1]}: goes with padded tokens (?, ?, ?), got {describe(array)}")
    _width(name, array.shape[1], array, dim)
    if offsets is None:
        bounds = np.array([0, len(array)], np.int64)
    else:
        bounds = _checked_offsets(where[0], offsets, array)
    return Flat(name, array, bounds, checked_scales("scales", scales, array, len(array)))


def plain_bag(x: ArrayIn, offsets: ArrayIn, dim: int) -> Bags | None:
    """One bag of good float32 tokens, `dim` wide, that kernels read where they lie, or None.

    A query should not wait for what `ragged` does for everybody else; it takes or refuses the rest.
    """
    if type(x) is not np.ndarray or x.dtype is not _FLOAT32 or x.shape[1:] != (dim,):
        return None
    if offsets is None:
        offsets = np.array([0, len(x)], np.int64)
    elif (
        type(offsets) is not np.ndarray
        or offsets.dtype is not _INT64
        or offsets.shape != (2,)
        or offsets.tolist() != [0, len(x)]
    ):
        return None
    if not x.flags.c_contiguous or first_beyond(x) >= 0:
        return None
    return Bags(0, 1, x, None, offsets)


def _is_pair(name: str, x: ArrayIn, device: bool) -> bool:
    """Whether this is (tokens, offsets) or (padded tokens, lengths), not a tuple of two bags."""
    if not isinstance(x, tuple) or len(x) != 2:
        return False
    second = _arrays.view(f"{name}[1]", x[1], device=device)
    return second.ndim == 1 and second.dtype.kind in "iu"


def _is_rows(name: str, x: Sequence[ArrayIn], device: bool) -> bool:
    """Whether this lists the rows of one bag, not bags."""
    return len(x) > 0 and token_array(name, x[0], device=device).ndim == 1


def _refuse_more(name: str, *rest: ArrayIn) -> None:
    """The bags' ends are known from the tokens' form: nothing else may name them."""
    if any(more is not None for more in rest):
        raise ValueError(f"{name}: expected no offsets, lengths or scales beside such tokens")


def _width(name: str, found: int, x: object, dim: int | None) -> None:
    if dim is not None and found != dim:
        raise ValueError(f"{name}: expected tokens of {dim} dimensions, got {found}: {_shown(x)}")
    if not 1 <= found <= MOST_DIMENSIONS:
        raise ValueError(f"{name}: expected tokens of 1 to 2**16 dimensions, got {_shown(x)}")


def _shown(x: object) -> str:
    return repr(x) if isinstance(x, Ragged) else describe(x)


def _listed(
    name: str, x: Sequence[ArrayIn], scales: ArrayIn, dim: int | None, device: bool
) -> Ragged:
    if len(x) == 0:
        if dim is None:
            raise ValueError(f"{name}: expected at least one array in a list")
        return Listed(name, [], dim)
    arrays = [token_array(f"{name}[{i}]", bag, device=device) for i, bag in enumerate(x)]
    first = arrays[0]
    for i, bag in enumerate(arrays):
        if bag.ndim != 2:
            raise ValueError(f"{name}[{i}]: expected tokens of shape (?, ?), got {describe(bag)}")
        width = first.shape[1] if dim is None else dim
        _width(f"{name}[{i}]", bag.shape[1], bag, width)
        if bag.dtype != first.dtype:
            raise TypeError(
                f"{name}[{i}]: expected the type of {name}[0], {describe(first)}, got "
                f"{describe(bag)}"
            )
        if holds(bag) != holds(first):
            _arrays.in_one_memory(**{f"{name}[0]": first, f"{name}[{i}]": bag})
    _check.rows_within_limit(name, len(arrays))
    total = sum(len(bag) for bag in arrays)
    return Listed(name, arrays, first.shape[1], checked_scales("scales", scales, first, total))


def _padded(
    name: str,
    array: npt.NDArray[Any],
    lengths: ArrayIn,
    scales: ArrayIn,
    dim: int | None,
    where: str,
) -> Ragged:
    n, most, width = array.shape
    _width(name, width, array, dim)
    if lengths is None:
        raise ValueError(
            f"lengths: expected the tokens of each bag with padded tokens, got None beside "
            f"{describe(array)}"
        )
    _check.rows_within_limit(name, n)
    counts = _integers(where, lengths, f"({n},)", holds(array))
    if counts.shape != (n,):
        raise ValueError(f"{where}: expected integers of shape ({n},), got {describe(counts)}")
    bad = np.flatnonzero((counts < 0) | (counts > most))
    if len(bad):
        raise ValueError(
            f"{where}: expected 0 to {most} tokens in each bag, got {counts[bad[0]]} in bag "
            f"{bad[0]}"
        )
    return Padded(name, array, counts, checked_scales("scales", scales, array, n, most))


def _integers(name: str, x: ArrayIn, shape: str, device: bool) -> I64:
    array = on_host(_arrays.view(name, x, device=device))
    if array.dtype is _INT64 and array.flags.c_contiguous:
        return array
    if array.size == 0:  # an empty list has no type of its own
        return array.astype(np.int64)
    if array.dtype.kind not in "iu" or not np.can_cast(array.dtype, np.int64):
        raise TypeError(f"{name}: expected integers of shape {shape}, got {describe(array)}")
    return np.ascontiguousarray(array, np.int64)


def _checked_offsets(name: str, x: ArrayIn, tokens: npt.NDArray[Any]) -> I64:
    """Where each bag begins, and the number of tokens: int64, from 0, not decreasing."""
    offsets = _integers(name, x, "(bags + 1,)", holds(tokens))
    if offsets.ndim != 1 or len(offsets) == 0:
        raise ValueError(f"{name}: expected integers of shape (bags + 1,), got {describe(offsets)}")
    if len(offsets) == 2 and offsets.tolist() == [0, len(tokens)]:
        return offsets  # of a query, say, which should not wait for what follows
    _check.rows_within_limit(name, len(offsets) - 1)
    if offsets[0] != 0:
        raise ValueError(f"{name}: expected the first one to be 0, got {offsets[0]}")
    down = offsets[1:] < offsets[:-1]
    if down.any():
        i = int(down.argmax())
        raise ValueError(
            f"{name}: expected none below the one before, got {offsets[i + 1]} after {offsets[i]} "
            f"at {i + 1}"
        )
    if offsets[-1] != len(tokens):
        raise ValueError(
            f"{name}: expected the last one to be the number of tokens, {len(tokens)}, got "
            f"{offsets[-1]}"
        )
    return offsets
