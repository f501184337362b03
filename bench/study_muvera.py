"""What encodings find: recall against their size, candidates needed, codes, ball carving.

`python bench/study_muvera.py TOKENS.npz [--seeds 3] [--out study-muvera.md]`, where the file
holds `doc_tokens` (tokens, d), `doc_offsets` (n + 1,), `query_tokens` and `query_offsets`, and no
empty document. Nothing is timed here: bench_fde.py and bench_maxsim.py do that.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import tersevec
from tersevec.binary import RaBitQuantizer
from tersevec.muvera import FixedDimensionalEncoder, TokenBags, carve_queries, maxsim, maxsim_pack
from tersevec.pq import ProductQuantizer

SETTINGS = (
    *((20, k, p, kind, True) for kind in ("ams_sketch", "orthogonal") for k, p in ((3, 8), (4, 8))),
    *(
        (20, k, p, kind, True)
        for kind in ("ams_sketch", "orthogonal")
        for k, p in ((5, 8), (5, 16))
    ),
    *((20, k, p, "orthogonal", False) for k, p in ((3, 8), (4, 8), (5, 8), (5, 16))),
)
SHARES = (0.80, 0.85, 0.90, 0.95)


def load(path: Path) -> tuple[TokenBags, TokenBags]:
    """Documents and queries, with tokens of length 1."""
    with np.load(path) as file:
        sides = []
        for side in ("doc", "query"):
            tokens = file[f"{side}_tokens"].astype(np.float32)
            tokens /= np.linalg.norm(tokens, axis=1, keepdims=True)
            sides.append(TokenBags(tokens, file[f"{side}_offsets"].astype(np.int64)))
    return sides[0], sides[1]


def ranks(scores: np.ndarray, of: np.ndarray) -> np.ndarray:
    """The place of some documents in each row's order, from 0."""
    order = np.argsort(-scores, axis=1, kind="stable")
    places = np.empty_like(order)
    np.put_along_axis(places, order, np.arange(order.shape[1])[None], axis=1)
    return np.take_along_axis(places, of, axis=1)


def found(places: np.ndarray) -> list[str]:
    """1@10, 1@100, 10@10, 10@100."""
    return [f"{(part < n).mean():.3f}" for part in (places[:, :1], places) for n in (10, 100)]


def needed(places: np.ndarray) -> list[str]:
    """How many candidates hold the best document for a share of the queries."""
    ordered = np.sort(places[:, 0])
    return [str(ordered[int(np.ceil(share * len(ordered))) - 1] + 1) for share in SHARES]


def encoder_of(setting: tuple[Any, ...], d: int, seed: int) -> FixedDimensionalEncoder:
    repetitions, k, p, kind, fill = setting
    return FixedDimensionalEncoder(
        d,
        num_repetitions=repetitions,
        num_simhash_projections=k,
        projection_dimension=p,
        projection_type=kind,
        fill_empty_partitions=fill,
        seed=seed,
    )


def single_vectors(documents: TokenBags, queries: TokenBags, best: np.ndarray) -> np.ndarray:
    """The heuristic without encodings: every query token ranks all document tokens by itself.

    The place of a document is how many different ones come before it when the tokens' lists are
    read side by side, best first.
    """
    owner = np.repeat(np.arange(len(documents.offsets) - 1), np.diff(documents.offsets))
    places = np.empty(best.shape, np.int64)
    for q in range(len(best)):
        tokens = queries.tokens[queries.offsets[q] : queries.offsets[q + 1]]
        order = np.argsort(-(tokens @ documents.tokens.T), axis=1, kind="stable")
        read = owner[order.T.ravel()]
        distinct, first = np.unique(read, return_index=True)
        place = np.empty(len(distinct), np.int64)
        place[distinct[np.argsort(first)]] = np.arange(len(distinct))
        places[q] = place[best[q]]
    return places


def mean_pooled(bags: TokenBags, mean: bool) -> np.ndarray:
    sums = np.add.reduceat(bags.tokens, bags.offsets[:-1], axis=0)
    return sums / np.diff(bags.offsets)[:, None] if mean else sums


