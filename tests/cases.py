"""What the tests feed to kernels, and what must come out by plain definition.

Nothing here knows layouts, levels or twins: the references are the sentences of the documentation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

# Around the edges of blocks of 8, 32 and 64 codes, and of a mask's bytes.
SIZES = (0, 1, 7, 8, 9, 31, 32, 33, 63, 64, 65, 1000)
# Around the edges of words, of registers, of byte counters that overflow after 31 words, and of
# tables, which end with 128.
CODE_BYTES = (1, 3, 7, 8, 9, 16, 31, 32, 33, 64, 100, 248, 257, 1024, 1025)
# Bits and sub-spaces of product codes: around groups of 4 sub-spaces and pairs of them, and of
# 16-bit sums that overflow after 512 entries of 127 and after 1040 of 63.
BITS = (4, 5, 6, 7, 8)
WIDTHS = (
    *((4, m) for m in (1, 2, 3, 4, 5, 7, 8, 9, 16, 33, 64, 256, 257, 512, 513, 517, 1100, 4096)),
    *((5, m) for m in (1, 2, 3, 4, 6, 33)),
    *((6, m) for m in (1, 2, 3, 4, 5, 7, 8, 9, 64, 1041)),
    *((7, m) for m in (1, 4, 5)),
    *((8, m) for m in (1, 2, 3, 7, 33, 517)),
)

WORST_INT, WORST_FLOAT = np.int32(2**31 - 1), np.float32(np.inf)


def bit_codes(kind: str, n: int, n_bytes: int, rng: np.random.Generator) -> np.ndarray:
    """Rows of bytes: "random", "few" (many ties), "zeros", "ones", "equal"."""
    low, high = {"zeros": (0, 1), "ones": (255, 256), "few": (0, 3)}.get(kind, (0, 256))
    codes = rng.integers(low, high, (n + 1, n_bytes), dtype=np.uint8)
    if kind == "equal":
        codes[:] = codes[0]
    return codes[:n]  # a view: NumPy gives new arrays without rows no strides to speak of


BIT_KINDS = ("random", "few", "zeros", "ones", "equal")


def product_codes(n: int, m: int, rng: np.random.Generator, n_bits: int = 4) -> np.ndarray:
    """Dense rows of m numbers, what pads them zero."""
    codes = bit_codes("random", n, (m * n_bits + 7) // 8, rng)
    if m * n_bits % 8:
        codes[:, -1] &= 2 ** (m * n_bits % 8) - 1
    return codes


def tables(kind: str, nq: int, m: int, rng: np.random.Generator, n_bits: int = 4) -> np.ndarray:
    """Lookup tables that are hard on a scan which rounds them, one kind of trouble each."""
    shape = (nq, m, 2**n_bits)
    entries = rng.standard_normal(shape)
    if kind == "signs":
        entries = np.where(entries > 0, 1.0, -1.0)
    elif kind == "constant":
        entries = np.full(shape, -2.75)
    elif kind == "spread":  # one sub-space drowns the others, whose differences still decide
        entries[:, m // 2] *= 1e6
    elif kind == "ties":
        entries = rng.integers(0, 3, shape)
    elif kind == "negative":
        entries -= 1e4
    elif kind == "denormal":
        entries *= 1e-41
    elif kind == "cancelling":  # large sums that cancel: rounding errors exceed the differences
        entries += np.where(np.arange(m) % 2 == 0, 1e5, -1e5)[:, None]
    elif kind == "grid":  # already multiples of a 127th: only the float sums are rounded, and much
        entries = 2.0**22 + rng.integers(0, 128, shape) / 2
    elif kind == "huge":
        entries *= 3e38 / 8 / m
    return entries.astype(np.float32)


TABLE_KINDS = (
    *("normal", "signs", "constant", "spread", "ties", "negative", "denormal"),
    *("cancelling", "grid", "huge"),
)


def one_byte_off(array: np.ndarray) -> np.ndarray:
    """The same array, at an address that no wider type is aligned to."""
    memory = np.empty(array.nbytes + 65, np.uint8)
    skip = -memory.ctypes.data % 64 + 1
    shifted = memory[skip : skip + array.nbytes].view(array.dtype).reshape(array.shape)
    shifted[...] = array
    return shifted


def strided_rows(array: np.ndarray) -> np.ndarray:
    """The same rows with other bytes before, between and behind them."""
    wide = np.full((2 * len(array) + 1, array.shape[1] + 5), 255, array.dtype)
    view = wide[1::2, 2:-3]
    view[...] = array
    return view


def layouts(array: np.ndarray) -> Iterator[np.ndarray]:
    """Every way to hold rows that kernels accept without a copy."""
    yield array
    yield one_byte_off(array) if array.itemsize == 1 else array.copy()
    yield strided_rows(array)


def masks(n: int, rng: np.random.Generator) -> Iterator[np.ndarray | None]:
    """None, nothing, everything, one row, whole blocks of zeros, every third, random."""
    yield None
    yield np.zeros(n, bool)
    yield np.ones(n, bool)
    one = np.zeros(n, bool)
    one[n // 2 : n // 2 + 1] = True
    yield one
    gap = np.ones(n, bool)
    gap[8:64] = False
    yield gap
    yield np.arange(n) % 3 == 0
    yield rng.random(n) < 0.1


def segment_lists(n: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """None of the rows, no row at all, everything, one row, unaligned pieces in any order."""
    yield np.empty((0, 2), np.int64)
    yield np.full((2, 2), n // 2)
    yield np.array([[0, n]])
    yield np.array([[n, n], [n // 3, min(n, n // 3 + 1)]])
    cuts = np.unique(rng.integers(0, n + 1, 9))
    pieces = np.stack([cuts[:-1], cuts[1:]], axis=1)
    yield rng.permutation(pieces)[: len(pieces) * 2 // 3 + 1]
    yield rng.permutation(np.stack([np.arange(n), np.arange(n) + 1], axis=1)[: 3 * n // 4])


def selected(distances: np.ndarray, segments: np.ndarray, bias: np.ndarray | None = None) -> tuple:
    """The distances with the segments' bias, and a mask of the rows in segments."""
    biased, inside = distances.copy(), np.zeros(distances.shape[1], bool)
    for s, (start, stop) in enumerate(segments):
        inside[start:stop] = True
        if bias is not None:
            biased[:, start:stop] += bias[:, s, None]
    return biased, inside


