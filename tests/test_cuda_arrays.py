"""Public functions for arrays in CUDA memory, and for arrays in host memory that a GPU answers."""

from __future__ import annotations

import copy
import importlib
import pickle
from pathlib import Path

import numpy as np
import pytest

import fake_cupy
import tersevec
from cases import assert_equal, bit_codes, refused
from cuda_cases import answers, assert_agree, cases
from fake_cupy import here
from tersevec import _backend
from tersevec._cuda import FAMILIES
from tersevec._cuda._hosted import Hosted
from tersevec.binary import (
    BinaryCodes,
    hamming_distances,
    hamming_range,
    hamming_topk,
    pack_bits,
)
from tersevec.graph import FastRP

ROOT = Path(__file__).parents[1]


@pytest.fixture
def data(rng):
    return bit_codes("few", 5, 9, rng), bit_codes("few", 130, 9, rng), rng.random(130) < 0.7


def test_cuda_arrays_select_the_gpu_for_hamming_and_come_back(cupy, data):
    queries, codes, mask = data
    there = [cupy.asarray(array) for array in (queries, codes, mask)]
    packed = cupy.asarray(np.packbits(mask, bitorder="little"))
    for k in (7, 300):
        expected = hamming_topk(queries, codes, k, mask=mask)
        for allowed in (there[2], packed):
            assert_equal(here(hamming_topk(there[0], there[1], k, mask=allowed)), expected)
            base = BinaryCodes(there[1])
            assert_equal(here(hamming_topk(there[0], base, k, mask=allowed)), expected)
    expected = hamming_range(queries, codes, 12)
    assert_equal(here(hamming_range(there[0], there[1], 12)), expected)
    found = hamming_distances(there[0], there[1])
    assert_equal(here((found,)), (hamming_distances(queries, codes),))


def test_cuda_codes_grow_and_travel_on_the_gpu(cupy, data):
    _, codes, _ = data
    base = BinaryCodes(cupy.asarray(codes[:50]))
    base.append(cupy.asarray(codes[50:]))
    assert isinstance(base.blocks, fake_cupy.ndarray)
    for same in (base, copy.copy(base), pickle.loads(pickle.dumps(base))):
        np.testing.assert_array_equal(same.unpack().get(), codes)
    base.remove(3)
    np.testing.assert_array_equal(base.unpack().get()[3], codes[-1])
    refused(
        lambda: base.append(codes),
        TypeError,
        "codes: lies in host memory, and codes before in CUDA memory",
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_cuda_vectors_are_packed_there(cupy, rng, dtype):
    x = rng.standard_normal((5, 19)).astype(dtype)
    x[0, 0], x[1, 1] = np.finfo(dtype).smallest_subnormal, 0
    assert_equal(here((pack_bits(cupy.asarray(x)),)), (pack_bits(x),))
    x[2, 3] = np.nan
    refused(lambda: pack_bits(cupy.asarray(x)), ValueError, "x: row 2 holds NaN")


def test_cuda_and_host_arrays_do_not_mix(cupy, data):
    queries, codes, mask = data
    there = cupy.asarray(codes)
    words = "lies in host memory, and codes in CUDA memory; move one of them"
    refused(lambda: hamming_topk(queries, there, 1), TypeError, f"queries: {words}")
    refused(
        lambda: hamming_topk(cupy.asarray(queries), there, 1, mask=mask),
        TypeError,
        "mask: lies in host memory, and queries in CUDA memory; move one of them",
    )
    refused(
        lambda: hamming_topk(cupy.asarray(queries), BinaryCodes(codes), 1),
        TypeError,
        "codes: lies in host memory, and queries in CUDA memory",
    )


def test_cuda_devices_are_in_the_configuration(cupy):
    config = tersevec.show_config("dicts")["cuda"]
    assert config == {"devices": ["a CPU"], "why": None, "kernels": list(FAMILIES)}


def test_cuda_without_a_driver_is_told(cupy, monkeypatch):
    def fails():
        raise fake_cupy.CUDARuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")

    monkeypatch.setattr(cupy.cuda.runtime, "getDeviceCount", fails)
    message = "set_backend: no CUDA device can be used: CuPy finds no CUDA driver or GPU: cudaError"
    refused(lambda: tersevec.set_backend("cuda"), ImportError, message)
    assert tersevec.show_config("dicts")["cuda"]["devices"] == []


@pytest.fixture
def hosted(cupy, monkeypatch):
    """The backend ``cuda``, chosen as a user chooses it."""
    monkeypatch.setattr(_backend, "_current", _backend._named("the test", "cuda"))
    return cupy


def test_cuda_as_a_backend_answers_host_arrays(hosted, data):
    queries, codes, mask = data
    assert tersevec.get_backend() == "cuda"
    found = [
        hamming_topk(queries, BinaryCodes(codes), 7, mask=mask),
        hamming_range(queries, codes, 12),
        (BinaryCodes(codes).unpack(),),
    ]
    _backend._current = _backend._named("the test", "numpy")
    assert_equal(found[0], hamming_topk(queries, codes, 7, mask=mask))
    assert_equal(found[1], hamming_range(queries, codes, 12))
    assert_equal(found[2], (codes,))


def test_cuda_as_a_backend_whitens_and_embeds_by_blocks_of_columns(hosted, rng):
    ring = np.arange(60)
    edges = np.stack([np.r_[ring, ring], np.r_[(ring + 1) % 60, rng.permutation(60)]])
    white = FastRP(8, weights=(0, 1), whiten_every=1, state="float32", random_state=0)
    plain = FastRP(80, random_state=0)
    found = white.fit_transform(edges), plain.fit_transform(edges, column_block=64)
    _backend._current = _backend._named("the test", "numpy")
    np.testing.assert_allclose(found[0], white.fit_transform(edges), atol=1e-3)
    assert_equal(found[1:], (plain.fit_transform(edges),))


@pytest.mark.parametrize("family", FAMILIES)
def test_cuda_as_a_backend_takes_host_arrays_of_every_family(cupy, family):
    """Into arguments that kernels write to as well."""
    hosted = Hosted(family)
    found = [call(hosted) for _, call in cases(family)]
    assert_agree(family, found, answers(family, "_numpy"))


@pytest.mark.parametrize("k", [1, 9, 400])
def test_cuda_bases_that_do_not_fit_are_streamed(hosted, host_device, data, k):
    queries, codes, _ = data
    codes = np.concatenate([codes, codes[::-1], codes])  # ties in every run
    mask = np.arange(len(codes)) % 5 > 0
    expected = hamming_topk(queries, codes, k, mask=mask), hamming_range(queries, codes, 14)
    host_device.memory = 2 * 80 * codes.shape[1]
    for base in (codes, BinaryCodes(codes)):
        assert_equal(hamming_topk(queries, base, k, mask=mask), expected[0])
        assert_equal(hamming_range(queries, base, 14), expected[1])


# ---- the bench


@pytest.mark.parametrize("family", FAMILIES)
def test_cuda_bench_asks_what_the_twins_answer(cupy, family, monkeypatch):
    """The bench itself needs a GPU; that its calls are right can be known without."""
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    bench = importlib.import_module("bench_cuda")
    for case in bench.cases(family, 0):
        bench.agree(case, cupy)
