"""The options of `python -m tersevec embed-graph`; FastRP's parameters keep their names."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction

from tersevec._cli.edge_text import SEPARATORS

DESCRIPTION = (
    "Embeds the nodes of a graph by FastRP. EDGES is text, perhaps in a .gz: on a line a source, a "
    "target, perhaps a weight, with white space, commas, semicolons or tabs between them; lines "
    'that begin with "#" or "%" are comments. Or a .parquet of columns "source", "target" and '
    '"weight". Rows then stand in ascending order of the nodes\' names, and OUT.names.txt lists '
    'these. Or a .npz of a scipy.sparse matrix, or of "edges" (2, m) and "weights" (m,), whose '
    "nodes are numbers of rows. Repeated edges add up."
)
PARAMETERS = (
    "n_components",
    "weights",
    "normalization_strength",
    "density",
    "self_weight",
    "normalize",
    "standardize",
    "whiten_every",
    "self_loops",
    "feature_ratio",
    "state",
    "dtype",
    "random_state",
)


def add_options(parser: ArgumentParser) -> None:
    """Files, how to read them, and what FastRP is to do."""
    parser.add_argument("edges", metavar="EDGES", help="the graph")
    parser.add_argument("out", metavar="OUT.npy", help="floats (nodes, components)")
    _add_reading(parser)
    _add_parameters(parser)


def _add_reading(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("the file")
    ways = group.add_mutually_exclusive_group()
    ways.add_argument(
        "--undirected",
        action="store_false",
        dest="directed",
        default=None,
        help="edges count both ways (the default but for matrices, which are what they are)",
    )
    ways.add_argument(
        "--directed",
        action="store_true",
        default=None,
        help="a node averages over the targets of its edges alone",
    )
    group.add_argument(
        "--unweighted",
        action="store_false",
        dest="weighted",
        help="every edge counts 1; more columns of text than two are passed over",
    )
    group.add_argument(
        "--separator",
        choices=SEPARATORS,
        help="what is between the columns of text (default: as the first edge shows)",
    )
    group.add_argument(
        "--nodes",
        type=int,
        metavar="N",
        help="nodes are the numbers 0 to N - 1, and row i is node i",
    )


def _add_parameters(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("FastRP")
    add = group.add_argument
    add("--n-components", type=int, default=256, metavar="N", help="columns (default: %(default)s)")
    add(
        "--weights",
        type=float,
        nargs="+",
        default=(0.0, 1.0, 1.0),
        metavar="W",
        help="of the neighbours 1, 2, ... steps away (default: 0 1 1)",
    )
    add(
        "--self-weight",
        type=float,
        default=0.0,
        metavar="W",
        help="of a node's own random row (default: 0)",
    )
    add(
        "--normalization-strength",
        type=float,
        default=0.0,
        metavar="B",
        help="random rows are multiplied by degree ** B (default: 0)",
    )
    add(
        "--density",
        type=_density,
        default="auto",
        metavar="P",
        help="share of random numbers that are not zero (default: auto, 1/3)",
    )
    add(
        "--normalize",
        action=BooleanOptionalAction,
        default=True,
        help="add unit rows (the default), or rows as they are",
    )
    add("--standardize", action="store_true", help="columns of mean 0 and variance 1")
    add(
        "--whiten-every",
        type=int,
        default=0,
        metavar="J",
        help="decorrelate the columns every J steps and after the last (default: 0, never)",
    )
    add("--self-loops", action="store_true", help="every node is its own neighbour too")
    add(
        "--features",
        metavar="X.npy",
        help="attributes (nodes, k) in the order of OUT.npy's rows, projected to some columns",
    )
    add(
        "--feature-ratio",
        type=float,
        default=0.5,
        metavar="P",
        help="the share of these columns (default: %(default)s)",
    )
    add(
        "--state",
        choices=("float16", "float32", "int8"),
        default="float16",
        help="how rows are held between steps (default: %(default)s)",
    )
    add(
        "--order",
        choices=("degree",),
        help="go through hubs first, which may be faster if there are many steps; the same rows",
    )
    add(
        "--column-block",
        type=int,
        metavar="N",
        help="columns at once, a multiple of 64: states take less memory (default: all)",
    )
    add(
        "--dtype",
        choices=("float16", "float32", "float64"),
        default="float32",
        help="of OUT.npy (default: %(default)s)",
    )
    add(
        "--random-state",
        type=int,
        default=0,
        metavar="SEED",
        help="the same seed gives the same numbers (default: %(default)s)",
    )
    add("--threads", type=int, metavar="N", help="default: the CPUs of this process")


def _density(text: str) -> str | float:
    if text == "auto":
        return text
    try:
        return float(text)
    except ValueError as error:
        raise ArgumentTypeError(f"expected auto or a number, got {text!r}") from error
