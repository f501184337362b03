"""The command line: `python -m tersevec info | demo | evaluate | embed-graph`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import tersevec
from tersevec._cli import embed_graph_options
from tersevec._cli.rows import METRICS, UserError

DESCRIPTION = "Vectors in few bits, searched fast and exactly."
METHODS = (
    "Compares exact float32 search, sign bits (Hamming), product quantisation (pq), recurrent "
    "binary codes and RaBitQ, the codes alone and re-ranked by float32 vectors. Prints bytes per "
    "vector, recall against exact search, queries per second, and their ratio to a NumPy brute "
    "force."
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tersevec", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=tersevec.__version__)
    commands = parser.add_subparsers(dest="command", metavar="{info,demo,evaluate,embed-graph}")
    info = "print the backend, CPU levels, threads and kernels in use, and why (the default)"
    commands.add_parser("info", help=info, description=info.capitalize() + ".")
    demo = "compare and search on sentence embeddings, embed a graph; both come with the package"
    commands.add_parser("demo", help=demo, description=f"{demo.capitalize()}. {METHODS}")
    evaluate = "compare on your own vectors"
    _add_evaluate(
        commands.add_parser(
            "evaluate", help=evaluate, description=f"{evaluate.capitalize()}. {METHODS}"
        )
    )
    embed = "embed the nodes of a graph, from a file of edges"
    embed_graph_options.add_options(
        commands.add_parser("embed-graph", help=embed, description=embed_graph_options.DESCRIPTION)
    )
    return parser


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "base",
        metavar="BASE.npy",
        help="float16, float32 or float64 (n, d); memory-mapped, so it may exceed memory",
    )
    add("queries", metavar="QUERIES.npy", help="floats (nq, d)")
    add("--k", type=int, default=10, help="results per query (default: %(default)s)")
    add(
        "--metric",
        choices=METRICS,
        default="cosine",
        help="what is nearest: largest cosine (the default) or inner "
        "product, or smallest Euclidean distance",
    )
    add(
        "--oversample",
        type=int,
        nargs="+",
        metavar="X",
        help="re-rank the best X * k codes (default: 10; with --plot: 2 5 10 20)",
    )
    add(
        "--train-rows",
        type=int,
        default=20_000,
        metavar="N",
        help="random rows to learn from (default: %(default)s)",
    )
    add(
        "--threads",
        type=int,
        metavar="N",
        help="threads of tersevec's kernels (default: the CPUs of this process)",
    )
    add(
        "--plot",
        metavar="OUT.png",
        help="draw recall against speed and size, with pq of several sizes; needs matplotlib",
    )


def _info() -> None:
    tersevec.show_config()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 1 (broken pipe), 2 (bad input), 130 (Ctrl-C)."""
    arguments = _parser().parse_args(argv)
    command = arguments.command or "info"
    try:
        if command == "demo":
            from tersevec._cli import demo

            demo.run()
        elif command == "evaluate":
            from tersevec._cli import evaluate

            evaluate.run(arguments)
        elif command == "embed-graph":
            from tersevec._cli import embed_graph

            embed_graph.run(arguments)
        else:
            _info()
            if arguments.command is None:
                print("\npython -m tersevec --help lists the other commands.")
        sys.stdout.flush()
    except UserError as error:
        print(f"tersevec {command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\ntersevec {command}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # the last flush must not fail too
        return 1
    return 0
