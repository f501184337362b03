"""Random projections: fewer dimensions, and distances kept, without looking at the data."""

from __future__ import annotations

import importlib
from numbers import Real
from typing import Any

import numpy as np

from tersevec import _backend, _threads
from tersevec import _check as check
from tersevec._arrays import float_blocks
from tersevec._estimator import Estimator, NotFittedError, random_generator
from tersevec._projection_rows import Projector, projectable
from tersevec._ternary import density_of, ternary
from tersevec._types import F32, F64, ArrayIn

__all__ = ["SparseRandomProjection", "johnson_lindenstrauss_min_dim"]


def johnson_lindenstrauss_min_dim(n_samples: ArrayIn, *, eps: ArrayIn = 0.1) -> Any:
    """The least number of components that keeps all distances within a factor of 1 +- eps.

    Parameters
    ----------
    n_samples : int or array of int
        Rows between which distances matter, at least 1.
    eps : float or array of float
        The distortion, above 0 and below 1.

    Returns
    -------
    int or ndarray of int64
        ``4 log(n_samples) / (eps**2 / 2 - eps**3 / 3)``, rounded down; an array where an argument
        is one.

    Raises
    ------
    ValueError
        `n_samples` is below 1, or `eps` not between 0 and 1.

    Examples
    --------
    >>> from tersevec.projection import johnson_lindenstrauss_min_dim
    >>> johnson_lindenstrauss_min_dim(1_000_000, eps=0.5)
    663
    """
    samples, distortion = np.asarray(n_samples, np.float64), np.asarray(eps, np.float64)
    if not (samples >= 1).all():
        raise ValueError(f"n_samples: expected at least 1, got {n_samples!r}")
    if not ((distortion > 0) & (distortion < 1)).all():
        raise ValueError(f"eps: expected numbers above 0 and below 1, got {eps!r}")
    found = (4 * np.log(samples) / (distortion**2 / 2 - distortion**3 / 3)).astype(np.int64)
    return int(found) if found.ndim == 0 else found


