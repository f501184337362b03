"""Codes of embeddings: recall for their bytes, speed, and a new model's queries on old codes.

`python bench/study_codes.py [--base BASE.npy --queries QUERIES.npy] [--report FILE]`
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from pathlib import Path

import numpy as np

import report
import tersevec
import timing
from study_codes_methods import TRAIN, K, Method, exact, methods
from tersevec._cli import demo_data
from tersevec._rotation import random_rotation
from tersevec.binary import RecurrentBinarizer

BATCH, ROUNDS = 64, 5
LEGEND = (
    "bytes: of a vector, factors included; recall@10: of the 10 nearest by float32 inner products; "
    "queries/s: from encoded queries to their 10 best rows, lookup tables and rotations of queries "
    f"included, {BATCH} at once and one by one; encode: microseconds for a query, {BATCH} at once, "
    "where codes search codes. One thread, medians of rounds in which all methods take turns. "
    f"Methods learn from {TRAIN:,} of the vectors, or from all if they are fewer."
)
HEAD = ["method", "bytes", "recall@10", f"queries/s, {BATCH}", "queries/s, 1", "encode"]
IMITATION = (
    " It is imitated: the old one's vectors, each with noise of length 0.15, turned by one random "
    "rotation."
)


def recall(found: np.ndarray, truth: np.ndarray) -> float:
    return float((found[:, :, None] == truth[:, None]).any(axis=2).mean())


def speeds(found: list[Method], queries: np.ndarray) -> list[list[str]]:
    """Cells of each method: queries a second in batches and one by one, time to encode."""
    batch = queries[:BATCH]
    calls = []
    for method in found:
        encoded = method.encoded(batch)
        for call in (
            lambda m=method, q=encoded: m.search(q),
            lambda m=method, q=encoded[:1]: m.search(q),
            lambda m=method: m.encoded(batch),
        ):
            calls.append(timing.Timed(call, time.process_time))
    rounds = [[call.round() for call in calls] for _ in range(ROUNDS)]
    return [
        [
            f"{len(batch) / many:,.0f}",
            f"{1 / one:,.0f}",
            f"{1e6 * encode / len(batch):.1f}" if method.encode else "",
        ]
        for method, (many, one, encode) in zip(
            found, np.median(rounds, axis=0).reshape(-1, 3), strict=True
        )
    ]


def imitated(base: np.ndarray, queries: np.ndarray) -> list[np.ndarray]:
    rng, d = np.random.default_rng(0), base.shape[1]
    turn = random_rotation(d, rng).astype(np.float32)

    def noisy(x: np.ndarray) -> np.ndarray:
        noise = np.float32(0.15 / np.sqrt(d)) * rng.standard_normal(x.shape, dtype=np.float32)
        return np.asarray((x + noise) @ turn)

    return [noisy(base[:TRAIN]), noisy(queries)]


def versions(
    base: np.ndarray, queries: np.ndarray, new: list[np.ndarray], truth: np.ndarray
) -> list[list[str]]:
    """Recall of old and new queries on the codes of the old model."""
    old = RecurrentBinarizer(base.shape[1], 2, random_state=0).fit(base[:TRAIN])
    codes = old.pack(old.encode(base))
    adapted = RecurrentBinarizer(base.shape[1], 2, random_state=1)
    adapted.fit_compatible(new[0], base[: len(new[0])], old)
    answers = {"old queries": old.encode(queries)}
    if new[1].shape[1] == base.shape[1]:
        answers["new queries, nothing learned"] = old.encode(new[1])
    answers["new queries, fit_compatible"] = adapted.encode(new[1])
    return [
        ["on old codes", "recall@10"],
        *(
            [name, f"{recall(old.topk(asked, codes, K).indices, truth):.3f}"]
            for name, asked in answers.items()
        ),
    ]


def study(base: np.ndarray, queries: np.ndarray, truth: np.ndarray) -> list[list[str]]:
    found, rows = [], []
    for method in methods(base):
        share = recall(method.search(method.encoded(queries)), truth)
        rows.append([method.name, str(method.row_bytes), f"{share:.3f}", "", "", ""])
        found.append(method)
        print(*rows[-1], time.strftime("%X"), file=sys.stderr, flush=True)
    for row, method, cells in zip(rows, found, speeds(found, queries), strict=True):
        row[3:] = cells if method.timed else row[3:]
    return [HEAD, *rows]


def loaded(*paths: Path) -> list[np.ndarray]:
    return [np.load(path).astype(np.float32) for path in paths]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("base", "queries", "new-base", "new-queries"):
        parser.add_argument(f"--{name}", type=Path, metavar="X.npy")
    parser.add_argument("--what", default="Embeddings", help="the data in words")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write Markdown")
    given = parser.parse_args()
    if (given.base is None) != (given.queries is None):
        parser.error("--base and --queries go together")
    if (given.new_base is None) != (given.new_queries is None):
        parser.error("--new-base and --new-queries go together")
    if given.base:
        base, queries = loaded(given.base, given.queries)
    else:
        demo = demo_data.load()
        base, queries = demo.base, demo.queries
    if given.new_base:
        new, origin = loaded(given.new_base, given.new_queries), ""
    else:
        new, origin = imitated(base, queries), IMITATION
    new[0] = new[0][:TRAIN]
    truth = exact(base, queries)
    size = f"{len(base):,} vectors of {base.shape[1]} dimensions, {len(queries):,} queries"
    names = [Path(word).name if word.endswith((".npy", ".md")) else word for word in sys.argv[1:]]
    parts = [
        report.machine(shlex.join(["python", "bench/study_codes.py", *names]), ["numpy"]),
        f"{given.what}: {size}.",
        LEGEND,
        report.aligned(study(base, queries, truth)),
        f"A new model learns from {len(new[0]):,} items with vectors of both.{origin}",
        report.aligned(versions(base, queries, new, truth)),
    ]
    print("\n\n".join(parts))
    if given.report:
        given.report.write_text("\n\n".join([f"# {given.report.stem}", *parts]) + "\n", "utf-8")


if __name__ == "__main__":
    tersevec.set_num_threads(1)
    with timing.pinned(1):
        main()
