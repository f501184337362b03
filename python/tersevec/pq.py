"""Product quantisation: vectors as short codes, searched through lookup tables."""

from __future__ import annotations

import numpy as np

from tersevec import _arrays, _backend, _check, _progress, _threads
from tersevec._estimator import random_generator
from tersevec._kernels import F32, U8, ArrayIn
from tersevec._kmeans import kmeans, sample_rows, spread_start
from tersevec._product import largest_number, training_rows
from tersevec._product_symmetric import SymmetricSearch
from tersevec._scan_codes import ScanCodes

__all__ = ["ProductQuantizer", "ScanCodes"]


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
    max_iter : int, default 25
        Most k-means sweeps.
    random_state : int, numpy.random.Generator or None
        Where the start of k-means comes from.

    Attributes
    ----------
    codebooks_ : ndarray of float32, shape (n_subspaces, 2**n_bits, d / n_subspaces)
        The centroids; assign foreign ones at will.
    n_features_in_ : int
        Dimensions d.

    Notes
    -----
    Exact: what `topk` returns is the ranking by float32 sums of the table entries, added one
    sub-space after the other, and not an approximation of it; equal on every backend, CPU level and
    number of threads. After Jégou, Douze and Schmid, "Product quantization for nearest neighbor
    search", 2011; the scan is after André, Kermarrec and Le Scouarnec, "Cache locality is not
    enough", 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from tersevec.pq import ProductQuantizer
    >>> X = np.random.default_rng(0).standard_normal((500, 8), dtype=np.float32)
    >>> pq = ProductQuantizer(4, random_state=0).fit(X)
    >>> pq.topk(X[:1], pq.pack(pq.encode(X)), k=3).indices.shape
    (1, 3)
    """

    def __init__(
        self,
        n_subspaces: int,
        n_bits: int = 4,
        *,
        metric: str = "l2",
        max_iter: int = 25,
        random_state: int | np.random.Generator | None = None,
    ) -> None:
        """Store the parameters; `fit` checks them."""
        self.n_subspaces = n_subspaces
        self.n_bits = n_bits
        self.metric = metric
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
        k-means in every sub-space. The same seed gives the same codebooks, whatever the number of
        threads.
        """
        m, K = self._check_parameters(), 2**self.n_bits
        max_iter = _check.positive("max_iter", self.max_iter)
        rng = random_generator(self.random_state)
        count = _threads.resolve(threads)
        rows = _check.vectors("X", X)
        if rows.shape[1] % m:
            raise ValueError(
                f"X: expected a dimension that n_subspaces={m} divides, got {rows.shape[1]}"
            )
        if len(rows) < K:
            raise ValueError(f"X: expected at least 2**n_bits = {K} rows, got {len(rows)}")
        for start, block in _arrays.float_blocks(rows):
            _check.finite("X", block, start, largest_number(rows.shape[1]))
        training = training_rows(rows, sample_rows(len(rows), K, rng), self.metric)
        with _progress.bar(progress, max_iter, "k-means", "sweep") as swept:
            kernels = _backend.pick("pqencode")
            books = spread_start(training, m, K, rng=rng, kernels=kernels, threads=count)
            self.codebooks_ = kmeans(
                training, books, max_iter=max_iter, kernels=kernels, threads=count, swept=swept
            )
        return self

    def encode(self, X: ArrayIn, *, threads: int | None = None) -> U8:
        """The codes of vectors, uint8 (n, code_size): the nearest centroid of each part.

        Dense rows of ``n_subspaces * n_bits`` bits, least significant bit first, padded by zeros;
        equally near centroids: the lower one. A ValueError names the row that holds NaN or
        infinity, or the dimension that does not fit.
        """
        books = self.codebooks_
        count = _threads.resolve(threads)
        rows = self._vectors("X", X)
        codes = np.empty((len(rows), self.code_size), np.uint8)
        for start, block in self._blocks("X", rows):
            assigned = _backend.pick("pqencode").assign(block, books, count)
            codes[start : start + len(block)] = _backend.pick("pqscan").join(assigned, self._bits)
        return codes

    def decode(self, codes: ArrayIn) -> F32:
        """The vectors that codes stand for, float32 (n, d); of unit scale for "cosine"."""
        books = self.codebooks_
        m, _, ds = books.shape
        rows = _check.codes("codes", codes, self.code_size)
        numbers = _backend.pick("pqscan").split(rows, m, self._bits)
        vectors = np.empty((len(rows), m, ds), np.float32)
        for j, book in enumerate(books):
            vectors[:, j] = book[numbers[:, j]]
        return vectors.reshape(len(rows), m * ds)
