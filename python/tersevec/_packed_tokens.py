"""Bags of tokens in a type and layout that MaxSim kernels read again and again."""

from __future__ import annotations

from typing import Any

import numpy as np

from tersevec import _backend, _check, _token_rows
from tersevec._arrays import in_one_memory
from tersevec._cuda._device import holds, module_of
from tersevec._growing import GrowingRows
from tersevec._kernels import F32, I32, ArrayIn, Tokens
from tersevec._numpy.tokens import bfloat16_bits, widened
from tersevec._ragged import Bags, Flat, Ragged
from tersevec._ragged_in import ragged

PACKED_TYPES: dict[str, type[np.generic]] = {
    "float32": np.float32,
    "float16": np.float16,
    "bfloat16": np.uint16,
    "int8": np.int8,
}
_AT_ONCE = 4 << 20  # bytes as float32
_DEVICE_AT_ONCE = 256 << 20  # the same on a GPU, which is waited for each time


class PackedTokens(Flat):
    """Bags of tokens of one type, checked, and laid out as MaxSim kernels read them.

    `maxsim_pack` makes one; `maxsim`, `maxsim_topk`, `maxsim_matches` and
    `FixedDimensionalEncoder.encode_documents` take it wherever they take documents.

    Attributes
    ----------
    dtype : str
        "float32", "float16", "bfloat16" or "int8": what products are multiplied in.
    tokens : ndarray, shape (tokens, dim)
        Read-only; bfloat16 as the uint16 of its bits.
    scales, sums : ndarrays of float32 and int32, shape (tokens,), or None
        Of int8 only: what a token is multiplied with, and the sum of its integers.
    offsets : ndarray of int64, shape (len(self) + 1,)
        Bag i owns the tokens from ``offsets[i]`` to ``offsets[i + 1]``.
    dim, n_tokens, nbytes : int
        Dimensions, tokens of all bags, bytes in use.

    Notes
    -----
    Bytes of a token: 4, 2 or 2 for each dimension; for int8 one, and 8. `like` is an array in the
    memory in which tokens shall lie: where that is CUDA memory, they are CuPy arrays, and so is
    what they are compared with. Offsets lie in host memory.

    Examples
    --------
    >>> import numpy as np
    >>> from tersevec.muvera import maxsim_pack
    >>> packed = maxsim_pack([np.eye(3, 16), np.ones((2, 16))], dtype="int8")
    >>> packed
    PackedTokens(2 bags, 5 tokens of 16 x int8)
    >>> packed.nbytes
    144
    """

    trusted = True

    def __init__(self, dtype: str, dim: int, like: ArrayIn = None) -> None:
        """No bags yet; `append` adds some."""
        self.dtype, xp = dtype, module_of(like)
        empty = xp.empty((0, dim), PACKED_TYPES[dtype])
        self._rows_of = {"tokens": GrowingRows(empty)}
        if dtype == "int8":
            self._rows_of["scales"] = GrowingRows(xp.empty(0, np.float32))
            self._rows_of["sums"] = GrowingRows(xp.empty(0, np.int32))
        self._ends = GrowingRows(np.zeros(1, np.int64))
        super().__init__("documents", empty, self._ends.rows)
        self._show()

    def _show(self) -> None:
        """What is there now is what readers see."""
        seen = {name: growing.rows for name, growing in self._rows_of.items()}
        self._tokens, self._scales, self._sums = (
            seen["tokens"],
            seen.get("scales"),
            seen.get("sums"),
        )
        self.offsets = self._ends.rows

    def append(
        self,
        documents: ArrayIn,
        offsets: ArrayIn = None,
        *,
        lengths: ArrayIn = None,
        scales: ArrayIn = None,
    ) -> None:
        """Pack more bags behind those that are there.

        The arguments and errors are those of `maxsim_pack`; where one is refused, nothing changes.
        Searches that run in other threads meanwhile see the bags that were there when they began.
        """
        given = {"lengths": lengths, "scales": scales, "dim": self.dim}
        bags = ragged("documents", documents, offsets, device=holds(self._tokens), **given)
        in_one_memory(documents=bags.memory, tokens=self._tokens)
        _check.rows_within_limit("documents", len(self) + len(bags))
        room = {name: growing.room(bags.n_tokens) for name, growing in self._rows_of.items()}
        for chunk in bags.chunks(_DEVICE_AT_ONCE if holds(self._tokens) else _AT_ONCE):
            first = int(bags.offsets[chunk.start])
            packed = _packed(bags, chunk, self.dtype, first)
            for name, rows in zip(("tokens", "scales", "sums"), packed, strict=False):
                room[name][first : first + len(rows)] = rows
        for growing in self._rows_of.values():
            growing.filled(bags.n_tokens)
        self._ends.append(bags.offsets[1:] + self.n_tokens)
        self._show()

    def chunks(self, n_bytes: int, most: int | None = None, checked: bool = True) -> Any:
        """All bags at once, since they need neither a check nor a copy; or `most` of them."""
        if most is None:
            return iter((self.bags(0, len(self)),))
        return super().chunks(n_bytes, most, checked)

    @property
    def tokens(self) -> Tokens:
        """All tokens, read-only."""
        return self._tokens

    @property
    def scales(self) -> F32 | None:
        """What tokens of int8 are multiplied with."""
        return self._scales

    @property
    def sums(self) -> I32 | None:
        """Sums of the integers of tokens of int8."""
        return self._sums

    @property
    def nbytes(self) -> int:
        """Bytes of the tokens, their scales and sums, and the offsets."""
        arrays = (self._tokens, self._scales, self._sums, self.offsets)
        return sum(array.nbytes for array in arrays if array is not None)

    def __getstate__(self) -> dict[str, Any]:
        hidden = ("_tokens", "_scales", "_sums", "offsets")
        return {name: value for name, value in self.__dict__.items() if name not in hidden}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._show()

    def __repr__(self) -> str:
        return (
            f"PackedTokens({len(self)} bags, {self.n_tokens} tokens of {self.dim} x {self.dtype})"
        )


