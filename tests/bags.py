"""Bags of tokens for tests, and what must come out by plain definition, in float64.

Tokens, hyperplanes and projections that are small whole numbers make every product and sum exact,
so that no path may differ from the definition by its order of additions: zeros count as zeros,
ties as ties.
"""

from __future__ import annotations

import itertools

import ml_dtypes
import numpy as np

TOKEN_TYPES = ("float32", "float16", "bfloat16", "int8")
BFLOAT16 = ml_dtypes.bfloat16


def offsets_of(lengths):
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def bag(array, offsets, i):
    return array[offsets[i] : offsets[i + 1]]


def whole_numbers(n, d, rng, most=2):
    """Tokens of small whole numbers, float32."""
    return rng.integers(-most, most + 1, (n, d)).astype(np.float32)


def real_numbers(n, d, rng):
    """Tokens of normal numbers, float32."""
    return rng.standard_normal((n, d), dtype=np.float32)


def stored(tokens, dtype):
    """Tokens as kernels get them in a type, (array, scales), and the numbers that these are."""
    if dtype == "int8":
        scales = (2.0 ** (np.arange(len(tokens)) % 3 - 1)).astype(np.float32)
        whole = np.rint(tokens / scales[:, None]).clip(-128, 127).astype(np.int8)
        return whole, scales, whole * scales[:, None]
    if dtype == "bfloat16":
        rounded = tokens.astype(BFLOAT16)
        return rounded.view(np.uint16), None, rounded.astype(np.float32)
    rounded = tokens.astype(dtype)
    return rounded, None, rounded.astype(np.float32)


# ---- encodings


def cells_of_bits(k):
    """The cell of every string of k bits: the digits of its number are running parities."""
    cells = {}
    for bits in itertools.product((0, 1), repeat=k):
        digits = [sum(bits[: i + 1]) % 2 for i in range(k)]
        cells[bits] = sum(digit << (k - 1 - i) for i, digit in enumerate(digits))
    return cells


def encoding(tokens, hashes, projections, shape, documents, fill):
    """v of one bag, float64: shape is (repetitions, bits, dims)."""
    n_repetitions, k, p = shape
    tokens = tokens.astype(np.float64)
    v, cells = np.zeros((n_repetitions, 2**k, p)), cells_of_bits(k)
    for r in range(n_repetitions if len(tokens) else 0):
        bits = (tokens @ hashes[:, r * k : (r + 1) * k].astype(np.float64) > 0).astype(int)
        of_token = np.array([cells[tuple(row)] for row in bits.tolist()])
        for pattern, cell in cells.items():
            mine = tokens[of_token == cell]
            if len(mine):
                value = mine.mean(axis=0) if documents else mine.sum(axis=0)
            elif documents and fill:
                value = tokens[np.argmin((bits != np.array(pattern, int)).sum(axis=1))]
            else:
                continue
            if projections is not None:
                value = value @ projections[:, r * p : (r + 1) * p].astype(np.float64)
            v[r, cell] = value
    return v.ravel()


def sketched(v, buckets, signs, size):
    """The final sketch: float32, one number after the other."""
    out = np.zeros(size, np.float32)
    for number, bucket, sign in zip(v, buckets, signs, strict=True):
        out[bucket] += np.float32(sign) * np.float32(number)
    return out


# ---- MaxSim


def rounded_to_bfloat16(x):
    return x.astype(BFLOAT16).astype(np.float32)


def quantised(tokens):
    """Integers from -127 to 127 and the scale of each token, by definition, in float32."""
    scales = np.abs(tokens).max(axis=1, initial=0).astype(np.float32) / np.float32(127)
    divisors = np.where(scales > 0, scales, np.float32(1))[:, None]
    whole = np.rint(tokens.astype(np.float32) / divisors).clip(-127, 127)
    return whole.astype(np.int8), scales


def products(queries, documents, scales=None):
    """All products of tokens: float64 of floats; of int8 the float32 of the definition."""
    if documents.dtype == np.int8:
        whole, query_scales = quantised(queries)
        sums = whole.astype(np.int64) @ documents.astype(np.int64).T
        return sums.astype(np.float32) * query_scales[:, None] * scales
    if documents.dtype == np.uint16:
        queries, documents = rounded_to_bfloat16(queries), documents.view(BFLOAT16)
    return queries.astype(np.float64) @ documents.astype(np.float64).T


def scores(queries, query_offsets, documents, scales, offsets, weights=None):
    """Sums of largest products, added in the type of the products: (nq, n)."""
    every = products(queries, documents, scales)
    result = np.zeros((len(query_offsets) - 1, len(offsets) - 1), every.dtype)
    for q, n in np.ndindex(*result.shape):
        if offsets[n] == offsets[n + 1]:
            continue
        for token in range(query_offsets[q], query_offsets[q + 1]):
            largest = every[token, offsets[n] : offsets[n + 1]].max()
            result[q, n] += largest if weights is None else largest * weights[token]
    return result


def slack(queries, query_offsets, documents, scales, offsets, weights=None):
    """How far float32 scores may be off: 1e-5 of the lengths of the vectors."""
    lengths = np.linalg.norm(queries.astype(np.float64), axis=1)
    if weights is not None:
        lengths = lengths * np.abs(weights)
    numbers = documents.view(BFLOAT16) if documents.dtype == np.uint16 else documents
    longest = np.linalg.norm(numbers.astype(np.float64), axis=1).max(initial=0)
    of_queries = [bag(lengths, query_offsets, q).sum() for q in range(len(query_offsets) - 1)]
    return 1e-5 * longest * np.array(of_queries)[:, None] + 1e-30
