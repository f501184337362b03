"""The parameters of FastRP, checked."""

from __future__ import annotations

from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from tersevec import _check as check
from tersevec._held import STATES

DTYPES = ("float32", "float16", "float64")


class Plan(NamedTuple):
    """What is added up, and how rows are held in between."""

    weights: tuple[float, ...]  # the last of them is not 0
    self_weight: float
    normalize: bool
    whiten_every: int
    self_loops: bool
    state: str

    def whitens(self, step: int) -> bool:
        """Whether E_step is whitened."""
        last = step == len(self.weights)
        return self.whiten_every > 0 and (last or step % self.whiten_every == 0)

    @property
    def first_sum(self) -> int:
        """The first step that adds to the result; one more than there are if none does."""
        steps = len(self.weights)
        for i, weight in enumerate((self.self_weight, *self.weights)):
            if weight:
                return i if i == steps and not self.whitens(i) else i + 1
        return steps + 1


def plan_of(model: Any) -> Plan:
    """What a model adds up, and how; steps after the last weight that is not 0 are left out."""
    weights = _weights(model.weights)
    self_weight = number("self_weight", model.self_weight)
    if not weights and self_weight == 0:
        raise ValueError("weights: expected one that is not 0, or a self_weight")
    if model.state not in STATES:
        raise ValueError(f"state: expected one of {', '.join(STATES)}, got {model.state!r}")
    every = model.whiten_every
    if every != 0 or isinstance(every, bool):
        every = check.positive("whiten_every", every)
    for name in ("normalize", "standardize", "self_loops"):
        if not isinstance(getattr(model, name), (bool, np.bool_)):
            raise TypeError(f"{name}: expected True or False, got {getattr(model, name)!r}")
    return Plan(
        weights=weights,
        self_weight=self_weight,
        normalize=bool(model.normalize),
        whiten_every=every,
        self_loops=bool(model.self_loops),
        state=model.state,
    )


def result_dtype(dtype: Any) -> np.dtype[Any]:
    """The type of the result, if it is served."""
    found: np.dtype[Any] | None
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = None
    if found is None or found.name not in DTYPES:
        raise ValueError(f"dtype: expected one of {', '.join(DTYPES)}, got {dtype!r}")
    return found


def feature_columns(ratio: object, d: int) -> int:
    """Columns of E_0 that are projections of features."""
    share = number("feature_ratio", ratio)
    columns = round(share * d)
    if not 0 < share <= 1 or not columns:
        raise ValueError(
            "feature_ratio: expected a number above 0 and at most 1, enough for a column, where "
            f"there are node_features, got {ratio!r}"
        )
    return columns


def number(name: str, value: object) -> float:
    """A finite number."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (Real, np.number)):
        raise TypeError(f"{name}: expected a number, got {value!r}")
    if not abs(float(value)) <= check.FLOAT32_MAX:
        raise ValueError(f"{name}: expected a finite number, got {value!r}")
    return float(value)


def _weights(given: object) -> tuple[float, ...]:
    if isinstance(given, (str, bytes)) or not hasattr(given, "__iter__"):
        raise TypeError(f"weights: expected a sequence of numbers, got {given!r}")
    weights = [number("weights", weight) for weight in given]
    if not weights:
        raise ValueError("weights: expected at least one number, got none")
    while weights and weights[-1] == 0:
        weights.pop()
    return tuple(weights)
