"""The chain rule through a recurrence, straight through its signs, and descent along it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tersevec._kernels import F32
from tersevec._recurrence import Layer, Map, Recurrence

_TEMPERATURE = np.float32(0.05)
_LEAST = np.float32(1e-30)


def signs(x: F32) -> F32:
    """+1 or -1; in the backward pass a sign counts as x where x is from -1 to 1, else as flat."""
    return np.where(x >= 0, np.float32(1), np.float32(-1))


class _Step(NamedTuple):
    """What one map of the forward pass leaves for the backward one."""

    inputs: list[F32]  # of each layer
    result: F32


class Trace(NamedTuple):
    """A forward pass: codes b of rows, and what led there."""

    planes: F32
    first: _Step
    rounds: list[tuple[_Step, F32, F32, _Step]]  # back, its lengths, its unit rows, residual


def forward(maps: Recurrence, f: F32, sign: Callable[[F32], F32] = signs) -> Trace:
    """The recurrence on a batch of rows."""
    first = _applied(maps.first, f)
    planes, rounds = sign(first.result), []
    for i, (back_map, residual_map) in enumerate(zip(maps.backs, maps.residuals, strict=True), 1):
        back = _applied(back_map, planes)
        lengths = np.maximum(np.linalg.norm(back.result, axis=1, keepdims=True), 1e-12)
        unit = back.result / lengths
        residual = _applied(residual_map, f - unit)
        planes = planes + np.float32(2.0**-i) * sign(residual.result)
        rounds.append((back, lengths, unit, residual))
    return Trace(planes, first, rounds)


def backward(maps: Recurrence, trace: Trace, slope: F32) -> Recurrence:
    """The gradient of a loss whose slope along the planes is given, in the shape of the maps."""
    backs, residuals = [], []
    for i in reversed(range(len(trace.rounds))):
        back, lengths, unit, residual = trace.rounds[i]
        gate = np.abs(residual.result) <= 1
        grown, into = _propagated(
            maps.residuals[i], residual, slope * gate * np.float32(0.5 ** (i + 1))
        )
        residuals.append(grown)
        along = (unit * into).sum(axis=1, keepdims=True)
        grown, into = _propagated(maps.backs[i], back, (unit * along - into) / lengths)
        backs.append(grown)
        slope = slope + into
    gate = np.abs(trace.first.result) <= 1
    first, _ = _propagated(maps.first, trace.first, slope * gate)
    return Recurrence(first, tuple(reversed(backs)), tuple(reversed(residuals)))


def _applied(layers: Map, x: F32) -> _Step:
    inputs = []
    for i, layer in enumerate(layers):
        inputs.append(np.maximum(x, 0) if i else x)
        x = inputs[-1] @ layer.weight + layer.bias
    return _Step(inputs, x)


def _propagated(layers: Map, step: _Step, slope: F32) -> tuple[Map, F32]:
    """The gradient of the layers, and the slope along their input."""
    found: list[Layer] = []
    for i in reversed(range(len(layers))):
        found.append(Layer(step.inputs[i].T @ slope, slope.sum(axis=0)))
        slope = slope @ layers[i].weight.T
        if i:
            slope = slope * (step.inputs[i] > 0)
    return tuple(reversed(found)), slope


def listwise(planes: F32, f: F32, same: npt.NDArray[np.bool_]) -> tuple[float, F32]:
    """How far cosines of codes are from ranking a batch as cosines of vectors do, and its slope.

    The first rows are anchors: as many as `same` has rows (anchors, batch), which is true where the
    batch holds the anchor itself. Soft choices of a neighbour, one by vectors and one by codes,
    are compared by their cross entropy.
    """
    n = len(same)
    lengths = np.linalg.norm(planes, axis=1, keepdims=True)
    unit = planes / lengths
    wanted = _soft_choice(f[:n] @ f.T, same)
    found = _soft_choice(unit[:n] @ unit.T, same)
    loss = -float((wanted * np.log(np.maximum(found, _LEAST))).sum()) / n
    slope = (found - wanted) / (_TEMPERATURE * np.float32(n))
    along = slope.T @ unit[:n]
    along[:n] += slope @ unit
    return loss, (along - unit * (unit * along).sum(axis=1, keepdims=True)) / lengths


def _soft_choice(cosines: F32, same: npt.NDArray[np.bool_]) -> F32:
    """Probabilities of each row of the batch but the anchor itself."""
    heights = np.where(same, -np.inf, cosines / _TEMPERATURE)
    grown = np.exp(heights - heights.max(axis=1, keepdims=True))
    return np.asarray(grown / grown.sum(axis=1, keepdims=True))