def biases(kind: str, nq: int, count: int, rng: np.random.Generator) -> np.ndarray | None:
    """None, small, or of very different sizes: the first segments are out of reach, or first."""
    if kind == "none":
        return None
    sizes = 10.0 ** rng.integers(-6, 7, count) if kind == "wide" else 1.0
    return (rng.standard_normal((nq, count)) * sizes).astype(np.float32)


def packed(mask: np.ndarray | None) -> np.ndarray | None:
    """The mask as bits, least significant first."""
    return None if mask is None else np.packbits(mask, axis=-1, bitorder="little")


def hamming(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Differing bits of every pair of rows."""
    result = np.empty((len(a), len(b)), np.int32)
    for i, row in enumerate(a):
        result[i] = np.unpackbits(row ^ b, axis=1).sum(axis=1)
    return result


def numbers(codes: np.ndarray, m: int, n_bits: int = 4) -> np.ndarray:
    """The m numbers of each dense row, the lowest bits first."""
    bits = np.unpackbits(codes, axis=1, bitorder="little")[:, : m * n_bits]
    return bits.reshape(len(codes), m, n_bits) @ (1 << np.arange(n_bits)).astype(np.uint8)


def odd_integers(codes: np.ndarray, m: int, n_bits: int) -> np.ndarray:
    """What the m numbers of each dense row stand for: 2 c - (2**n_bits - 1)."""
    return 2 * numbers(codes, m, n_bits).astype(np.int64) - (2**n_bits - 1)


def int_queries(kind: str, nq: int, m: int, n_bits: int, rng: np.random.Generator) -> np.ndarray:
    """Queries for codes of n_bits.

    "random", "few" (many ties), "most" (the largest sums), or "codes" (of as many bits, up to 6).
    """
    limit = 63 if n_bits == 8 else 127
    if kind == "codes":
        levels = 2 ** min(n_bits, 6)
        return (2 * rng.integers(0, levels, (nq, m)) - (levels - 1)).astype(np.int8)
    if kind == "few":
        return rng.integers(-1, 2, (nq, m), dtype=np.int8)
    if kind == "most":
        signs = np.where(np.arange(nq) % 2 == 0, 1, -1)[:, None]
        return np.repeat(limit * signs, m, axis=1).astype(np.int8)
    return rng.integers(-limit, limit + 1, (nq, m), dtype=np.int8)


def similarities(
    queries: np.ndarray, scales: np.ndarray, odd: np.ndarray, factors: np.ndarray
) -> np.ndarray:
    """Integer products, then float32 times the query's scale, then times the code's factor."""
    products = (queries.astype(np.int64) @ odd.T).astype(np.float32)
    return products * scales[:, None] * factors


def table_sums(entries: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Float32 sums of the entries that each row names, one sub-space after the other."""
    sums = np.zeros((len(entries), len(numbers)), np.float32)
    for j in range(entries.shape[1]):
        sums += entries[:, j][:, numbers[:, j]]
    return sums


def first_k(
    distances: np.ndarray, k: int, worst: np.generic, mask: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(values, indices) of the k smallest in the order (value, index), padded by (worst, -1).

    The mask is for all queries, or has a row for each.
    """
    nq, n = distances.shape
    allowed = np.broadcast_to(True if mask is None else mask, (nq, n))
    values, indices = np.full((nq, k), worst), np.full((nq, k), -1, np.int64)
    for q, row in enumerate(distances):
        order = np.argsort(row, kind="stable")
        order = order[allowed[q, order]][:k]
        values[q, : len(order)], indices[q, : len(order)] = row[order], order
    return values, indices


def most_similar(
    similarities: np.ndarray, k: int, mask: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(values, indices) of the k largest, ties by lower index, padded by (-inf, -1)."""
    values, indices = first_k(-similarities, k, WORST_FLOAT, mask)
    return -values, indices


def at_least(
    similarities: np.ndarray, radius: float, mask: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(offsets, indices, values) of the allowed rows at least so similar, each best first."""
    offsets, indices, values = within(-similarities, -radius, mask)
    return offsets, indices, -values


def within(
    distances: np.ndarray, radius: float, mask: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(offsets, indices, values) of the allowed rows at most `radius` away, each best first."""
    offsets, indices, values = [0], [], []
    for row, allowed in zip(
        distances, np.broadcast_to(True if mask is None else mask, distances.shape), strict=True
    ):
        found = np.flatnonzero((row <= radius) & allowed)
        found = found[np.argsort(row[found], kind="stable")]
        indices.append(found)
        values.append(row[found])
        offsets.append(offsets[-1] + len(found))
    nothing = [np.empty(0, distances.dtype)]
    return (
        np.array(offsets, np.int64),
        np.concatenate([np.empty(0, np.int64), *indices]),
        np.concatenate(nothing + values),
    )


def assert_equal(found: tuple[np.ndarray, ...], expected: tuple[np.ndarray, ...]) -> None:
    """The same dtypes, shapes and numbers, to the last bit."""
    assert len(found) == len(expected)
    for here, there in zip(found, expected, strict=True):
        assert here.dtype == there.dtype
        np.testing.assert_array_equal(here, there, strict=True)


def refused(call: Callable[[], object], kind: type[Exception], message: str) -> None:
    """The call raises exactly this kind of error, and its words are among the error's."""
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    assert message in str(caught.value)


def with_row(row: int, value: float, dtype: type = np.float64, n: int = 100) -> np.ndarray:
    """Rows of 8 ones, with another number in one of them."""
    x = np.ones((n, 8), dtype)
    x[row, 3] = value
    return x
