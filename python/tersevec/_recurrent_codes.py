"""What recurrent binarisers do once something is fitted: encode and decode."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from tersevec import _arrays, _backend, _check, _threads
from tersevec._estimator import Estimator, NotFittedError
from tersevec._kernels import F32, U8, ArrayIn
from tersevec._quantizer import unit_rows
from tersevec._recurrence import Map, applied
from tersevec._recurrence_weights import arrays_of, encoder_of
from tersevec._recurrent_judge import Encoder
from tersevec._rounded_rotation import RoundedRotation
from tersevec._symmetric_codes import integers_of
from tersevec._symmetric_search import SymmetricSearch

METHODS = ("rotation", "recurrence")
Self = TypeVar("Self", bound="RecurrentCodes")
_BLOCK = 1 << 20  # floats of rows that are encoded at once


class Fitted(NamedTuple):
    """What `fit` learns, or `from_weights` is given."""

    encoder: Encoder
    decoder: Map  # from odd integers to vectors; empty where there is none
    recall: float


class RecurrentCodes(SymmetricSearch, Estimator):
    """Codes of unit rows, whatever the encoder that was fitted."""

    _fitted: Fitted

    def encode(self, X: ArrayIn, *, threads: int | None = None) -> U8:
        """The codes of vectors, uint8 (n, code_size): of their directions, whatever their lengths.

        Dense rows of ``n_components * n_levels`` bits, least significant bit first, padded by
        zeros. A ValueError names the row that holds NaN or infinity, or the dimension that does not
        fit.
        """
        encoder = self._require_fit().encoder
        count = _threads.resolve(threads)
        d, m, n_levels = encoder.shape
        rows = _check.vectors("X", X, d)
        join = _backend.pick("symdist").join
        codes = np.empty((len(rows), self.code_size), np.uint8)
        for start, block in _arrays.float_blocks(rows, max(1, _BLOCK // m)):
            _check.finite("X", block, start)
            numbers = encoder.numbers(unit_rows(block), count)
            codes[start : start + len(block)] = join(numbers, n_levels)
        return codes

    def code_values(self, codes: ArrayIn) -> npt.NDArray[np.int8]:
        """The odd integers of codes, int8 (n, n_components), from -(2**n_levels - 1) up."""
        m, n_levels = self._code_shape
        rows = _check.codes("codes", codes, self._code_bytes)
        return integers_of(_backend.pick("symdist").split(rows, m, n_levels), n_levels)

    def decode(self, codes: ArrayIn) -> F32:
        """The directions that codes stand for, float32 (n, d), of length 1.

        A recurrence maps all planes back by its "D", and where weights came without one, by the
        last of its "B". A ValueError tells that there is neither.
        """
        decoder = self._require_fit().decoder
        values = self.code_values(codes).astype(np.float32)
        if not decoder:
            raise ValueError(
                'decode: these weights hold no map from codes to vectors, which "D.0.weight" names'
            )
        return unit_rows(applied(decoder, values, _threads.get_num_threads()))

    @classmethod
    def from_weights(
        cls: type[Self], weights: str | os.PathLike[str] | Mapping[str, ArrayIn]
    ) -> Self:
        """A binariser with weights from elsewhere: of a `.npz` file, or a mapping of its arrays.

        Parameters
        ----------
        weights : str, os.PathLike, or mapping of str to arrays of floats
            ``W.0.weight`` of shape (n_components, d), as `torch.nn.Linear` has it, and for i from
            1 to n_levels - 1 ``B{i}.0.weight`` of shape (d, n_components) and ``R{i}.0.weight`` of
            shape (n_components, d). Each may come with a bias, such as ``W.0.bias``, and go on with
            layers ``W.1``, ``W.2`` ... behind a ReLU each; other layers are folded into these.
            ``D`` may map all planes back to vectors, ``A.weight`` (d, d_new) other vectors to such.
            ``version`` is 1, ``n_levels`` what it is, if they are there.

        Raises
        ------
        TypeError, ValueError
            An array is missing, unknown, of the wrong type or shape, or holds NaN or infinity; the
            message names it. The file is none, or of a later version.

        Notes
        -----
        Encodes a vector f of length 1 by b = sign(W f), then for each i by r = f - normalise(B_i b)
        and b += 2**-i sign(R_i r), where the sign of 0 is +1. Sums are float32, in the order of the
        inputs, and the bias is added last.

        Examples
        --------
        >>> import numpy as np
        >>> from tersevec.binary import RecurrentBinarizer
        >>> eye = np.eye(4)
        >>> weights = {"W.0.weight": eye, "B1.0.weight": eye, "R1.0.weight": eye}
        >>> binarizer = RecurrentBinarizer.from_weights(weights)
        >>> binarizer.code_values(binarizer.encode(np.float32([[5, 1, -1, -5]])))
        array([[ 3,  1, -1, -3]], dtype=int8)
        """
        encoder = encoder_of(weights)
        _, m, n_levels = encoder.shape
        method = METHODS[0 if isinstance(encoder, RoundedRotation) else 1]
        made = cls().set_params(n_components=m, n_levels=n_levels, method=method)
        made._hold(encoder, float("nan"))
        return made

    def save_weights(self, path: str | os.PathLike[str]) -> None:
        """Write what `from_weights` reads, a `.npz` file; of a rotation too, with its rounding."""
        arrays = arrays_of(self._require_fit().encoder)
        with open(path, "wb") as file:
            np.savez(file, allow_pickle=False, **arrays)

    @property
    def weights_(self) -> F32:
        """What vectors of length 1 are multiplied by: float32 (d, n_components)."""
        encoder = self._require_fit().encoder
        if not isinstance(encoder, RoundedRotation):
            raise AttributeError("weights_: a recurrence has several maps; see recurrence_")
        return encoder.weights

    @property
    def recurrence_(self) -> dict[str, npt.NDArray[np.generic]]:
        """The maps of a recurrence, as `from_weights` takes them: read-only."""
        encoder = self._require_fit().encoder
        if isinstance(encoder, RoundedRotation):
            raise AttributeError("recurrence_: a rotation was fitted; see weights_")
        return arrays_of(encoder)

    @property
    def recall_(self) -> float:
        """Recall of the 10 nearest by codes among held-out rows."""
        return self._require_fit().recall

    @property
    def n_features_in_(self) -> int:
        """Dimensions of the vectors."""
        return self._require_fit().encoder.shape[0]

    @property
    def code_size(self) -> int:
        """Bytes of one code."""
        return self._code_bytes

    @property
    def _code_shape(self) -> tuple[int, int]:
        return self._require_fit().encoder.shape[1:]

    def __sklearn_is_fitted__(self) -> bool:
        """Whether there are weights; scikit-learn's `check_is_fitted` asks."""
        return "_fitted" in self.__dict__

    def _require_fit(self) -> Fitted:
        if "_fitted" not in self.__dict__:
            name = type(self).__name__
            raise NotFittedError(f"this {name} has no weights yet: call fit(X) first")
        return self._fitted

    def _hold(self, encoder: Encoder, recall: float) -> None:
        self._fitted = Fitted(encoder, encoder.decoder(), recall)
        _lock(self._fitted)


def _lock(part: object) -> None:
    """Make the arrays of nested tuples read-only."""
    if isinstance(part, np.ndarray):
        part.flags.writeable = False
    elif isinstance(part, tuple):
        for inner in part:
            _lock(inner)
