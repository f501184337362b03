"""Sparse projections and FastRP. `pytest bench/bench_sparseproj.py --benchmark-only`"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

from harness import THREADS, Call, Contender, Scenario, grid, paths
from tersevec import _native
from tersevec._held import Held, aligned
from tersevec._numpy import sparseproj as twin
from tersevec._ternary import ternary
from tersevec.graph import FastRP
from tersevec.projection import SparseRandomProjection

native = _native.sparseproj
DIMS = 128
WIDE = 768  # of rows that are projected
VOCABULARY, BAG = 100_000, 100  # features of sparse rows, and how many of them a row has
MEAN_DEGREE = 9
STATES = {8: "int8", 16: "float16", 32: "float32"}


@functools.lru_cache(maxsize=2)
def graph(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Both ways of edges between neighbours by number, and of some to hubs: indptr, indices."""
    rng = np.random.default_rng(0)
    source = rng.integers(0, n, n * MEAN_DEGREE // 2)
    near = (source + rng.integers(1, 2000, len(source))) % n
    hub = (n * rng.random(len(source)) ** 8).astype(np.int64)
    target = np.where(rng.random(len(source)) < 0.7, near, hub)
    rows, indices = np.concatenate([source, target]), np.concatenate([target, source])
    order = np.lexsort((indices, rows))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n))])
    return indptr.astype(np.int32), indices[order].astype(np.int32)


@functools.lru_cache(maxsize=2)
def vectors(n: int) -> np.ndarray:
    return np.random.default_rng(7).standard_normal((n, WIDE), dtype=np.float32)


def csr(n: int) -> Any:
    sparse = pytest.importorskip("scipy.sparse", reason="SciPy is not installed")
    indptr, indices = graph(n)
    return sparse.csr_matrix((np.ones(len(indices), np.float32), indices, indptr), shape=(n, n))


def signs(s: Scenario, module: Any, isa: str = "") -> Call:
    matrix, ids = ternary(DIMS, 1 / 3, np.random.default_rng(0)), np.arange(s.n)
    out = aligned((s.n, matrix.width), np.int8)

    def call() -> Any:
        module.ternary(ids, DIMS, matrix.seed, matrix.threshold, out, s.threads, isa=isa)
        return (out,)

    return call


def step(s: Scenario, module: Any, isa: str = "") -> Call:
    """Means of neighbours' rows, held as the source is."""
    indptr, indices = graph(s.n)
    means = (1 / np.maximum(np.diff(indptr), 1)).astype(np.float32)
    source, target = (Held.empty(s.n, DIMS, STATES[s.bits]) for _ in range(2))
    source.write(np.random.default_rng(0).standard_normal((s.n, DIMS), dtype=np.float32), 1)
    held = source.values, source.scales, target.values, target.scales

    def call() -> Any:
        module.propagate(
            indptr, indices, None, means, False, *held, None, 0, 0, False, False, s.threads, isa=isa
        )
        return (target.values,)

    return call


def moments(s: Scenario, module: Any, isa: str = "") -> Call:
    x = vectors(s.n)[:, :DIMS].copy()
    return lambda: (module.moments(x, None, DIMS, False, s.threads, isa=isa),)


def blas_moments(s: Scenario) -> Call:
    """Their products alone."""
    x = vectors(s.n)[:, :DIMS].copy()
    return lambda: (x.T @ x,)


def scipy_step(s: Scenario) -> Call:
    a, x = csr(s.n), np.random.default_rng(0).standard_normal((s.n, DIMS), dtype=np.float32)
    return lambda: (a @ x,)


def embed(s: Scenario) -> Call:
    a, model = csr(s.n), FastRP(DIMS, state=STATES[s.bits], random_state=0)
    return lambda: (model.fit_transform(a, threads=s.threads),)


