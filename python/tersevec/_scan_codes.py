"""Product codes in the layout that the scan kernels read."""

from __future__ import annotations

import numpy as np

from tersevec import _backend, _check
from tersevec._blocked import BlockedCodes
from tersevec._kernels import U8, ArrayIn, Codes
from tersevec._numpy.pqscan_codes import block_shape


class ScanCodes(BlockedCodes):
    """Product codes of 4 to 8 bits in the interleaved layout that the scan kernels read.

    Parameters
    ----------
    codes : uint8 array, shape (n, ceil(n_subspaces * n_bits / 8))
        As `encode` of a quantiser gives them. `n` may be 0. Rows may be strided.
    n_subspaces : int
        Numbers in a code: the sub-spaces of a `ProductQuantizer`; the levels of a
        `ResidualQuantizer`, and two more for "l2".
    n_bits : int, default 4
        Bits of a sub-space: 4, 5, 6, 7 or 8.

    Attributes
    ----------
    blocks : ndarray of uint8, shape (blocks, lines, bytes of a line)
        Read-only. With 4 bits, 32 codes a block: ``blocks[b, j, t]`` holds code ``32 b + t`` of
        sub-space j in its low nibble and code ``32 b + t + 16`` in its high one, t < 16. With 7 and
        8 bits, 64 codes a block: ``blocks[b, j, t]`` is code ``64 b + t`` of sub-space j, t < 64.
        With 5 and 6 bits four sub-spaces share three such lines: the low 6 bits are those of the
        first three, and the high 2 bits, lowest first, make up the fourth; the last ``n_subspaces %
        4`` have a line each.
    n_subspaces, n_bits : int
        Sub-spaces of a code, and bits of each.
    n_bytes, nbytes : int
        Bytes of one code as a row, and of the blocks in use.

    Raises
    ------
    TypeError, ValueError
        `codes` are not uint8, or their width does not fit `n_subspaces` and `n_bits`.

    Notes
    -----
    The codes are copied. A quantiser's `pack` makes one without repeating the numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from tersevec.pq import ScanCodes
    >>> ScanCodes(np.uint8([[0x21, 0x03]]), n_subspaces=3)
    ScanCodes(1 codes of 3 x 4 bits)
    """

    _block_dtype = np.uint8

    def __init__(self, codes: ArrayIn, n_subspaces: int, n_bits: int = 4) -> None:
        m = _check.positive("n_subspaces", n_subspaces, _check.SUBSPACE_LIMIT)
        self._m, self._n_bits = m, _check.code_bits("n_bits", n_bits)
        super().__init__((m * self._n_bits + 7) // 8, *block_shape(m, self._n_bits))
        self.append(codes)

    @property
    def n_subspaces(self) -> int:
        """Sub-spaces of a code."""
        return self._m

    @property
    def n_bits(self) -> int:
        """Bits of a sub-space."""
        return self._n_bits

    def _write(self, codes: U8, blocks: Codes, start: int) -> None:
        _backend.pick("pqscan", blocks).pack(codes, blocks, self._m, self._n_bits, start)

    def _read(self, blocks: Codes, n: int) -> U8:
        return _backend.pick("pqscan", blocks).unpack(blocks, n, self._m, self._n_bits)

    def __repr__(self) -> str:
        return f"ScanCodes({len(self)} codes of {self._m} x {self._n_bits} bits)"
