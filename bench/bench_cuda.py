"""CUDA kernels against a device copy and against CuPy's own. `python bench/bench_cuda.py`

Needs a GPU and CuPy. Rounds run the copy, the kernel and its peers one after the other, timed by
CUDA events; what disturbs the machine falls on all of them. Every answer is compared with that of
the NumPy twin on a smaller base before anything is timed.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import platform
import statistics
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import tersevec
from tersevec._cuda import FAMILIES

Call = Callable[[], Any]
K = 10


class Case(NamedTuple):
    """A call of one family, what it must read at least, and what else answers the same question."""

    what: str
    family: str
    read_bytes: int
    build: Callable[[Any, Any], Call]  # (twin, xp) -> call
    peers: dict[str, Callable[[Any], Call]]


def there(xp: Any, *arrays: np.ndarray) -> list[Any]:
    return [xp.asarray(array) for array in arrays]


def hamming_cases(scale: float) -> Iterator[Case]:
    n, n_bytes = max(64, int(10_000_000 * scale)) // 8 * 8, 32
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 2**64, (n // 8, n_bytes // 8, 8), dtype=np.uint64)
    for nq in (1, 64):
        queries = rng.integers(0, 256, (nq, n_bytes), dtype=np.uint8)

        def ours(twin: Any, xp: Any, queries: np.ndarray = queries) -> Call:
            q, base = there(xp, queries, blocks)
            return lambda: twin.topk(q, base, n, K, None, 1)

        def counted(cupy: Any, queries: np.ndarray = queries) -> Call:
            """All distances by an elementwise kernel, and CuPy's partition of them."""
            q, base = there(cupy, queries.view(np.uint64), blocks)
            count = cupy.ElementwiseKernel("uint64 a, uint64 b", "int32 c", "c = __popcll(a ^ b)")
            words = base.transpose(1, 0, 2).reshape(n_bytes // 8, n)

            def search() -> Any:
                found = [
                    sum(count(word, row) for word, row in zip(one, words, strict=True)) for one in q
                ]
                return [cupy.argpartition(distances, K)[:K] for distances in found]

            return search

        what = f"hamming topk: {n:,} x 256 bits, {nq} queries"
        yield Case(what, "hamming", blocks.nbytes, ours, {"CuPy": counted})


def pqscan_cases(scale: float) -> Iterator[Case]:
    n, rng = max(64, int(2_000_000 * scale)) // 64 * 64, np.random.default_rng(1)
    for m, n_bits in ((64, 4), (64, 8)):
        width = 32 if n_bits == 4 else 64
        line = 16 if n_bits == 4 else 64
        blocks = rng.integers(0, 256, (n // width, m, line), dtype=np.uint8)
        for nq in (1, 64):
            tables = rng.random((nq, m, 1 << n_bits), dtype=np.float32)

            def ours(twin: Any, xp: Any, t: np.ndarray = tables, b: np.ndarray = blocks) -> Call:
                entries, base = there(xp, t, b)
                return lambda: twin.topk(entries, base, n, K, None, 1)

            def gathered(
                cupy: Any, t: np.ndarray = tables, b: np.ndarray = blocks, bits: int = n_bits
            ) -> Call:
                """Sums of gathered entries, and CuPy's partition of them; for codes of bytes."""
                entries, base = there(cupy, t, b)
                codes = base.transpose(1, 0, 2).reshape(base.shape[1], n)

                def search() -> Any:
                    sums = [sum(e[c] for e, c in zip(one, codes, strict=True)) for one in entries]
                    return [cupy.argpartition(distances, K)[:K] for distances in sums]

                return search

            def cuvs(cupy: Any, nq: int = nq, m: int = m, bits: int = n_bits) -> Call:
                """cuVS's scan of one list that holds every code, of vectors of its own."""
                ivf_pq = importlib.import_module("cuvs.neighbors.ivf_pq")
                rows = cupy.random.default_rng(0).standard_normal((n, 2 * m), dtype=np.float32)
                shape = {"n_lists": 1, "pq_dim": m, "pq_bits": bits}
                index = ivf_pq.build(ivf_pq.IndexParams(metric="sqeuclidean", **shape), rows)
                given = ivf_pq.SearchParams(n_probes=1)
                return lambda: ivf_pq.search(given, index, rows[:nq], K)

            what = f"pqscan topk: {n:,} x {m} x {n_bits} bits, {nq} queries"
            peers = {"CuPy": gathered} if n_bits == 8 else {}
            if importlib.util.find_spec("cuvs"):
                peers["cuVS"] = cuvs
            yield Case(what, "pqscan", blocks.nbytes, ours, peers)


def symdist_cases(scale: float) -> Iterator[Case]:
    n, m, rng = max(64, int(2_000_000 * scale)) // 16 * 16, 256, np.random.default_rng(2)
    factors = rng.random(n, dtype=np.float32)
    for n_bits in (1, 4):
        blocks = rng.integers(0, 256, (n // 16, m * n_bits // 32, 64), dtype=np.uint8)
        for nq in (1, 64):
            queries = rng.integers(-127, 128, (nq, m)).astype(np.int8)
            scales = rng.random(nq, dtype=np.float32)

            def ours(
                twin: Any,
                xp: Any,
                q: np.ndarray = queries,
                s: np.ndarray = scales,
                b: np.ndarray = blocks,
                bits: int = n_bits,
            ) -> Call:
                rows, sizes, base, inverse = there(xp, q, s, b, factors)
                return lambda: twin.topk(rows, sizes, base, n, bits, inverse, K, None, 1)

            def multiplied(cupy: Any, q: np.ndarray = queries) -> Call:
                """A half-precision product with codes that were decoded before."""
                rows = cupy.asarray(q.astype(np.float16))
                decoded = cupy.ones((n, m), np.float16)

                def search() -> Any:
                    return [cupy.argpartition(-row, K)[:K] for row in rows @ decoded.T]

                return search

            what = f"symdist topk: {n:,} x {m} x {n_bits} bits, {nq} queries"
            yield Case(what, "symdist", blocks.nbytes, ours, {"CuPy, float16": multiplied})


def maxsim_cases(scale: float) -> Iterator[Case]:
    n, length, d, rng = max(2, int(20_000 * scale)), 80, 128, np.random.default_rng(3)
    tokens = rng.standard_normal((n * length, d), dtype=np.float32)
    offsets = np.arange(n + 1, dtype=np.int64) * length
    query = rng.standard_normal((32, d), dtype=np.float32)
    one = np.array([0, 32], np.int64)
    for dtype in (np.float32, np.float16):
        documents = tokens.astype(dtype)

        def ours(twin: Any, xp: Any, documents: np.ndarray = documents) -> Call:
            q, qo, t, o = there(xp, query, one, documents, offsets)
            return lambda: twin.topk(q, qo, t, None, None, o, None, K, None, 1)

        def multiplied(cupy: Any, documents: np.ndarray = documents) -> Call:
            """The whole score matrix by a product, and its maxima: documents of one length."""
            q, t = there(cupy, query.astype(documents.dtype), documents)

            def search() -> Any:
                scores = (q @ t.T).reshape(32, n, length).max(axis=2).sum(axis=0)
                return cupy.argpartition(-scores, K)[:K]

            return search

        what = f"maxsim topk: {n:,} x {length} tokens of {d}, {np.dtype(dtype).name}"
        yield Case(what, "maxsim", documents.nbytes, ours, {"CuPy": multiplied})


def fde_cases(scale: float) -> Iterator[Case]:
    n, length, d, rng = max(2, int(2_000 * scale)), 80, 128, np.random.default_rng(4)
    repetitions, bits, p = 20, 5, 16
    tokens = rng.standard_normal((n * length, d), dtype=np.float32)
    offsets = np.arange(n + 1, dtype=np.int64) * length
    hashes = rng.standard_normal((d, repetitions * bits), dtype=np.float32)
    projections = rng.standard_normal((d, repetitions * p), dtype=np.float32)

    def ours(twin: Any, xp: Any) -> Call:
        t, o, h, v = there(xp, tokens, offsets, hashes, projections)
        out = xp.empty((n, repetitions * p << bits), np.float32)

        def encode() -> Any:
            shape = (repetitions, bits, p, True, True, None, None)
            twin.encode(t, None, o, h, v, *shape, out, None, 1)
            return (out,)

        return encode

    def multiplied(cupy: Any) -> Call:
        """The products alone that encodings start with elsewhere."""
        t, both = there(cupy, tokens, np.concatenate([hashes, projections], axis=1))
        return lambda: t @ both

    what = f"fde encode: {n:,} documents of {length} tokens to {repetitions * p << bits:,} numbers"
    written = 4 * n * repetitions * p << bits
    yield Case(what, "fde", tokens.nbytes + written, ours, {"CuPy, products alone": multiplied})


def sparseproj_cases(scale: float) -> Iterator[Case]:
    n, degree, d, rng = max(64, int(1_000_000 * scale)), 18, 128, np.random.default_rng(5)
    indices = rng.integers(0, n, n * degree).astype(np.int32)
    indptr = np.arange(n + 1, dtype=np.int32) * degree
    state = rng.standard_normal((n, d), dtype=np.float32)
    for dtype in (np.float32, np.float16):
        held = state if dtype == np.float32 else state.astype(np.float16).view(np.uint16)

        def ours(twin: Any, xp: Any, held: np.ndarray = held) -> Call:
            p, i, source = there(xp, indptr, indices, held)
            target = xp.zeros(held.shape, held.dtype)

            def multiply() -> Any:
                rest = (target, None, None, 0.0, 1.0, False, False, 1)
                twin.propagate(p, i, None, None, False, source, None, *rest)
                return (target,)

            return multiply

        def multiplied(cupy: Any) -> Call:
            sparse = importlib.import_module("cupyx.scipy.sparse")
            p, i, x = there(cupy, indptr, indices, state)
            matrix = sparse.csr_matrix((cupy.ones(len(i), np.float32), i, p), shape=(n, n))
            return lambda: matrix @ x

        read = n * degree * (4 + held.itemsize * d) + held.nbytes
        what = f"sparseproj propagate: {n:,} nodes of {degree} entries, {np.dtype(dtype).name}"
        yield Case(what, "sparseproj", read, ours, {"cuSPARSE, float32": multiplied})


def cases(family: str, scale: float) -> Iterator[Case]:
    """The cases of a family, with bases of so much of their size."""
    yield from globals()[f"{family}_cases"](scale)


def agree(case: Case, xp: Any) -> None:
    """The device's answer is the NumPy twin's; floats within 1e-5 of the largest."""
    device, host = (
        importlib.import_module(f"tersevec.{t}.{case.family}") for t in ("_cuda", "_numpy")
    )
    found, expected = case.build(device, xp)(), case.build(host, np)()
    for here, wanted in zip(found, expected, strict=True):
        got = here.get() if hasattr(here, "get") else here
        if wanted.dtype.kind == "f":
            most = np.abs(wanted[np.isfinite(wanted)]).max(initial=0)
            np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-5 * most)
        else:
            np.testing.assert_array_equal(got, wanted)


def milliseconds(cupy: Any, calls: dict[str, Call], rounds: int) -> dict[str, float]:
    """The median time of each call, all of them once in every round."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(2):  # compiles, and fills the memory pool
        for call in calls.values():
            call()
    for _ in range(rounds):
        for name, call in calls.items():
            start, end = cupy.cuda.Event(), cupy.cuda.Event()
            start.record()
            call()
            end.record()
            end.synchronize()
            found[name].append(cupy.cuda.get_elapsed_time(start, end))
    return {name: statistics.median(times) for name, times in found.items()}


def rows(cupy: Any, families: list[str], rounds: int) -> Iterator[str]:
    """The lines of the table, as they are measured."""
    yield "| case | ms | GB/s | of a device copy | x peers |"
    yield "|---|---|---|---|---|"
    for family in families:
        for case in cases(family, 1 / 200):
            agree(case, cupy)
        for case in cases(family, 1):
            source = cupy.zeros(max(1, case.read_bytes // 2), np.uint8)  # read and written: all
            target = cupy.empty_like(source)

            def copied(source: Any = source, target: Any = target) -> None:
                target[...] = source

            twin = importlib.import_module(f"tersevec._cuda.{family}")
            calls = {"copy": copied, "ours": case.build(twin, cupy)}
            calls |= {name: build(cupy) for name, build in case.peers.items()}
            times = milliseconds(cupy, calls, rounds)
            ours = times["ours"]
            peers = ", ".join(f"{name} {times[name] / ours:.2f}" for name in case.peers)
            speed, part = case.read_bytes / ours / 1e6, times["copy"] / ours
            yield f"| {case.what} | {ours:.3f} | {speed:.0f} | {part:.2f} | {peers} |"


def main() -> int:
    """Print the table; the exit status is 1 where there is no GPU."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--report", type=Path, metavar="FILE", help="also write a Markdown file")
    given = parser.parse_args()
    devices = tersevec.show_config("dicts")["cuda"]
    if devices["why"]:
        print(f"no GPU to measure: {devices['why']}", file=sys.stderr)
        return 1
    cupy = importlib.import_module("cupy")
    head = f"{devices['devices'][0]}, CuPy {cupy.__version__}, Python {platform.python_version()}"
    lines = [head, ""]
    print(head, end="\n\n")
    for line in rows(cupy, given.families, given.rounds):
        print(line, flush=True)
        lines.append(line)
    if given.report:
        given.report.write_text(f"# {given.report.stem}\n\n" + "\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
