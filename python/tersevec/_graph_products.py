"""The products that graph embeddings are loops over: sparse rows, Gram matrices, whitening."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from tersevec import _backend, _threads
from tersevec import _check as check
from tersevec import _fastrp_steps as steps
from tersevec._arrays import float_blocks
from tersevec._fastrp_input import result_array
from tersevec._graph_input import Graph, as_graph
from tersevec._held import GROUP, Held
from tersevec._quantizer import unit_rows
from tersevec._sparse_rows import SparseRows, is_sparse, sparse_rows
from tersevec._types import F32, F64, ArrayIn
from tersevec._whitening import whitening


def spmm(
    adjacency: Any,
    X: ArrayIn,
    *,
    row_scale: ArrayIn = None,
    out: npt.NDArray[Any] | None = None,
    threads: int | None = None,
) -> F32:
    """Sparse rows times dense rows: row i is ``row_scale[i] * sum of adjacency[i, j] X[j]``.

    Parameters
    ----------
    adjacency : scipy.sparse matrix (n, k), or a graph
        Any finite numbers; other graphs as `FastRP.fit_transform` takes them.
    X : array of floats, shape (k, d)
        float16 is read as it is; other types become float32.
    row_scale : array of floats, shape (n,), or "mean", optional
        What rows are multiplied by; "mean" divides by the sum of the row's entries, where it is
        not 0.
    out : ndarray of float32, shape (n, d), optional
        Where the result goes.
    threads : int, optional
        None means `tersevec.get_num_threads()`.

    Returns
    -------
    ndarray of float32, shape (n, d)
        The products.

    Raises
    ------
    TypeError, ValueError
        An argument does not fit the others, or holds NaN or infinity in a named row.

    Notes
    -----
    Entries are added in their order, in float32; rows of more than 2048 in parts of as many. The
    same bytes on every backend, CPU level and number of threads.

    Examples
    --------
    >>> import numpy as np
    >>> from tersevec.graph import spmm
    >>> edges = np.array([[0, 0, 1, 2], [1, 2, 0, 0]])
    >>> spmm(edges, np.float32([[1, 0], [0, 1], [0, 3]]), row_scale="mean")
    array([[0., 2.],
           [1., 0.],
           [1., 0.]], dtype=float32)
    """
    count = _threads.resolve(threads)
    rows = check.vectors("X", X)
    matrix = _rows(adjacency, len(rows))
    n = len(matrix.indptr) - 1
    total = result_array(out, n, rows.shape[1], np.dtype(np.float32))
    return steps.spmm(matrix, _held(rows), _scales(row_scale, matrix), total, count)


def _rows(adjacency: Any, n_columns: int) -> Graph | SparseRows:
    if is_sparse(adjacency):
        return sparse_rows("adjacency", adjacency, n_columns)
    return as_graph(adjacency, n_nodes=n_columns)


def gram(X: ArrayIn, *, normalize: bool = False, threads: int | None = None) -> F64:
    """The Gram matrix of the columns: the sum of the outer products of the rows.

    Parameters
    ----------
    X : array of floats, shape (n, d)
        Rows.
    normalize : bool, default False
        Whether unit rows count in place of the rows.
    threads : int, optional
        None means `tersevec.get_num_threads()`.

    Returns
    -------
    ndarray of float64, shape (d, d)
        ``X.T @ X``.

    Raises
    ------
    TypeError, ValueError
        X is not served, or holds NaN or infinity in a named row.

    Notes
    -----
    At most 2048 rows are summed in float32, and those sums in float64: an entry (i, j) is within
    2**-12 of the root of entries (i, i) and (j, j). The same bytes for any number of threads; the
    last bits depend on the CPU level.

    Examples
    --------
    >>> import numpy as np
    >>> from tersevec.graph import gram
    >>> gram(np.float32([[3, 0], [4, 2]]))
    array([[25.,  8.],
           [ 8.,  4.]])
    """
    count = _threads.resolve(threads)
    return _moments(check.vectors("X", X), normalize, count)[:-1, :-1].copy()


def whiten(
    X: ArrayIn,
    *,
    normalize: bool = False,
    out: npt.NDArray[Any] | None = None,
    threads: int | None = None,
) -> F32:
    """The rows less their mean, times the matrix that makes their covariance the identity.

    Parameters
    ----------
    X : array of floats, shape (n, d)
        Rows; those that are zero do not count, and stay zero.
    normalize : bool, default False
        Whether unit rows count in place of the rows.
    out : ndarray of float32, shape (n, d), optional
        Where the result goes; may be X.
    threads : int, optional
        For the moments, as `gram` has them; None means `tersevec.get_num_threads()`.

    Returns
    -------
    ndarray of float32, shape (n, d)
        The whitened rows.

    Raises
    ------
    TypeError, ValueError
        X or `out` is not served, or X holds NaN or infinity in a named row.

    Notes
    -----
    Of such matrices the symmetric one; directions in which rows do not vary become zero. The last
    bits depend on NumPy's linear algebra.

    Examples
    --------
    >>> import numpy as np
    >>> from tersevec.graph import whiten
    >>> X = np.random.default_rng(0).standard_normal((1000, 3)) @ np.diag([1, 5, 9]) + 2
    >>> np.cov(whiten(X).T, bias=True).round(3) + 0.0
    array([[1., 0., 0.],
           [0., 1., 0.],
           [0., 0., 1.]])
    """
    count = _threads.resolve(threads)
    rows = check.vectors("X", X)
    total = result_array(out, len(rows), rows.shape[1], np.dtype(np.float32))
    white = whitening(_moments(rows, normalize, count))
    for start, block in _blocks(rows, normalize):
        white.apply(block, total[start : start + len(block)])
    return total


def _blocks(rows: npt.NDArray[Any], normalize: bool) -> Iterator[tuple[int, F32]]:
    for start, block in float_blocks(rows):
        check.finite("X", block, start)
        yield start, unit_rows(block) if normalize else block


def _moments(rows: npt.NDArray[Any], normalize: bool, threads: int) -> F64:
    """All at once, where kernels read the rows as they are; else few rows at once."""
    d = rows.shape[1]
    kernels = _backend.pick("sparseproj", rows)
    if _is_held(rows) and not normalize:
        return kernels.moments(_held(rows).values, None, d, False, threads)
    total = np.zeros((d + 1, d + 1))
    for _, block in _blocks(rows, normalize):
        held = Held.empty(len(block), d, "float32")
        held.write(block, threads)
        total += kernels.moments(held.values, None, d, False, threads)
    return total


def _is_held(rows: npt.NDArray[Any]) -> bool:
    whole = rows.flags.c_contiguous and rows.shape[1] % GROUP == 0
    return whole and rows.dtype in (np.float16, np.float32)


def _held(rows: npt.NDArray[Any]) -> Held:
    """Rows as kernels read them: as they are, or copied."""
    is_half = rows.dtype == np.float16
    if _is_held(rows):
        for start, block in float_blocks(rows):
            check.finite("X", block, start)
        return Held(rows.view(np.uint16) if is_half else rows, None, rows.shape[1])
    held = Held.empty(len(rows), rows.shape[1], "float16" if is_half else "float32")
    for start, block in float_blocks(rows):
        check.finite("X", block, start)
        held.part(slice(start, start + len(block))).write(block, 1)
    return held


def _scales(row_scale: ArrayIn, matrix: Graph | SparseRows) -> F32 | None:
    if row_scale is None:
        return None
    n = len(matrix.indptr) - 1
    if isinstance(row_scale, str):
        if row_scale != "mean":
            raise ValueError(f'row_scale: expected numbers or "mean", got {row_scale!r}')
        total = steps.degrees(Graph(*matrix[:3]), False)
        return np.divide(1.0, total, out=np.zeros(n), where=total != 0).astype(np.float32)
    numbers = check.vectors("row_scale", np.asarray(row_scale, np.float32).reshape(1, -1))
    if numbers.shape[1] != n:
        raise ValueError(f"row_scale: expected {n} numbers, one for each row, got {numbers.size}")
    check.finite("row_scale", numbers, 0)
    scales: F32 = numbers[0]
    return scales
