"""The example of loops over products runs, and does what it says."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "examples"
if not FOLDER.is_dir():
    pytest.skip("the tests were copied out of the sources", allow_module_level=True)
pytest.importorskip("scipy.sparse")


@pytest.fixture(scope="module")
def loops():
    spec = importlib.util.spec_from_file_location("graph_loops", FOLDER / "graph_loops.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["randne", "cleora", "prone"])
def test_loops_over_products_find_communities(loops, name):
    a, group = loops.communities(n=600, groups=6, degree=16)
    embedding = getattr(loops, name)(a, 32)
    assert (embedding.dtype, embedding.shape) == (np.float32, (600, 32))
    unit = loops.unit_rows(embedding)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -2)
    assert np.mean(group[cosines.argmax(axis=1)] == group) > 0.6  # by chance: 1 / 6


def test_left_singular_vectors_are_those_of_a_decomposition(loops):
    a, _ = loops.communities(n=300, groups=4, degree=30)
    left, values, _ = np.linalg.svd(a.toarray())
    found = loops.left_singular(a, 4, seed=0, rounds=30)
    wanted = left[:, :4] * np.sqrt(values[:4])
    np.testing.assert_allclose(found @ found.T, wanted @ wanted.T, atol=1e-3)


def test_bessel_functions_and_orthonormal_columns(loops, rng):
    special = pytest.importorskip("scipy.special")
    for k in range(10):
        assert loops.bessel(k, 0.5) == pytest.approx(special.iv(k, 0.5), rel=1e-12)
    columns = loops.orthonormal(rng.standard_normal((100, 7)) * np.arange(1, 8))
    np.testing.assert_allclose(columns.T @ columns, np.eye(7), atol=1e-5)


def test_the_program_prints_a_line_for_each_loop(loops, capsys):
    loops.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["randne", "cleora", "prone"]
    assert min(float(line.split()[1]) for line in lines) > 0.7
