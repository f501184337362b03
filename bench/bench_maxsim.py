"""MaxSim. `pytest bench/bench_maxsim.py --benchmark-only`"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
import pytest

from harness import THREADS, Call, Contender, Scenario, grid, one_thread, paths
from tersevec import _native
from tersevec._numpy import maxsim as twin
from tersevec.muvera import maxsim, maxsim_pack

DIMS, DOCUMENTS = 128, 1_000
native = _native.maxsim


class Bags(NamedTuple):
    tokens: np.ndarray
    offsets: np.ndarray


@functools.lru_cache(maxsize=4)
def bags(n: int, low: int, high: int) -> Bags:
    random = np.random.default_rng(9)
    offsets = np.concatenate([[0], np.cumsum(random.integers(low, high + 1, n))]).astype(np.int64)
    x = random.standard_normal((offsets[-1], DIMS), dtype=np.float32)
    return Bags(x / np.linalg.norm(x, axis=1, keepdims=True), offsets)


def documents(s: Scenario) -> Bags:
    low, high = (80, 80) if "80 tokens" in s.what else (20, 300)
    return bags(DOCUMENTS, low, high)


def queries(s: Scenario) -> Bags:
    return bags(s.queries, 32, 32)


def scores(s: Scenario, module: Any, isa: str = "") -> Call:
    given = (*queries(s), documents(s).tokens, None, None, documents(s).offsets, None, s.threads)
    return lambda: [module.scores(*given, isa=isa)]


def packed(s: Scenario, dtype: str) -> Call:
    base = maxsim_pack(documents(s), dtype=dtype)
    return lambda: [maxsim(queries(s), base, threads=s.threads)]


def halves(s: Scenario) -> Call:
    """Arrays of float16 as they come, queries too."""
    base = documents(s).tokens.astype(np.float16), documents(s).offsets
    wanted = queries(s).tokens.astype(np.float16), queries(s).offsets
    return lambda: [maxsim(wanted, base, threads=s.threads)]


def numpy_segments(s: Scenario) -> Call:
    """One product of all tokens, then the maxima of segments."""
    (wanted, of_queries), (tokens, offsets) = queries(s), documents(s)

    def call() -> list[np.ndarray]:
        best = np.maximum.reduceat(wanted @ tokens.T, offsets[:-1], axis=1)
        return [np.add.reduceat(best, of_queries[:-1], axis=0)]

    return call


def maxsim_cpu(s: Scenario) -> Call:
    theirs = pytest.importorskip("maxsim_cpu", reason="maxsim-cpu is not installed")
    tokens, offsets = documents(s)
    parts = np.split(tokens, offsets[1:-1])
    each = np.split(queries(s).tokens, queries(s).offsets[1:-1])
    return lambda: [[theirs.maxsim_scores_variable(query, parts) for query in each]]


def torch_segments(s: Scenario, kind: str) -> Call:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    torch.set_num_threads(s.threads)
    dtype = getattr(torch, kind)
    tokens = torch.from_numpy(documents(s).tokens).to(dtype)
    wanted = torch.from_numpy(queries(s).tokens).to(dtype)
    lengths = torch.from_numpy(np.diff(documents(s).offsets))

    def call() -> list[Any]:
        products = (tokens @ wanted.T).float()
        best = torch.segment_reduce(products, "max", lengths=lengths, axis=0, unsafe=True)
        return [best.reshape(len(lengths), s.queries, -1).sum(2)]

    return call


SCORES = [
    Scenario(f"MaxSim, {what}", DOCUMENTS, mean * DIMS * 4, n, threads)
    for what, mean in (("32 x 80 tokens", 80), ("32 x 20 to 300 tokens", 160))
    for n in (1, 16)
    for threads in (THREADS if mean == 80 else THREADS[:1])
]
CONTENDERS = [
    *paths(scores, native, twin=twin),
    *(
        Contender(f"packed {dtype}", functools.partial(packed, dtype=dtype), exact=False)
        for dtype in ("float16", "bfloat16", "int8")
    ),
    Contender("float16 arrays", halves, exact=False),
    Contender("NumPy", numpy_segments, exact=False, peer=True, fits=one_thread),
    Contender("maxsim-cpu", maxsim_cpu, exact=False, peer=True, fits=one_thread),
    Contender("torch", functools.partial(torch_segments, kind="float32"), exact=False, peer=True),
    Contender(
        "torch bfloat16", functools.partial(torch_segments, kind="bfloat16"), exact=False, peer=True
    ),
]
# The twin multiplies in BLAS: its sums are in another order.
CONTENDERS = [c._replace(exact=False) if c.name == "numpy" else c for c in CONTENDERS]


@pytest.mark.parametrize(("scenario", "contender"), grid(SCORES, CONTENDERS))
def test_scores(race: Any, scenario: Scenario, contender: Contender) -> None:
    race(scenario, contender, CONTENDERS[0])
