"""Recurrent binary codes: several bits a component, whose integers multiply exactly."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tersevec import _arrays, _backend, _check, _threads
from tersevec._compatible import Compatibility, adapter_of
from tersevec._estimator import Estimator, NotFittedError, random_generator
from tersevec._kernels import F32, I64, U8, ArrayIn
from tersevec._progress import bar
from tersevec._quantizer import training_rows, unit_rows
from tersevec._recurrent_fit import ROWS, Geometry, Judge, codes_of, geometry, learn, second_moment
from tersevec._symmetric_codes import integers_of
from tersevec._symmetric_search import SymmetricSearch

LEVELS = 4  # at most
_SWEEPS = 3  # over a row's numbers: the fourth changes next to nothing
_WHITENINGS, _FLOORS = (0.0, 0.2), (0.5, np.inf)  # that `fit` chooses from
_BLOCK = 1 << 20  # floats of rows that are encoded at once


class Fitted(NamedTuple):
    """What `fit` learns."""

    geometry: Geometry
    back: F32  # (m, d): from components to vectors
    recall: float


class RecurrentBinarizer(SymmetricSearch, Estimator):
    """Codes of 1 to 4 bits a component, for vectors whose cosines matter; codes search codes.

    A code is `n_components` numbers of `n_levels` bits, each an odd integer, and the more bits, the
    finer: every bit halves what the ones before it leave over. Cosines of these integers stand for
    cosines of the vectors, and are exact.

    Parameters
    ----------
    n_components : int, default 256
        Numbers of a code; fewer or more than a vector's dimensions.
    n_levels : int, default 4
        Bits of a number, 1 to 4.
    max_iter : int, default 40
        Rounds of fitting the rotation, at most; they end earlier where recall no longer gains.
    random_state : int, numpy.random.Generator or None
        Where the first rotation comes from.

    Attributes
    ----------
    weights_ : ndarray of float32, shape (d, n_components)
        What vectors of length 1 are multiplied by before they are rounded.
    recall_ : float
        Recall of the 10 nearest by codes among rows that rotations were not fitted to; 0.0 where
        there were fewer than 200 rows.
    compatibility_ : Compatibility
        After `fit_compatible`: ``(new_on_old, new_on_new, old_on_old)``, recalls likewise.
    n_features_in_, code_size : int
        Dimensions d of a vector, and bytes of one code.

    Notes
    -----
    The rotation starts at the axes of most energy, turned at random, and follows rounds of rounding
    and of the orthogonal Procrustes problem; axes are made a little more equal where that pays.
    Rounding takes the step that is best for each vector; then errors are weighed by what they do to
    inner products with such data, each number making up for those before it, in three sweeps.
    Queries held out say what pays. After Gan et al., "Binary embedding-based retrieval at Tencent",
    2023; the rotation after Gong and Lazebnik, "Iterative quantization", 2011. Codes are the same
    to the last bit on every backend, CPU level and number of threads, given the same `weights_`.

    Examples
    --------
    >>> import numpy as np
    >>> from tersevec.binary import RecurrentBinarizer
    >>> X = np.random.default_rng(0).standard_normal((500, 32), dtype=np.float32)
    >>> binarizer = RecurrentBinarizer(32, 2, random_state=0).fit(X)
    >>> codes = binarizer.encode(X)
    >>> codes.shape, sorted(set(binarizer.code_values(codes).ravel().tolist()))
    ((500, 8), [-3, -1, 1, 3])
    >>> binarizer.topk(codes[:1], binarizer.pack(codes), k=3).indices[0, 0].item()
    0
    """

    def __init__(
        self,
        n_components: int = 256,
        n_levels: int = 4,
        *,
        max_iter: int = 40,
        random_state: int | np.random.Generator | None = None,
    ) -> None:
        """Store the parameters; `fit` checks them."""
        self.n_components = n_components
        self.n_levels = n_levels
        self.max_iter = max_iter
        self.random_state = random_state

    def fit(
        self, X: ArrayIn, *, threads: int | None = None, progress: bool = False
    ) -> RecurrentBinarizer:
        """Learn the projection from rows of X; returns the binariser itself.

        Parameters
        ----------
        X : array of float16, bfloat16, float32 or float64, shape (n, d)
            At least 2 rows. All are checked; at most 50,000, drawn at random, are learned from.
        threads : int, optional
            None means `tersevec.get_num_threads()`.
        progress : bool, default False
            Show a bar over the rounds; needs tqdm.

        Raises
        ------
        TypeError, ValueError
            A parameter is not served, or X is too small, or holds NaN or infinity in a named row.
        """
        m, n_levels = self._check_parameters()
        rounds = _check.positive("max_iter", self.max_iter)
        rng = random_generator(self.random_state)
        count = _threads.resolve(threads)
        vectors = _check.vectors("X", X)
        rows = self._drawn("X", vectors, _picked(len(vectors), rng))
        judge, moment = Judge(rows), second_moment(rows)
        chosen, recall = None, -1.0
        with bar(progress, len(_WHITENINGS) * rounds, "rotation", "round") as swept:
            for whitening in _WHITENINGS:
                weights = learn(
                    rows,
                    m,
                    n_levels,
                    whitening=whitening,
                    max_iter=rounds,
                    rng=rng,
                    threads=count,
                    swept=swept,
                )
                for floor in _FLOORS:
                    tried = geometry(weights, moment, floor)
                    found = judge.recall(partial(codes_of, tried, n_levels, _SWEEPS, count))
                    if found > recall:
                        chosen, recall = tried, found
        assert chosen is not None
        self._hold(chosen, n_levels, recall)
        return self

    def fit_compatible(
        self, X: ArrayIn, X_old: ArrayIn, old: RecurrentBinarizer, *, threads: int | None = None
    ) -> RecurrentBinarizer:
        """Learn to encode a new model's vectors so that they search the codes that `old` wrote.

        Parameters
        ----------
        X : array of floats, shape (n, d)
            Items as the new model embeds them.
        X_old : array of floats, shape (n, d_old)
            The same items, row by row, as the old model did.
        old : RecurrentBinarizer
            Fitted; of as many components and levels.
        threads : int, optional
            None means `tersevec.get_num_threads()`.

        Raises
        ------
        NotFittedError
            A ValueError: `old` was not fitted.
        TypeError, ValueError
            The arrays do not match each other or `old`, or hold NaN or infinity in a named row.

        Notes
        -----
        An orthogonal map between the spaces, where their dimensions agree, or a ridge regression:
        whichever finds more among held-out rows, whose recall `compatibility_` tells.
        """
        m, n_levels = self._check_parameters()
        if not isinstance(old, RecurrentBinarizer):
            raise TypeError(f"old: expected a RecurrentBinarizer, got {type(old).__name__}")
        fitted = old._require_fit()
        if (m, n_levels) != old._code_shape:
            raise ValueError(
                f"old: expected codes of {m} x {n_levels} bits, got {old._code_shape[0]} x "
                f"{old._code_shape[1]}"
            )
        count = _threads.resolve(threads)
        rng = random_generator(self.random_state)
        new_rows = _check.vectors("X", X)
        old_rows = _check.vectors("X_old", X_old, old.n_features_in_)
        if len(new_rows) != len(old_rows):
            raise ValueError(
                f"X_old: expected as many rows as X has, {len(new_rows)}, got {len(old_rows)}"
            )
        picked = _picked(len(new_rows), rng)
        pair = self._drawn("X", new_rows, picked), self._drawn("X_old", old_rows, picked)
        adapter, compatibility = adapter_of(*pair, fitted.geometry, n_levels, _SWEEPS, count)
        weights = np.ascontiguousarray(adapter @ fitted.geometry.weights)
        self._hold(fitted.geometry._replace(weights=weights), n_levels, compatibility.new_on_old)
        self.compatibility_: Compatibility = compatibility
        return self

    def encode(self, X: ArrayIn, *, threads: int | None = None) -> U8:
        """The codes of vectors, uint8 (n, code_size): of their directions, whatever their lengths.

        Dense rows of ``n_components * n_levels`` bits, least significant bit first, padded by
        zeros. A ValueError names the row that holds NaN or infinity, or the dimension that does not
        fit.
        """
        shape, n_levels = self._require_fit().geometry, self._levels
        count = _threads.resolve(threads)
        rows = _check.vectors("X", X, self.n_features_in_)
        kernels, join = _backend.pick("pqencode"), _backend.pick("symdist").join
        codes = np.empty((len(rows), self.code_size), np.uint8)
        for start, block in _arrays.float_blocks(rows, max(1, _BLOCK // self._code_shape[0])):
            _check.finite("X", block, start)
            projected = kernels.products(unit_rows(block), shape.weights, count)
            numbers = kernels.grid(projected, shape.metric, shape.shaping, n_levels, _SWEEPS, count)
            codes[start : start + len(block)] = join(numbers, n_levels)
        return codes

    def code_values(self, codes: ArrayIn) -> npt.NDArray[np.int8]:
        """The odd integers of codes, int8 (n, n_components), from -(2**n_levels - 1) up."""
        m, n_levels = self._code_shape
        rows = _check.codes("codes", codes, self._code_bytes)
        return integers_of(_backend.pick("symdist").split(rows, m, n_levels), n_levels)

    def decode(self, codes: ArrayIn) -> F32:
        """The directions that codes stand for, float32 (n, d), of length 1."""
        back = self._require_fit().back
        values = self.code_values(codes).astype(np.float32)
        count = _threads.get_num_threads()
        return unit_rows(_backend.pick("pqencode").products(values, back, count))

    @property
    def weights_(self) -> F32:
        """What vectors of length 1 are multiplied by: float32 (d, n_components)."""
        return self._require_fit().geometry.weights

    @property
    def recall_(self) -> float:
        """Recall of the 10 nearest by codes among held-out rows."""
        return self._require_fit().recall

    @property
    def n_features_in_(self) -> int:
        """Dimensions of the vectors."""
        return int(self.weights_.shape[0])

    @property
    def code_size(self) -> int:
        """Bytes of one code."""
        return self._code_bytes

    @property
    def _code_shape(self) -> tuple[int, int]:
        return int(self.weights_.shape[1]), self._levels

    def __sklearn_is_fitted__(self) -> bool:
        """Whether there are weights; scikit-learn's `check_is_fitted` asks."""
        return "_fitted" in self.__dict__

    def _check_parameters(self) -> tuple[int, int]:
        m = _check.positive("n_components", self.n_components, _check.SUBSPACE_LIMIT)
        return m, _check.positive("n_levels", self.n_levels, LEVELS)

    def _require_fit(self) -> Fitted:
        if "_fitted" not in self.__dict__:
            raise NotFittedError("this RecurrentBinarizer has no weights yet: call fit(X) first")
        return self._fitted

    def _drawn(self, name: str, rows: npt.NDArray[Any], picked: I64) -> F32:
        """Unit rows to learn from, when all numbers are known to be finite."""
        if len(rows) < 2:
            raise ValueError(f"{name}: expected at least 2 rows, got {len(rows)}")
        for start, block in _arrays.float_blocks(rows):
            _check.finite(name, block, start)
        return training_rows(rows, picked, "cosine")

    def _hold(self, shape: Geometry, n_levels: int, recall: float) -> None:
        back = np.linalg.pinv(shape.weights.astype(np.float64)).astype(np.float32)
        for array in (*shape, back):
            array.flags.writeable = False
        self._levels, self._fitted = n_levels, Fitted(shape, back, recall)


def _picked(n: int, rng: np.random.Generator) -> I64:
    """Rows to learn from, in random order: what is held out is drawn at random too."""
    return rng.permutation(n)[:ROWS]
