"""Fixed-dimensional encodings. `pytest bench/bench_fde.py --benchmark-only`"""

from __future__ import annotations

import functools
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest

from harness import Call, Contender, Scenario, grid, paths
from tersevec import _native
from tersevec._numpy import fde as twin
from tersevec.muvera import FixedDimensionalEncoder

DIMS, BAGS, REPETITIONS = 128, 100, 20
native = _native.fde


class Bags(NamedTuple):
    tokens: np.ndarray
    offsets: np.ndarray


@functools.lru_cache(maxsize=1)
def bags(low: int, high: int) -> Bags:
    """Unit tokens that share a direction within a bag."""
    random = np.random.default_rng(8)
    lengths = random.integers(low, high + 1, BAGS)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    x = random.standard_normal((offsets[-1], DIMS), dtype=np.float32)
    x += np.float32(0.7) * np.repeat(
        random.standard_normal((BAGS, DIMS), dtype=np.float32), lengths, axis=0
    )
    return Bags(x / np.linalg.norm(x, axis=1, keepdims=True), offsets)


class Setting(NamedTuple):
    """What a scenario's row of bytes stands for."""

    k: int
    p: int
    low: int
    high: int
    documents: bool


SETTINGS = {
    f"{what} of {low if low == high else f'{low} to {high}'} tokens at (20, {k}, {p})": Setting(
        k, p, low, high, what == "documents"
    )
    for k, p in ((5, 16), (4, 8))
    for what, low, high in (("documents", 80, 80), ("documents", 20, 300), ("queries", 32, 32))
}


def encoder(setting: Setting, **other: Any) -> FixedDimensionalEncoder:
    return FixedDimensionalEncoder(
        DIMS,
        num_repetitions=REPETITIONS,
        num_simhash_projections=setting.k,
        projection_dimension=setting.p,
        **other,
    )


def encode(s: Scenario, module: Any, isa: str = "") -> Call:
    setting = SETTINGS[s.what]
    tokens, offsets = bags(setting.low, setting.high)
    mine = encoder(setting)
    out = np.empty((BAGS, mine.output_dimension), np.float32)
    given = (tokens, None, offsets, *mine.matrices[:2], REPETITIONS, setting.k)
    rest = (setting.p, setting.documents, setting.documents, None, None, out, None, s.threads)

    def call() -> list[np.ndarray]:
        module.encode(*given, *rest, isa=isa)
        return [out]

    return call


def public(s: Scenario) -> Call:
    """The same through the encoder, with its checks and a result of its own."""
    setting, mine = SETTINGS[s.what], encoder(SETTINGS[s.what])
    tokens, offsets = bags(setting.low, setting.high)
    how = mine.encode_documents if setting.documents else mine.encode_queries
    return lambda: [how(tokens, offsets, threads=s.threads)]


def muvfde(s: Scenario) -> Call:
    """Google's C++ through its binding, bag by bag."""
    muvfde = pytest.importorskip("muvfde", reason="muvfde is not installed")
    setting = SETTINGS[s.what]
    tokens, offsets = bags(setting.low, setting.high)
    kind = muvfde.encoding_type
    config = (
        muvfde.fixed_dimensional_encoding_config()
        .set_num_repetitions(REPETITIONS)
        .set_num_simhash_projections(setting.k)
        .set_seed(1)
        .set_projection_dimension(setting.p)
        .set_projection_type(muvfde.projection_type.AMS_SKETCH)
        .set_encoding_type(kind.AVERAGE if setting.documents else kind.DEFAULT_SUM)
        .enable_fill_empty(setting.documents)
    )
    one = muvfde.generate_fixed_dimensional_encoding
    return lambda: [[one(tokens[a:b], config) for a, b in pairwise(offsets.tolist())]]


def fastembed(s: Scenario) -> Call:
    muvera = pytest.importorskip(
        "fastembed.postprocess.muvera", reason="fastembed is not installed"
    )
    setting = SETTINGS[s.what]
    tokens, offsets = bags(setting.low, setting.high)
    theirs = muvera.Muvera(
        dim=DIMS, k_sim=setting.k, dim_proj=setting.p, r_reps=REPETITIONS, random_seed=1
    )
    one = theirs.process_document if setting.documents else theirs.process_query
    return lambda: [[one(tokens[a:b]) for a, b in pairwise(offsets.tolist())]]


def muvera_python(s: Scenario) -> Call:
    """Batches; its fill takes the wrong token for most empty cells."""
    muvera = pytest.importorskip("muvera.muvera", reason="muvera-python is not installed")
    setting = SETTINGS[s.what]
    tokens, offsets = bags(setting.low, setting.high)
    theirs = muvera.Muvera(
        num_repetitions=REPETITIONS,
        num_simhash_projections=setting.k,
        dimension=DIMS,
        projection_type="ams_sketch",
        projection_dimension=setting.p,
        fill_empty_partitions=True,
    )
    each = np.split(tokens, offsets[1:-1])
    how = theirs.encode_documents if setting.documents else theirs.encode_queries
    return lambda: [how(each)]


def products(s: Scenario) -> Call:
    """The floor of all who project every token: hash and projection products alone, by BLAS."""
    setting = SETTINGS[s.what]
    tokens, _ = bags(setting.low, setting.high)
    matrix = np.ones((DIMS, REPETITIONS * (setting.k + setting.p)), np.float32)
    out = np.empty((len(tokens), matrix.shape[1]), np.float32)
    return lambda: [np.matmul(tokens, matrix, out=out)]


ENCODE = [
    Scenario(what, BAGS, 4 * REPETITIONS * 2**setting.k * setting.p)
    for what, setting in SETTINGS.items()
]
ENCODERS = [
    *paths(encode, native, twin=twin),
    Contender("FixedDimensionalEncoder", public),
    Contender("NumPy products alone", products, exact=False, peer=True),
    Contender("muvfde", muvfde, exact=False, peer=True),
    Contender("muvera-python", muvera_python, exact=False, peer=True),
    Contender("fastembed", fastembed, exact=False, peer=True),
]
# The twin multiplies in BLAS: its sums are in another order.
ENCODERS = [c._replace(exact=False) if c.name == "numpy" else c for c in ENCODERS]


@pytest.mark.parametrize(("scenario", "contender"), grid(ENCODE, ENCODERS))
def test_encode(race: Any, scenario: Scenario, contender: Contender) -> None:
    race(scenario, contender, ENCODERS[0])
