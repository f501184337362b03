"""The random matrices of an encoder: hyperplanes, projections and the final sketch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tersevec import _fde_google as google
from tersevec import _fde_streams as own
from tersevec._kernels import F32, F64, I8, I32

PROJECTIONS = ("orthogonal", "dense", "ams_sketch", "identity")
STREAMS = ("tersevec", "google")


class Shape(NamedTuple):
    """The checked parameters that matrices follow from."""

    d: int
    n_repetitions: int
    n_bits: int
    n_dims: int  # of a block
    projection: str
    final: int | None
    seed: int
    streams: str

    @property
    def n_numbers(self) -> int:
        """Numbers of an encoding before the final sketch."""
        return self.n_repetitions * self.n_dims << self.n_bits

    @property
    def width(self) -> int:
        """Numbers of an encoding."""
        return self.n_numbers if self.final is None else self.final


class Matrices(NamedTuple):
    """As the kernels take them; see `FdeKernels`."""

    hashes: F32  # (d, R * k)
    projections: F32 | None  # (d, R * p), None for identity
    buckets: I32 | None  # (R * 2**k * p,)
    signs: I8 | None


def draw(shape: Shape) -> Matrices:
    """The matrices of these parameters, the same at every call; read-only."""
    drawn = Matrices(_hashes(shape), _projections(shape), *_sketch(shape))
    for array in drawn:
        if array is not None:
            array.flags.writeable = False
    return drawn


def _hashes(shape: Shape) -> F32:
    """Normal numbers, drawn hyperplane by hyperplane."""
    d, k, seed = shape.d, shape.n_bits, shape.seed
    planes = np.empty((shape.n_repetitions, k, d), np.float32)
    for r, mine in enumerate(planes):
        if shape.streams == "google":
            numbers = google.normals(seed + r, k * d)
        else:
            numbers = own.normals(seed, own.HASH, r, k * d).astype(np.float32)
        mine[:] = numbers.reshape(k, d)
    return np.ascontiguousarray(planes.reshape(-1, d).T)


def _projections(shape: Shape) -> F32 | None:
    if shape.projection == "identity":
        return None
    if shape.projection == "orthogonal":
        return _orthogonal(shape)
    d, p = shape.d, shape.n_dims
    columns = np.zeros((d, shape.n_repetitions, p), np.float32)
    for r in range(shape.n_repetitions):
        if shape.projection == "dense":
            signs = own.signs(shape.seed, own.PROJECTION, r, d * p)
            columns[:, r] = signs.reshape(d, p) / np.sqrt(np.float32(p))
            continue
        if shape.streams == "google":
            place, sign = google.choices(shape.seed + r, d, p)
        else:
            place, sign = own.choices(shape.seed, own.PROJECTION, r, d, p)
        columns[np.arange(d), r, place] = sign
    return columns.reshape(d, -1)


def _orthogonal(shape: Shape) -> F32:
    """Columns of random orthogonal matrices, a fresh one after d columns, dealt out in turn.

    They are sqrt(d / p) long, so that products are right on average. What one repetition does not
    see another one does: their errors cancel.
    """
    d, wanted = shape.d, shape.n_repetitions * shape.n_dims
    bases = [
        _basis(shape, i, min(d, wanted - start)) for i, start in enumerate(range(0, wanted, d))
    ]
    return np.ascontiguousarray(
        np.concatenate(bases, axis=1) * np.sqrt(d / shape.n_dims), np.float32
    )


def _basis(shape: Shape, number: int, count: int) -> F64:
    """The first columns of a random orthogonal matrix: (d, count)."""
    drawn = own.normals(shape.seed, own.PROJECTION, number, shape.d * count)
    basis, triangle = np.linalg.qr(drawn.reshape(count, shape.d).T)
    return np.asarray(basis * np.where(np.diag(triangle) < 0, -1.0, 1.0))


def _sketch(shape: Shape) -> tuple[I32, I8] | tuple[None, None]:
    if shape.final is None:
        return None, None
    if shape.streams == "google":
        return google.choices(shape.seed, shape.n_numbers, shape.final)
    return own.choices(shape.seed, own.SKETCH, 0, shape.n_numbers, shape.final)
