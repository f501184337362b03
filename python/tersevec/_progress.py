"""Progress bars, for those who ask."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def bar(shown: bool, total: int, label: str, unit: str) -> Iterator[Callable[[int], object]]:
    """A function that moves a tqdm bar on by so many units, or does nothing where none is shown."""
    if not shown:
        yield lambda units: None
        return
    try:
        tqdm = importlib.import_module("tqdm.auto").tqdm
    except ImportError as error:
        raise ImportError("progress=True needs tqdm: pip install 'tersevec[progress]'") from error
    with tqdm(total=total, desc=label, unit=unit) as open_bar:
        yield open_bar.update
