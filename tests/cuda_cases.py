"""Small calls that reach every barrier of the CUDA kernels, and their answers from the NumPy twins.

A case is a name and a call, which takes a twin of the family and returns arrays. The device runs a
case under each schedule, under the thread sanitizer, and with each barrier taken out in turn.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from cases import bit_codes, packed

Case = tuple[str, Callable[[Any], tuple[np.ndarray, ...]]]


def hamming_cases() -> Iterator[Case]:
    """Queues that overflow again and again, radix select, and ranges."""
    rng = np.random.default_rng(1)
    queries, codes = bit_codes("few", 3, 5, rng), bit_codes("few", 400, 5, rng)
    codes = codes[np.argsort(-np.unpackbits(codes, axis=1).sum(axis=1), kind="stable")]
    mask = packed(rng.random(400) < 0.8)
    for k in (3, 20, 40, 99, 230):
        yield f"topk {k}", lambda twin, k=k: twin.topk(queries, codes, 400, k, mask, 1)
    yield "range", lambda twin: twin.range_search(queries, codes, 400, 9, mask, 1)


def cases(family: str) -> list[Case]:
    """The cases of a family."""
    return list(globals()[f"{family}_cases"]())


def answers(family: str, twin: str) -> list[tuple[np.ndarray, ...]]:
    """What a twin, `_numpy` or `_cuda`, answers to the cases of a family."""
    module = importlib.import_module(f"tersevec.{twin}.{family}")
    return [call(module) for _, call in cases(family)]
