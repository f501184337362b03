"""`python -m tersevec`: what it prints, what it refuses, and its exit status."""

from __future__ import annotations

import importlib.util
import re

import numpy as np
import pytest

import tersevec
from processes import run
from tersevec._cli import main, study
from tersevec._cli.table import WIDTH

MAIN = "import sys; from tersevec._cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture(autouse=True)
def short_measurements(monkeypatch):
    monkeypatch.setattr(study, "FEWEST_SECONDS", 0.001)


@pytest.fixture
def arrays(tmp_path, rng):
    """A folder with a base, queries, and files that are neither."""
    np.save(tmp_path / "base.npy", rng.standard_normal((300, 24), dtype=np.float32))
    np.save(tmp_path / "queries.npy", rng.standard_normal((7, 24)).astype(np.float16))
    np.save(tmp_path / "narrow.npy", rng.standard_normal((7, 23)))
    np.save(tmp_path / "few.npy", rng.standard_normal((9, 24)))
    np.save(tmp_path / "whole.npy", np.ones((300, 24), np.int64))
    np.save(tmp_path / "flat.npy", np.ones(24))
    np.save(tmp_path / "none.npy", np.ones((0, 24)))
    holes = rng.standard_normal((300, 24))
    holes[123, 4] = np.nan
    np.save(tmp_path / "holes.npy", holes)
    (tmp_path / "text.npy").write_text("not an array")
    return tmp_path


def evaluate(arrays, capsys, base, queries, *options):
    status = main(["evaluate", str(arrays / base), str(arrays / queries), *options])
    return status, capsys.readouterr()


def test_info_prints_what_is_in_use(capsys):
    assert main(["info"]) == 0
    printed = capsys.readouterr().out
    assert f"version: {tersevec.__version__}" in printed
    assert f"name: {tersevec.get_backend()}" in printed


def test_no_command_is_info_and_points_to_the_others(capsys):
    assert main([]) == 0
    printed = capsys.readouterr().out
    assert "python -m tersevec --help lists the other commands." in printed


def test_python_m_runs_the_command_line():
    ended = run("import runpy; runpy.run_module('tersevec', run_name='__main__')", "--version")
    assert (ended.returncode, ended.stdout.strip()) == (0, tersevec.__version__)


def test_demo_compares_and_searches_the_texts_that_ship(capsys):
    assert main(["demo"]) == 0
    printed = capsys.readouterr().out
    for words in (
        "5,000 texts",
        "bytes/vector",
        "recall@10",
        "exact float32 (NumPy)",
        "hamming + re-rank 40",
        "pq 96x4 + re-rank 40",
        "pq 64x6 + re-rank 40",
        "recurrent 384x2 + re-rank 40",
        "rabitq 1 bit + re-rank 40",
        "rabitq 4 bits + re-rank 40",
        "Gamecube and Wii emulator",
        "* 0.658  dolphin-emu",
        "300 WordNet entries as 4,861 token vectors of 64",
        "then int8 MaxSim of 30 candidates",
        "5,844 Debian packages",
        "python3-numpy: python3-scipy 0.9",
    ):
        assert words in printed
    assert max(map(len, printed.splitlines())) <= WIDTH
    bags = re.findall(r"(\d+)% of the entries found", printed)
    assert len(bags) == 2
    assert min(map(int, bags)) >= 80
    assert float(re.search(r"of exact search (0\.\d+)", printed)[1]) > 0.75
    rows = dict(re.findall(r"^(\S.*?) {2,}(\d.*)$", printed, re.M))
    sizes = {name: row.split()[0] for name, row in rows.items()}
    recall = {name: float(row.split()[1]) for name, row in rows.items()}
    assert sizes["exact float32 (NumPy)"] == "1,536"
    assert recall["exact float32 (NumPy)"] == 1
    assert (sizes["pq 96x4"], sizes["pq 64x6"], sizes["hamming"]) == ("48", "48", "48")
    assert (sizes["recurrent 384x2"], recall["recurrent 384x2"] > 0.75) == ("96", True)
    assert (sizes["rabitq 1 bit"], sizes["rabitq 4 bits"]) == ("60", "216")
    assert min(share for name, share in recall.items() if "re-rank" in name) > 0.95
    assert 0.6 < recall["hamming"] < recall["rabitq 1 bit"] < 0.9 < recall["rabitq 4 bits"]
    f1 = recall  # the same column of the graph's table
    assert f1["votes of neighbours"] < 0.35 < f1["FastRP, weights (0, 1, 1)"] < 0.5
    assert f1["FastRP, 16 steps, whitened every 4th"] > 0.53


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_evaluate_measures_the_users_arrays(arrays, capsys, metric):
    status, printed = evaluate(
        arrays, capsys, "base.npy", "queries.npy", "--k", "5", "--metric", metric, "--threads", "1"
    )
    assert (status, printed.err) == (0, "")
    assert "300 vectors of 24 dimensions, float32; 7 queries; metric " + metric in printed.out
    for words in ("recall@5", "hamming + re-rank 50", "pq 6x4 + re-rank 50", "1 thread,"):
        assert words in printed.out
    assert "recurrent 24x2 + re-rank 50" in printed.out
    rabitq = "rabitq left out" if metric == "l2" else "rabitq 1 bit + re-rank 50"
    assert rabitq in printed.out
    assert max(map(len, printed.out.splitlines()[1:])) <= WIDTH  # the first names the file


