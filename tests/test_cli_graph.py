"""`python -m tersevec embed-graph`: what it writes, which options it has, what it refuses."""

from __future__ import annotations

import errno
import os
from importlib import resources

import numpy as np
import pytest

from tersevec._cli import main
from tersevec._cli.graph_files import ids_of
from tersevec.graph import FastRP

EDGES = np.array([[0, 0, 2, 3, 4, 4], [1, 2, 3, 4, 0, 4]])
WEIGHTS = np.array([1, 0.5, 2, 1, 3, 1])
NAMES = ["ant", "bee", "cat", "dog", "eel"]


def embed(path, capsys, *options):
    """(exit status, what was printed, the array, the lines of the file of names)."""
    out = path.parent / "out.npy"
    status = main(["embed-graph", str(path), str(out), "--n-components", "16", *options])
    names = path.parent / "out.names.txt"
    return (
        status,
        capsys.readouterr(),
        np.load(out) if out.exists() else None,
        names.read_text("utf-8").splitlines() if names.exists() else None,
    )


def refused(path, capsys, *options):
    """The one line on stderr; nothing is left behind."""
    before = {*path.parent.iterdir()}
    status, printed, *_ = embed(path, capsys, *options)
    assert status == 2
    assert {*path.parent.iterdir()} == before
    assert printed.err.startswith("tersevec embed-graph: ")
    assert printed.err.count("\n") == 1
    return printed.err.removeprefix("tersevec embed-graph: ").strip()


def write(path, text):
    path.write_text(text, "utf-8")
    return path


def test_bytes_that_are_no_utf8_survive_as_names(tmp_path, capsys):
    path = tmp_path / "edges.txt"
    path.write_bytes(b"caf\xe9 tea\n")
    assert main(["embed-graph", str(path), str(tmp_path / "out.npy")]) == 0
    assert (tmp_path / "out.names.txt").read_bytes() == b"caf\xe9\ntea\n"


def test_the_embedding_is_fastrps_and_the_names_are_those_of_its_rows(tmp_path, capsys):
    lines = [f"{NAMES[u]} {NAMES[v]} {w}" for u, v, w in zip(*EDGES, WEIGHTS, strict=True)]
    path = write(tmp_path / "edges.txt", "\n".join(lines))
    options = ("--weights", "1", "0.5", "--self-weight", "2", "--random-state", "5")
    status, printed, embedding, names = embed(path, capsys, "--state", "float32", *options)
    assert (status, printed.err, names) == (0, "", NAMES)
    assert "5 nodes, 6 weighted undirected edges" in printed.out
    assert "out.npy: float32 (5, 16)" in printed.out
    assert "out.names.txt: the nodes of its rows" in printed.out
    model = FastRP(16, weights=(1, 0.5), self_weight=2, random_state=5, state="float32")
    both = np.hstack([EDGES, EDGES[::-1, :5]]), np.concatenate([WEIGHTS, WEIGHTS[:5]])
    wanted = model.fit_transform(both, ids=ids_of(NAMES))
    np.testing.assert_allclose(embedding, wanted, rtol=1e-5, atol=1e-6)


def test_numbers_of_rows_are_kept_where_they_are_promised(tmp_path, capsys):
    path = write(tmp_path / "edges.txt", "1 3\n3 4\n")
    status, printed, embedding, names = embed(path, capsys, "--nodes", "6")
    assert (status, names, embedding.shape) == (0, None, (6, 16))
    assert [bool(row.any()) for row in embedding] == [False, True, False, True, True, False]
    assert "note: " in printed.out  # nodes without neighbours
    compact = embed(path, capsys)
    assert (compact[2].shape, compact[3]) == ((3, 16), ["1", "3", "4"])
    np.testing.assert_array_equal(compact[2], embedding[[1, 3, 4]])  # rows belong to names


def test_the_order_of_the_lines_changes_nothing(tmp_path, capsys, rng):
    pairs = rng.integers(0, 50, (300, 2))
    outcomes = []
    for turn in range(2):
        lines = [f"n{u}\tn{v}\t{1 + (u + v) % 3}" for u, v in pairs[rng.permutation(300)]]
        status, _, embedding, names = embed(
            write(tmp_path / f"edges{turn}.txt", "\n".join(lines)), capsys
        )
        outcomes.append((status, names, embedding.tobytes()))
    assert outcomes[0] == outcomes[1]


def test_the_order_of_the_work_changes_nothing(tmp_path, capsys):
    path = write(tmp_path / "edges.txt", "a b\nb c\nc d\nb d\n")
    wide = ("--n-components", "100")
    plain = embed(path, capsys, *wide)[2]
    for options in (("--order", "degree"), ("--column-block", "64")):
        np.testing.assert_array_equal(embed(path, capsys, *wide, *options)[2], plain)


