"""Bags of token vectors, however people hold them, read few at once in the kernels' layout."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tersevec import _token_rows
from tersevec._arrays import beside, on_host
from tersevec._cuda._device import holds, module_of
from tersevec._kernels import F32, I64, Tokens

_CHECKED = 1 << 24  # numbers of picked tokens that are checked at once on a GPU


class Bags(NamedTuple):
    """Bags `start` to `stop` as kernels take them; the offsets begin at 0."""

    start: int
    stop: int
    tokens: Tokens
    scales: F32 | None
    offsets: I64


def offsets_of(lengths: I64 | Sequence[int]) -> I64:
    """Where bags of these lengths begin, and where the last one ends."""
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


class Ragged:
    """Bags of tokens of checked shapes; numbers are checked when they are read.

    Tokens and scales lie in host or in CUDA memory, and so do `Bags`; `offsets` in host memory.
    """

    trusted = False  # whether all numbers are known to be good already

    def __init__(self, name: str, offsets: I64, dim: int, scales: F32 | None = None) -> None:
        self.name, self.offsets, self.dim, self._scales = name, offsets, dim, scales

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def n_tokens(self) -> int:
        """Tokens of all bags."""
        return int(self.offsets[-1])

    @property
    @abstractmethod
    def memory(self) -> Any:
        """An array in the memory in which the tokens lie; None where there is no array."""

    @abstractmethod
    def _rows(self, start: int, stop: int) -> npt.NDArray[Any]:
        """The tokens of bags `start` to `stop`, one below the other, of any type and strides."""

    def _place(self, row: int) -> tuple[str, int]:
        """What messages call the array that this token is a row of, and the row."""
        bag = int(np.searchsorted(self.offsets, row, "right")) - 1
        return f"{self.name}[{bag}]", row - int(self.offsets[bag])

    def bags(self, start: int, stop: int, checked: bool = True) -> Bags:
        """Some bags, for the kernels; if checked, a ValueError names a token that is not finite."""
        tokens = _token_rows.layout(self._rows(start, stop))
        first, scales, offsets = 0, self._scales, self.offsets
        if stop - start < len(self):
            first, last = int(offsets[start]), int(offsets[stop])
            scales = None if scales is None else scales[first:last]
            offsets = offsets[start : stop + 1] - first
        if checked:
            self._refuse_bad_numbers(tokens, first)
        return Bags(start, stop, tokens, scales, beside(tokens, offsets))

    def chunks(self, n_bytes: int, most: int | None = None, checked: bool = True) -> Iterator[Bags]:
        """All bags in order, so many at once that they take n_bytes as float32, and `most`."""
        step, start, n = max(1, n_bytes // (4 * self.dim)), 0, len(self)
        if 0 < n <= (most or n) and self.n_tokens <= step:
            yield self.bags(0, n, checked)
            return
        while start < n:
            stop = int(np.searchsorted(self.offsets, self.offsets[start] + step, "right")) - 1
            stop = max(start + 1, stop if most is None else min(stop, start + most))
            yield self.bags(start, stop, checked)
            start = stop

    def picked(self, ids: I64) -> tuple[Bags, I64]:
        """Bags among which are those of these numbers, and their places there."""
        parts = [self.bags(i, i + 1) for i in ids.tolist()]
        none = module_of(self.memory).empty((0, self.dim), np.float32)
        tokens = np.concatenate([part.tokens for part in parts] or [none])
        scales = [part.scales for part in parts if part.scales is not None]
        offsets = offsets_of(np.diff(self.offsets)[on_host(ids)])
        joined = np.concatenate(scales) if scales else None
        bags = Bags(0, len(ids), tokens, joined, beside(tokens, offsets))
        return bags, beside(tokens, np.arange(len(ids)))

    def refuse_bad(self, chunk: Bags) -> None:
        """Tell the first bad token of a chunk that was not checked."""
        self._refuse_bad_numbers(chunk.tokens, int(self.offsets[chunk.start]))

    def _refuse_bad_numbers(self, tokens: Tokens, first: int) -> None:
        """Tell the first bad token of these, the first of which has this number."""
        if self.trusted or tokens.dtype.char == "b":
            return
        row = _token_rows.first_beyond(tokens)
        if row >= 0:
            _token_rows.refuse(*self._place(first + row), tokens[row : row + 1])


class Flat(Ragged):
    """One array (tokens, d), and where each bag begins in it."""

    def __init__(
        self, name: str, tokens: npt.NDArray[Any], offsets: I64, scales: F32 | None = None
    ) -> None:
        super().__init__(name, offsets, tokens.shape[1], scales)
        self._tokens = tokens

    @property
    def memory(self) -> Any:
        """The tokens."""
        return self._tokens

    @property
    def readable(self) -> bool:
        """Whether kernels can read all tokens where they are."""
        return _token_rows.in_layout(self._tokens)

    def _rows(self, start: int, stop: int) -> npt.NDArray[Any]:
        if stop - start == len(self):
            return self._tokens
        return self._tokens[self.offsets[start] : self.offsets[stop]]

    def _place(self, row: int) -> tuple[str, int]:
        return self.name, row

    def picked(self, ids: I64) -> tuple[Bags, I64]:
        """All bags, where they can be read without a copy; numbers of the picked ones are good."""
        if not self.readable:
            return super().picked(ids)
        tokens = _token_rows.layout(self._tokens)
        if holds(tokens):
            self._refuse_bad_bags(tokens, on_host(ids))
        elif not self.trusted:
            for i in ids.tolist():
                first = int(self.offsets[i])
                self._refuse_bad_numbers(tokens[first : self.offsets[i + 1]], first)
        return Bags(0, len(self), tokens, self._scales, beside(tokens, self.offsets)), ids

    def _refuse_bad_bags(self, tokens: Tokens, ids: I64) -> None:
        """Tell the first bad token of these bags, by few looks: a GPU has to be waited for."""
        if self.trusted or tokens.dtype == np.int8:
            return
        ends = offsets_of(np.diff(self.offsets)[ids])
        rows = np.repeat(self.offsets[ids] - ends[:-1], np.diff(ends)) + np.arange(ends[-1])
        step = max(1, _CHECKED // self.dim)
        for start in range(0, len(rows), step):
            some = rows[start : start + step]
            bad = _token_rows.first_beyond(tokens[beside(tokens, some)])
            if bad >= 0:
                row = int(some[bad])
                self._refuse_bad_numbers(tokens[row : row + 1], row)


class Listed(Ragged):
    """An array (tokens, d) for each bag."""

    def __init__(
        self, name: str, arrays: Sequence[npt.NDArray[Any]], dim: int, scales: F32 | None = None
    ) -> None:
        super().__init__(name, offsets_of([len(array) for array in arrays]), dim, scales)
        self._arrays = arrays

    @property
    def memory(self) -> Any:
        """The first array."""
        return self._arrays[0] if self._arrays else None

    def _rows(self, start: int, stop: int) -> npt.NDArray[Any]:
        some = self._arrays[start:stop]
        return some[0] if len(some) == 1 else np.concatenate(some)


class Padded(Ragged):
    """One array (bags, L, d), of which each bag uses the first rows."""

    def __init__(
        self, name: str, array: npt.NDArray[Any], lengths: I64, scales: F32 | None = None
    ) -> None:
        self._array = array
        self._used = beside(array, np.arange(array.shape[1]) < lengths[:, None])
        flat = None if scales is None else scales[self._used]
        super().__init__(name, offsets_of(lengths), array.shape[2], flat)

    @property
    def memory(self) -> Any:
        """The padded tokens."""
        return self._array

    def _rows(self, start: int, stop: int) -> npt.NDArray[Any]:
        rows: npt.NDArray[Any] = self._array[start:stop][self._used[start:stop]]
        return rows
