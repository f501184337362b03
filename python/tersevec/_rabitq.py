"""RaBitQ: codes whose inner products are unbiased estimates with error bounds."""

from __future__ import annotations

import numpy as np

from tersevec import _arrays, _backend, _check
from tersevec._estimator import random_generator
from tersevec._hadamard import HadamardRotation
from tersevec._kernels import F32, U8, ArrayIn
from tersevec._quantizer import largest_number
from tersevec._rabitq_codes import floats_of, joined, nearest_numbers, parted
from tersevec._rabitq_search import RaBitQSearch

_NUMBERS = 1 << 16  # numbers of rows that are encoded at once: they stay in cache


class RaBitQuantizer(RaBitQSearch):
    """Codes of 1 to 8 bits a dimension, and unbiased estimates of inner products with bounds.

    Vectors are centred, rotated at random, and rounded to a grid whose step is the best of each
    vector. Nothing else is learned, so a few rows are enough to `fit`, and codes of vectors that
    come later are as good.

    Parameters
    ----------
    n_bits : int
        Bits of a component, 1 to 8. A code row has ``n_components * n_bits`` bits and 8 bytes more.
    epsilon0 : float, default 1.9
        Deviations in a half-width of `estimate`, and in the bounds that spare `topk` the reading of
        vectors: 1.9 hold 94.3 % of all errors, 3 hold 99.7 %. No code depends on it.
    n_components : int, optional
        Components of a rotated vector, at least d; the error falls as their root. None means d and
        a twelfth more, rounded up to a multiple of 8: 416 for 384.
    random_state : int, numpy.random.Generator or None
        Where the rotation comes from.

    Attributes
    ----------
    mean_ : ndarray of float32, shape (d,)
        What is subtracted from vectors before they are rotated.
    n_components_, n_features_in_ : int
        Components of a rotated vector, and dimensions d of a given one.
    code_size : int
        Bytes of one code as a row.

    Notes
    -----
    Queries are rotated and rounded too, to integers of 8 bits, of 7 where `n_bits` is 8; the bounds
    know by how much. From 7 bits on that is most of the error. After Gao and Long, "RaBitQ:
    quantizing high-dimensional vectors with a theoretical error bound for approximate nearest
    neighbor search", 2024, and Gao et al., "Practical and asymptotically optimal quantization of
    high-dimensional vectors in Euclidean space for approximate nearest neighbor search", 2025.

    Examples
    --------
    >>> import numpy as np
    >>> from tersevec.binary import RaBitQuantizer
    >>> X = np.random.default_rng(0).standard_normal((500, 64), dtype=np.float32)
    >>> quantizer = RaBitQuantizer(4, random_state=0).fit(X)
    >>> codes = quantizer.pack(quantizer.encode(X))
    >>> codes
    RaBitQCodes(500 codes of 72 x 4 bits)
    >>> estimates, half_widths = quantizer.estimate(X[:5], codes)
    >>> bool(np.mean(np.abs(estimates - X[:5] @ X.T) <= half_widths) > 0.9)
    True

    The best codes, or the best vectors among ten times as many of them:

    >>> quantizer.topk(X[:1], codes, k=3).indices.shape
    (1, 3)
    >>> quantizer.topk(X[:1], codes, k=3, rerank=X).indices[0, 0]
    np.int64(0)
    """

    def __init__(
        self,
        n_bits: int,
        *,
        epsilon0: float = 1.9,
        n_components: int | None = None,
        random_state: int | np.random.Generator | None = None,
    ) -> None:
        """Store the parameters; `fit` checks them."""
        self.n_bits = n_bits
        self.epsilon0 = epsilon0
        self.n_components = n_components
        self.random_state = random_state

    def fit(self, X: ArrayIn) -> RaBitQuantizer:
        """Take the mean of the rows of X and draw a rotation; returns the quantiser itself.

        Parameters
        ----------
        X : array of float16, bfloat16, float32 or float64, shape (n, d)
            At least 1 row.

        Raises
        ------
        TypeError, ValueError
            A parameter is not served, or X is empty, too wide for `n_components`, or holds NaN or
            infinity in a named row.
        """
        n_bits = _check.positive("n_bits", self.n_bits, 8)
        self._check_epsilon()
        rng = random_generator(self.random_state)
        rows = _check.vectors("X", X)
        n, d = rows.shape
        if n < 1:
            raise ValueError("X: expected at least 1 row, got 0")
        m = self._components(d)
        total = np.zeros(d, np.float64)
        for start, block in _arrays.float_blocks(rows):
            _check.finite("X", block, start, largest_number(d, rotated=True))
            total += block.sum(axis=0, dtype=np.float64)
        self._mean = (total / n).astype(np.float32)
        self._mean.flags.writeable = False
        self._rotation, self._bits = HadamardRotation.random(m, rng), n_bits
        return self

    def _components(self, d: int) -> int:
        """Components of rotated vectors of d dimensions."""
        m, most = self.n_components, _check.SUBSPACE_LIMIT
        m = 8 * -(-13 * d // 96) if m is None else _check.positive("n_components", m, most)
        if m < d:
            raise ValueError(f"X: expected at most n_components={m} dimensions, got {d}")
        if m > most:
            raise ValueError(f"X: expected dimensions for at most {most} components, got {d}")
        return m

    def encode(self, X: ArrayIn) -> U8:
        """The codes of vectors, uint8 (n, code_size).

        Dense rows of ``n_components * n_bits`` bits, least significant bit first, padded by zeros;
        then two little-endian float32: what the integers of the code are multiplied by, and one
        deviation of its errors. A ValueError names the row that holds NaN or infinity, or the
        dimension that does not fit.
        """
        rows = self._vectors("X", X)
        d = rows.shape[1]
        codes = np.empty((len(rows), self.code_size), np.uint8)
        for start, block in _arrays.float_blocks(rows, max(1, _NUMBERS // d)):
            _check.finite("X", block, start, largest_number(d, rotated=True))
            residuals = self._rotation.forward(block - self._mean)
            numbers = nearest_numbers(residuals, self._bits)
            floats = floats_of(residuals, numbers, self._bits)
            codes[start : start + len(block)] = joined(numbers, floats, self._bits)
        return codes

    def decode(self, codes: ArrayIn) -> F32:
        """The vectors that codes stand for, float32 (n, d).

        Their inner products with a query are its estimates, but for the query's own rounding.
        """
        m, d = self.n_components_, self.n_features_in_
        rows = _check.codes("codes", codes, self.code_size)
        vectors = np.empty((len(rows), d), np.float32)
        step = max(1, _NUMBERS // m)
        for start in range(0, len(rows), step):
            bits, floats = parted(rows[start : start + step])
            numbers = _backend.pick("symdist").split(bits, m, self._bits)
            integers = np.float32(2) * numbers - np.float32(2**self._bits - 1)
            residuals = self._rotation.inverse(integers * floats[:, :1])[:, :d]
            vectors[start : start + step] = residuals + self._mean
        return vectors
