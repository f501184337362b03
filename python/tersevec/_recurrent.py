"""Recurrent binary codes: several bits a component, whose integers multiply exactly."""

from __future__ import annotations

import numpy as np

from tersevec import _check, _threads
from tersevec._compatible import Compatibility, adapter_of, paired_rows
from tersevec._estimator import random_generator
from tersevec._kernels import ArrayIn
from tersevec._recurrence_fit import fit_recurrence
from tersevec._recurrence_weights import LEVELS
from tersevec._recurrent_codes import METHODS, RecurrentCodes
from tersevec._recurrent_judge import Encoder, picked, unit_training_rows
from tersevec._rotation_fit import fit_rotation


class RecurrentBinarizer(RecurrentCodes):
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
    method : {"rotation", "recurrence"}, default "rotation"
        "rotation" learns one matrix in closed form, and rounds what it makes of a vector to the
        grid: the better codes wherever it was measured. "recurrence" learns linear maps W, B_i and
        R_i of the published recurrence, by gradients straight through the signs.
    max_iter : int, default 40
        Rounds of fitting the rotation, at most; they end earlier where recall no longer gains.
    max_epochs : int, default 12
        Epochs of gradients for a recurrence, at most, likewise.
    random_state : int, numpy.random.Generator or None
        Where the first rotation comes from.

    Attributes
    ----------
    weights_ : ndarray of float32, shape (d, n_components)
        What vectors of length 1 are multiplied by before they are rounded, if there is one matrix.
    recurrence_ : dict of ndarray
        The maps of a recurrence otherwise, by the names that `from_weights` reads.
    recall_ : float
        Recall of the 10 nearest by codes among rows that nothing was fitted to; 0.0 where there
        were fewer than 200 rows, NaN for weights from elsewhere.
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
    Queries held out say what pays.

    A recurrence starts from such a rotation for signs as W, from ridge regressions as B_i, and from
    W as R_i. Momentum follows the gradient of the cross entropy between soft choices of neighbours,
    by vectors and by codes. Queries held out are asked after each epoch; the maps that find most
    are kept, or the start. After Gan et al., "Binary embedding-based retrieval at Tencent",
    2023; the rotation after Gong and Lazebnik, "Iterative quantization", 2011. Codes are the same
    to the last bit on every backend, CPU level and number of threads, given the same weights.

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
        method: str = "rotation",
        max_iter: int = 40,
        max_epochs: int = 12,
        random_state: int | np.random.Generator | None = None,
    ) -> None:
        """Store the parameters; `fit` checks them."""
        self.n_components = n_components
        self.n_levels = n_levels
        self.method = method
        self.max_iter = max_iter
        self.max_epochs = max_epochs
        self.random_state = random_state

    def fit(
        self, X: ArrayIn, *, threads: int | None = None, progress: bool = False
    ) -> RecurrentBinarizer:
        """Learn the codes from rows of X; returns the binariser itself.

        Parameters
        ----------
        X : array of float16, bfloat16, float32 or float64, shape (n, d)
            At least 2 rows. All are checked; at most 50,000, drawn at random, are learned from.
        threads : int, optional
            None means `tersevec.get_num_threads()`.
        progress : bool, default False
            Show bars over the rounds and the steps; needs tqdm.

        Raises
        ------
        TypeError, ValueError
            A parameter is not served, or X is too small, or holds NaN or infinity in a named row.
        """
        m, n_levels = self._check_parameters()
        rounds = _check.positive("max_iter", self.max_iter)
        epochs = _check.positive("max_epochs", self.max_epochs)
        rng = random_generator(self.random_state)
        count = _threads.resolve(threads)
        vectors = _check.vectors("X", X)
        rows = unit_training_rows("X", vectors, picked(len(vectors), rng))
        found: tuple[Encoder, float]
        if self.method == "rotation":
            found = fit_rotation(rows, m, n_levels, rounds, rng, count, progress=progress)
        else:
            found = fit_recurrence(rows, m, n_levels, rounds, epochs, rng, count, progress=progress)
        self._hold(*found)
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
        whichever finds more among held-out rows. Then it is refined by gradients of the compatible
        loss, through new codes and towards the old ones, and what they bring is kept if it finds
        still more. `compatibility_` tells the recalls.
        """
        m, n_levels = self._check_parameters()
        if not isinstance(old, RecurrentBinarizer):
            raise TypeError(f"old: expected a RecurrentBinarizer, got {type(old).__name__}")
        encoder = old._require_fit().encoder
        if (m, n_levels) != old._code_shape:
            raise ValueError(
                f"old: expected codes of {m} x {n_levels} bits, got {old._code_shape[0]} x "
                f"{old._code_shape[1]}"
            )
        count, rng = _threads.resolve(threads), random_generator(self.random_state)
        pair = paired_rows(X, X_old, old.n_features_in_, rng)
        adapter, compatibility = adapter_of(*pair, encoder, rng, count)
        self._hold(encoder.adapted(adapter), compatibility.new_on_old)
        self.compatibility_: Compatibility = compatibility
        return self

    def _check_parameters(self) -> tuple[int, int]:
        if self.method not in METHODS:
            raise ValueError(f"method: expected one of {', '.join(METHODS)}, got {self.method!r}")
        m = _check.positive("n_components", self.n_components, _check.SUBSPACE_LIMIT)
        return m, _check.positive("n_levels", self.n_levels, LEVELS)
