"""The demo's graph: Debian packages and their dependencies, from which sections are told."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import resources

import numpy as np

from tersevec._types import F32, I64
from tersevec.graph import FastRP

DIM, SEED = 128, 0
LABELLED, DRAWS, RIDGE = 0.1, 3, 10.0
MODELS = {
    "FastRP, weights (0, 1, 1)": FastRP(DIM, random_state=SEED),
    "FastRP, 8 steps": FastRP(DIM, weights=(0,) + (1,) * 7, random_state=SEED),
    "FastRP, 16 steps, whitened every 4th": FastRP(
        DIM, weights=(0,) * 15 + (1,), whiten_every=4, random_state=SEED
    ),
}
EXAMPLES, SHOWN = ("gimp", "python3-numpy", "qgis"), 3


@dataclass(frozen=True)
class DemoGraph:
    """`edges` (2, m), each once; names of the nodes; their classes, numbers into `classes`."""

    edges: I64
    names: list[str]
    labels: I64
    classes: list[str]

    @property
    def both_ways(self) -> I64:
        """Every edge from both of its ends: (2, 2 m)."""
        return np.hstack([self.edges, self.edges[::-1]])


def load() -> DemoGraph:
    """The graph, from the package's own files.

    >>> len(load().names)
    5844
    """
    file = resources.files("tersevec").joinpath("data", "graph_debian.npz").read_bytes()
    with np.load(io.BytesIO(file), allow_pickle=False) as held:
        names, classes = (held[name].astype(str).tolist() for name in ("names", "label_names"))
        return DemoGraph(
            held["edges"].astype(np.int64), names, held["labels"].astype(np.int64), classes
        )


def lines() -> list[str]:
    """What embeddings of the graph tell about its nodes, for a terminal."""
    graph = load()
    n, edges = len(graph.names), graph.both_ways
    known = round(LABELLED * n)
    shown = [
        f"{n:,} Debian packages and the {graph.edges.shape[1]:,} dependencies between them: {DIM} "
        "numbers for each package",
        f"from the graph alone. From the sections of {known} packages those of the other "
        f"{n - known:,} are told",
        f"({len(graph.classes)} sections, means of {DRAWS} draws):",
        "",
        f"{'':36}  accuracy  macro F1      ms",
        f"{'the commonest section':36}  {_scores(graph, by_count)}",
        f"{'votes of neighbours':36}  {_scores(graph, partial(by_votes, edges))}",
    ]
    embeddings = {}
    for name, model in MODELS.items():
        start = time.perf_counter()
        embeddings[name] = model.fit_transform(edges)
        taken = 1e3 * (time.perf_counter() - start)
        scores = _scores(graph, partial(by_ridge, embeddings[name]))
        shown.append(f"{name:36}  {scores}  {taken:6.1f}")
    name = next(iter(MODELS))
    return [*shown, "", f"Nearest by {name}:", *_nearest(graph, embeddings[name])]


def _scores(graph: DemoGraph, told: Callable[[I64, I64, I64], I64]) -> str:
    """Accuracy and macro F1, means over draws of the nodes whose classes are known."""
    n = len(graph.names)
    scores = []
    for seed in range(DRAWS):
        nodes = np.random.default_rng(seed).permutation(n)
        known, asked = np.split(nodes, [round(LABELLED * n)])
        truth, answer = graph.labels[asked], told(graph.labels, known, asked)
        scores.append((np.mean(truth == answer), macro_f1(truth, answer)))
    accuracy, f1 = np.mean(scores, axis=0)
    return f"{accuracy:8.3f}  {f1:8.3f}"


def _nearest(graph: DemoGraph, embedding: F32) -> Iterator[str]:
    unit = embedding / np.linalg.norm(embedding, axis=1, keepdims=True)
    for name in EXAMPLES:
        node = graph.names.index(name)
        cosines = unit @ unit[node]
        best = np.argsort(-cosines)[1 : SHOWN + 1]
        found = ", ".join(f"{graph.names[i]} {cosines[i]:.2f}" for i in best.tolist())
        yield f"  {name}: {found}"


def macro_f1(truth: I64, told: I64) -> float:
    """The mean of all classes' F1: twice the hits over how often a class is there, and is told."""
    size = int(truth.max()) + 1
    hits = np.bincount(truth[truth == told], minlength=size)
    both = np.bincount(truth, minlength=size) + np.bincount(told, minlength=size)
    return float(np.mean(2 * hits / np.maximum(both, 1)))


def by_count(labels: I64, known: I64, asked: I64) -> I64:
    """The commonest class that is known."""
    return np.full(len(asked), np.bincount(labels[known]).argmax())


def by_votes(edges: I64, labels: I64, known: I64, asked: I64) -> I64:
    """The commonest class of a node's neighbours that are known; of all known, if it has none."""
    classes = int(labels.max()) + 1
    counts = np.bincount(labels[known], minlength=classes)
    votes = np.zeros((len(labels), classes), np.int64)
    is_known = np.zeros(len(labels), bool)
    is_known[known] = True
    sources, targets = edges[:, is_known[edges[1]]]
    np.add.at(votes, (sources, labels[targets]), 1)
    votes[votes.sum(axis=1) == 0] = counts
    winners: I64 = votes[asked].argmax(axis=1)
    return winners


def by_ridge(embedding: F32, labels: I64, known: I64, asked: I64) -> I64:
    """One ridge regression for each class, on standardised columns; the largest value wins."""
    mean, spread = embedding[known].mean(axis=0), embedding[known].std(axis=0)
    x = np.hstack([(embedding - mean) / (spread + 1e-9), np.ones((len(embedding), 1), np.float32)])
    taught = x[known]
    gram = taught.T @ taught + RIDGE * np.eye(x.shape[1])
    targets = np.eye(int(labels.max()) + 1)[labels[known]]
    values = x[asked] @ np.linalg.solve(gram, taught.T @ targets)
    winners: I64 = values.argmax(axis=1)
    return winners
