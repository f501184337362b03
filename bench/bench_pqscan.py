"""4-bit product codes: top-k. `pytest bench/bench_pqscan.py --benchmark-only`"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
import pytest

from harness import THREADS, Call, Contender, Scenario, grid, paths
from tersevec import _native
from tersevec._numpy import pqscan as twin
from tersevec.pq import ProductQuantizer, ScanCodes

D, K, TRAIN = 128, 10, 20_000
native = _native.pqscan


@functools.lru_cache(maxsize=2)
def vectors(n: int, seed: int) -> np.ndarray:
    """Rows like embeddings: clusters, a decaying spectrum, a little noise."""
    shape = np.random.default_rng(D)
    spectrum = (1 / np.sqrt(1 + np.arange(D))).astype(np.float32)
    centres = shape.standard_normal((2000, D), dtype=np.float32) * spectrum
    random = np.random.default_rng(seed)
    x = random.standard_normal((n, D), dtype=np.float32) * (0.6 * spectrum)
    x += centres[random.integers(0, len(centres), n)]
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return x


class Data(NamedTuple):
    codebooks: np.ndarray
    codes: ScanCodes
    queries: np.ndarray


@functools.lru_cache(maxsize=1)
def data(n: int, m: int) -> Data:
    x = vectors(n, 7)
    quantizer = ProductQuantizer(m, 4, random_state=0).fit(x[:TRAIN])
    return Data(quantizer.codebooks_, quantizer.pack(quantizer.encode(x)), vectors(64, 8))


@functools.lru_cache(maxsize=1)
def faiss_index(n: int, m: int) -> Any:
    faiss = pytest.importorskip("faiss", reason="faiss-cpu is not installed")
    index = faiss.IndexPQFastScan(D, m, 4)
    index.train(vectors(n, 7)[:TRAIN])
    index.add(vectors(n, 7))
    return index


def topk(s: Scenario, module: Any, isa: str = "") -> Call:
    """Lookup tables and the scan, as the peer's search does both."""
    codebooks, codes, queries = data(s.n, s.m)
    blocks, rows = codes.blocks, queries[: s.queries]

    def search() -> tuple[np.ndarray, np.ndarray]:
        tables = module.lookup_tables(rows, codebooks, "l2", s.threads)
        return module.topk(tables, blocks, s.n, K, None, s.threads, isa=isa)

    return search


def faiss_search(s: Scenario) -> Call:
    index, queries = faiss_index(s.n, s.m), vectors(64, 8)[: s.queries]
    import faiss

    faiss.omp_set_num_threads(s.threads)
    return lambda: index.search(queries, K)


TOPK = [
    Scenario(f"pqscan topk, k = {K}, {m} x 4 bits, l2", n, m // 2, queries, threads, m=m)
    for m in (64, 32)
    for n in (20_000, 500_000)
    for threads in (THREADS if n > 20_000 else THREADS[:1])
    for queries in (1, 64)
]
SEARCHES = [
    *paths(topk, native, twin),
    Contender("Faiss IndexPQFastScan", faiss_search, exact=False, peer=True),
]


@pytest.mark.parametrize(("scenario", "contender"), grid(TOPK, SEARCHES))
def test_topk(race: Any, scenario: Scenario, contender: Contender) -> None:
    race(scenario, contender, SEARCHES[0])