def _packed(bags: Ragged, chunk: Bags, dtype: str, first: int) -> tuple[Any, ...]:
    """The tokens of a chunk in this type; of int8 their scales and sums too."""
    if dtype == "int8":
        if chunk.tokens.dtype == np.int8:
            return chunk.tokens, chunk.scales, chunk.tokens.sum(axis=1, dtype=np.int32)
        return _backend.pick("maxsim", chunk.tokens).pack_int8(chunk.tokens)
    wide = widened(chunk.tokens, chunk.scales)
    if dtype == "bfloat16":
        return (bfloat16_bits(wide),)
    if dtype == "float32":
        return (wide,)
    with np.errstate(over="ignore", under="ignore"):
        narrow = wide.astype(np.float16)
    row = _token_rows.first_beyond(narrow)
    if row >= 0:
        name, place = bags._place(first + row)
        raise ValueError(f"{name}: row {place} holds a number beyond float16")
    return (narrow,)


def maxsim_pack(
    documents: ArrayIn,
    offsets: ArrayIn = None,
    *,
    dtype: str = "float32",
    lengths: ArrayIn = None,
    scales: ArrayIn = None,
) -> PackedTokens:
    """Documents in the layout that `maxsim` reads, in a type of fewer bytes if wanted.

    Parameters
    ----------
    documents : bags of tokens
        Pair ``(tokens, offsets)``, list of arrays, pair ``(padded tokens, lengths)``, or one array
        (tokens, d) with `offsets`: float16, bfloat16, float32, float64, or int8 with `scales`.
        CuPy arrays are packed where they are.
    offsets, lengths, scales : arrays, optional
        As in `FixedDimensionalEncoder.encode_documents`.
    dtype : {"float32", "float16", "bfloat16", "int8"}, default "float32"
        "int8" has a scale for each token. Products are those of this type: of "float16" the
        same numbers' in float32; of "bfloat16" and "int8" query tokens are rounded too.

    Returns
    -------
    PackedTokens
        A copy, whose `append` takes more.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type, shape or range, or a named token is not finite, or beyond
        float16 where that is wanted.

    Examples
    --------
    >>> import numpy as np
    >>> from tersevec.muvera import maxsim, maxsim_pack
    >>> maxsim([np.eye(2, 4)], maxsim_pack([2 * np.eye(4), np.ones((1, 4))], dtype="bfloat16"))
    array([[4., 2.]], dtype=float32)
    """
    if dtype not in PACKED_TYPES:
        raise ValueError(f"dtype: expected one of {', '.join(PACKED_TYPES)}, got {dtype!r}")
    bags = ragged("documents", documents, offsets, lengths=lengths, scales=scales, device=True)
    packed = PackedTokens(dtype, bags.dim, bags.memory)
    packed.append(bags)
    return packed
