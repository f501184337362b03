"""Small calls that reach every barrier of the CUDA kernels, and their answers from the NumPy twins.

A case is a name and a call, which takes a twin of the family and returns arrays. The device runs a
case under each schedule, under the thread sanitizer, and with each barrier taken out in turn.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from cases import bit_codes, int_queries, packed

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


def symdist_cases() -> Iterator[Case]:
    """Queues that overflow, radix select, and ranges, for a width of each way to hold numbers."""
    rng = np.random.default_rng(2)
    for n_bits in (1, 2, 3, 8):
        queries, codes = int_queries("few", 3, 9, n_bits, rng), bit_codes("few", 300, 9, rng)
        codes = codes[:, : (9 * n_bits + 7) // 8]
        given = (
            queries,
            rng.random(3, np.float32),
            codes,
            300,
            n_bits,
            rng.random(300, np.float32),
        )
        mask = packed(rng.random(300) < 0.8)
        for k in (3, 20, 40, 230) if n_bits == 1 else (20,):
            yield (
                f"topk {k}",
                lambda twin, k=k, given=given, mask=mask: twin.topk(*given, k, mask, 1),
            )
        yield "range", lambda twin, given=given: twin.range_search(*given, 0.1, None, 1)


def cases(family: str) -> list[Case]:
    """The cases of a family."""
    return list(globals()[f"{family}_cases"]())


def answers(family: str, twin: str) -> list[tuple[np.ndarray, ...]]:
    """What a twin, `_numpy` or `_cuda`, answers to the cases of a family."""
    module = importlib.import_module(f"tersevec.{twin}.{family}")
    return [call(module) for _, call in cases(family)]
