"""Product codes made: training and encoding. `pytest bench/bench_pqencode.py --benchmark-only`"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

from bench_pqscan import TRAIN, D, vectors
from harness import THREADS, Call, Contender, Scenario, grid, paths
from tersevec import _native
from tersevec._numpy import pqencode as twin
from tersevec.pq import ProductQuantizer, ResidualQuantizer

ETA = (D - 1) * 0.04 / 0.96  # of a threshold of 0.2
BEAMS = 8
native = _native.pqencode


@functools.lru_cache(maxsize=4)
def codebooks(m: int, bits: int) -> np.ndarray:
    return ProductQuantizer(m, bits, random_state=0, max_iter=4).fit(vectors(TRAIN, 7)).codebooks_


def assign(s: Scenario, module: Any, isa: str = "") -> Call:
    x, books = vectors(s.n, 7), codebooks(s.m, s.bits)
    return lambda: (module.assign(x, books, s.threads, isa=isa),)


def assign_anisotropic(s: Scenario, module: Any, isa: str = "") -> Call:
    x, books = vectors(s.n, 7), codebooks(s.m, s.bits)
    return lambda: (module.assign_anisotropic(x, books, ETA, s.threads, isa=isa),)


def products(s: Scenario, module: Any, isa: str = "") -> Call:
    x, columns = vectors(s.n, 7), vectors(D, 8)
    return lambda: (module.products(x, columns, s.threads, isa=isa),)


def blas(s: Scenario) -> Call:
    x, columns = vectors(s.n, 7), vectors(D, 8)
    return lambda: (x @ columns,)


def fit(s: Scenario, rotation: str | None = None) -> Call:
    x = vectors(s.n, 7)
    quantizer = ProductQuantizer(s.m, s.bits, rotation=rotation, random_state=0)
    return lambda: quantizer.fit(x, threads=s.threads)


def faiss_quantizer(s: Scenario) -> Any:
    faiss = pytest.importorskip("faiss", reason="faiss-cpu is not installed")
    faiss.omp_set_num_threads(s.threads)
    quantizer = faiss.ProductQuantizer(D, s.m, s.bits)
    quantizer.cp.max_points_per_centroid = s.n  # every row, as tersevec does
    return quantizer


def faiss_encode(s: Scenario) -> Call:
    quantizer, x = faiss_quantizer(s), vectors(s.n, 7)
    quantizer.train(x)
    return lambda: (quantizer.compute_codes(x),)


def faiss_fit(s: Scenario) -> Call:
    quantizer, x = faiss_quantizer(s), vectors(s.n, 7)
    return lambda: quantizer.train(x)


def faiss_opq(s: Scenario) -> Call:
    """The rotation, and the codebooks behind it."""
    quantizer, x = faiss_quantizer(s), vectors(s.n, 7)
    import faiss

    def train() -> None:
        rotation = faiss.OPQMatrix(D, s.m)
        rotation.max_train_points = s.n
        rotation.pq = faiss.ProductQuantizer(D, s.m, s.bits)
        rotation.train(x)
        quantizer.train(rotation.apply_py(x))

    return train


def residual(s: Scenario) -> ResidualQuantizer:
    return ResidualQuantizer(s.m, s.bits, metric="ip", beam_width=BEAMS, random_state=0)


def residual_fit(s: Scenario) -> Call:
    x, quantizer = vectors(s.n, 7), residual(s)
    return lambda: quantizer.fit(x, threads=s.threads)


def residual_encode(s: Scenario) -> Call:
    x = vectors(s.n, 7)
    quantizer = residual(s).set_params(max_iter=4).fit(x)
    return lambda: (quantizer.encode(x, threads=s.threads),)


def faiss_residual(s: Scenario) -> Any:
    faiss = pytest.importorskip("faiss", reason="faiss-cpu is not installed")
    faiss.omp_set_num_threads(s.threads)
    quantizer = faiss.ResidualQuantizer(D, s.m, s.bits)
    quantizer.max_beam_size = BEAMS
    quantizer.cp.max_points_per_centroid = s.n
    return quantizer


def faiss_residual_fit(s: Scenario) -> Call:
    quantizer, x = faiss_residual(s), vectors(s.n, 7)
    return lambda: quantizer.train(x)


def faiss_residual_encode(s: Scenario) -> Call:
    """With tables between centroids, as tersevec does it, which is faster than without them."""
    quantizer, x = faiss_residual(s), vectors(s.n, 7)
    quantizer.train(x)
    quantizer.use_beam_LUT = 1
    return lambda: (quantizer.compute_codes(x),)


SHAPES = ((32, 4), (16, 8))
ENCODE = [
    Scenario(f"encode, {D} floats", TRAIN, D * 4, threads=threads, m=m, bits=bits)
    for m, bits in SHAPES
    for threads in THREADS
]
ENCODERS = [
    *paths(assign, native, twin=twin),
    Contender("Faiss compute_codes", faiss_encode, exact=False, peer=True),
]
ANISOTROPIC = [
    Scenario(f"encode with anisotropic loss, {D} floats", TRAIN, D * 4, m=m, bits=bits)
    for m, bits in SHAPES
]
ANISOTROPIC_ENCODERS = paths(assign_anisotropic, native, twin=twin)
ROTATE = [Scenario(f"rotate {D} floats", TRAIN, D * 4)]
ROTATERS = [
    *paths(products, native, twin=twin),
    Contender("NumPy's BLAS", blas, exact=False, peer=True),
]
FIT = [Scenario(f"fit, {D} floats", TRAIN, D * 4, m=m, bits=bits) for m, bits in SHAPES]
FITTERS = [
    Contender(_native.isa_active(), fit, exact=False),
    Contender("Faiss ProductQuantizer.train", faiss_fit, exact=False, peer=True),
]
OPQ = [Scenario(f'fit with rotation="opq", {D} floats', TRAIN, D * 4, m=32, bits=4)]
ROTATED_FITTERS = [
    Contender(_native.isa_active(), functools.partial(fit, rotation="opq"), exact=False),
    Contender("Faiss OPQMatrix.train", faiss_opq, exact=False, peer=True),
]
LEVELS = ((8, 8), (16, 4))
RESIDUAL_ENCODE = [
    Scenario(f"residual codes by {BEAMS} beams, {D} floats", TRAIN, D * 4, m=m, bits=bits)
    for m, bits in LEVELS
]
RESIDUAL_ENCODERS = [
    Contender(_native.isa_active(), residual_encode, exact=False),
    Contender("Faiss ResidualQuantizer", faiss_residual_encode, exact=False, peer=True),
]
RESIDUAL_FIT = [
    Scenario(f"fit residual codebooks with {BEAMS} beams, {D} floats", TRAIN, D * 4, m=m, bits=bits)
    for m, bits in LEVELS
]
RESIDUAL_FITTERS = [
    Contender(_native.isa_active(), residual_fit, exact=False),
    Contender("Faiss ResidualQuantizer.train", faiss_residual_fit, exact=False, peer=True),
]


@pytest.mark.parametrize(("scenario", "contender"), grid(ENCODE, ENCODERS))
def test_encode(race: Any, scenario: Scenario, contender: Contender) -> None:
    race(scenario, contender, ENCODERS[0])


@pytest.mark.parametrize(("scenario", "contender"), grid(ANISOTROPIC, ANISOTROPIC_ENCODERS))
def test_encode_anisotropic(race: Any, scenario: Scenario, contender: Contender) -> None:
    race(scenario, contender, ANISOTROPIC_ENCODERS[0])


@pytest.mark.parametrize(("scenario", "contender"), grid(ROTATE, ROTATERS))
def test_rotate(race: Any, scenario: Scenario, contender: Contender) -> None:
    race(scenario, contender, ROTATERS[0])


@pytest.mark.parametrize(("scenario", "contender"), grid(FIT, FITTERS))
def test_fit(race: Any, scenario: Scenario, contender: Contender) -> None:
    race(scenario, contender, FITTERS[0])


@pytest.mark.parametrize(("scenario", "contender"), grid(OPQ, ROTATED_FITTERS))
def test_fit_rotated(race: Any, scenario: Scenario, contender: Contender) -> None:
    race(scenario, contender, ROTATED_FITTERS[0])


@pytest.mark.parametrize(("scenario", "contender"), grid(RESIDUAL_ENCODE, RESIDUAL_ENCODERS))
def test_encode_residual(race: Any, scenario: Scenario, contender: Contender) -> None:
    race(scenario, contender, RESIDUAL_ENCODERS[0])


@pytest.mark.parametrize(("scenario", "contender"), grid(RESIDUAL_FIT, RESIDUAL_FITTERS))
def test_fit_residual(race: Any, scenario: Scenario, contender: Contender) -> None:
    race(scenario, contender, RESIDUAL_FITTERS[0])
