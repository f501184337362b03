"""Product codes searched. `pytest bench/bench_pqscan.py --benchmark-only`"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
import pytest

from harness import THREADS, Call, Contender, Scenario, grid, one_thread, paths
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
    quantizer: ProductQuantizer
    codes: ScanCodes
    queries: np.ndarray


@functools.lru_cache(maxsize=1)
def data(n: int, m: int, bits: int) -> Data:
    x = vectors(n, 7)
    quantizer = ProductQuantizer(m, bits, random_state=0).fit(x[:TRAIN])
    return Data(quantizer, quantizer.pack(quantizer.encode(x)), vectors(64, 8))


def topk(s: Scenario, module: Any, isa: str = "") -> Call:
    """Lookup tables and the scan, as the peers' searches do both."""
    quantizer, codes, queries = data(s.n, s.m, s.bits)
    columns = np.ascontiguousarray(quantizer.codebooks_.transpose(0, 2, 1))
    given = queries[: s.queries], columns, "l2", 1e9, codes.blocks, s.n, K, None, s.threads
    return lambda: module.search(*given, isa=isa)


def quantised(s: Scenario) -> Call:
    """Sums of rounded tables and nothing more: what exactness costs, or saves."""
    quantizer, codes, queries = data(s.n, s.m, s.bits)
    rows = queries[: s.queries]

    def search() -> tuple[np.ndarray, ...]:
        tables = native.lookup_tables(rows, quantizer.codebooks_, "l2", s.threads)
        return native.quantised_topk(tables, codes.blocks, s.n, K, None, s.threads)

    return search


def symmetric(s: Scenario) -> Call:
    quantizer, codes, queries = data(s.n, s.m, s.bits)
    q_codes = quantizer.encode(queries[: s.queries])
    return lambda: quantizer.symmetric_topk(q_codes, codes, K, threads=s.threads)


@functools.lru_cache(maxsize=1)
def faiss_index(n: int, m: int, bits: int, kind: str) -> Any:
    faiss = pytest.importorskip("faiss", reason="faiss-cpu is not installed")
    index = getattr(faiss, kind)(D, m, bits)
    index.train(vectors(n, 7)[:TRAIN])
    index.add(vectors(n, 7))
    return index


def faiss_search(s: Scenario, kind: str, codes_by_codes: bool = False) -> Call:
    index, queries = faiss_index(s.n, s.m, s.bits, kind), vectors(64, 8)[: s.queries]
    import faiss

    faiss.omp_set_num_threads(s.threads)
    if codes_by_codes:
        index.pq.compute_sdc_table()
        index.search_type = faiss.IndexPQ.ST_SDC
    return lambda: index.search(queries, K)


@functools.lru_cache(maxsize=1)
def scann_index(n: int, m: int) -> Any:
    scann = pytest.importorskip("scann", reason="scann is not installed")
    builder = scann.scann_ops_pybind.builder(vectors(n, 7), K, "dot_product")
    return builder.score_ah(D // m, training_sample_size=TRAIN).build()


def scann_search(s: Scenario) -> Call:
    index, queries = scann_index(s.n, s.m), vectors(64, 8)[: s.queries]
    if s.queries == 1:
        return lambda: index.search(queries[0], final_num_neighbors=K)
    return lambda: index.search_batched(queries, final_num_neighbors=K)


@functools.lru_cache(maxsize=1)
def turbovec_index(n: int, bits: int) -> Any:
    turbovec = pytest.importorskip("turbovec", reason="turbovec is not installed")
    index = turbovec.TurboQuantIndex(dim=D, bit_width=bits)
    index.calibrate(np.ascontiguousarray(vectors(n, 7)[:2048]))
    index.add(vectors(n, 7))
    index.prepare()
    return index


def turbovec_search(s: Scenario) -> Call:
    """Scalar codes of as many bytes: 2 bits a dimension."""
    index, queries = turbovec_index(s.n, 2), vectors(64, 8)[: s.queries]
    return lambda: index.search(queries, K)


@functools.lru_cache(maxsize=1)
def qann_index(n: int, m: int) -> Any:
    qann = pytest.importorskip("qann", reason="qann is not installed")
    index = qann.IVFIndex(D, 100, nprobe=100, metric=qann.Metric.InnerProduct)
    index.enable_pq(m, fast_scan=True)
    index.train(vectors(n, 7)[:TRAIN])
    index.add(vectors(n, 7))
    return index


def qann_search(s: Scenario) -> Call:
    """All of its lists: it has no flat index."""
    index, queries = qann_index(s.n, s.m), vectors(64, 8)[: s.queries]
    import qann

    qann.set_num_threads(s.threads)
    return lambda: index.batch_query(queries, K)


def four_bits(s: Scenario) -> bool:
    return s.bits == 4


def wide(s: Scenario) -> bool:
    return s.bits > 4 and s.threads == 1


def equal_bytes(s: Scenario) -> bool:
    """One thread, 32 bytes a code."""
    return s.threads == 1 and s.n > 20_000 and (s.m, s.bits) == (64, 4)


TOPK = [
    Scenario(f"pqscan topk, k = {K}, l2,", n, m * bits // 8, queries, threads, bits=bits, m=m)
    for m, bits, sizes in (
        (64, 4, (20_000, 500_000)),
        (32, 4, (20_000, 500_000)),
        (32, 6, (200_000,)),
        (64, 6, (200_000,)),
        (64, 8, (20_000, 200_000)),
    )
    for n in sizes
    for threads in (THREADS if n > 20_000 else THREADS[:1])
    for queries in (1, 64)
]
SEARCHES = [
    *paths(topk, native, _native.symdist, twin=twin),
    Contender("quantised", quantised, exact=False, fits=one_thread),
    Contender(
        "Faiss IndexPQFastScan",
        functools.partial(faiss_search, kind="IndexPQFastScan"),
        exact=False,
        peer=True,
        fits=four_bits,
    ),
    Contender(
        "Faiss IndexPQ",
        functools.partial(faiss_search, kind="IndexPQ"),
        exact=False,
        peer=True,
        fits=wide,
    ),
    Contender("ScaNN score_ah", scann_search, exact=False, peer=True, fits=equal_bytes),
    Contender("turbovec, 2 bits", turbovec_search, exact=False, peer=True, fits=equal_bytes),
    Contender("qann, all lists", qann_search, exact=False, peer=True, fits=equal_bytes),
]
SYMMETRIC = [
    Scenario(f"symmetric_topk, k = {K}, l2,", 200_000, 16, queries, bits=8, m=16)
    for queries in (1, 64)
]
SYMMETRIC_SEARCHES = [
    Contender(_native.isa_active(), symmetric, exact=False),
    Contender(
        "Faiss IndexPQ ST_SDC",
        functools.partial(faiss_search, kind="IndexPQ", codes_by_codes=True),
        exact=False,
        peer=True,
    ),
]


@pytest.mark.parametrize(("scenario", "contender"), grid(TOPK, SEARCHES))
def test_topk(race: Any, scenario: Scenario, contender: Contender) -> None:
    race(scenario, contender, SEARCHES[0])


@pytest.mark.parametrize(("scenario", "contender"), grid(SYMMETRIC, SYMMETRIC_SEARCHES))
def test_symmetric(race: Any, scenario: Scenario, contender: Contender) -> None:
    race(scenario, contender, SYMMETRIC_SEARCHES[0])
