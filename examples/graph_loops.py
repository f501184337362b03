"""Embeddings of graphs as loops over products: RandNE, Cleora and ProNE, in a few lines each.

    python examples/graph_loops.py

`a` is the adjacency matrix of an undirected graph, in scipy.sparse; results are float32 (n_nodes,
dim). `spmm(a, x, row_scale="mean")` gives every node the mean of its neighbours' rows.
"""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import scipy.sparse as sp

from tersevec.graph import gram, spmm, whiten


def randne(a: Any, dim: int, seed: int = 0, weights: tuple[float, ...] = (0, 1, 10, 100)) -> Any:
    """Random rows whose columns are orthonormal, and their means some steps around, weighted."""
    x = orthonormal(np.random.default_rng(seed).standard_normal((a.shape[0], dim)))
    total = weights[0] * x
    for weight in weights[1:]:
        x = spmm(a, x, row_scale="mean")
        total += weight * x
    return total


def cleora(a: Any, dim: int, seed: int = 0, steps: int = 40) -> Any:
    """Random rows; at every step the mean of the neighbours and the node, as whitened unit rows."""
    a = with_loops(a)
    x = np.random.default_rng(seed).uniform(-1, 1, (a.shape[0], dim))
    for _ in range(steps):
        x = whiten(spmm(a, x, row_scale="mean"), normalize=True)
    return x


def prone(a: Any, dim: int, seed: int = 0, steps: int = 10, mu: float = 0.2, s: float = 0.5) -> Any:
    """Singular vectors of a matrix of log-ratios, less what a filter of the Laplacian L keeps.

    The filter is exp(-s z), z = (L - mu)**2 / 2 - 1, a sum of Chebyshev polynomials of z, whose
    factors are Bessel functions of s.
    """
    a, ratios = with_loops(a), log_ratios(a)

    def shifted(x: Any) -> Any:  # (L - mu) x, where L x = x - means of x
        return (1 - mu) * x - spmm(a, x, row_scale="mean")

    x = unit_rows(left_singular(ratios, dim, seed))
    before, now = x, shifted(shifted(x)) / 2 - x
    kept = bessel(0, s) * before - 2 * bessel(1, s) * now
    for k in range(2, steps):
        before, now = now, shifted(shifted(now)) - 2 * now - before
        kept += (-1) ** k * 2 * bessel(k, s) * now
    x = spmm(a, x - kept)
    values, vectors = np.linalg.eigh(gram(x))
    return unit_rows(times(x, vectors * np.maximum(values, 1e-12) ** -0.25))


def with_loops(a: Any) -> Any:
    """Every node its own neighbour too."""
    return sp.csr_array(a + sp.eye_array(a.shape[0], dtype=np.float32))


def log_ratios(a: Any) -> Any:
    """On an edge i -> j, the log of its share of row i over how often random edges lead to j."""
    degree = np.asarray(a.sum(axis=1)).ravel()
    shares = sp.csr_array(sp.diags_array(1 / np.maximum(degree, 1)) @ a)
    often = np.asarray(shares.sum(axis=0)).ravel() ** 0.75
    shares.data = np.log(shares.data) - np.log((often / often.sum())[shares.indices])
    return shares


def left_singular(a: Any, dim: int, seed: int, rounds: int = 5) -> Any:
    """The largest left singular vectors times the roots of their values, by random probes."""
    turned = sp.csr_array(a.T)
    q = orthonormal(np.random.default_rng(seed).standard_normal((a.shape[0], dim)))
    for _ in range(rounds):
        q = orthonormal(spmm(a, orthonormal(spmm(turned, q))))
    values, vectors = np.linalg.eigh(gram(spmm(turned, q)))
    return times(q, vectors * np.maximum(values, 0) ** 0.25)


def orthonormal(x: Any) -> Any:
    """Columns of length 1, at right angles, that span what those of x do."""
    values, vectors = np.linalg.eigh(gram(x))
    return times(x, vectors / np.sqrt(np.maximum(values, 1e-12 * values[-1])))


def times(x: Any, matrix: Any) -> Any:
    """The product in float32."""
    return np.asarray(x, np.float32) @ matrix.astype(np.float32)


def unit_rows(x: Any) -> Any:
    """Rows of length 1; zeros stay."""
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(lengths > 0, lengths, 1)


def bessel(k: int, s: float) -> float:
    """The modified Bessel function of the first kind, I_k(s), by its series."""
    return sum(
        (s / 2) ** (2 * m + k) / (math.factorial(m) * math.factorial(m + k)) for m in range(20)
    )


def communities(n: int, groups: int, degree: float, seed: int = 0) -> tuple[Any, Any]:
    """A random graph, half of the edges within groups, and the group of each node."""
    rng = np.random.default_rng(seed)
    group = rng.integers(groups, size=n)
    order = np.argsort(group, kind="stable")
    ends = np.searchsorted(group[order], [group, group + 1])  # each node's group in that order
    u = rng.integers(n, size=int(n * degree / 2))
    near = order[rng.integers(*ends[:, u])]
    v = np.where(rng.random(len(u)) < 0.5, near, rng.integers(n, size=len(u)))
    a = sp.coo_array((np.ones(len(u), np.float32), (u, v)), shape=(n, n))
    return sp.csr_array(a + a.T), group


def main() -> None:
    """Print how often the nearest node, by cosine, is of the same community."""
    a, group = communities(n=2_000, groups=20, degree=16)
    for embed in (randne, cleora, prone):
        start = time.perf_counter()
        x = unit_rows(embed(a, 32))
        seconds = time.perf_counter() - start
        cosines = x @ x.T
        np.fill_diagonal(cosines, -2)
        share = np.mean(group[cosines.argmax(axis=1)] == group)
        print(f"{embed.__name__:8} {share:.3f} of nearest nodes share the group, {seconds:.3f} s")


if __name__ == "__main__":
    main()
