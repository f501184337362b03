"""Residual quantisation: vectors as sums of centroids, searched as product codes are."""

from __future__ import annotations

import numpy as np

from tersevec import _backend, _check, _threads
from tersevec._estimator import random_generator
from tersevec._kernels import F32, U8, ArrayIn
from tersevec._residual import encoded, learn, squared_lengths, summed
from tersevec._residual_base import ResidualBase, largest_term

_ROWS = 8192  # that are encoded or decoded at a time


class ResidualQuantizer(ResidualBase):
    """Codes of `n_bits` a level: each level's centroid is near what those before it left over.

    Parameters
    ----------
    n_levels : int
        Centroids that a code names; their sum stands for the vector.
    n_bits : int, default 8
        Bits of a level: 4, 5, 6, 7 or 8, that is 16 to 256 centroids.
    metric : {"l2", "ip", "cosine"}, default "l2"
        As of `ProductQuantizer`. A code has ``n_levels * n_bits`` bits, and for "l2" ``2 * n_bits``
        more, which hold the squared length of the sum.
    max_iter : int, default 25
        Most sweeps of k-means at each level.
    beam_width : int, default 8
        Partial sums that `fit` and `encode` pursue for a vector, up to 1024. 1 is greedy; more take
        proportionally longer and lose less.
    random_state : int, numpy.random.Generator or None
        Where the start of k-means comes from.

    Attributes
    ----------
    codebooks_ : ndarray of float32, shape (n_levels, 2**n_bits, d)
        The centroids; assign foreign ones at will.
    norm_range_ : tuple of two floats
        The least and the largest squared length that codes for "l2" can hold; assignable too.
    n_features_in_ : int
        Dimensions d.

    Notes
    -----
    Searches are exact as those of `ProductQuantizer` are: the ranking by float32 sums of table
    entries, equal on every backend, CPU level and number of threads. For "ip" and "cosine", entries
    are inner products with centroids, and their sum is that with the decoded vector. For "l2" they
    are -2 times these, the query's squared length is in the first level's, and two more sub-spaces
    add the decoded vector's: one of ``4**n_bits`` even steps over `norm_range_`, cut to its ends.
    Within that range a distance is off by half a step at most, beside rounding, and may so be just
    below zero.

    Codes depend neither on the company of a row nor on threads. Sums are compared by inner products
    in float32: what is less than a thousandth of a row's length is noise to them. The first
    `encode` makes tables of centroids against centroids, ``2 * n_levels * (n_levels - 1) *
    4**n_bits`` bytes, which stay until the codebooks change; those of more than 64 MiB are made
    anew, a level at a time, for every 8192 rows. After Chen, Guan and Wang, "Approximate nearest
    neighbor search by residual vector quantization", 2010; the beam search and the steps for
    lengths after Babenko and Lempitsky, "Additive quantization for extreme vector compression",
    2014.

    Examples
    --------
    >>> import numpy as np
    >>> from tersevec.pq import ResidualQuantizer
    >>> X = np.random.default_rng(0).standard_normal((500, 8), dtype=np.float32)
    >>> rq = ResidualQuantizer(4, n_bits=4, random_state=0).fit(X)
    >>> codes = rq.encode(X)  # 4 levels and the length: 24 bits
    >>> rq.topk(X[:1], rq.pack(codes), k=3).indices.shape, codes.shape, rq.decode(codes).shape
    ((1, 3), (500, 3), (500, 8))
    """

    def __init__(
        self,
        n_levels: int,
        n_bits: int = 8,
        *,
        metric: str = "l2",
        max_iter: int = 25,
        beam_width: int = 8,
        random_state: int | np.random.Generator | None = None,
    ) -> None:
        """Store the parameters; `fit` checks them."""
        self.n_levels = n_levels
        self.n_bits = n_bits
        self.metric = metric
        self.max_iter = max_iter
        self.beam_width = beam_width
        self.random_state = random_state

    def fit(
        self, X: ArrayIn, *, threads: int | None = None, progress: bool = False
    ) -> ResidualQuantizer:
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
            A parameter is not served, or X is too small, or holds NaN or infinity in a named row.

        Notes
        -----
        k-means at every level, on what the best beam of each row has left over. The same seed gives
        the same codebooks, whatever the number of threads. `norm_range_` is that of the rows that
        were trained on.
        """
        levels, K = self._check_parameters()
        width = self._check_beam_width()
        max_iter = _check.positive("max_iter", self.max_iter)
        rng = random_generator(self.random_state)
        count = _threads.resolve(threads)
        rows = _check.vectors("X", X)
        training = self._sampled(rows, K, largest_term(rows.shape[1], levels), rng)
        learned = learn(
            training,
            levels,
            K,
            width=width,
            max_iter=max_iter,
            rng=rng,
            threads=count,
            progress=progress,
        )
        self._hold(*learned)
        return self

    def encode(self, X: ArrayIn, *, threads: int | None = None) -> U8:
        """The codes of vectors, uint8 (n, code_size): the best sums that a beam search finds.

        Dense rows of `n_bits` for each level, and twice for "l2": least significant bit first,
        padded by zeros. Equally good sums: the one of the better sum a level before, then the lower
        centroid. A ValueError names the row that holds NaN or infinity, or the dimension that does
        not fit.
        """
        books, levels = self.codebooks_, len(self.codebooks_)
        width = self._check_beam_width()
        count = _threads.resolve(threads)
        rows = self._vectors("X", X)
        join = _backend.pick("pqscan").join
        codes = np.empty((len(rows), self.code_size), np.uint8)
        for start, block in self._blocks("X", rows, count, _ROWS):
            numbers = np.empty((len(block), self._subspaces), np.uint8)
            best = numbers[:, :levels] = encoded(block, books, self._between(count), width, count)
            if self.metric == "l2":
                numbers[:, levels:] = self._steps(squared_lengths(summed(best, books)))
            codes[start : start + len(block)] = join(numbers, self._bits)
        return codes

    def decode(self, codes: ArrayIn) -> F32:
        """The vectors that codes stand for, float32 (n, d); of unit scale for "cosine"."""
        books = self.codebooks_
        rows = _check.codes("codes", codes, self.code_size)
        split = _backend.pick("pqscan").split
        vectors = np.empty((len(rows), self._dim), np.float32)
        for start in range(0, len(rows), _ROWS):
            part = slice(start, start + _ROWS)
            numbers = split(rows[part], self._subspaces, self._bits)
            vectors[part] = summed(numbers[:, : len(books)], books)
        return vectors
