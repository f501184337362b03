"""Product codes in the layout that the scan kernels read."""

from __future__ import annotations

import numpy as np

from tersevec import _backend, _check
from tersevec._blocked import BlockedCodes
from tersevec._kernels import U8, ArrayIn, Codes
from tersevec._numpy.pqscan import block_codes


class ScanCodes(BlockedCodes):
    """Product codes of 4 bits in the interleaved layout that the scan kernels read.

    Parameters
    ----------
    codes : uint8 array, shape (n, ceil(n_subspaces / 2))
        As `ProductQuantizer.encode` gives them. `n` may be 0. Rows may be strided.
    n_subspaces : int
        Sub-spaces of the quantiser that wrote them.

    Attributes
    ----------
    blocks : ndarray of uint8, shape (ceil(n / 32), n_subspaces, 16)
        ``blocks[b, j, t]`` holds code ``32 b + t`` of sub-space j in its low nibble and code ``32 b
        + t + 16`` in its high one. Read-only.
    n_subspaces : int
        Sub-spaces of a code.
    n_bytes, nbytes : int
        Bytes of one code as a row, and of the blocks in use.

    Raises
    ------
    TypeError, ValueError
        `codes` are not uint8, or their width does not fit `n_subspaces`.

    Notes
    -----
    The codes are copied. `ProductQuantizer.pack` makes one without repeating the number of
    sub-spaces.

    Examples
    --------
    >>> import numpy as np
    >>> from tersevec.pq import ScanCodes
    >>> ScanCodes(np.uint8([[0x21, 0x03]]), n_subspaces=3)
    ScanCodes(1 codes of 3 x 4 bits)
    """

    _block_codes = block_codes
    _block_dtype = np.uint8

    def __init__(self, codes: ArrayIn, n_subspaces: int) -> None:
        m = _check.positive("n_subspaces", n_subspaces, _check.SUBSPACE_LIMIT)
        super().__init__((m + 1) // 2, (m, block_codes // 2))
        self.append(codes)

    @property
    def n_subspaces(self) -> int:
        """Sub-spaces of a code."""
        return int(self._storage.shape[1])

    def _write(self, codes: U8, blocks: Codes, start: int) -> None:
        _backend.pick("pqscan").pack(codes, blocks, start)

    def _read(self, blocks: Codes, n: int) -> U8:
        return _backend.pick("pqscan").unpack(blocks, n)

    def __repr__(self) -> str:
        return f"ScanCodes({len(self)} codes of {self.n_subspaces} x 4 bits)"
