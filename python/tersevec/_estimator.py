"""What scikit-learn expects of an estimator, without scikit-learn."""

from __future__ import annotations

import importlib
import inspect
from typing import Any, TypeVar

import numpy as np

Self = TypeVar("Self", bound="Estimator")


class NotFittedError(ValueError, AttributeError):
    """A method needs what `fit` learns."""


class Estimator:
    """Parameters are the constructor's arguments, stored unchanged, read and set by name."""

    @classmethod
    def _parameters(cls) -> dict[str, Any]:
        """Every constructor argument and its default, `inspect.Parameter.empty` for none."""
        arguments = list(inspect.signature(cls.__init__).parameters.values())[1:]
        return {argument.name: argument.default for argument in arguments}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments by name; `deep` changes nothing: no estimators are inside."""
        return {name: getattr(self, name) for name in sorted(self._parameters())}

    def set_params(self: Self, **params: Any) -> Self:
        """Set constructor arguments by name; returns self. They count from the next `fit` on."""
        known = self._parameters()
        for name in params:
            if name not in known:
                raise ValueError(
                    f"{name}: expected a parameter of {type(self).__name__}: {', '.join(known)}"
                )
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn asks of an estimator; only scikit-learn calls it."""
        utils = importlib.import_module("sklearn.utils")
        return utils.Tags(
            estimator_type=None,
            target_tags=utils.TargetTags(required=False),
            input_tags=utils.InputTags(),
        )

    def __repr__(self) -> str:
        shown = [
            f"{name}={getattr(self, name)!r}"
            for name, default in self._parameters().items()
            if repr(getattr(self, name)) != repr(default)
        ]
        return f"{type(self).__name__}({', '.join(shown)})"


def random_generator(random_state: object) -> np.random.Generator:
    """A generator from `random_state`: itself, seeded by an int, or fresh for None."""
    if isinstance(random_state, np.random.Generator):
        return random_state
    if random_state is None:
        return np.random.default_rng()
    if isinstance(random_state, bool) or not isinstance(random_state, (int, np.integer)):
        raise TypeError(
            f"random_state: expected an int, a numpy.random.Generator or None, got {random_state!r}"
        )
    if random_state < 0:
        raise ValueError(f"random_state: expected an int of at least 0, got {random_state}")
    return np.random.default_rng(int(random_state))
