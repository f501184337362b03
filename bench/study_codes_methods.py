"""What `study_codes.py` compares: ways to keep a vector in few bytes and to search it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from tersevec._rotation import random_rotation
from tersevec.binary import (
    BinaryCodes,
    RaBitQuantizer,
    RecurrentBinarizer,
    hamming_topk,
    pack_bits,
)
from tersevec.pq import ProductQuantizer

K, TRAIN = 10, 20_000  # results of a query, and vectors to learn from
RECURRENT = ((384, 1), (768, 1), (192, 2), (384, 2), (96, 4), (192, 4), (384, 4))
PRODUCTS = ((96, 4), (48, 8), (192, 4), (96, 8), (384, 4), (192, 8))  # 48, 96 and 192 bytes


class Method(NamedTuple):
    """`search` gives rows (nq, K) for what `encode` makes of queries; None: queries as they are."""

    name: str
    row_bytes: int
    search: Callable[[np.ndarray], np.ndarray]
    encode: Callable[[np.ndarray], np.ndarray] | None = None
    timed: bool = True

    def encoded(self, queries: np.ndarray) -> np.ndarray:
        return queries if self.encode is None else self.encode(queries)


def exact(base: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """One matrix product for the whole batch, and the K largest of each row."""
    scores = queries @ base.T
    best = np.argpartition(scores, -K, axis=1)[:, -K:]
    order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
    return np.asarray(np.take_along_axis(best, order, axis=1))


def signs(name: str, base: np.ndarray, turn: np.ndarray | None = None) -> Method:
    def bits(x: np.ndarray) -> np.ndarray:
        return pack_bits(x if turn is None else x @ turn)

    codes = BinaryCodes(bits(base))
    return Method(name, codes.n_bytes, lambda q: hamming_topk(q, codes, K).indices, bits)


def recurrent(base: np.ndarray, m: int, levels: int) -> Method:
    coder = RecurrentBinarizer(m, levels, random_state=0).fit(base[:TRAIN])
    codes = coder.pack(coder.encode(base))
    name, row_bytes = f"RecurrentBinarizer {m} x {levels} bits", coder.code_size + 4
    return Method(name, row_bytes, lambda q: coder.topk(q, codes, K).indices, coder.encode)


def asymmetric(base: np.ndarray, name: str, coder: RaBitQuantizer | ProductQuantizer) -> Method:
    coder.fit(base[:TRAIN])
    codes = coder.pack(coder.encode(base))
    return Method(name, coder.code_size, lambda q: coder.topk(q, codes, K).indices)


def methods(base: np.ndarray) -> Iterator[Method]:
    d = base.shape[1]
    yield Method("float32, NumPy", 4 * d, lambda q: exact(base, q))
    half = base.astype(np.float16).astype(np.float32)
    yield Method("float16", 2 * d, lambda q: exact(half, q), timed=False)
    turn = random_rotation(d, np.random.default_rng(0)).astype(np.float32)
    yield signs("signs, Hamming", base)
    yield signs("signs after a rotation, Hamming", base, turn)
    for m, levels in RECURRENT:
        yield recurrent(base, m, levels)
    for bits in (1, 2, 4):
        coder = RaBitQuantizer(bits, random_state=0)
        yield asymmetric(base, f"RaBitQuantizer {bits} bits", coder)
    for m, bits in PRODUCTS:
        if d % m == 0:
            product = ProductQuantizer(m, bits, metric="ip", random_state=0)
            yield asymmetric(base, f"ProductQuantizer {m} x {bits} bits", product)
