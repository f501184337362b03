"""The embeddings that the study compares: tersevec's, its examples', other packages'."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from tersevec.graph import FastRP

PACKAGES = ("scipy", "scikit-learn", "fastrp", "pycleora", "nodevectors")
sys.path.append(str(Path(__file__).parents[1] / "examples"))

Embed = Callable[[Any, int, int], np.ndarray]


class Method(NamedTuple):
    """`embed` takes a SciPy matrix, dimensions, a seed; ImportError where a package is absent."""

    name: str
    embed: Embed


def _fastrp(adjacency: Any, dim: int, seed: int, **parameters: Any) -> np.ndarray:
    return FastRP(dim, random_state=seed, **parameters).fit_transform(adjacency)


def _last(steps: int) -> tuple[int, ...]:
    """Only the last power counts."""
    return (0,) * (steps - 1) + (1,)


def _loop(name: str) -> Embed:
    def embed(adjacency: Any, dim: int, seed: int) -> np.ndarray:
        return getattr(importlib.import_module("graph_loops"), name)(adjacency, dim, seed)

    return embed


def _pypi_fastrp(adjacency: Any, dim: int, seed: int, weights: list[float]) -> np.ndarray:
    peer = importlib.import_module("fastrp")
    model = peer.FastRP(dim=dim, weights=weights, seed=seed, undirected=False)
    return np.asarray(model.fit_transform(sp.csr_matrix(adjacency)))


def _pycleora(adjacency: Any, dim: int, seed: int, **parameters: Any) -> np.ndarray:
    peer = importlib.import_module("pycleora")
    u, v = sp.triu(adjacency, 1).nonzero()
    lines = (f"{a} {b}" for a, b in zip(u.tolist(), v.tolist(), strict=True))
    graph = peer.SparseMatrix.from_iterator(lines, "complex::reflexive::node")
    found = peer.embed(graph, feature_dim=dim, seed=seed, num_workers=1, **parameters)
    embedding = np.zeros((adjacency.shape[0], dim), np.float32)  # it does not know isolated nodes
    embedding[np.array(graph.entity_ids, np.int64)] = found
    return embedding


def _prone(adjacency: Any, dim: int, seed: int) -> np.ndarray:
    peer = importlib.import_module("nodevectors")
    np.random.seed(seed)  # it takes no seed of its own
    model = peer.ProNE(n_components=dim, verbose=False)
    return np.asarray(model.fit_transform(sp.csr_matrix(adjacency, dtype=np.float64)), np.float32)


EIGHT = (0,) + (1,) * 7
METHODS = [
    Method("FastRP, weights (0, 1, 1)", _fastrp),
    Method("FastRP, int8 state", partial(_fastrp, state="int8")),
    Method("FastRP, normalization_strength -0.5", partial(_fastrp, normalization_strength=-0.5)),
    Method("FastRP, normalization_strength 0.5", partial(_fastrp, normalization_strength=0.5)),
    Method("FastRP, 8 steps", partial(_fastrp, weights=EIGHT)),
    Method("FastRP, 8 steps, density 1/64", partial(_fastrp, weights=EIGHT, density=1 / 64)),
    Method("FastRP, 16 steps, whitened each", partial(_fastrp, weights=_last(16), whiten_every=1)),
    Method("FastRP, 40 steps, whitened each", partial(_fastrp, weights=_last(40), whiten_every=1)),
    Method(
        "FastRP, 40 steps, whitened every 4th", partial(_fastrp, weights=_last(40), whiten_every=4)
    ),
    Method("graph_loops.randne", _loop("randne")),
    Method("graph_loops.cleora", _loop("cleora")),
    Method("graph_loops.prone", _loop("prone")),
    Method("fastrp, defaults: powers 1 and 2", partial(_pypi_fastrp, weights=[0.0, 1.0, 1.0])),
    Method("fastrp, powers 2 and 3", partial(_pypi_fastrp, weights=[0.0, 0.0, 1.0, 1.0])),
    Method("pycleora, 3 steps", partial(_pycleora, num_iterations=3, whiten=False)),
    Method("pycleora, defaults: 40 steps, whitened", _pycleora),
    Method("nodevectors ProNE, defaults", _prone),
]
