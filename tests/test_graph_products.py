"""Sparse products, Gram matrices and whitening on every path, against float64."""

from __future__ import annotations

import numpy as np
import pytest

from tersevec.graph import gram, spmm, whiten

sparse = pytest.importorskip("scipy.sparse")


def close(found, expected, tolerance):
    np.testing.assert_allclose(found, expected, atol=tolerance * np.abs(expected).max(), rtol=0)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("d", [1, 16, 20, 64])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_spmm_is_the_product(path, rng, d, dtype):
    a = sparse.random_array((40, 30), density=0.2, format="csr", rng=np.random.default_rng(1))
    a.data -= 0.5
    x = rng.standard_normal((30, d)).astype(dtype)
    close(spmm(a, x), a @ x.astype(np.float64), 1e-6)
    scale = rng.random(40)
    out = np.empty((40, d), np.float32)
    assert spmm(a.tocsc(), x, row_scale=scale, out=out) is out
    close(out, scale[:, None] * (a @ x.astype(np.float64)), 1e-6)
    a.data = np.abs(a.data)
    total = a.sum(axis=1)
    expected = (a @ x.astype(np.float64)) / np.where(total > 0, total, 1)[:, None]
    close(spmm(a, x, row_scale="mean"), expected, 1e-6)
    edges = np.array([[0, 2, 2], [1, 0, 1]])
    np.testing.assert_array_equal(spmm(edges, np.eye(3)), [[0, 1, 0], [0, 0, 0], [1, 1, 0]])


def test_gram_and_whiten(path, rng):
    axes = np.linalg.qr(rng.standard_normal((9, 9)))[0]  # in float32, flat clouds whiten less well
    x = rng.standard_normal((500, 9)) @ (axes * np.linspace(1, 3, 9)) + 3
    np.testing.assert_allclose(gram(x), x.T @ x, rtol=1e-5)
    np.testing.assert_allclose(gram(x, normalize=True), unit(x).T @ unit(x), rtol=1e-4)
    np.testing.assert_allclose(np.cov(whiten(x).T, bias=True), np.eye(9), atol=1e-3)
    flat = np.concatenate([x, x[:, :1]], axis=1)
    values = np.linalg.eigvalsh(np.cov(whiten(flat).T, bias=True))
    np.testing.assert_allclose(values, [0] + [1] * 9, atol=1e-2)


A = sparse.csr_array(np.array([[0, 1], [1, 0]], np.float32))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: spmm(A, np.zeros((3, 2))), ValueError, r"adjacency: expected shape \(\?, 3\)"),
        (lambda: spmm(A, np.full((2, 2), np.inf)), ValueError, "X: row 0"),
        (lambda: spmm(A, np.zeros((2, 2)), row_scale=[1]), ValueError, "row_scale"),
        (lambda: spmm(A, np.zeros((2, 2)), row_scale="sum"), ValueError, "row_scale"),
        (lambda: whiten(np.full((2, 2), np.nan)), ValueError, "X: row 0 holds NaN"),
        (lambda: gram(np.zeros(3)), ValueError, "X"),
    ],
)
def test_bad_input_is_refused_by_name(call, error, words):
    with pytest.raises(error, match=words):
        call()
