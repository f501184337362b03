"""What embeddings of graphs are good for: naming nodes, and telling edges that were held out.

    python bench/study_graph.py GRAPH.npz ... [--report bench/results/MACHINE-graph.md]

A graph is a .npz of `indptr` and `indices`, symmetric sparse rows without loops; of `labels`, a
class for each node or -1; and perhaps of `meta`, JSON that tells the source. Nodes count that have
a neighbour and a label which at least 50 such nodes share. An embedding is judged by what logistic
regression makes of it, and by cosines.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
import scipy.stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import report
import tersevec
from study_graph_methods import METHODS, PACKAGES, Method
from timing import pinned

LABELLED, HELD_OUT, FEWEST = 0.1, 0.2, 50
NOTES = (
    "F1 macro and micro: multinomial logistic regression (C = 1) of standardised columns, taught "
    "by 10 % of the labelled nodes, asked for the others; means of {draws} draws, each with a seed "
    "of its own for embedding and choice, and ± the standard deviation. Link AUC: how often the "
    "cosine of a held-out edge exceeds that of a pair that is none, after embedding the graph "
    "without 20 % of its edges; pairs are the held-out edges' ends, shuffled, so that degrees tell "
    "nothing. Seconds: wall time from a SciPy matrix to the array, best of the draws, one thread; "
    "pycleora's include building its own graph from text. Embeddings have {dim} dimensions."
)


class LabelledGraph(NamedTuple):
    name: str
    origin: str
    adjacency: Any  # scipy.sparse.csr_array of float32
    labels: np.ndarray
    counted: np.ndarray  # node numbers


class Scores(NamedTuple):
    macro: float
    macro_spread: float
    micro: float
    micro_spread: float
    auc: float
    seconds: float


def load(path: Path) -> LabelledGraph:
    with np.load(path, allow_pickle=False) as held:
        indptr, indices, labels = held["indptr"], held["indices"], held["labels"].astype(np.int64)
        meta = json.loads(held["meta"].tobytes()) if "meta" in held else {}
    origin = "; ".join(f"{key}: {meta[key]}" for key in ("source", "edges", "label") if key in meta)
    n = len(indptr) - 1
    adjacency = sp.csr_array((np.ones(len(indices), np.float32), indices, indptr), shape=(n, n))
    usable = (np.diff(indptr) > 0) & (labels >= 0)
    sizes = np.bincount(labels[usable])
    usable[usable] = sizes[labels[usable]] >= FEWEST
    return LabelledGraph(path.stem, origin, adjacency, labels, np.flatnonzero(usable))


def named(embedding: np.ndarray, graph: LabelledGraph, seed: int) -> tuple[float, float]:
    """Macro and micro F1 of labels told from a tenth of them."""
    nodes = np.random.default_rng(seed).permutation(graph.counted)
    few = round(LABELLED * len(nodes))
    taught, asked = nodes[:few], nodes[few:]
    scaler = StandardScaler().fit(embedding[taught])
    model = LogisticRegression(C=1.0, max_iter=300)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 300 steps do, converged or not
        model.fit(scaler.transform(embedding[taught]), graph.labels[taught])
    told, truth = model.predict(scaler.transform(embedding[asked])), graph.labels[asked]
    return f1_score(truth, told, average="macro"), f1_score(truth, told, average="micro")


def link_auc(embed: Callable[[Any], np.ndarray], adjacency: Any, seed: int) -> float:
    """The share of (held-out edge, other pair) where the edge has the larger cosine; ties half."""
    rng = np.random.default_rng(seed)
    edges = np.stack(sp.triu(adjacency, 1).nonzero())
    held = rng.random(edges.shape[1]) < HELD_OUT
    u, v = edges[:, ~held]
    shown = sp.coo_array((np.ones(len(u), np.float32), (u, v)), shape=adjacency.shape)
    embedding = embed((shown + shown.T).tocsr())
    lengths = np.linalg.norm(embedding, axis=1, keepdims=True)
    unit = embedding / np.where(lengths > 0, lengths, 1)
    u, v = edges[:, held]
    w = rng.permutation(v)
    none = (u != w) & (np.asarray(adjacency[u, w]).ravel() == 0)
    cosines = [np.einsum("ij,ij->i", unit[a], unit[b]) for a, b in ((u, v), (u[none], w[none]))]
    ranks = scipy.stats.rankdata(np.concatenate(cosines))
    many, others = map(len, cosines)
    return (ranks[:many].sum() - many * (many + 1) / 2) / (many * others)


def judge(method: Method, graph: LabelledGraph, dim: int, draws: int) -> Scores:
    seconds, found = [], []
    for seed in range(draws):
        start = time.perf_counter()
        embedding = method.embed(graph.adjacency, dim, seed)
        seconds.append(time.perf_counter() - start)
        found.append(named(embedding, graph, seed))
    means, spreads = np.mean(found, axis=0), np.std(found, axis=0)
    auc = link_auc(lambda shown: method.embed(shown, dim, 0), graph.adjacency, 0)
    return Scores(means[0], spreads[0], means[1], spreads[1], auc, min(seconds))


def table(rows: Sequence[tuple[str, Scores]]) -> str:
    head = ["embedding", "macro F1", "±", "micro F1", "±", "link AUC", "seconds"]
    lines = [[name, *(f"{value:.3f}" for value in scores[:5]), f"{scores.seconds:.3g}"]
             for name, scores in rows]  # fmt: skip
    return report.aligned([head, *lines])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("graphs", nargs="+", type=Path, metavar="GRAPH.npz")
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--only", default="", metavar="WORD", help="methods whose names have it")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write Markdown")
    chosen = parser.parse_args()
    names = [word if word.startswith("-") else Path(word).name for word in sys.argv[1:]]
    command = shlex.join(["python", "bench/study_graph.py", *names])
    parts = [report.machine(command, PACKAGES), NOTES.format(**vars(chosen))]
    for path in chosen.graphs:
        graph = load(path)
        parts += [title(graph), table(list(judged(graph, chosen)))]
        print("\n\n".join(parts[-2:]), flush=True)
    if chosen.report:
        chosen.report.write_text("\n\n".join([f"# {chosen.report.stem}", *parts]) + "\n", "utf-8")


def judged(graph: LabelledGraph, chosen: argparse.Namespace) -> Iterator[tuple[str, Scores]]:
    for method in METHODS:
        if chosen.only not in method.name:
            continue
        try:
            scores = judge(method, graph, chosen.dim, chosen.draws)
        except ImportError as error:
            print(f"{method.name}: {error}", file=sys.stderr)
            continue
        print(f"{graph.name}: {method.name}", file=sys.stderr, flush=True)
        yield method.name, scores


def title(graph: LabelledGraph) -> str:
    edges, classes = graph.adjacency.nnz // 2, len(np.unique(graph.labels[graph.counted]))
    size = f"{graph.adjacency.shape[0]:,} nodes, {edges:,} edges"
    asked = f"{len(graph.counted):,} nodes of {classes} classes are told apart"
    return f"## {graph.name}\n\n{graph.origin}.\n\n{size}; {asked}."


if __name__ == "__main__":
    tersevec.set_num_threads(1)
    with pinned(1), threadpool_limits(1):
        main()
