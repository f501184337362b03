"""Residual codes: one centroid a level, whose sum is near a row, found by a beam search.

A beam is a sum p of the centroids chosen so far. What another centroid c does to its squared error
is arithmetic on inner products, those with the row x and those between centroids: ``|c|^2 - 2 <x,
c> + 2 <p, c>``. All in float32, each operation rounded on its own and in one order, so that codes
depend neither on the company of a row nor on threads or the CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import NamedTuple, cast

import numpy as np

from tersevec import _backend, _progress
from tersevec._arrays import float_blocks
from tersevec._cuda._device import module_of
from tersevec._kernels import F32, I64, U8, PqencodeKernels
from tersevec._kmeans import kmeans, spread_start

_CELLS = 1 << 18  # beams with one more centroid that are compared at once
_GROUP = 256  # of which the lowest is known


class Beams(NamedTuple):
    """The best sums of centroids for each of n rows, best first."""

    numbers: U8  # (n, beams, levels so far)
    scores: F32  # (n, beams): their squared errors, less the squared length of the row


def no_levels(n: int) -> Beams:
    """One empty sum for each row."""
    return Beams(np.empty((n, 1, 0), np.uint8), np.zeros((n, 1), np.float32))


def squared_lengths(rows: F32) -> F32:
    """Of each row (n, d), coordinate by coordinate: float32 (n,)."""
    ones = module_of(rows).ones((rows.shape[1], 1), np.float32)
    return _backend.pick("pqencode", rows).products(rows * rows, ones, 1)[:, 0]


def summed(numbers: U8, codebooks: F32) -> F32:
    """The sums of the centroids that the numbers (n, levels) name, level by level: (n, d)."""
    total: F32 = codebooks[0][numbers[:, 0]]
    for level, book in enumerate(codebooks[1 : numbers.shape[1]], 1):
        total += book[numbers[:, level]]
    return total


def crossed(codebooks: F32, level: int, threads: int) -> F32:
    """Twice the inner products of all centroids before a level with those of it: (level, K, K)."""
    K, d = codebooks.shape[1:]
    before, columns = codebooks[:level].reshape(-1, d), np.ascontiguousarray(2 * codebooks[level].T)
    return _backend.pick("pqencode").products(before, columns, threads).reshape(level, K, K)


def extended(x: F32, beams: Beams, book: F32, table: F32, width: int, threads: int) -> Beams:
    """The best beams of each row of x with a centroid of `book` (K, d) added, at most `width`.

    `table` is what `crossed` says of this level. Ties: the better beam before, the lower centroid.
    """
    n, before, level = beams.numbers.shape
    K = len(book)
    products = _backend.pick("pqencode").products
    columns, squares = np.ascontiguousarray(-2 * book.T), squared_lengths(book)
    kept = min(width, before * K)
    grown = Beams(np.empty((n, kept, level + 1), np.uint8), np.empty((n, kept), np.float32))
    step = max(1, _CELLS // (before * K))

    def extend(start: int) -> None:
        part = slice(start, start + step)
        numbers, scores = beams.numbers[part], beams.scores[part]
        own = products(x[part], columns, 1)
        own += squares
        cells = own[:, None] + scores[:, :, None]
        entries = np.empty_like(cells)
        for earlier, rows in enumerate(table):
            cells += np.take(rows, numbers[:, :, earlier], axis=0, out=entries, mode="clip")
        lowest, parents, added = _lowest(cells, kept)
        grown.scores[part] = lowest
        flat = numbers.reshape(scores.size, level)  # many times as fast as take_along_axis
        grown.numbers[part, :, :level] = flat[np.arange(len(own))[:, None] * before + parents]
        grown.numbers[part, :, level] = added

    _each(extend, range(0, n, step), threads)
    return grown


def _lowest(cells: F32, count: int) -> tuple[F32, I64, I64]:
    """The lowest of the cells (n, beams, K), best first: (values, beams, centroids), (n, count).

    Every group of cells knows its lowest; the lowest of these is taken, and its group looks again.
    """
    n, before, K = cells.shape
    joined = next(beams for beams in range(_GROUP // K, 0, -1) if before % beams == 0)
    groups = cells.reshape(n, before // joined, joined * K)
    rows = np.arange(n)
    nearest = groups.argmin(axis=2)
    lowest = np.take_along_axis(groups, nearest[:, :, None], axis=2)[:, :, 0]
    values, places = np.empty((n, count), np.float32), np.empty((n, count), np.int64)
    for i in range(count):
        group = lowest.argmin(axis=1)
        place = nearest[rows, group]
        values[:, i], places[:, i] = lowest[rows, group], group * (joined * K) + place
        if i + 1 < count:
            groups[rows, group, place] = np.inf
            rest = groups[rows, group]
            nearest[rows, group] = again = rest.argmin(axis=1)
            lowest[rows, group] = rest[rows, again]
    return values, *np.divmod(places, K)


def _each(work: Callable[[int], None], starts: range, threads: int) -> None:
    """Call `work` for every start; NumPy lets threads run at once."""
    if threads == 1 or len(starts) == 1:
        for start in starts:
            work(start)
        return
    with ThreadPoolExecutor(min(threads, len(starts))) as pool:
        for _ in pool.map(work, starts):
            pass


def encoded(x: F32, codebooks: F32, tables: Iterable[F32], width: int, threads: int) -> U8:
    """The best sum for each row of x that the beam search finds: the numbers (n, levels)."""
    beams = no_levels(len(x))
    for level, (book, table) in enumerate(zip(codebooks, tables, strict=True), 1):
        beams = extended(x, beams, book, table, width if level < len(codebooks) else 1, threads)
    return beams.numbers[:, 0]


def length_bounds(codebooks: F32) -> tuple[float, float]:
    """Bounds of the squared length of every sum: those of its terms, added up."""
    least = largest = 0.0
    for level, book in enumerate(codebooks):
        squares, table = squared_lengths(book), crossed(codebooks, level, 1)
        least += float(squares.min()) + float(table.min(axis=(1, 2)).sum(dtype=np.float64))
        largest += float(squares.max()) + float(table.max(axis=(1, 2)).sum(dtype=np.float64))
    return max(least, 0.0), largest


def learn(
    x: F32,
    levels: int,
    K: int,
    *,
    width: int,
    max_iter: int,
    rng: np.random.Generator,
    threads: int,
    progress: bool,
) -> tuple[F32, tuple[float, float]]:
    """Codebooks float32 (levels, K, d), and the least and largest squared length of the sums.

    Each level is trained by k-means, at most `max_iter` sweeps, on what the best beam of every row
    of x left over.
    """
    kernels = _full_width(_backend.pick("pqencode"))
    codebooks = np.empty((levels, K, x.shape[1]), np.float32)
    beams, rest = no_levels(len(x)), x
    with _progress.bar(progress, levels * max_iter, "fit", "sweep") as swept:
        for level in range(levels):
            start = spread_start(rest, 1, K, rng=rng, kernels=kernels, threads=threads)
            (codebooks[level],) = kmeans(
                rest, start, max_iter=max_iter, kernels=kernels, threads=threads, swept=swept
            )
            table = crossed(codebooks, level, threads)
            beams = extended(x, beams, codebooks[level], table, width, threads)
            sums = summed(beams.numbers[:, 0], codebooks)
            rest = x - sums
    lengths = squared_lengths(sums)
    return codebooks, (float(lengths.min()), float(lengths.max()))


def _full_width(kernels: PqencodeKernels) -> PqencodeKernels:
    """What k-means needs, for whole rows: the nearest centroid by matrix products."""

    def assign(x: F32, codebooks: F32, threads: int) -> U8:
        (book,) = codebooks
        columns, halves = np.ascontiguousarray(book.T), squared_lengths(book) / 2
        nearest = np.empty((len(x), 1), np.uint8)
        for start, block in float_blocks(x):
            scores = kernels.products(block, columns, threads)
            np.subtract(halves, scores, out=scores)
            nearest[start : start + len(block), 0] = scores.argmin(axis=1)
        return nearest

    whole = SimpleNamespace(assign=assign, centroid_sums=kernels.centroid_sums)
    return cast("PqencodeKernels", whole)