def test_options_reach_fastrp(tmp_path, capsys):
    path = write(tmp_path / "edges.txt", "a b\nb c\nc d\n")
    np.save(tmp_path / "features.npy", np.eye(4, dtype=np.float32))
    plain = embed(path, capsys)[2]
    for options in (
        ("--normalization-strength", "-0.5", "--no-normalize"),
        ("--density", "0.1"),
        ("--whiten-every", "1"),
        ("--directed",),
        ("--no-normalize",),
        ("--random-state", "1"),
        ("--standardize",),
        ("--self-loops",),
        ("--features", str(tmp_path / "features.npy")),
    ):
        status, _, other, _ = embed(path, capsys, *options)
        assert status == 0
        assert not np.array_equal(plain, other), options
    assert embed(path, capsys, "--dtype", "float16")[2].dtype == np.float16


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--threads", "0"), "--threads: expected an integer from 1"),
        (("--column-block", "50"), "--column-block: expected a multiple of 64"),
        (("--n-components", "0"), "--n-components: expected an integer from 1"),
        (("--whiten-every", "-1"), "--whiten-every: expected"),
        (("--density", "2"), "--density: expected"),
        (("--random-state", "-1"), "--random-state: expected an int of at least 0, got -1"),
        (("--weights", "0", "0"), "--weights: expected"),
        (("--nodes", "4"), "edges.txt: expected node numbers of at least 0 and below 4, got 7"),
        (("--nodes", "0"), "--nodes: expected an integer from 1"),
        (("--features", "missing.npy"), "--features: missing.npy: No such file"),
    ],
)
def test_options_that_fastrp_refuses_are_named(tmp_path, capsys, options, message):
    path = write(tmp_path / "edges.txt", "1 7\n")
    assert message in refused(path, capsys, *options)


def test_names_do_not_go_with_numbers_of_rows(tmp_path, capsys):
    path = write(tmp_path / "edges.txt", "a b\n")
    assert refused(path, capsys, "--nodes", "4") == (
        "--nodes: expected nodes that are whole numbers, got 'a'"
    )


def test_files_that_cannot_be_are_refused_before_any_work(tmp_path, capsys):
    missing = tmp_path / "missing.txt"
    assert "missing.txt: No such file or directory" in refused(missing, capsys)
    for out, message in (
        ("out.bin", "expected a name that ends in .npy"),
        ("nowhere/out.npy", "there is no folder"),
        ("edges.npy", "{out!r} would replace EDGES"),
    ):
        np.save(tmp_path / "edges.npy", EDGES)
        message = message.format(out=str(tmp_path / out))
        status = main(["embed-graph", str(tmp_path / "edges.npy"), str(tmp_path / out)])
        assert status == 2
        assert f"tersevec embed-graph: OUT.npy: {message}" in capsys.readouterr().err


def test_what_was_there_stays_if_the_work_fails(tmp_path, capsys):
    path = write(tmp_path / "edges.txt", "a b\n")
    first = embed(path, capsys)
    assert embed(path, capsys, "--density", "2")[0] == 2
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), first[2])
    assert not [*tmp_path.glob("*.partial")]


def test_a_full_disk_is_said_before_the_work(tmp_path, capsys, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = write(tmp_path / "edges.txt", "a b\n")
    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    assert "out.npy: No space left on device" in refused(path, capsys)


def test_features_fill_some_columns(tmp_path, capsys, rng):
    path = write(tmp_path / "edges.txt", "a b\nb c\n")
    features = rng.standard_normal((3, 4)).astype(np.float32)
    np.save(tmp_path / "features.npy", features)
    options = ("--features", str(tmp_path / "features.npy"), "--feature-ratio", "0.25")
    status, _, embedding, names = embed(path, capsys, *options)
    assert (status, names) == (0, ["a", "b", "c"])
    model = FastRP(16, feature_ratio=0.25, random_state=0)
    edges = np.array([[0, 1, 1, 2], [1, 0, 2, 1]])
    wanted = model.fit_transform(edges, features, ids=ids_of(names))
    np.testing.assert_array_equal(embedding, wanted)
    assert "--feature-ratio: expected" in refused(path, capsys, *options[:3], "2")
    np.save(tmp_path / "features.npy", features[:2])
    assert "--features: expected 3 rows" in refused(path, capsys, *options)


def test_the_graph_that_ships_can_be_embedded(tmp_path, capsys):
    shipped = resources.files("tersevec").joinpath("data", "graph_debian.npz")
    with resources.as_file(shipped) as file:
        status = main(["embed-graph", str(file), str(tmp_path / "out.npy"), "--n-components", "8"])
    assert status == 0
    assert "5,844 nodes, 64,250 undirected edges" in capsys.readouterr().out
    assert np.load(tmp_path / "out.npy").any(axis=1).all()
