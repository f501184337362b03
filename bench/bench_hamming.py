"""Hamming: top-k over packed bits, and packing. `pytest bench/bench_hamming.py --benchmark-only`"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
import pytest

from harness import THREADS, Call, Contender, Scenario, grid, one_thread, paths
from tersevec import _native
from tersevec._numpy import hamming as twin
from tersevec.binary import BinaryCodes

K = 10
native = _native.hamming


class Data(NamedTuple):
    rows: np.ndarray
    codes: BinaryCodes
    queries: np.ndarray


@functools.lru_cache(maxsize=1)
def data(n: int, n_bytes: int) -> Data:
    random = np.random.default_rng(6)
    rows = random.integers(0, 256, (n, n_bytes), dtype=np.uint8)
    return Data(rows, BinaryCodes(rows), random.integers(0, 256, (64, n_bytes), dtype=np.uint8))


@functools.lru_cache(maxsize=1)
def floats(n: int, d: int) -> np.ndarray:
    return np.random.default_rng(7).standard_normal((n, d), dtype=np.float32)


def topk(s: Scenario, module: Any, isa: str = "") -> Call:
    _, codes, queries = data(s.n, s.row_bytes)
    blocks, rows = codes.blocks, queries[: s.queries]
    return lambda: module.topk(rows, blocks, s.n, K, None, s.threads, isa=isa)


def pack(s: Scenario, module: Any, isa: str = "") -> Call:
    x = floats(s.n, s.bits)
    return lambda: (module.pack_bits(x, s.threads, isa=isa),)


def faiss_flat(s: Scenario) -> Call:
    faiss = pytest.importorskip("faiss", reason="faiss-cpu is not installed")
    faiss.omp_set_num_threads(s.threads)
    rows, _, queries = data(s.n, s.row_bytes)
    index = faiss.IndexBinaryFlat(s.bits)
    index.add(rows)
    return lambda: index.search(queries[: s.queries], K)


def numkong_packed(s: Scenario) -> Call:
    """Distances only come from NumKong; what is left of the top-k is NumPy's argpartition."""
    numkong = pytest.importorskip("numkong", reason="numkong is not installed")
    rows, _, queries = data(s.n, s.row_bytes)
    packed = numkong.hammings_pack(rows)

    def search() -> tuple[np.ndarray, np.ndarray]:
        values = np.empty((s.queries, K), np.uint32)
        indices = np.empty((s.queries, K), np.int64)
        for i in range(0, s.queries, 16):
            distances = np.asarray(
                numkong.hammings_packed(queries[i : min(i + 16, s.queries)], packed)
            )
            best = np.argpartition(distances, K - 1, axis=1)[:, :K]
            order = np.argsort(np.take_along_axis(distances, best, 1), axis=1, kind="stable")
            indices[i : i + 16] = np.take_along_axis(best, order, 1)
            values[i : i + 16] = np.take_along_axis(distances, indices[i : i + 16], 1)
        return values, indices

    return search


def usearch_exact(s: Scenario) -> Call:
    usearch = pytest.importorskip("usearch.index", reason="usearch is not installed")
    rows, _, queries = data(s.n, s.row_bytes)
    options = {"exact": True, "threads": s.threads, "dtype": usearch.ScalarKind.B1}

    def search() -> tuple[np.ndarray, np.ndarray]:
        found = usearch.search(rows, queries[: s.queries], K, usearch.MetricKind.Hamming, **options)
        return np.atleast_2d(found.distances), np.atleast_2d(found.keys)

    return search


def packbits(s: Scenario) -> Call:
    x = floats(s.n, s.bits)
    return lambda: (np.packbits(x > 0, axis=1),)


TOPK = [
    Scenario(f"hamming topk, k = {K}, {bits} bits", n, bits // 8, queries, threads, bits=bits)
    for bits in (256, 1024)
    for n in (20_000, 1_000_000)
    for threads in (THREADS if n > 20_000 else THREADS[:1])
    for queries in (1, 64)
]
SEARCHES = [
    *paths(topk, native, twin=twin),
    Contender("Faiss IndexBinaryFlat", faiss_flat, peer=True),
    Contender("NumKong and argpartition", numkong_packed, peer=True, fits=one_thread),
    Contender("USearch exact b1", usearch_exact, peer=True),
]
PACK = [
    Scenario("hamming pack_bits, 1024 floats", 20_000, 4096, threads=threads, bits=1024)
    for threads in THREADS
]
PACKERS = [
    *paths(pack, native, twin=twin),
    Contender("numpy.packbits", packbits, peer=True, fits=one_thread),
]


@pytest.mark.parametrize(("scenario", "contender"), grid(TOPK, SEARCHES))
def test_topk(race: Any, scenario: Scenario, contender: Contender) -> None:
    race(scenario, contender, SEARCHES[0])


@pytest.mark.parametrize(("scenario", "contender"), grid(PACK, PACKERS))
def test_pack_bits(race: Any, scenario: Scenario, contender: Contender) -> None:
    race(scenario, contender, PACKERS[0])
