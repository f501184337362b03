"""The ground under `FixedDimensionalEncoder`: checked parameters, matrices, and what goes out."""

from __future__ import annotations

from operator import attrgetter

import numpy as np

from tersevec import _arrays, _check, _token_rows
from tersevec._estimator import Estimator
from tersevec._fde_matrices import PROJECTIONS, STREAMS, Matrices, Shape, draw
from tersevec._kernels import F32, ArrayIn

_MOST_BITS = 30

# All that matrices depend on.
_key = attrgetter(
    "dimension",
    "num_repetitions",
    "num_simhash_projections",
    "projection_dimension",
    "projection_type",
    "final_projection_dimension",
    "seed",
    "random_streams",
)


class FdeBase(Estimator):
    """Parameters become matrices, bags of tokens become rows."""

    dimension: int
    num_repetitions: int
    num_simhash_projections: int
    projection_dimension: int | None
    projection_type: str
    fill_empty_partitions: bool
    final_projection_dimension: int | None
    center: ArrayIn
    seed: int
    random_streams: str
    center_: F32
    _drawn: tuple[tuple[object, ...], Shape, Matrices] | None = None

    def _check_parameters(self) -> Shape:
        """The parameters, if they are served."""
        d = _check.positive("dimension", self.dimension, _token_rows.MOST_DIMENSIONS)
        k = _check.between("num_simhash_projections", self.num_simhash_projections, 0, _MOST_BITS)
        kind, streams = self.projection_type, self.random_streams
        if kind not in PROJECTIONS:
            raise ValueError(
                f"projection_type: expected one of {', '.join(PROJECTIONS)}, got {kind!r}"
            )
        if streams not in STREAMS:
            raise ValueError(
                f"random_streams: expected one of {', '.join(STREAMS)}, got {streams!r}"
            )
        if streams == "google" and kind not in ("ams_sketch", "identity"):
            raise ValueError(
                f"projection_type: expected 'ams_sketch' or 'identity' with random_streams='google'"
                f", got {kind!r}"
            )
        if kind != "identity" and self.projection_dimension is None:
            raise ValueError("projection_dimension: expected None with 'identity' only")
        p = d if kind == "identity" else self.projection_dimension
        final = self.final_projection_dimension
        shape = Shape(
            d,
            _check.positive("num_repetitions", self.num_repetitions),
            k,
            _check.positive("projection_dimension", p),
            kind,
            None if final is None else _check.positive("final_projection_dimension", final),
            _check.between("seed", self.seed, 0, 2**64 - 1),
            streams,
        )
        if shape.n_numbers > _check.ROW_LIMIT:
            raise ValueError(
                "num_repetitions, num_simhash_projections, projection_dimension: expected at most "
                f"2**31 - 1 numbers, got {shape.n_repetitions} * 2**{k} * {p}"
            )
        if not isinstance(self.fill_empty_partitions, (bool, np.bool_)):
            raise TypeError(
                f"fill_empty_partitions: expected True or False, got {self.fill_empty_partitions!r}"
            )
        return shape

    def _ready(self) -> tuple[Shape, Matrices]:
        """The checked parameters and their matrices, drawn once."""
        if self._drawn is None or self._drawn[0] != _key(self):
            shape = self._check_parameters()
            self._drawn = _key(self), shape, draw(shape)
        return self._drawn[1:]

    def _restore(self, matrices: Matrices) -> None:
        """Use these matrices, which are those of the parameters, as another machine drew them."""
        self._drawn = _key(self), self._check_parameters(), matrices

    @property
    def output_dimension(self) -> int:
        """Numbers of an encoding."""
        return self._check_parameters().width

    @property
    def n_features_in_(self) -> int:
        """Dimensions of a token: `dimension`."""
        return self._check_parameters().d

    @property
    def matrices(self) -> Matrices:
        """What is drawn: ``(hashes, projections, buckets, signs)``, read-only.

        Column ``r * num_simhash_projections + i`` of the hashes is hyperplane i of repetition r;
        column ``r * projection_dimension + j`` of the projections makes number j of its blocks.
        Number i of all blocks is added to number ``buckets[i]`` of the final projection, times
        ``signs[i]``. What there is none of is None.
        """
        return self._ready()[1]

    def _center(self, d: int) -> F32 | None:
        """What is subtracted from every token."""
        if "center_" in self.__dict__:
            return self.center_
        return None if self.center is None else given_center(self.center, d)


def given_center(x: ArrayIn, d: int) -> F32:
    """A user's center as float32 (d,)."""
    array = _arrays.view_floats("center", x)
    expected = f"center: expected None or floats of shape ({d},)"
    if array.dtype not in _arrays.FLOATS:
        raise TypeError(f"{expected}, got {_arrays.describe(array)}")
    if array.shape != (d,):
        raise ValueError(f"{expected}, got {_arrays.describe(array)}")
    row = np.empty((1, d), np.float32)
    for _, row in _arrays.float_blocks(array[None]):
        _check.finite("center", row, 0, _token_rows.LARGEST)
    return row.reshape(d)
