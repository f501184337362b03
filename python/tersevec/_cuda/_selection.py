"""The k best and all within a limit, from the kernels of any family: `cuda/topk/topk.cu`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from tersevec._cuda._device import WARP, Array, blocks_for, current

QUEUE_LIMIT = 224  # larger k go by radix select: queues of 256 keys are what shared memory holds
_SHARED_BYTES = 32 << 10  # for a block's queues, so that several blocks share a multiprocessor
_ORDINAL_BYTES = 256 << 20
_THREADS = 256
_DIGIT_BITS = 8
_KEY_BITS = 64
NO_HIT = np.uint64(2**64 - 1)
NO_ORDINAL = np.uint32(2**32 - 1)


class Queues(NamedTuple):
    """How a kernel keeps its k best: `capacity` keys for each of a warp's queues."""

    k: int
    capacity: int
    block: int  # threads
    shared_bytes: int

    @property
    def warps(self) -> int:
        return self.block // WARP


def queues(k: int, tile_queries: int) -> Queues:
    """Queues for k keys and the queries that a warp takes at a time."""
    capacity = WARP << (-(-(k + WARP) // WARP) - 1).bit_length()
    warp_bytes = 8 * capacity * tile_queries
    warps = max(1, min(_THREADS // WARP, _SHARED_BYTES // warp_bytes))
    return Queues(k, capacity, warps * WARP, warps * warp_bytes)


def grid_for(steps: int, warps: int) -> int:
    """Blocks of so many warps to share out a scan's steps: enough to fill the device, no more."""
    return max(1, min(blocks_for(steps, warps), 8 * current().multiprocessors()))


def merge(keys: Array, k: int) -> Array:
    """The k smallest of each row of uint64 keys, ascending, padded with NO_HIT."""
    n_queries, count = keys.shape
    out = current().xp.empty((n_queries, k), np.uint64)
    if n_queries > 0:
        here = queues(k, 1)
        arguments = (keys, np.int64(count), np.int32(k), np.int32(here.capacity), out)
        current().launch(
            "topk", "topk_merge", (n_queries,), here.block, arguments, here.shared_bytes
        )
    return out


def query_tiles(n_queries: int, n: int, multiple: int = 4) -> Iterator[tuple[int, int]]:
    """(first, stop) of queries whose ordinals are kept at a time, whole tiles of them."""
    step = max(1, min(_ORDINAL_BYTES // (4 * max(1, n)), 65532) // multiple) * multiple
    for first in range(0, n_queries, step):
        yield first, min(n_queries, first + step)


def best(
    n_queries: int,
    n: int,
    k: int,
    queued: Callable[[int, int], Array],
    ordinals_of: Callable[[int, int], Array],
    multiple: int = 4,
) -> Array:
    """The k best keys of each query, ascending, padded with NO_HIT.

    Of queries `first` to `stop`, `queued` finds them in warps' queues, where k is small; otherwise
    they are selected from `ordinals_of` all n rows.
    """
    keys = current().xp.full((n_queries, k), NO_HIT, np.uint64)
    for first, stop in query_tiles(n_queries, n, multiple):
        if k <= QUEUE_LIMIT:
            keys[first:stop] = queued(first, stop)
        else:
            keys[first:stop] = smallest(ordinals_of(first, stop), k)
    return keys


def smallest(ordinals: Array, k: int) -> Array:
    """The k smallest keys of each row of uint32 ordinals, ascending, by radix select."""
    xp, device = current().xp, current()
    n_queries, n = ordinals.shape
    out = xp.full((n_queries, k), NO_HIT, np.uint64)
    if n_queries == 0 or n == 0:
        return out
    grid = (grid_for(blocks_for(n, WARP), _THREADS // WARP), n_queries)
    counts = xp.zeros((n_queries, 1 << _DIGIT_BITS), np.uint32)
    prefixes = xp.zeros(n_queries, np.uint64)
    ranks = xp.full(n_queries, min(k, n), np.int64)
    for shift in range(_KEY_BITS - _DIGIT_BITS, -1, -_DIGIT_BITS):
        digit = (ordinals, np.int64(n), prefixes, np.int32(shift), counts)
        device.launch("topk", "select_count", grid, _THREADS, digit, 0)
        picked = (counts, np.int64(n_queries), np.int32(shift), prefixes, ranks)
        threads = (blocks_for(n_queries, WARP),)
        device.launch("topk", "select_pick", threads, WARP, picked, 0)
    taken = xp.zeros(n_queries, np.uint32)
    gathered = (ordinals, np.int64(n), prefixes, np.int32(k), taken, out)
    device.launch("topk", "select_gather", grid, _THREADS, gathered, 0)
    out.sort(axis=1)
    return out


def within(
    n_queries: int,
    n: int,
    limit: int,
    ordinals_of: Callable[[int, int], Array],
    multiple: int = 4,
) -> tuple[Array, Array]:
    """(offsets int64 (n_queries + 1,), keys) of all rows whose ordinal is below `limit`.

    For each query the keys ascend. Waits for the device, once for each tile of queries, since
    memory for the hits cannot be had before their number is known.
    """
    xp = current().xp
    parts, counts = [], []
    for first, stop in query_tiles(n_queries, n, multiple):
        hits, keys = _within_tile(ordinals_of(first, stop), limit)
        counts.append(hits)
        parts.append(keys)
    offsets = xp.zeros(n_queries + 1, np.int64)
    if counts:
        offsets[1:] = xp.cumsum(xp.concatenate(counts))
    return offsets, xp.concatenate(parts) if parts else xp.empty(0, np.uint64)


def _within_tile(ordinals: Array, limit: int) -> tuple[Array, Array]:
    xp, device = current().xp, current()
    n_queries, n = ordinals.shape
    counts = xp.zeros(n_queries, np.uint64)
    if n == 0:
        return counts.astype(np.int64), xp.empty(0, np.uint64)
    grid = (grid_for(blocks_for(n, WARP), _THREADS // WARP), n_queries)
    shape = (ordinals, np.int64(n), np.uint32(limit))
    device.launch("topk", "within_count", grid, _THREADS, (*shape, counts), 0)
    hits = counts.astype(np.int64)
    offsets = xp.cumsum(hits) - hits
    keys = xp.empty(int(hits.sum()), np.uint64)
    taken = xp.zeros(n_queries, np.uint64)
    device.launch("topk", "within_fill", grid, _THREADS, (*shape, offsets, taken, keys), 0)
    order = xp.argsort(keys)
    owners = xp.searchsorted(offsets + hits, xp.arange(len(keys)), side="right")
    order = order[xp.argsort(owners[order], kind="stable")]
    return hits, keys[order]


def rows_of(keys: Array) -> Array:
    """The rows of keys as int64, -1 for NO_HIT."""
    rows = (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)
    rows[keys == NO_HIT] = -1
    return rows


def ordinals_of(keys: Array) -> Array:
    """The ordered values of keys, as uint32."""
    return (keys >> np.uint64(32)).astype(np.uint32)


def ordinal_of(number: float) -> int:
    """What `ordered_bits` makes of a float32 number."""
    bits = int(np.float32(number).view(np.uint32))
    return bits ^ 0xFFFFFFFF if bits & 0x80000000 else bits | 0x80000000


def floats_of(ordinals: Array) -> Array:
    """The float32 numbers whose `ordered_bits` are these."""
    xp = current().xp
    sign = np.uint32(0x80000000)
    return xp.where(ordinals & sign, ordinals ^ sign, ~ordinals).view(np.float32)
