"""MaxSim, the sum over a query's tokens of the largest product with a document's tokens."""

from __future__ import annotations

import numpy as np

from tersevec import _check, _maxsim_batches, _threads
from tersevec._arrays import in_one_memory
from tersevec._cuda._device import module_of
from tersevec._kernels import F32, I32, ArrayIn
from tersevec._maxsim_in import both, checked_candidates, checked_weights, memory_of
from tersevec._results import TopK


def maxsim(
    queries: ArrayIn, documents: ArrayIn, *, weights: ArrayIn = None, threads: int | None = None
) -> F32:
    """Chamfer similarities, the sums of each query token's largest inner product: float32 (nq, n).

    Parameters
    ----------
    queries, documents : bags of tokens
        Pairs ``(tokens, offsets)``: float16, bfloat16, float32 or float64 (tokens, d), and integers
        (bags + 1,). Or lists of arrays, one for each bag; or pairs ``(padded, lengths)`` with
        (bags, L, d) and (bags,); or an array (tokens, d) that is one bag. CuPy arrays too, for all
        arguments but offsets and lengths, which may lie in host memory; results are CuPy arrays.
        Documents may be a `PackedTokens`, which saves checking them, and is the way to int8.
    weights : floats, shape (query tokens,), optional
        What each query token's largest product counts, in the order of the tokens.
    threads : int, optional
        None means `tersevec.get_num_threads()`.

    Returns
    -------
    ndarray of float32, shape (nq, n)
        0 for a query or a document without tokens.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type, shape or range, or a named token is not finite.

    Notes
    -----
    Sums are float32, in the order of the query's tokens. A score depends on nothing but the query
    and the document; backends agree within 1e-5 of the lengths of the vectors. No matrix of all
    products is ever in memory. With CuPy arrays, the host waits for the device: it reads offsets
    and candidates, and looks for numbers that are not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from tersevec.muvera import maxsim
    >>> documents = [np.eye(4)[:2], np.ones((1, 4)), np.empty((0, 4))]
    >>> maxsim([np.eye(4)[:3]], documents)
    array([[2., 3., 0.]], dtype=float32)
    >>> maxsim([np.eye(4)[:3]], documents, weights=[1, 1, 5])
    array([[2., 7., 0.]], dtype=float32)
    """
    asked, base = both(queries, documents)
    heavy, count = checked_weights(weights, asked), _threads.resolve(threads)
    return _maxsim_batches.scores(asked, base, heavy, count)


def maxsim_topk(
    queries: ArrayIn,
    documents: ArrayIn,
    k: int,
    *,
    candidates: ArrayIn = None,
    weights: ArrayIn = None,
    mask: ArrayIn = None,
    threads: int | None = None,
) -> TopK:
    """The k documents of the largest Chamfer similarity to each query: ``TopK(values, indices)``.

    Parameters
    ----------
    queries, documents : bags of tokens
        As in `maxsim`.
    k : int
        Results per query, at least 1. It may exceed the number of documents.
    candidates : integers, shape (nq, c), optional
        The documents to compare with each query, -1 for none; others are not read. One that is
        named twice counts once.
    weights : floats, shape (query tokens,), optional
        As in `maxsim`.
    mask : bool array (n,) or uint8 array (ceil(n / 8),), optional
        Documents that may be found; packed masks are as ``numpy.packbits(...,
        bitorder="little")`` writes them.
    threads : int, optional
        None means `tersevec.get_num_threads()`.

    Returns
    -------
    TopK
        `values` float32 and `indices` int64, both (nq, k). Best first; ties: lower index. Where
        fewer than `k` documents may be found, the rest is -inf and -1.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type, shape or range, or a named token is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from tersevec.muvera import maxsim_topk
    >>> documents = [np.eye(4)[:2], np.ones((1, 4)), np.eye(4)]
    >>> maxsim_topk([np.eye(4)[:3]], documents, 2)
    TopK(values=array([[3., 3.]], dtype=float32), indices=array([[1, 2]]))
    >>> maxsim_topk([np.eye(4)[:3]], documents, 1, candidates=[[0, 2, -1]]).indices
    array([[2]])
    """
    asked, base = both(queries, documents)
    k, allowed = _check.positive("k", k), _check.mask("mask", mask, len(base), device=True)
    in_one_memory(queries=memory_of(asked, base), mask=allowed)
    heavy, count = checked_weights(weights, asked), _threads.resolve(threads)
    if candidates is None:
        return _maxsim_batches.topk(asked, base, heavy, k, allowed, count)
    wanted = checked_candidates(candidates, asked, base)
    if allowed is not None and len(base) > 0:
        bits = module_of(allowed).unpackbits(allowed, bitorder="little")
        wanted = np.where(bits[wanted] > 0, wanted, -1)  # -1 stays so, whatever the last bit is
    return _maxsim_batches.candidate_topk(asked, base, heavy, k, wanted, count)


def maxsim_matches(
    queries: ArrayIn, documents: ArrayIn, candidates: ArrayIn, *, threads: int | None = None
) -> I32:
    """Which of a document's tokens each query token matches best, for highlighting.

    Parameters
    ----------
    queries, documents : bags of tokens
        As in `maxsim`.
    candidates : integers, shape (nq, c)
        Documents for each query, as in ``maxsim_topk(...).indices``; -1 for none.
    threads : int, optional
        None means `tersevec.get_num_threads()`.

    Returns
    -------
    ndarray of int32, shape (query tokens, c)
        The place in the document of the token of the largest inner product; ties: the first one.
        -1 where there is no document or no token.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type, shape or range, or a named token is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from tersevec.muvera import maxsim_matches
    >>> maxsim_matches([np.eye(4)[2:]], [np.eye(4)[:2], np.eye(4)[::-1]], [[1, 0]])
    array([[1, 0],
           [0, 0]], dtype=int32)
    """
    asked, base = both(queries, documents)
    wanted = checked_candidates(candidates, asked, base)
    return _maxsim_batches.matches(asked, base, wanted, _threads.resolve(threads))
