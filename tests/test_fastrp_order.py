"""FastRP in another order of the nodes, and in memory that was used before."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from graphs import random_graph
from tersevec import _recycled
from tersevec.graph import FastRP

pytestmark = pytest.mark.filterwarnings("ignore:.* have no neighbours:UserWarning")


@pytest.mark.parametrize("self_weight", [0.0, 0.5])
def test_the_order_of_the_work_changes_no_byte(path, rng, self_weight):
    n = 2500
    a, features = random_graph(n, rng, weighted=True, hub=1), rng.standard_normal((n, 5))
    out, ids = np.empty((n, 24), np.float32), rng.permutation(n)
    for parameters, given in (
        ({}, {}),
        ({"weights": (1, 0, 0), "dtype": "float16"}, {"ids": ids}),
        ({"weights": (0, 1, 0, 2), "self_loops": True, "state": "int8"}, {"out": out}),
        ({"normalization_strength": -0.3}, {"node_features": features}),
        ({"standardize": True}, {}),
    ):
        model = FastRP(24, self_weight=self_weight, random_state=1, **parameters)
        expected = model.fit_transform(a, **given).copy()
        for order in ("degree", rng.permutation(n)):
            np.testing.assert_array_equal(model.fit_transform(a, order=order, **given), expected)


def test_the_order_of_the_work_hardly_changes_what_is_whitened(rng):
    a = random_graph(400, rng)
    model = FastRP(16, weights=(0, 0, 1), whiten_every=2, random_state=0, state="float32")
    expected = model.fit_transform(a)
    np.testing.assert_allclose(model.fit_transform(a, order="degree"), expected, atol=1e-3)


def test_results_that_are_held_keep_their_memory_and_others_give_it_back(rng):
    a = random_graph(66000, rng)
    first, expected = (FastRP(128, random_state=0).fit_transform(a) for _ in range(2))
    part, address = first[7:9], first.ctypes.data
    del first
    other = FastRP(128, random_state=1).fit_transform(a)
    assert other.ctypes.data != address
    np.testing.assert_array_equal(part, expected[7:9])
    del part
    again = FastRP(128, random_state=0).fit_transform(a)
    assert again.ctypes.data == address or not _recycled.KEEPS
    np.testing.assert_array_equal(again, expected)
    np.testing.assert_array_equal(FastRP(128, random_state=1).fit_transform(a), other)


def test_no_two_threads_get_the_same_block():
    def fill(number):
        for _ in range(200):
            memory = _recycled.recycled(1 << 16)
            memory[:] = number
            time.sleep(0)
            assert (memory == number).all()

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(fill, range(4))) == [None] * 4


@pytest.mark.skipif(not _recycled.KEEPS, reason="blocks are not kept on this system")
def test_no_more_than_so_many_bytes_are_kept(monkeypatch):
    monkeypatch.setattr(_recycled, "_MOST", 3 << 20)
    monkeypatch.setattr(_recycled, "_spare", _recycled.deque())
    blocks = [_recycled.recycled((1 << 20) + i) for i in range(4)]
    assert not _recycled._spare
    sizes = [len(block) for block in blocks]
    while blocks:
        del blocks[0]
    assert [len(block) for block in _recycled._spare] == sizes[2:]
    _recycled.recycled(4 << 20)
    assert [len(block) for block in _recycled._spare] == sizes[2:]
