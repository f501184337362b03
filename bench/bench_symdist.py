"""Codes of whole numbers, by exact products. `pytest bench/bench_symdist.py --benchmark-only`"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
import pytest

from harness import THREADS, Call, Contender, Scenario, grid, one_thread, paths
from tersevec import _native
from tersevec._numpy import symdist as twin
from tersevec.binary import RaBitQuantizer

TRAIN = 20_000
native = _native.symdist


class Data(NamedTuple):
    blocks: np.ndarray
    factors: np.ndarray
    queries: np.ndarray
    scales: np.ndarray


@functools.lru_cache(maxsize=1)
def data(n: int, m: int, bits: int) -> Data:
    random = np.random.default_rng(6)
    codes = random.integers(0, 256, (n, (m * bits + 7) // 8), dtype=np.uint8)
    in_block, lines, line = native.block_shape(m, bits)
    blocks = np.zeros((-(-n // in_block), lines, line), np.uint8)
    native.pack(codes, blocks, m, bits, 0)
    levels = min(bits, 6)  # of queries: from -63 to 63 at most
    queries = 2 * random.integers(0, 2**levels, (64, m)) - (2**levels - 1)
    factors = random.random(n, dtype=np.float32) + np.float32(0.5)
    return Data(blocks, factors, queries.astype(np.int8), np.ones(64, np.float32))


@functools.lru_cache(maxsize=1)
def vectors(n: int, d: int) -> np.ndarray:
    x = np.random.default_rng(7).standard_normal((n, d), dtype=np.float32)
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))


def topk(s: Scenario, module: Any, isa: str = "") -> Call:
    blocks, factors, queries, scales = data(s.n, s.m, s.bits)
    given = queries[: s.queries], scales[: s.queries], blocks, s.n, s.bits, factors, s.k, None
    return lambda: module.topk(*given, s.threads, isa=isa)


def rabitq(s: Scenario) -> Call:
    """The same kernel with what comes before it: rotation and rounding of the queries."""
    x = vectors(s.n, s.m)
    quantizer = RaBitQuantizer(s.bits, n_components=s.m, random_state=0).fit(x[:TRAIN])
    codes, queries = quantizer.pack(quantizer.encode(x)), x[: s.queries]
    return lambda: quantizer.topk(queries, codes, s.k, threads=s.threads)


def turbovec(s: Scenario) -> Call:
    turbovec = pytest.importorskip("turbovec", reason="turbovec is not installed")
    x = vectors(s.n, s.m)
    index = turbovec.TurboQuantIndex(dim=s.m, bit_width=s.bits)
    index.add(x)
    index.prepare()
    return lambda: index.search(x[: s.queries], s.k)


def rabitqlib(s: Scenario) -> Call:
    """One cluster, all of it looked at: a flat scan by the method's authors."""
    rabitqlib = pytest.importorskip("rabitqlib", reason="rabitqlib is not installed")
    x = vectors(s.n, s.m)
    index = rabitqlib.IvfIndex(s.m, s.n, 1, s.bits, "ip")
    index.build(x, x.mean(axis=0, keepdims=True), np.zeros(s.n, np.uint32), 1)
    return lambda: index.search(x[: s.queries], s.k, 1)


def faiss_search(s: Scenario, kind: str) -> Call:
    faiss = pytest.importorskip("faiss", reason="faiss-cpu is not installed")
    faiss.omp_set_num_threads(s.threads)
    x = vectors(s.n, s.m)
    index = faiss.index_factory(s.m, kind, faiss.METRIC_INNER_PRODUCT)
    index.train(x[:TRAIN])
    index.add(x)
    return lambda: index.search(x[: s.queries], s.k)


def bits(*served: int) -> Any:
    return lambda s: s.bits in served and s.threads == 1


TOPK = [
    Scenario(f"symdist topk, k = {k},", n, m * bits // 8, queries, threads, bits=bits, m=m, k=k)
    for m, bits, n in (
        (256, 1, 300_000),
        (256, 2, 300_000),
        (256, 4, 20_000),
        (256, 4, 300_000),
        (256, 8, 100_000),
        (768, 4, 100_000),
    )
    for threads in (THREADS if (m, bits, n) == (256, 4, 300_000) else THREADS[:1])
    for queries in (1, 64)
    for k in ((10, 100, 1000) if n == 300_000 and bits > 1 else (10,))
]
SEARCHES = [
    *paths(topk, native, twin=twin),
    Contender("RaBitQuantizer", rabitq, exact=False, fits=one_thread),
    Contender("turbovec", turbovec, exact=False, peer=True, fits=bits(2, 4)),
    Contender("rabitqlib", rabitqlib, exact=False, peer=True, fits=one_thread),
    Contender(
        "Faiss RaBitQ",
        functools.partial(faiss_search, kind="RaBitQ"),
        exact=False,
        peer=True,
        fits=bits(1),
    ),
    Contender(
        "Faiss RaBitQfs",
        functools.partial(faiss_search, kind="RaBitQfs"),
        exact=False,
        peer=True,
        fits=bits(1),
    ),
    Contender(
        "Faiss SQ4",
        functools.partial(faiss_search, kind="SQ4"),
        exact=False,
        peer=True,
        fits=bits(4),
    ),
    Contender(
        "Faiss SQ8",
        functools.partial(faiss_search, kind="SQ8"),
        exact=False,
        peer=True,
        fits=bits(8),
    ),
]


@pytest.mark.parametrize(("scenario", "contender"), grid(TOPK, SEARCHES))
def test_topk(race: Any, scenario: Scenario, contender: Contender) -> None:
    race(scenario, contender, SEARCHES[0])
