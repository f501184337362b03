"""Packed bits: from floats, to signs, and in the layout that the Hamming kernels read."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tersevec import _arrays, _backend, _check, _threads
from tersevec._blocked import BlockedCodes
from tersevec._cuda import _device
from tersevec._kernels import F32, U8, ArrayIn, Codes
from tersevec._numpy.hamming import block_codes


def pack_bits(x: ArrayIn, *, threads: int | None = None) -> U8:
    """The signs of vectors as packed bits: uint8 (n, ceil(d / 8)), a bit set where a number is > 0.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64, shape (n, d)
        Infinities have a sign, so they are welcome.
    threads : int, optional
        None means `tersevec.get_num_threads()`.

    Returns
    -------
    ndarray of uint8, shape (n, ceil(d / 8))
        In the order of `numpy.packbits`: dimension 0 is the most significant bit of byte 0. The
        last byte is padded with zeros.

    Raises
    ------
    TypeError, ValueError
        `x` is no matrix of floats, or holds NaN.

    Notes
    -----
    Exact. Other floats than float32 are converted block by block. The codes are those that
    sentence-transformers' ``quantize_embeddings(x, "ubinary")`` gives.

    Examples
    --------
    >>> from tersevec.binary import pack_bits
    >>> pack_bits([[0.5, -1.0, 2.0, 0.0]])
    array([[160]], dtype=uint8)
    """
    vectors = _check.vectors("x", x, device=True)
    count = _threads.resolve(threads)
    kernels = _backend.pick("hamming", vectors)
    if _device.holds(vectors):
        return kernels.pack_bits(_signed_on_device(vectors), count)
    codes = np.empty((len(vectors), (vectors.shape[1] + 7) // 8), np.uint8)
    for start, block in _arrays.float_blocks(vectors):
        _check.not_nan("x", block, start)
        part = slice(start, start + len(block))
        if vectors.dtype == np.float64:  # its smallest numbers would be zero in float32
            block = np.sign(vectors[part]).astype(np.float32, order="C")
        codes[part] = kernels.pack_bits(block, count)
    return codes


def _signed_on_device(x: npt.NDArray[Any]) -> F32:
    """Float32 numbers of the same signs; NaN is refused, for which the host waits."""
    if np.isnan(x).any():
        raise ValueError(f"x: row {int(np.isnan(x).any(axis=1).argmax())} holds NaN")
    return (np.sign(x) if x.dtype == np.float64 else x).astype(np.float32)


def unpack_bits(codes: ArrayIn, d: int) -> npt.NDArray[np.int8]:
    """The signs that packed bits stand for: int8 (n, d) of -1 and +1.

    Parameters
    ----------
    codes : uint8 array, shape (n, ceil(d / 8))
        As `pack_bits` gives them.
    d : int
        Dimensions of the vectors.

    Returns
    -------
    ndarray of int8, shape (n, d)
        +1 where the bit is set, -1 where it is not.

    Raises
    ------
    TypeError, ValueError
        `codes` are not uint8, or their width does not fit `d`.

    Examples
    --------
    >>> from tersevec.binary import pack_bits, unpack_bits
    >>> unpack_bits(pack_bits([[0.5, -1.0, 2.0]]), 3)
    array([[ 1, -1,  1]], dtype=int8)
    """
    d = _check.positive("d", d)
    rows = _check.codes("codes", codes, (d + 7) // 8)
    signs = np.unpackbits(rows, axis=1, count=d).view(np.int8)
    signs *= 2
    signs -= 1
    return signs


class BinaryCodes(BlockedCodes):
    """Packed bits in the blocked layout that the scan kernels read: the fastest thing to search.

    Parameters
    ----------
    codes : uint8 array, shape (n, n_bytes)
        Any bits: those of `pack_bits`, of a binary embedding model, of a hash. `n` may be 0. Rows
        may be strided.

    Attributes
    ----------
    blocks : ndarray of uint64, shape (ceil(n / 8), ceil(n_bytes / 8), 8)
        ``blocks[i // 8, w, i % 8]`` is the w-th 8-byte word of code i. Read-only.
    n_bytes : int
        Bytes of one code.
    nbytes : int
        Bytes of the blocks in use.

    Raises
    ------
    TypeError, ValueError
        `codes` are not uint8, not two-dimensional, or more than 2**31 - 1.

    Notes
    -----
    The codes are copied, in the memory that they lie in: those of CuPy arrays stay on the GPU.
    Searches of a plain array give the same answers, and reorder it on the way.

    Examples
    --------
    >>> from tersevec.binary import BinaryCodes, hamming_topk, pack_bits
    >>> base = BinaryCodes(pack_bits([[1.0, -1.0], [1.0, 1.0]]))
    >>> hamming_topk(pack_bits([[2.0, 3.0]]), base, 1).indices
    array([[1]])
    """

    _block_dtype = np.uint64

    def __init__(self, codes: ArrayIn) -> None:
        rows = _check.codes("codes", codes, device=True)
        super().__init__(rows.shape[1], block_codes, (rows.shape[1] + 7) // 8, block_codes)
        self.append(rows)

    def _write(self, codes: U8, blocks: Codes, start: int) -> None:
        _backend.pick("hamming", blocks).pack(codes, blocks, start)

    def _read(self, blocks: Codes, n: int) -> U8:
        return _backend.pick("hamming", blocks).unpack(blocks, n, self.n_bytes)

    def __repr__(self) -> str:
        return f"BinaryCodes({len(self)} codes of {self.n_bytes} bytes)"
