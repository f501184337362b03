"""Product quantisers for arrays in CUDA memory: the answers are the host's, to the last bit."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import fake_cupy
from cases import assert_equal, refused
from tersevec._cuda import _pqscan_scan, _pqscan_tables
from tersevec._numpy.pqscan_codes import block_shape
from tersevec.pq import ProductQuantizer, ResidualQuantizer

ROOT = Path(__file__).parents[1]


@pytest.fixture
def cupy(host_device, monkeypatch):
    """CuPy's stand-in, whose kernels the CPU runs."""
    return fake_cupy.install(monkeypatch, host_device)


def here(result):
    """Results in host memory, after a look that they were not."""
    assert all(isinstance(part, fake_cupy.ndarray) for part in result)
    return tuple(part.get() for part in result)


@pytest.mark.parametrize("n_bits", [4, 6, 8])
@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
def test_cuda_arrays_are_searched_by_product_codes(cupy, rng, monkeypatch, metric, n_bits):
    monkeypatch.setattr(_pqscan_scan, "WORD_LOOKUPS", 1 << 12)
    pq = ProductQuantizer(5, n_bits, metric=metric)
    pq.codebooks_ = rng.standard_normal((5, 2**n_bits, 3), dtype=np.float32)
    x, queries = rng.standard_normal((300, 15)), rng.standard_normal((4, 15)).astype(np.float32)
    mask, segments = rng.random((4, 300)) < 0.6, [[200, 290], [3, 100]]
    selection = {"segments": segments, "bias": rng.random((4, 2), np.float32)}
    codes, q = pq.encode(cupy.asarray(x)), cupy.asarray(queries)
    host_codes = pq.encode(x)
    assert_equal(here((codes,)), (host_codes,))
    base, host_base = pq.pack(codes), pq.pack(host_codes)
    assert_equal(here((base.blocks, base.unpack())), (host_base.blocks, host_codes))
    there = {"mask": cupy.asarray(mask), **selection}
    for k in (7, 301):
        for asked, mine, given in ((codes, host_codes, 1), (base, host_base, 4)):
            expected = pq.topk(queries[:given], mine, k)
            assert_equal(here(pq.topk(q[:given], asked, k)), expected)
        expected = pq.topk(queries, host_base, k, mask=mask, **selection)
        assert_equal(here(pq.topk(q, base, k, **there)), expected)
        rounded = {"guarantee": "quantised", "bounds": True}
        expected = pq.topk(queries, host_base, k, **rounded)
        assert_equal(here(pq.topk(q, base, k, **rounded)), expected)
    radius = float(np.median(pq.distances(queries, host_base)))
    expected = pq.range(queries, host_base, radius, mask=mask, **selection)
    assert_equal(here(pq.range(q, base, radius, **there)), expected)
    asked, hosts = codes[:9], host_codes[:9]
    given, mine = ({"mask": array[0]} for array in (cupy.asarray(mask), mask))
    for where, host in ((codes, host_codes), (base, host_base)):
        expected = pq.symmetric_topk(hosts, host, 7, **mine)
        assert_equal(here(pq.symmetric_topk(asked, where, 7, **given)), expected)
        radius = float(np.median(expected.values))
        expected = pq.symmetric_range(hosts, host, radius, **mine)
        assert_equal(here(pq.symmetric_range(asked, where, radius, **given)), expected)
        assert_equal(here(pq.self_join(where, radius)), pq.self_join(host, radius))
    words = "q_codes: lies in host memory, and codes in CUDA memory"
    refused(lambda: pq.symmetric_topk(hosts, base, 1), TypeError, words)
    assert_equal(here((pq.distances(q, base),)), (pq.distances(queries, host_base),))
    assert_equal(here((pq.lookup_tables(q),)), (pq.lookup_tables(queries),))


def test_cuda_queries_with_bad_numbers_are_refused_by_row(cupy, rng):
    pq = ProductQuantizer(2)
    pq.codebooks_ = rng.standard_normal((2, 16, 3), dtype=np.float32)
    queries = rng.standard_normal((5, 6), dtype=np.float32)
    queries[3, 1] = np.nan
    codes = cupy.asarray(rng.integers(0, 256, (40, 1), dtype=np.uint8))
    refused(lambda: pq.topk(cupy.asarray(queries), codes, 3), ValueError, "Q: row 3 holds NaN")


@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
def test_cuda_arrays_are_searched_by_residual_codes(cupy, rng, metric):
    x = rng.standard_normal((300, 6), dtype=np.float32)
    rq = ResidualQuantizer(3, metric=metric, random_state=0).fit(x)
    codes = rq.encode(x)
    base, host_base = rq.pack(cupy.asarray(codes)), rq.pack(codes)
    assert_equal(here(rq.topk(cupy.asarray(x[:4]), base, 9)), rq.topk(x[:4], host_base, 9))
    found = rq.distances(cupy.asarray(x[:4]), base)
    assert_equal(here((found,)), (rq.distances(x[:4], host_base),))


def text(path):
    return (ROOT / path).read_text()


def test_cuda_constants_of_product_codes_agree_in_all_languages():
    layouts = re.compile(
        r"struct (\w+) \{\s+static constexpr int block_codes = (\d+), line_bytes = (\d+)"
    )
    device, host = (
        layouts.findall(text(f"{folder}/pqscan/pqscan_layout.{suffix}"))
        for folder, suffix in (("cuda", "cuh"), ("csrc", "h"))
    )
    assert device == host
    assert len(device) == 3
    shapes = [block_shape(9, n_bits) for n_bits in (4, 6, 8)]
    assert [(int(codes), int(line)) for _, codes, line in device] == [
        (codes, line) for codes, _, line in shapes
    ]
    slots = re.findall(r"slots = (\d+);", text("cuda/pqscan/pqscan_layout.cuh"))
    assert [*map(int, slots)] == [_pqscan_tables.slots_of(n_bits) for n_bits in (4, 6, 8)]
    sources = "".join(map(Path.read_text, sorted((ROOT / "cuda/pqscan").iterdir())))
    numbers = {name: int(value) for name, value in re.findall(r"int (\w+) = (\d+);", sources)}
    assert numbers["tile_queries"] == _pqscan_tables.TILE_QUERIES
    assert numbers["word_limit"] == _pqscan_tables.WORD_LIMIT
    assert numbers["lane_codes"] * 32 == _pqscan_scan.STEP_CODES
    assert numbers["segment_grain"] == _pqscan_scan.SEGMENT_GRAIN
    cut = [
        re.search(r"_means = ([\d.]+);", text(path))[1]
        for path in ("cuda/pqscan_rounding/pqscan_rounding.cu", "csrc/pqscan/pqscan_query.h")
    ]
    assert cut[0] == cut[1]
