"""Product and residual quantisation: vectors as short codes, searched through lookup tables."""

from __future__ import annotations

import numpy as np

from tersevec import _arrays, _backend, _check, _threads
from tersevec._anisotropic import parallel_weight
from tersevec._cuda._device import module_of
from tersevec._estimator import random_generator
from tersevec._kernels import F32, U8, ArrayIn
from tersevec._product_symmetric import SymmetricSearch
from tersevec._quantizer import largest_number
from tersevec._residual_quantizer import ResidualQuantizer
from tersevec._rotation import decoded
from tersevec._scan_codes import ScanCodes
from tersevec._train import train

__all__ = ["ProductQuantizer", "ResidualQuantizer", "ScanCodes"]

_DECODED = 4096  # rows at a time


class ProductQuantizer(SymmetricSearch):
    """Codes of `n_bits` per part of a vector, and their exact ranking by sums of table entries.

    Parameters
    ----------
    n_subspaces : int
        Parts of a vector; it divides the dimension. A code has ``n_subspaces * n_bits`` bits.
    n_bits : int, default 4
        Bits of a part: 4, 5, 6, 7 or 8, that is 16 to 256 centroids.
    metric : {"l2", "ip", "cosine"}, default "l2"
        Squared Euclidean distance, inner product, or cosine: for the last, vectors and queries are
        divided by their lengths, and rows of zeros stay zeros. Inner products and cosines are
        similarities: larger is better.
    rotation : {None, "opq", "random"}, default None
        What turns vectors before they are cut: "opq" learns the rotation under which codes lose
        least; "random" evens the parts out.
    loss : {"reconstruction", "anisotropic"}, default "reconstruction"
        What codes and codebooks keep low: the squared error, or that with errors along a vector's
        own direction weighted more, which the largest inner products suffer from. It pays for "ip"
        and "cosine".
    max_iter : int, default 25
        Most sweeps of k-means, and of each stage that `rotation` and `loss` add.
    random_state : int, numpy.random.Generator or None
        Where random rotations and the start of k-means come from.

    Attributes
    ----------
    codebooks_ : ndarray of float32, shape (n_subspaces, 2**n_bits, d / n_subspaces)
        The centroids, in the rotated space; assign foreign ones at will.
    rotation_ : ndarray of float32, shape (d, d), or None
        A vector v is cut and encoded as ``v @ rotation_``; assignable too.
    n_features_in_ : int
        Dimensions d.

    Notes
    -----
    Exact: what `topk` returns is the ranking by float32 sums of the table entries, added one
    sub-space after the other, and not an approximation of it; equal on every backend, CPU level and
    number of threads. `fit` numbers centroids so that those which agree in their lower bits lie
    near: codes of 8 bits are scanned faster for it. After Jégou, Douze and Schmid, "Product
    quantization for nearest neighbor search", 2011; the scan is after André, Kermarrec and Le
    Scouarnec, "Cache locality is not enough", 2015; "opq" after Ge, He, Ke and Sun, "Optimized
    product quantization", 2013; the anisotropic loss, with a threshold of 0.2, after Guo et al.,
    "Accelerating large-scale inference with anisotropic vector quantization", 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from tersevec.pq import ProductQuantizer
    >>> X = np.random.default_rng(0).standard_normal((500, 8), dtype=np.float32)
    >>> pq = ProductQuantizer(4, random_state=0).fit(X)
    >>> pq.topk(X[:1], pq.pack(pq.encode(X)), k=3).indices.shape
    (1, 3)

    Fewer errors for the same bytes, and better ones for inner products:

    >>> pq = ProductQuantizer(4, metric="ip", rotation="opq", loss="anisotropic", random_state=0)
    >>> pq.fit(X).rotation_.shape
    (8, 8)
    """

    def __init__(
        self,
        n_subspaces: int,
        n_bits: int = 4,
        *,
        metric: str = "l2",
        rotation: str | None = None,
        loss: str = "reconstruction",
        max_iter: int = 25,
        random_state: int | np.random.Generator | None = None,
    ) -> None:
        """Store the parameters; `fit` checks them."""
        self.n_subspaces = n_subspaces
        self.n_bits = n_bits
        self.metric = metric
        self.rotation = rotation
        self.loss = loss
        self.max_iter = max_iter
        self.random_state = random_state

    def fit(
        self, X: ArrayIn, *, threads: int | None = None, progress: bool = False
    ) -> ProductQuantizer:
        """Learn the codebooks from rows of X; returns the quantiser itself.

        Parameters
        ----------
        X : array of float16, bfloat16, float32 or float64, shape (n, d)
            At least ``2**n_bits`` rows. All are checked; at most 65,536 (131,072 for 8 bits), drawn
            at random, are trained on.
        threads : int, optional
            None means `tersevec.get_num_threads()`.
        progress : bool, default False
            Show a bar over the sweeps; needs tqdm.

        Raises
        ------
        TypeError, ValueError
            A parameter is not served, or X is too small, does not divide, or holds NaN or infinity
            in a named row.

        Notes
        -----
        k-means in every sub-space; a learned rotation and anisotropic codebooks take as many sweeps
        each again. The same seed gives the same codebooks, whatever the number of threads.
        """
        m, K = self._check_parameters()
        max_iter = _check.positive("max_iter", self.max_iter)
        rng = random_generator(self.random_state)
        count = _threads.resolve(threads)
        rows = _check.vectors("X", X)
        if rows.shape[1] % m:
            raise ValueError(
                f"X: expected a dimension that n_subspaces={m} divides, got {rows.shape[1]}"
            )
        limit = largest_number(rows.shape[1], self.rotation is not None)
        training = self._sampled(rows, K, limit, rng)
        learned = train(
            training,
            m,
            K,
            rotation=self.rotation,
            loss=self.loss,
            max_iter=max_iter,
            rng=rng,
            threads=count,
            progress=progress,
        )
        self._hold(learned.codebooks, learned.rotation)
        return self

    def encode(self, X: ArrayIn, *, threads: int | None = None) -> U8:
        """The codes of vectors, uint8 (n, code_size): the nearest centroid of each part.

        With ``loss="anisotropic"``, those that a descent over the parts finds from there.

        Dense rows of ``n_subspaces * n_bits`` bits, least significant bit first, padded by zeros;
        equally near centroids: the lower one. A ValueError names the row that holds NaN or
        infinity, or the dimension that does not fit.
        """
        books = self.codebooks_
        count = _threads.resolve(threads)
        rows = self._vectors("X", X, device=self.loss != "anisotropic")
        kernels, join = _backend.pick("pqencode", rows), _backend.pick("pqscan", rows).join
        codes: U8 = module_of(rows).empty((len(rows), self.code_size), np.uint8)
        books = _arrays.like(rows, books)
        for start, block in self._blocks("X", rows, count):
            if self.loss == "anisotropic":
                eta = parallel_weight(self._dim)
                assigned = kernels.assign_anisotropic(block, books, eta, count)
            else:
                assigned = kernels.assign(block, books, count)
            codes[start : start + len(block)] = join(assigned, self._bits)
        return codes

    def decode(self, codes: ArrayIn) -> F32:
        """The vectors that codes stand for, float32 (n, d); of unit scale for "cosine"."""
        books = self.codebooks_
        rows = _check.codes("codes", codes, self.code_size)
        back = None if self._rotation is None else np.ascontiguousarray(self._rotation.T)
        vectors = np.empty((len(rows), self._dim), np.float32)
        for start in range(0, len(rows), _DECODED):
            part = slice(start, start + _DECODED)
            numbers = _backend.pick("pqscan").split(rows[part], len(books), self._bits)
            block = decoded(numbers, books)
            if back is not None:
                count = _threads.get_num_threads()
                block = _backend.pick("pqencode").products(block, back, count)
            vectors[part] = block
        return vectors
