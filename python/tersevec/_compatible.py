"""Maps from a new model's space to an old one, for codes that search older codes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tersevec import _check
from tersevec._compatible_gradient import refined
from tersevec._kernels import F32, F64, ArrayIn
from tersevec._quantizer import unit_rows
from tersevec._recurrence import applied
from tersevec._recurrent_judge import Encoder, Judge, picked, unit_training_rows, values_of

_RIDGE = 1e-3  # of the mean energy of a dimension


class Compatibility(NamedTuple):
    """Recalls of the 10 nearest among held-out rows: queries' codes on the base's codes."""

    new_on_old: float
    new_on_new: float
    old_on_old: float


def paired_rows(
    X: ArrayIn, X_old: ArrayIn, d_old: int, rng: np.random.Generator
) -> tuple[F32, F32]:
    """Unit rows of the same items in both spaces, at random."""
    new_rows, old_rows = _check.vectors("X", X), _check.vectors("X_old", X_old, d_old)
    if len(new_rows) != len(old_rows):
        raise ValueError(
            f"X_old: expected as many rows as X has, {len(new_rows)}, got {len(old_rows)}"
        )
    drawn = picked(len(new_rows), rng)
    return unit_training_rows("X", new_rows, drawn), unit_training_rows("X_old", old_rows, drawn)


def adapter_of(
    new: F32, old: F32, encoder: Encoder, rng: np.random.Generator, threads: int
) -> tuple[F32, Compatibility]:
    """The map (d_new, d_old) of unit rows whose codes find most old ones, and its recalls."""
    judge = Judge(old)

    def codes(rows: F32) -> F32:
        return values_of(encoder, unit_rows(rows), threads)

    old_queries, old_base = judge.parts(old)
    new_queries, new_base = judge.parts(new)
    base = codes(old_base)

    def recall(adapter: F32) -> float:
        return judge.shared(codes(new_queries @ adapter), base)

    best = max(_candidates(new[judge.fitted], old[judge.fitted]), key=recall)
    decoder = encoder.decoder()
    if judge.trusted and decoder:
        pool = judge.unseen
        best = refined(
            best,
            new[pool],
            old[pool],
            lambda rows: unit_rows(applied(decoder, codes(rows), threads)),
            recall,
            rng,
        )
    new_on_new = judge.shared(codes(new_queries @ best), codes(new_base @ best))
    old_on_old = judge.shared(codes(old_queries), base)
    return best, Compatibility(recall(best), new_on_new, old_on_old)


def _candidates(new: F32, old: F32) -> list[F32]:
    """A ridge regression, and the nearest orthogonal map where the spaces are of one size."""
    wide = new.astype(np.float64)
    energy: F64 = wide.T @ wide
    crossed = wide.T @ old.astype(np.float64)
    ridge = _RIDGE * np.trace(energy) / len(energy) * np.eye(len(energy))
    found = [np.linalg.solve(energy + ridge, crossed).astype(np.float32)]
    if new.shape[1] == old.shape[1]:
        left, _, right = np.linalg.svd(crossed)
        found.insert(0, (left @ right).astype(np.float32))
    return found