def embed_by_columns(s: Scenario) -> Call:
    a, model = csr(s.n), FastRP(DIMS, state=STATES[s.bits], random_state=0)
    return lambda: (model.fit_transform(a, column_block=DIMS // 2, threads=s.threads),)


def fastrp(s: Scenario) -> Call:
    peer, a = pytest.importorskip("fastrp", reason="fastrp is not installed"), csr(s.n)
    weights = [0.0, 0.0, 1.0, 1.0]  # the first belongs to power 0: the same three products
    return lambda: (
        peer.FastRP(dim=DIMS, weights=weights, seed=42, undirected=False).fit_transform(a),
    )


def project(s: Scenario, module: Any, isa: str = "") -> Call:
    projection = SparseRandomProjection(DIMS, random_state=0).fit(vectors(s.n))
    columns = projection._projector.lists.by_columns()
    x, scale = vectors(s.n), projection._projector.scale
    return lambda: (module.project(x, *columns, scale, s.threads, isa=isa),)


def blas(s: Scenario) -> Call:
    projection = SparseRandomProjection(DIMS, random_state=0).fit(vectors(s.n))
    x, matrix = vectors(s.n), np.ascontiguousarray(projection.components_.toarray().T)
    return lambda: (x @ matrix,)


@functools.lru_cache(maxsize=1)
def bags(n: int) -> Any:
    """Rows of few numbers among many features, as words of a text are."""
    sparse = pytest.importorskip("scipy.sparse", reason="SciPy is not installed")
    rng = np.random.default_rng(5)
    indices = rng.integers(0, VOCABULARY, n * BAG).astype(np.int32)
    numbers = rng.standard_normal(len(indices), dtype=np.float32)
    matrix = sparse.csr_array((numbers, indices, np.arange(n + 1) * BAG), shape=(n, VOCABULARY))
    matrix.sum_duplicates()
    return matrix


def project_bags(s: Scenario) -> Call:
    x, model = bags(s.n), SparseRandomProjection(DIMS, random_state=0).fit(bags(s.n))
    return lambda: (model.transform(x, threads=s.threads),)


def sklearn_bags(s: Scenario) -> Call:
    peer = pytest.importorskip("sklearn.random_projection", reason="scikit-learn is not installed")
    x = bags(s.n)
    model = peer.SparseRandomProjection(DIMS, random_state=0, dense_output=True).fit(x)
    return lambda: (model.transform(x),)


def sklearn(s: Scenario) -> Call:
    peer = pytest.importorskip("sklearn.random_projection", reason="scikit-learn is not installed")
    model = peer.SparseRandomProjection(DIMS, random_state=0).fit(vectors(s.n))
    x = vectors(s.n)
    return lambda: (model.transform(x),)


NODES = (20_000, 200_000)
SIGNS = [Scenario(f"{DIMS} random signs", n, DIMS) for n in NODES]
SIGNERS = paths(signs, native, twin=twin)
STEPS = [
    Scenario(
        f"a step of FastRP, {MEAN_DEGREE} rows of {DIMS} {STATES[bits]}",
        n,
        DIMS * bits // 8 * MEAN_DEGREE,
        bits=bits,
    )
    for bits in STATES
    for n in NODES
]
STEPPERS = [
    *paths(step, native, twin=twin),
    Contender("SciPy, float32", scipy_step, exact=False, peer=True),
]
MOMENTS = [Scenario(f"moments of {DIMS} floats", n, DIMS * 4) for n in NODES]
MOMENT_ADDERS = [
    *(path._replace(exact=False) for path in paths(moments, native, twin=twin)),
    Contender("NumPy's BLAS", blas_moments, exact=False, peer=True),
]
EMBED = [
    Scenario(
        f"FastRP in {STATES[bits]}, 3 steps, {DIMS} floats", n, DIMS * 4, threads=threads, bits=bits
    )
    for bits, state in ((16, "float16"), (32, "float32"))
    for n in NODES
    for threads in THREADS
]
EMBEDDERS = [
    Contender(_native.isa_active(), embed),
    Contender(f"{_native.isa_active()}, column_block={DIMS // 2}", embed_by_columns),
    Contender("fastrp", fastrp, exact=False, peer=True),
]
PROJECT = [Scenario(f"project {WIDE} floats to {DIMS}", 20_000, WIDE * 4)]
PROJECTORS = [
    *paths(project, native, twin=twin),
    Contender("NumPy's BLAS", blas, exact=False, peer=True),
    Contender("scikit-learn", sklearn, exact=False, peer=True),
]
BAGS = [
    Scenario(f"project {BAG} of {VOCABULARY:,} features to {DIMS}", n, 8 * BAG)
    for n in (500, 20_000)
]
BAGGERS = [
    Contender(_native.isa_active(), project_bags),
    Contender("scikit-learn", sklearn_bags, exact=False, peer=True),
]


@pytest.mark.parametrize(("scenario", "contender"), grid(SIGNS, SIGNERS))
def test_signs(race: Any, scenario: Scenario, contender: Contender) -> None:
    race(scenario, contender, SIGNERS[0])


@pytest.mark.parametrize(("scenario", "contender"), grid(STEPS, STEPPERS))
def test_step(race: Any, scenario: Scenario, contender: Contender) -> None:
    race(scenario, contender, STEPPERS[0])


@pytest.mark.parametrize(("scenario", "contender"), grid(MOMENTS, MOMENT_ADDERS))
def test_moments(race: Any, scenario: Scenario, contender: Contender) -> None:
    race(scenario, contender, MOMENT_ADDERS[0])


@pytest.mark.parametrize(("scenario", "contender"), grid(EMBED, EMBEDDERS))
def test_embed(race: Any, scenario: Scenario, contender: Contender) -> None:
    race(scenario, contender, EMBEDDERS[0])


@pytest.mark.parametrize(("scenario", "contender"), grid(PROJECT, PROJECTORS))
def test_project(race: Any, scenario: Scenario, contender: Contender) -> None:
    race(scenario, contender, PROJECTORS[0])


@pytest.mark.parametrize(("scenario", "contender"), grid(BAGS, BAGGERS))
def test_project_bags(race: Any, scenario: Scenario, contender: Contender) -> None:
    race(scenario, contender, BAGGERS[0])