def test_evaluate_leaves_out_what_too_few_vectors_cannot_train(arrays, capsys):
    status, printed = evaluate(arrays, capsys, "few.npy", "queries.npy", "--k", "9")
    assert status == 0
    assert "pq left out: it needs at least 16 vectors to train on, there are 9." in printed.out
    assert "rabitq 4 bits" in printed.out
    status, printed = evaluate(
        arrays, capsys, "base.npy", "queries.npy", "--k", "9", "--train-rows", "63"
    )
    assert status == 0
    assert "pq 6x4" in printed.out
    assert "pq 4x6" not in printed.out


@pytest.mark.skipif(
    not importlib.util.find_spec("matplotlib"), reason="matplotlib is not installed"
)
def test_evaluate_draws_the_trade_off(arrays, capsys):
    picture = arrays / "out.png"
    status, printed = evaluate(
        arrays, capsys, "base.npy", "queries.npy", "--k", "5", "--plot", str(picture)
    )
    assert status == 0
    assert f"Trade-off drawn in {picture}" in printed.out
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_plot_without_matplotlib_says_what_to_install(arrays):
    code = f"import sys; sys.modules['matplotlib'] = None\n{MAIN}"
    files = (str(arrays / "base.npy"), str(arrays / "queries.npy"))
    ended = run(code, "evaluate", *files, "--plot", "out.png", TERSEVEC_BACKEND="numpy")
    assert ended.returncode == 2
    assert ended.stderr.strip() == (
        "tersevec evaluate: --plot needs matplotlib: pip install 'tersevec[plot]'"
    )


@pytest.mark.parametrize(
    ("base", "queries", "options", "message"),
    [
        ("missing.npy", "queries.npy", (), "missing.npy: No such file or directory"),
        ("text.npy", "queries.npy", (), "text.npy: expected a .npy file of a float array"),
        (
            "whole.npy",
            "queries.npy",
            (),
            "expected float16, float32 or float64, got int64",
        ),
        ("flat.npy", "queries.npy", (), "flat.npy: expected rank 2, (vectors, dimensions)"),
        ("none.npy", "queries.npy", (), "none.npy: expected at least one vector"),
        ("base.npy", "narrow.npy", (), "narrow.npy: expected 24 dimensions, as"),
        ("holes.npy", "queries.npy", (), "holes.npy: row 123 holds NaN or infinity"),
        ("base.npy", "queries.npy", ("--k", "301"), "--k: expected at most 300, the vectors of"),
        ("base.npy", "queries.npy", ("--k", "0"), "--k: expected an integer of at least 1, got 0"),
        (
            "base.npy",
            "queries.npy",
            ("--threads", "0"),
            "--threads: expected an integer of at",
        ),
        (
            "base.npy",
            "queries.npy",
            ("--train-rows", "5"),
            "--train-rows: expected an integer of at least 16, got 5",
        ),
        (
            "base.npy",
            "queries.npy",
            ("--oversample", "0"),
            "--oversample: expected integers of at least 1, got 0",
        ),
    ],
)
def test_bad_input_is_one_line_and_exit_status_2(arrays, capsys, base, queries, options, message):
    status, printed = evaluate(arrays, capsys, base, queries, *options)
    assert status == 2
    assert printed.err.startswith("tersevec evaluate: ")
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert "Traceback" not in printed.err


def test_an_unknown_command_is_exit_status_2(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["explode"])
    assert ended.value.code == 2
    assert "invalid choice: 'explode'" in capsys.readouterr().err
