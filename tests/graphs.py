"""Random graphs."""

from __future__ import annotations

import numpy as np
import pytest

sparse = pytest.importorskip("scipy.sparse")


def random_graph(n, rng, *, weighted=False, directed=False, hub=0):
    """A graph with some isolated nodes, and one that knows every other if `hub`."""
    edges = rng.integers(0, n, (2, 3 * n))
    edges = edges[:, (edges % 11 != 0).all(axis=0)]
    if hub:
        edges = np.concatenate([edges, [np.full(n, 1), np.arange(n)]], axis=1)
    if not directed:
        edges = np.concatenate([edges, edges[::-1]], axis=1)
    weights = rng.random(edges.shape[1]) if weighted else np.ones(edges.shape[1])
    return sparse.csr_array((weights.astype(np.float32), tuple(edges)), shape=(n, n))
