"""`python -m tersevec demo`: searches of vectors and of bags, and a graph, on data that ships."""

from __future__ import annotations

import tersevec
from tersevec._cli import demo_data, demo_graph, demo_tokens
from tersevec._cli.coders import PRODUCT_BITS, RABITQ_BITS, RECURRENT_LEVELS, subspace_counts
from tersevec._cli.demo_data import DemoData
from tersevec._cli.rows import Rows
from tersevec._cli.study import Measured, Plan, compare
from tersevec._cli.table import WIDTH, method_notes, table

K, OVERSAMPLE, SHOWN = 10, 4, 3
EXAMPLES = (40, 55)  # queries: one for a Debian package, one for a WordNet entry


def run() -> None:
    """Print the comparison, the two searches, and what embeddings of a graph tell."""
    data = demo_data.load()
    base = Rows("base", data.base, "ip")
    products = [(subspace_counts(base.dim, n_bits)[0], n_bits) for n_bits in PRODUCT_BITS]
    threads = tersevec.get_num_threads()
    plan = Plan(K, (OVERSAMPLE,), products, RECURRENT_LEVELS, RABITQ_BITS, base.n, threads)
    print(
        f"{base.n:,} texts (Debian packages, WordNet) as embeddings of {base.dim} dimensions;\n"
        f"{len(data.queries)} queries worded differently from what they look for, inner products.\n"
    )
    results = compare(data.queries, base, plan)
    print(table(results, K), end="\n\n")
    print(method_notes(results, base, plan, len(data.queries)), end="\n\n")
    best = results[-1]
    print(f"What {best.name} finds for two queries (* marks what is looked for):")
    for query in EXAMPLES:
        print("\n".join(_example(data, best, query)))
    print("\nSo few vectors fit into a CPU's cache, where brute force is at its best.\n")
    print("\n".join(demo_tokens.lines()), end="\n\n")
    print("\n".join(demo_graph.lines()), end="\n\n")
    print(
        "Your own arrays: python -m tersevec evaluate BASE.npy QUERIES.npy\n"
        "Your own graph:  python -m tersevec embed-graph EDGES OUT.npy"
    )


def _example(data: DemoData, found: Measured, query: int) -> list[str]:
    text = data.query_texts[query]
    lines = ["", f'  {text.kind}: "{text.text}"']
    for row in found.indices[query, :SHOWN].tolist():
        hit = data.base_texts[row]
        score = float(data.base[row] @ data.queries[query])
        mark = "*" if row == data.targets[query] else " "
        label = f"{hit.key}: {hit.text}" if hit.kind == "debian" else hit.text
        line = f"  {mark} {score:.3f}  {label}"
        lines.append(line if len(line) <= WIDTH else line[: WIDTH - 1] + "…")
    return lines