class SparseRandomProjection(Estimator):
    """Rows times a random matrix that is mostly zero: squared lengths are kept on average.

    Parameters
    ----------
    n_components : int or "auto", default "auto"
        Dimensions of the result; "auto" is `johnson_lindenstrauss_min_dim` of the rows that are
        fitted.
    density : float or "auto", default "auto"
        The share of the matrix that is not zero, above 0 and at most 1; "auto" is
        ``1 / sqrt(n_features)``. It is rounded to a multiple of 2**-15.
    eps : float, default 0.1
        The distortion that ``n_components="auto"`` allows.
    random_state : int, numpy.random.Generator or None
        Where the matrix comes from.

    Attributes
    ----------
    n_components_, n_features_in_ : int
        Dimensions of the result and of the rows.
    density_ : float
        The share of the matrix that is not zero.
    components_ : scipy.sparse.csr_array of float32, shape (n_components_, n_features_in_)
        The matrix, made when it is asked for; needs SciPy.

    Notes
    -----
    Entries are ``-c``, 0 or ``c`` with ``c = 1 / sqrt(density_ * n_components_)``, after Li, Hastie
    and Church, "Very sparse random projections", 2006. Rows are floats of any type, int8, a
    ``scipy.sparse`` matrix, or packed bits with ``bits=``; sums are float32, in the order of the
    features, and the same to the last bit on every backend, CPU level and number of threads, and
    for dense and sparse rows whose indices ascend.

    Examples
    --------
    >>> import numpy as np
    >>> from tersevec.projection import SparseRandomProjection
    >>> X = np.random.default_rng(0).standard_normal((100, 768), dtype=np.float32)
    >>> projection = SparseRandomProjection(128, random_state=0).fit(X)
    >>> projection.transform(X).shape
    (100, 128)
    """

    def __init__(
        self,
        n_components: int | str = "auto",
        *,
        density: float | str = "auto",
        eps: float = 0.1,
        random_state: int | np.random.Generator | None = None,
    ) -> None:
        """Store the parameters; `fit` checks them."""
        self.n_components = n_components
        self.density = density
        self.eps = eps
        self.random_state = random_state

    def fit(
        self, X: ArrayIn, y: object = None, *, bits: int | None = None
    ) -> SparseRandomProjection:
        """Draw a matrix for rows like those of X, of which only the shape counts; returns self.

        Parameters
        ----------
        X : array of floats or int8, scipy.sparse matrix, or packed bits, shape (n, n_features)
            Packed bits are uint8 (n, ceil(bits / 8)), as `tersevec.binary.pack_bits` writes them.
            Dense CuPy arrays too.
        y : object
            Not used.
        bits : int, optional
            X holds packed bits, so many a row; they count as -1 and 1.

        Raises
        ------
        TypeError, ValueError
            A parameter or X is not served.
        """
        rows = projectable("X", X, bits=bits, device=True)
        n_features = rows.n_columns
        density = density_of(self.density, n_features**-0.5)
        matrix = ternary(
            self._components(rows.n_rows, n_features), density, random_generator(self.random_state)
        )
        lists = matrix.lists(n_features, _threads.get_num_threads())
        self._projector = Projector(lists, matrix.scale(matrix.n_columns))
        self._features = n_features
        self._back: F64 | None = None
        return self

    def _components(self, n: int, n_features: int) -> int:
        if self.n_components != "auto":
            return check.positive("n_components", self.n_components, check.SUBSPACE_LIMIT)
        if not isinstance(self.eps, Real) or not 0 < float(self.eps) < 1:
            raise ValueError(f"eps: expected a number above 0 and below 1, got {self.eps!r}")
        wanted = int(johnson_lindenstrauss_min_dim(max(n, 1), eps=self.eps))
        if not 1 <= wanted <= n_features:
            raise ValueError(
                f"n_components: {n} rows and eps={self.eps} ask for {wanted} components, but there "
                f"are {n_features} dimensions; name a number, or raise eps"
            )
        return wanted

    def transform(self, X: ArrayIn, *, bits: int | None = None, threads: int | None = None) -> F32:
        """The projected rows, float32 (n, n_components_).

        X and `bits` as in `fit`; a ValueError names the row that holds NaN or infinity. Of dense
        CuPy arrays the result is one too; to find such rows, the host waits for the device.
        """
        projector, count = self._fitted(), _threads.resolve(threads)
        return projector(projectable("X", X, self._features, bits, device=True), count)

    def fit_transform(
        self,
        X: ArrayIn,
        y: object = None,
        *,
        bits: int | None = None,
        threads: int | None = None,
    ) -> F32:
        """`fit`, then `transform` of the same rows."""
        return self.fit(X, bits=bits).transform(X, bits=bits, threads=threads)

    def inverse_transform(self, X: ArrayIn, *, threads: int | None = None) -> F32:
        """The shortest rows that have these projections, float32 (n, n_features_in_).

        By the pseudo-inverse, which has a row for each component only.
        """
        projector, count = self._fitted(), _threads.resolve(threads)
        width = projector.lists.matrix.n_columns
        rows = check.vectors("X", X, width)
        if self._back is None:
            gram = projector.lists.gram(self._features)
            inverse = np.linalg.pinv(gram, hermitian=True)
            self._back = np.asarray(inverse / projector.scale, np.float64)
        kernels, back = _backend.pick("sparseproj"), self._back
        lists = projector.lists.signs_by_rows()
        out = np.empty((len(rows), self._features), np.float32)
        for start, block in float_blocks(rows):
            check.finite("X", block, start)
            weights = np.ascontiguousarray(block @ back, np.float32)
            out[start : start + len(block)] = kernels.project(weights, *lists, 1.0, count)
        return out

    def _fitted(self) -> Projector:
        if "_projector" not in self.__dict__:
            raise NotFittedError("this SparseRandomProjection has no matrix yet: call fit(X) first")
        return self._projector

    def __sklearn_is_fitted__(self) -> bool:
        """Whether there is a matrix; scikit-learn's `check_is_fitted` asks."""
        return "_projector" in self.__dict__

    @property
    def n_features_in_(self) -> int:
        """Dimensions of the rows."""
        self._fitted()
        return self._features

    @property
    def n_components_(self) -> int:
        """Dimensions of the result."""
        return self._fitted().lists.matrix.n_columns

    @property
    def density_(self) -> float:
        """The share of the matrix that is not zero."""
        return self._fitted().lists.matrix.density

    @property
    def components_(self) -> Any:
        """The matrix as a ``scipy.sparse.csr_array`` (n_components_, n_features_in_)."""
        projector = self._fitted()
        starts, features = projector.lists.by_columns()
        signs = np.repeat(np.tile([1, -1], self.n_components_), np.diff(starts))
        values = (projector.scale * signs).astype(np.float32)
        shape = self.n_components_, self._features
        sparse = importlib.import_module("scipy.sparse")
        matrix = sparse.csr_array((values, features, starts[::2]), shape=shape)
        matrix.sort_indices()
        return matrix
