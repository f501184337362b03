"""FastRP by blocks of columns: the same bytes in less memory."""

from __future__ import annotations

import numpy as np
import pytest

from graphs import random_graph
from tersevec.graph import FastRP

sparse = pytest.importorskip("scipy.sparse")
pytestmark = pytest.mark.filterwarnings("ignore:.* have no neighbours:UserWarning")


@pytest.mark.parametrize("state", ["float16", "float32"])
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"normalize": False, "self_weight": -1.0},
        {"weights": (1, 0, 0.5), "self_weight": 2.0, "self_loops": True},
        {"weights": (0,), "self_weight": 1.0},
        {"normalization_strength": -0.5, "dtype": "float16"},
        {"standardize": True, "dtype": "float64", "weights": (3,)},
    ],
)
def test_blocks_of_columns_give_the_same_bytes(path, rng, state, parameters):
    a = random_graph(90, rng, weighted=True, directed=True)
    model = FastRP(200, random_state=4, state=state, **parameters)
    whole = model.fit_transform(a)
    assert np.abs(whole).max() > 0
    ids, order = rng.permutation(90), rng.permutation(90)
    for block in (64, 128, 192, 256):
        np.testing.assert_array_equal(model.fit_transform(a, column_block=block), whole)
    out = np.full((90, 300), 7, whole.dtype)[:, 50:250]
    model.fit_transform(a, ids=ids, order=order, column_block=64, out=out, threads=3)
    np.testing.assert_array_equal(out, model.fit_transform(a, ids=ids))


def test_blocks_of_int8_states_have_scales_of_their_own(path, rng):
    a = random_graph(90, rng)
    model = FastRP(192, random_state=4, state="int8")
    whole, blocks = model.fit_transform(a), model.fit_transform(a, column_block=64)
    np.testing.assert_allclose(blocks, whole, rtol=0, atol=0.03 * np.abs(whole).max())
    assert (blocks != whole).any()


def test_blocks_of_columns_go_into_memory_maps(tmp_path, rng):
    a = random_graph(50, rng)
    model = FastRP(128, random_state=4)
    out = np.lib.format.open_memmap(tmp_path / "e.npy", "w+", np.float32, (50, 128))
    model.fit_transform(a, column_block=64, out=out)
    out.flush()
    np.testing.assert_array_equal(np.load(tmp_path / "e.npy"), model.fit_transform(a))


def test_blocks_of_columns_of_graphs_without_edges_or_nodes(path):
    assert not FastRP(80).fit_transform(sparse.csr_array((4, 4)), column_block=64).any()
    assert FastRP(80).fit_transform(sparse.csr_array((0, 0)), column_block=64).shape == (0, 80)


def test_a_bar_counts_the_steps_of_every_block(capsys, rng):
    pytest.importorskip("tqdm")
    model = FastRP(200, weights=(0, 0, 1))
    model.fit_transform(random_graph(20, rng), column_block=128, progress=True)
    assert "12/12" in capsys.readouterr().err  # two blocks, lengths first


@pytest.mark.parametrize(
    ("block", "features", "whiten_every", "error", "words"),
    [
        (0, None, 0, ValueError, "from 1"),
        (64.0, None, 0, TypeError, "integer"),
        (100, None, 0, ValueError, "multiple of 64, got 100"),
        (64, None, 2, ValueError, "None with node_features or whiten_every"),
        (64, np.ones((20, 2)), 0, ValueError, "None with node_features or whiten_every"),
    ],
)
def test_blocks_that_cannot_be_are_refused(rng, block, features, whiten_every, error, words):
    model = FastRP(200, whiten_every=whiten_every)
    with pytest.raises(error, match=f"column_block: .*{words}"):
        model.fit_transform(random_graph(20, rng), features, column_block=block)
