"""What a recurrence learns: its maps by regression, then by gradients straight through signs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tersevec._kernels import F32, I64
from tersevec._progress import bar
from tersevec._quantizer import unit_rows
from tersevec._recurrence import Layer, Map, Recurrence, linear
from tersevec._recurrence_gradient import backward, forward, listwise
from tersevec._recurrent_judge import Judge, nearest
from tersevec._rotation_fit import learned_projection

_RIDGE = 1e-3  # of the mean energy of a plane
_USUAL = 0.8  # a component's usual size, where +-1 bounds the gradients
_POOL = 40_000  # rows at most that maps are fitted to
_ANCHORS, _NEAR, _DRAWN = 512, 50, 3  # of a step; neighbours known of each, and drawn
_PATIENCE = 4  # looks in turn that may bring nothing
_RATE, _MOMENTUM = 0.003, 0.9  # a step's share of a layer's length, at first


def fit_recurrence(
    rows: F32,
    m: int,
    n_levels: int,
    max_iter: int,
    max_epochs: int,
    rng: np.random.Generator,
    threads: int,
    *,
    progress: bool,
) -> tuple[Recurrence, float]:
    """The recurrence of the best recall on the way of the gradients, and that recall."""
    judge = Judge(rows)
    with bar(progress, max_iter, "rotation", "round") as swept:
        weights = learned_projection(
            rows,
            m,
            1,
            judge=judge,
            whitening=0.0,
            max_iter=max_iter,
            rng=rng,
            threads=threads,
            swept=swept,
        )
    pool = rows[judge.unseen][:_POOL]
    best = regressed(pool, weights, n_levels)
    recall = judge.recall(best, threads)
    steps = max(1, len(pool) // _ANCHORS)
    if judge.trusted:
        with bar(progress, max_epochs * steps, "gradients", "step") as stepped:
            best, recall = _refined(best, recall, pool, judge, max_epochs, rng, threads, stepped)
    planes = forward(best, pool).planes
    return best._replace(last=linear(_regression(planes, pool))), recall


def regressed(f: F32, weights: F32, n_levels: int) -> Recurrence:
    """The linear recurrence: B_i by ridge regression, and R_i in the frame of W, as W itself.

    Planes add up in the same components, so a residual is turned as the vectors are.
    """
    size = np.float32(np.abs(f @ weights).mean() / _USUAL)
    maps = Recurrence(linear(weights / max(size, np.finfo(np.float32).tiny)), (), ())
    while maps.shape[2] < n_levels:
        planes = forward(maps, f).planes
        back = _regression(planes, f)
        size = np.float32(np.abs((f - unit_rows(planes @ back)) @ weights).mean() / _USUAL)
        residual = linear(weights / max(size, np.finfo(np.float32).tiny))
        maps = Recurrence(maps.first, (*maps.backs, linear(back)), (*maps.residuals, residual))
    return maps


def _refined(
    maps: Recurrence,
    recall: float,
    pool: F32,
    judge: Judge,
    max_epochs: int,
    rng: np.random.Generator,
    threads: int,
    stepped: Callable[[int], object],
) -> tuple[Recurrence, float]:
    """The best of the start and of what momentum makes of it, looked at after each epoch."""
    known = _neighbours(pool)
    speed, steps, best, fruitless = None, max(1, len(pool) // _ANCHORS), maps, 0
    for epoch in range(max_epochs):
        for step in range(steps):
            anchors = rng.choice(len(pool), min(_ANCHORS, len(pool)), replace=False)
            drawn = rng.integers(0, known.shape[1], (_DRAWN, len(anchors)))
            batch = np.concatenate([anchors, known[anchors, drawn].ravel()])
            f, same = pool[batch], batch == anchors[:, None]
            trace = forward(maps, f)
            slope = listwise(trace.planes, f, same)[1]
            rate = _RATE * (1 + np.cos(np.pi * (epoch + step / steps) / max_epochs)) / 2
            maps, speed = moved(maps, speed, backward(maps, trace, slope), rate)
            stepped(1)
        found = judge.recall(maps, threads)
        fruitless = 0 if found > recall else fruitless + 1
        if found > recall:
            best, recall = maps, found
        if fruitless == _PATIENCE:
            break
    return best, recall


def moved(
    maps: Recurrence, speed: Recurrence | None, gradient: Recurrence, rate: float
) -> tuple[Recurrence, Recurrence]:
    """The maps after a step of momentum that moves each layer by a share of its length."""
    if speed is None:
        speed = gradient
    places, speeds = [], []
    for layers, before, grown in zip(_maps(maps), _maps(speed), _maps(gradient), strict=True):
        fast = tuple(
            Layer(_MOMENTUM * v.weight + g.weight, _MOMENTUM * v.bias + g.bias)
            for v, g in zip(before, grown, strict=True)
        )
        speeds.append(fast)
        places.append(tuple(_stepped(p, v, rate) for p, v in zip(layers, fast, strict=True)))
    return _recurrence(places), _recurrence(speeds)


def _stepped(layer: Layer, speed: Layer, rate: float) -> Layer:
    length = np.hypot(np.linalg.norm(speed.weight), np.linalg.norm(speed.bias))
    share = np.float32(rate * np.linalg.norm(layer.weight) / length if length > 0 else 0)
    return Layer(layer.weight - share * speed.weight, layer.bias - share * speed.bias)


def _maps(maps: Recurrence) -> list[Map]:
    return [maps.first, *maps.backs, *maps.residuals]


def _recurrence(maps: list[Map]) -> Recurrence:
    half = (len(maps) + 1) // 2
    return Recurrence(maps[0], tuple(maps[1:half]), tuple(maps[half:]))


def _neighbours(pool: F32) -> I64:
    """Near rows of each row, but for itself where there are enough: (n, up to _NEAR)."""
    parts = (pool[start : start + 250] for start in range(0, len(pool), 250))
    return np.concatenate([nearest(part, pool, _NEAR) for part in parts])


def _regression(planes: F32, f: F32) -> F32:
    """The ridge regression of vectors on planes: (m, d)."""
    wide = planes.astype(np.float64)
    energy = wide.T @ wide
    energy += _RIDGE * np.trace(energy) / len(energy) * np.eye(len(energy))
    return np.linalg.solve(energy, wide.T @ f).astype(np.float32)