def table(title: str, heads: list[str], lines: list[list[str]]) -> Iterator[str]:
    yield from (f"\n## {title}\n", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|")
    yield from (f"| {' | '.join(line)} |" for line in lines)


def study(documents: TokenBags, queries: TokenBags, seeds: int) -> Iterator[str]:
    d = documents.tokens.shape[1]
    exact = maxsim(queries, documents)
    best = np.argsort(-exact, axis=1, kind="stable")[:, :10]
    recalls, candidates, codes = [], [], []

    def add(name: str, size: str, places: np.ndarray) -> None:
        recalls.append([name, size, *found(places)])
        candidates.append([name, size, *needed(places)])

    pooled = mean_pooled(queries, False) @ mean_pooled(documents, True).T
    add("mean of the tokens", str(d), ranks(pooled, best))
    add("single tokens, one after the other", "", single_vectors(documents, queries, best))
    for setting in SETTINGS:
        places = []
        for seed in range(1, 1 + 1000 * seeds, 1000):
            encoder = encoder_of(setting, d, seed)
            rows, asked = encoder.encode_documents(documents), encoder.encode_queries(queries)
            places.append(ranks(asked @ rows.T, best))
        name = f"({setting[0]}, {setting[1]}, {setting[2]}) {setting[3]}"
        name += "" if setting[4] else ", not filled"
        add(name, f"{encoder.output_dimension:,}", np.concatenate(places))
        if setting[1:3] != (4, 8) or setting[3] != "orthogonal":
            continue
        codes.append([name, "float32", f"{4 * rows.shape[1]:,}", *found(places[-1])])
        for label, quantizer in (
            ("PQ-256-8", ProductQuantizer(rows.shape[1] // 8, 8, metric="ip", random_state=0)),
            ("PQ-16-2", ProductQuantizer(rows.shape[1] // 2, 4, metric="ip", random_state=0)),
            ("RaBitQ 2 bits", RaBitQuantizer(2, random_state=0)),
        ):
            quantizer.fit(rows)
            top = quantizer.topk(asked, quantizer.encode(rows), len(rows)).indices
            inverse = np.argsort(top, axis=1, kind="stable")
            size = f"{quantizer.code_size:,}"
            codes.append([name, label, size, *found(np.take_along_axis(inverse, best, axis=1))])
    recall = ["1@10", "1@100", "10@10", "10@100"]
    yield from table("Recall against size", ["encoding", "numbers", *recall], recalls)
    shares = [f"{share:.0%}" for share in SHARES]
    yield from table("Candidates that hold the best", ["encoding", "numbers", *shares], candidates)
    yield from table("Codes of encodings", ["encoding", "code", "bytes", *recall], codes)
    carved = []
    for threshold in (0.9, 0.8, 0.7, 0.6, 0.5, 0.4):
        fewer = carve_queries(queries, threshold)
        share = len(fewer.tokens) / len(queries.tokens)
        carved.append(
            [str(threshold), f"{share:.2f}", *found(ranks(maxsim(fewer, documents), best))]
        )
    yield from table("Ball carving of queries", ["threshold", "tokens left", *recall], carved)
    typed = []
    for dtype in ("float16", "bfloat16", "int8"):
        packed = maxsim_pack(documents, dtype=dtype)
        scores = maxsim(queries, packed)
        size = f"{packed.nbytes / packed.n_tokens:.0f}"
        off = (np.abs(scores - exact) / np.diff(queries.offsets)[:, None]).max()
        typed.append([dtype, size, f"{off:.1e}", *found(ranks(scores, best))])
    heads = ["tokens", "bytes a token", "off a query token, at most", *recall]
    yield from table("MaxSim in fewer bytes", heads, typed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tokens", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    documents, queries = load(arguments.tokens)
    head = (
        f"# What encodings find\n\n`study_muvera.py {arguments.tokens.name} --seeds "
        f"{arguments.seeds}`, tersevec {tersevec.__version__}: {len(documents.offsets) - 1:,} "
        f"documents of {len(documents.tokens):,} tokens, {len(queries.offsets) - 1:,} queries of "
        f"{len(queries.tokens):,}, {documents.tokens.shape[1]} dimensions.\n\n"
        "1@N is the share of queries whose best document by exact MaxSim is among N candidates, "
        "10@N that of the best ten. An encoding is (repetitions, hyperplanes, numbers of a cell)."
    )
    text = "\n".join([head, *study(documents, queries, arguments.seeds), ""])
    (arguments.out.write_text if arguments.out else sys.stdout.write)(text)


if __name__ == "__main__":
    main()
