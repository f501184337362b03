"""Gradients of an adapter through the codes of its rows, towards old codes that do not move."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tersevec._kernels import F32

_TEMPERATURE = np.float32(0.05)
_LEAST = np.float32(1e-30)
_BATCH, _EPOCHS = 512, 5
_RATE, _MOMENTUM = 0.0005, 0.9  # a step's share of the adapter's length, at first


def refined(
    adapter: F32,
    new: F32,
    old: F32,
    read: Callable[[F32], F32],
    recall: Callable[[F32], float],
    rng: np.random.Generator,
) -> F32:
    """The best of the adapter and of what momentum makes of it, by recall after each epoch.

    Parameters
    ----------
    new, old : ndarray of float32, shapes (n, d_new) and (n, d)
        Unit rows of the same items.
    read : function
        From unit rows of the old space to the unit rows that their codes stand for.
    """
    kept, speed = read(old), np.zeros_like(adapter)
    best, most = adapter, recall(adapter)
    for epoch in range(_EPOCHS):
        rate = _RATE * (1 + np.cos(np.pi * epoch / _EPOCHS)) / 2
        order = rng.permutation(len(new))
        for start in range(0, len(order), _BATCH):
            batch = order[start : start + _BATCH]
            slope = adapter_slope(adapter, new[batch], old[batch], kept[batch], read)[1]
            speed = np.float32(_MOMENTUM) * speed + slope
            length = np.linalg.norm(speed)
            share = rate * np.linalg.norm(adapter) / length if length > 0 else 0.0
            adapter = adapter - np.float32(share) * speed
        found = recall(adapter)
        if found > most:
            best, most = adapter, found
    return best


def adapter_slope(
    adapter: F32, new: F32, old: F32, kept: F32, read: Callable[[F32], F32]
) -> tuple[float, F32]:
    """The compatible loss of a batch and its slope along the adapter; codes count as their rows."""
    mapped = new @ adapter
    lengths = np.maximum(np.linalg.norm(mapped, axis=1, keepdims=True), np.float32(1e-12))
    unit = mapped / lengths
    loss, slope = compatible_loss(read(unit), kept, old)
    slope = (slope - unit * (slope * unit).sum(axis=1, keepdims=True)) / lengths
    return loss, new.T @ slope


def compatible_loss(found: F32, kept: F32, wanted: F32) -> tuple[float, F32]:
    """How far new rows are from choosing among old codes as old rows choose among each other.

    Soft choices by cosines, of each new row `found` among the rows `kept` that old codes stand for,
    and of the old rows `wanted` among themselves, are compared by their cross entropy. Returns that
    and its slope along `found`. All are unit rows, row i of each of the same item.
    """
    aim, soft = _soft_choice(wanted @ wanted.T), _soft_choice(found @ kept.T)
    n = np.float32(len(found))
    loss = -float((aim * np.log(np.maximum(soft, _LEAST))).sum() / n)
    return loss, np.asarray((soft - aim) @ kept / (_TEMPERATURE * n), np.float32)


def _soft_choice(cosines: F32) -> F32:
    """Probabilities of each row but that of the same item."""
    heights = cosines / _TEMPERATURE
    np.fill_diagonal(heights, -np.inf)
    grown = np.exp(heights - heights.max(axis=1, keepdims=True))
    return np.asarray(grown / grown.sum(axis=1, keepdims=True))
