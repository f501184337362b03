"""Progress bars, for those who ask."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeAlias

Step: TypeAlias = Callable[[int], object]


def bar(shown: bool, total: int, label: str, unit: str) -> AbstractContextManager[Step]:
    """A function that moves a tqdm bar on by so many units, or does nothing where none is shown."""
    return _shown(total, label, unit) if shown else _HIDDEN


def _still(units: int) -> None:
    """Nothing moves."""


_HIDDEN = nullcontext(_still)


@contextmanager
def _shown(total: int, label: str, unit: str) -> Iterator[Step]:
    try:
        tqdm = importlib.import_module("tqdm.auto").tqdm
    except ImportError as error:
        raise ImportError("progress=True needs tqdm: pip install 'tersevec[progress]'") from error
    with tqdm(total=total, desc=label, unit=unit) as open_bar:
        yield open_bar.update
