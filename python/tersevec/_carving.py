"""Fewer query tokens for nearly the same scores: ball carving."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tersevec import _check
from tersevec._kernels import F32, I64, ArrayIn
from tersevec._maxsim_batches import groups
from tersevec._ragged import offsets_of
from tersevec._ragged_in import ragged


class TokenBags(NamedTuple):
    """Bags of tokens, a pair that every function here takes.

    Attributes
    ----------
    tokens : ndarray of float32, shape (tokens, d)
        Of all bags, one after the other.
    offsets : ndarray of int64, shape (bags + 1,)
        Bag i owns the tokens from ``offsets[i]`` to ``offsets[i + 1]``.

    Examples
    --------
    >>> import numpy as np
    >>> from tersevec.muvera import TokenBags, maxsim
    >>> bags = TokenBags(np.float32([[1, 0], [0, 1], [1, 1]]), np.array([0, 2, 3]))
    >>> maxsim(bags, bags)
    array([[2., 2.],
           [1., 2.]], dtype=float32)
    """

    tokens: F32
    offsets: I64


def carve_queries(queries: ArrayIn, threshold: float = 0.7) -> TokenBags:
    """Queries with the sum of each group of similar tokens in place of the group.

    Parameters
    ----------
    queries : bags of tokens
        As in `maxsim`; of unit length, for a threshold that is a cosine.
    threshold : float, default 0.7
        The first token that is left leads a group, which every token left joins whose inner product
        with it is at least so large.

    Returns
    -------
    TokenBags
        ``(tokens, offsets)``, as `maxsim` takes them.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type, shape or range, or a named token is not finite.

    Notes
    -----
    Tokens of a group mostly match the same token of a document, whose product with their sum is the
    sum of their products: MaxSim loses little, and costs as many tokens less. For re-ranking, not
    for encodings. After Dhulipala et al., "MUVERA", 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from tersevec.muvera import carve_queries
    >>> carve_queries([np.array([[1, 0], [0, 1], [0.8, 0.6]])], threshold=0.75)
    TokenBags(tokens=array([[1.8, 0.6],
           [0. , 1. ]], dtype=float32), offsets=array([0, 2]))
    """
    least = _check.float_radius(threshold, "threshold")
    bags = ragged("queries", queries)
    carved, counts = [np.empty((0, bags.dim), np.float32)], []
    for some in groups(bags, None):
        for start, stop in zip(some.offsets[:-1], some.offsets[1:], strict=True):
            balls = _balls(some.tokens[start:stop], least)
            carved.append(balls)
            counts.append(len(balls))
    return TokenBags(np.concatenate(carved), offsets_of(counts))


def _balls(tokens: F32, least: float) -> F32:
    """The sums of the groups, in the order of their first tokens."""
    balls = []
    while len(tokens) > 0:
        joined = tokens @ tokens[0] >= least
        joined[0] = True
        balls.append(tokens[joined].sum(axis=0))
        tokens = tokens[~joined]
    return np.array(balls, np.float32).reshape(len(balls), tokens.shape[1])
