"""Codes of integers in the layout that the scan kernels read, with a float factor for each."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tersevec import _backend, _check
from tersevec._blocked import BlockedCodes
from tersevec._cuda._device import holds, module_of
from tersevec._kernels import F32, U8, ArrayIn, Codes
from tersevec._numpy.symdist_codes import BLOCK_CODES, block_shape

_NUMBERS = 1 << 20  # numbers of codes that are worked on at once
_DEVICE_NUMBERS = 1 << 26  # the same on a GPU


def integers_of(numbers: U8, n_bits: int) -> npt.NDArray[np.int8]:
    """The odd integers 2 c - (2**n_bits - 1) that numbers c of at most 7 bits stand for."""
    integers = numbers.astype(np.int8)
    integers *= 2
    integers -= np.int8(2**n_bits - 1)
    return integers


def inverse_lengths(codes: U8, m: int, n_bits: int) -> F32:
    """1 over the length of each code's integers: float32 (n,), rounded once."""
    squares: Any = np.square(2 * np.arange(2**n_bits) - (2**n_bits - 1)).astype(np.int32)
    split, xp = _backend.pick("symdist", codes).split, module_of(codes)
    squares, inverse = xp.asarray(squares), xp.empty(len(codes), np.float32)
    step = max(1, (_DEVICE_NUMBERS if holds(codes) else _NUMBERS) // m)
    for start in range(0, len(codes), step):
        numbers = split(codes[start : start + step], m, n_bits)
        sums = squares[numbers].sum(axis=1, dtype=np.int64)
        inverse[start : start + step] = (1 / np.sqrt(sums.astype(np.float64))).astype(np.float32)
    lengths: F32 = inverse
    return lengths


class ScanCodes(BlockedCodes):
    """Codes of 1 to 8 bits a component in the layout that the scan kernels read.

    Parameters
    ----------
    codes : uint8 array, shape (n, ceil(n_components * n_bits / 8))
        As `encode` of a `RecurrentBinarizer` gives them: dense, least significant bit first. `n`
        may be 0. Rows may be strided.
    n_components : int
        Numbers in a code.
    n_bits : int
        Bits of a number, 1 to 8: the levels of a `RecurrentBinarizer`.

    Attributes
    ----------
    blocks : ndarray of uint8, shape (ceil(n / 16), lines, 64)
        Read-only. Numbers lie in w = 1, 2, 4 or 8 bits, the least that they fit into; with t = 0 to
        3, bits ``i * w`` to ``i * w + w - 1`` of ``blocks[b, g, 4 * c + t]`` are the number of code
        ``16 * b + c`` in component ``4 * (8 // w * g + i) + t``.
    factors : ndarray of float32, shape (n,)
        Read-only: what the integer products of each code are multiplied by, that is 1 over the
        length of its integers.
    n_components, n_bits : int
        Components of a code, and bits of each.
    n_bytes, nbytes : int
        Bytes of one code as a row, and of the blocks and factors in use.

    Raises
    ------
    TypeError, ValueError
        `codes` are not uint8, or their width does not fit `n_components` and `n_bits`.

    Notes
    -----
    The codes are copied, in the memory that they lie in: those of CuPy arrays stay on the GPU. A
    quantiser's `pack` makes one without repeating the numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from tersevec.binary import ScanCodes
    >>> codes = ScanCodes(np.uint8([[0b11_01_10_00]]), n_components=4, n_bits=2)
    >>> codes
    ScanCodes(1 codes of 4 x 2 bits)
    >>> codes.factors  # of the integers -3, 1, -1 and 3
    array([0.2236068], dtype=float32)
    """

    _block_dtype = np.uint8
    _floats_per_code = 1

    def __init__(self, codes: ArrayIn, n_components: int, n_bits: int) -> None:
        self._m = _check.positive("n_components", n_components, _check.SUBSPACE_LIMIT)
        self._n_bits = _check.positive("n_bits", n_bits, 8)
        self._floats = np.zeros((self._floats_per_code, 0), np.float32)
        super().__init__(self._row_bytes, *block_shape(self._m, self._n_bits))
        self.append(codes)

    @property
    def n_components(self) -> int:
        """Numbers in a code."""
        return self._m

    @property
    def n_bits(self) -> int:
        """Bits of a number."""
        return self._n_bits

    @property
    def factors(self) -> F32:
        """A read-only view of the codes' factors: float32 (len(self),)."""
        return self.scanned()[2]

    @property
    def nbytes(self) -> int:
        """Bytes of the blocks and factors in use."""
        return super().nbytes + self._floats_in_use(len(self)).nbytes

    def scanned(self) -> tuple[U8, int, F32]:
        """What kernels scan: the blocks, the number of codes, and their factors."""
        n = len(self)  # first: an append meanwhile only adds to them
        factors: F32 = self._floats_in_use(n)[0]
        return self.blocks, n, factors

    @property
    def _code_bytes(self) -> int:
        """Bytes of a row that hold its numbers."""
        return (self._m * self._n_bits + 7) // 8

    @property
    def _row_bytes(self) -> int:
        return self._code_bytes

    def _floats_in_use(self, n: int) -> F32:
        used: F32 = self._floats[:, :n]
        if not holds(used):
            used.flags.writeable = False
        return used

    def _floats_of(self, codes: U8) -> F32:
        """The floats that go with rows: (floats of a code, n)."""
        return inverse_lengths(codes, self._m, self._n_bits)[None]

    def _write(self, codes: U8, blocks: Codes, start: int) -> None:
        bits = codes[:, : self._code_bytes]
        _backend.pick("symdist", blocks).pack(bits, blocks, self._m, self._n_bits, start)
        self._floats[:, start : start + len(codes)] = self._floats_of(codes)

    def _read(self, blocks: Codes, n: int) -> U8:
        return _backend.pick("symdist", blocks).unpack(blocks, n, self._m, self._n_bits)

    def _move(self, like: U8) -> None:
        super()._move(like)
        self._floats = np.zeros_like(self._storage, np.float32, shape=self._floats.shape)

    def _grow(self, needed: int) -> None:
        super()._grow(needed)
        shape = len(self._floats), BLOCK_CODES * len(self._storage)
        larger = np.zeros_like(self._storage, np.float32, shape=shape)
        larger[:, : self._n] = self._floats[:, : self._n]
        self._floats = larger

    def __getstate__(self) -> dict[str, Any]:
        floats = self._floats[:, : BLOCK_CODES * len(self._blocks)].copy()
        return {**super().__getstate__(), "_floats": floats}

    def __repr__(self) -> str:
        shape = f"{self._m} x {self._n_bits}"
        return f"{type(self).__name__}({len(self)} codes of {shape} bits)"
