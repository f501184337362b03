"""The compressed methods that the comparison runs: what they learn, store and find."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from tersevec._kernels import F32, I64
from tersevec.binary import (
    BinaryCodes,
    RaBitQuantizer,
    RecurrentBinarizer,
    hamming_topk,
    pack_bits,
)
from tersevec.pq import ProductQuantizer

PRODUCT_BITS = (4, 6)
RABITQ_BITS = (1, 4)
RECURRENT_LEVELS = (2,)


class Coder(Protocol):
    """One way to compress and to search; the base comes block by block, already learned from."""

    name: str
    code_bytes: int

    def add(self, block: F32) -> None:
        """Append the codes of more base rows."""
        ...

    def search(self, queries: F32, k: int) -> I64:
        """The k best rows by codes alone: int64 (nq, k), best first."""
        ...


class Signs:
    """One bit for each dimension: the sign after subtracting the mean of the training rows."""

    name = "hamming"

    def __init__(self, training: F32, threads: int) -> None:
        self._mean = training.mean(axis=0, dtype=np.float64).astype(np.float32)
        self._threads = threads
        self.code_bytes = (training.shape[1] + 7) // 8
        self._codes = BinaryCodes(np.empty((0, self.code_bytes), np.uint8))

    def add(self, block: F32) -> None:
        """Append the codes of more base rows."""
        self._codes.append(pack_bits(block - self._mean))

    def search(self, queries: F32, k: int) -> I64:
        """The k best rows by Hamming distance."""
        bits = pack_bits(queries - self._mean)
        return hamming_topk(bits, self._codes, k, threads=self._threads).indices


class Product:
    """`m` sub-spaces of `n_bits` each."""

    def __init__(
        self, training: F32, m: int, n_bits: int, metric: str, seed: int, threads: int
    ) -> None:
        self.name = f"pq {m}x{n_bits}"
        self._threads = threads
        self._pq = ProductQuantizer(m, n_bits, metric=metric, random_state=seed)
        self._pq.fit(training, threads=threads)
        self.code_bytes = self._pq.code_size
        self._codes = self._pq.pack(np.empty((0, self.code_bytes), np.uint8))

    def add(self, block: F32) -> None:
        """Append the codes of more base rows."""
        self._codes.append(self._pq.encode(block, threads=self._threads))

    def search(self, queries: F32, k: int) -> I64:
        """The k best rows by table sums."""
        return self._pq.topk(queries, self._codes, k, threads=self._threads).indices


class RaBitQ:
    """A random rotation, `n_bits` for each dimension, and two floats for each vector."""

    def __init__(self, training: F32, n_bits: int, seed: int, threads: int) -> None:
        self.name = f"rabitq {n_bits} bit{'' if n_bits == 1 else 's'}"
        self._threads = threads
        self._quantizer = RaBitQuantizer(n_bits, random_state=seed).fit(training)
        self.code_bytes = self._quantizer.code_size
        self._codes = self._quantizer.pack(np.empty((0, self.code_bytes), np.uint8))

    def add(self, block: F32) -> None:
        """Append the codes of more base rows."""
        self._codes.append(self._quantizer.encode(block))

    def search(self, queries: F32, k: int) -> I64:
        """The k best rows by estimated inner products."""
        return self._quantizer.topk(queries, self._codes, k, threads=self._threads).indices


class Recurrent:
    """Learned codes of `n_levels` bits for each dimension, of base and queries alike."""

    def __init__(self, training: F32, n_levels: int, seed: int, threads: int) -> None:
        dim = training.shape[1]
        self.name = f"recurrent {dim}x{n_levels}"
        self._threads = threads
        self._binarizer = RecurrentBinarizer(dim, n_levels, random_state=seed).fit(training)
        self.code_bytes = (dim * n_levels + 7) // 8
        self._codes = self._binarizer.pack(np.empty((0, self.code_bytes), np.uint8))

    def add(self, block: F32) -> None:
        """Append the codes of more base rows."""
        self._codes.append(self._binarizer.encode(block))

    def search(self, queries: F32, k: int) -> I64:
        """The k best rows by cosines of codes."""
        q_codes = self._binarizer.encode(queries)
        return self._binarizer.topk(q_codes, self._codes, k, threads=self._threads).indices


def subspace_dims(n_bits: int) -> tuple[int, int]:
    """Fewest and most dimensions of a sub-space that so many bits serve sensibly."""
    return n_bits // 2, 2 * n_bits


def subspace_counts(dim: int, n_bits: int) -> list[int]:
    """Sub-space counts that divide `dim` into parts of a sensible size, the best one first.

    The best has one bit for each dimension, as signs have.

    >>> subspace_counts(384, 4)[0], subspace_counts(50, 4), subspace_counts(383, 4)
    (96, [10, 25], [])
    """
    fewest, most = subspace_dims(n_bits)
    sizes = [size for size in range(fewest, most + 1) if dim % size == 0]
    sizes.sort(key=lambda size: (abs(math.log2(size / n_bits)), size))
    return [dim // size for size in sizes]
