"""Adapters of a new model's vectors: their gradients, and that refining them loses nothing."""

from __future__ import annotations

import numpy as np

from tersevec._compatible_gradient import adapter_slope, compatible_loss, refined


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def soft_choices(cosines):
    """Softmax at temperature 0.05 of each row's other columns, one by one."""
    n = len(cosines)
    chosen = np.zeros((n, n))
    for i in range(n):
        others = [j for j in range(n) if j != i]
        grown = np.exp(cosines[i, others] / 0.05 - cosines[i, others].max() / 0.05)
        chosen[i, others] = grown / grown.sum()
    return chosen


def test_the_loss_is_the_cross_entropy_of_soft_choices(rng):
    found, kept, wanted = (unit(rng.standard_normal((9, 5))) for _ in range(3))
    loss, _ = compatible_loss(found, kept, wanted)
    aim = soft_choices(wanted.astype(float) @ wanted.T)
    soft = soft_choices(found.astype(float) @ kept.T)
    off = ~np.eye(9, dtype=bool)
    assert abs(loss + (aim[off] * np.log(soft[off])).sum() / 9) < 1e-4


def test_slopes_of_the_adapter_are_those_of_finite_differences(rng):
    new, old = unit(rng.standard_normal((12, 6))), unit(rng.standard_normal((12, 4)))
    kept, adapter = unit(old + 0.2 * rng.standard_normal((12, 4))), rng.standard_normal((6, 4))

    def loss(at):
        mapped = new.astype(float) @ at
        mapped /= np.linalg.norm(mapped, axis=1, keepdims=True)
        aim, soft = soft_choices(old.astype(float) @ old.T), soft_choices(mapped @ kept.T)
        off = ~np.eye(12, dtype=bool)
        return -(aim[off] * np.log(soft[off])).sum() / 12

    slope = adapter_slope(adapter.astype(np.float32), new, old, kept, lambda rows: rows)[1]
    for place in np.ndindex(adapter.shape):
        step = np.zeros_like(adapter)
        step[place] = 1e-5
        numeric = (loss(adapter + step) - loss(adapter - step)) / 2e-5
        assert abs(slope[place] - numeric) < 2e-3 * max(1.0, np.abs(slope).max())


def test_refining_keeps_the_adapter_unless_another_finds_more(rng):
    new = unit(rng.standard_normal((600, 8)))
    old, start = unit(new @ rng.standard_normal((8, 8))), np.eye(8, dtype=np.float32)
    worse = refined(start, new, old, unit, lambda a: -float(np.abs(a - start).sum()), rng)
    assert worse is start
    seen = []

    def counted(adapter):
        seen.append(adapter)
        return float(len(seen))

    better = refined(start, new, old, unit, counted, rng)
    assert better is seen[-1]
    assert not np.array_equal(better, start)


def test_gradients_bring_a_bad_adapter_nearer_to_old_rows(rng):
    new = unit(rng.standard_normal((2000, 8)))
    turn = np.linalg.qr(rng.standard_normal((8, 8)))[0].astype(np.float32)
    old, start = new @ turn, turn + np.float32(0.2) * rng.standard_normal((8, 8), dtype=np.float32)

    def nearness(adapter):
        return float((unit(new @ adapter) * old).sum(axis=1).mean())

    assert nearness(refined(start, new, old, unit, nearness, rng)) > nearness(start)
