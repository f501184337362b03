"""Batches of bags through the `fde` kernels: into the caller's arrays, or into codes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tersevec import _backend, _threads
from tersevec._arrays import like
from tersevec._cuda._device import constant, holds, module_of
from tersevec._fde_base import FdeBase
from tersevec._fde_matrices import Matrices
from tersevec._fde_out import given_back, results
from tersevec._kernels import F32, ArrayIn
from tersevec._numpy.tokens import widened
from tersevec._progress import bar
from tersevec._ragged import Bags, Ragged
from tersevec._ragged_in import plain_bag, ragged
from tersevec._results import ScaledInt8

_TOKEN_BYTES = 4 << 20  # of tokens as float32, for each thread, that a kernel gets at once
_THREADS = 4  # whose tokens count
_DEVICE_BYTES = 256 << 20  # the same on a GPU
_CODED = 8 << 20  # bytes of encodings that wait for a quantiser


class FdeBatches(FdeBase):
    """Tokens in, rows or codes out."""

    def _bags(
        self,
        tokens: ArrayIn,
        offsets: ArrayIn,
        lengths: ArrayIn,
        scales: ArrayIn,
        device: bool = False,
    ) -> Ragged:
        d, ends = self._ready()[0].d, {"offsets": offsets, "lengths": lengths}
        return ragged("tokens", tokens, **ends, scales=scales, dim=d, device=device)

    def _encode(
        self,
        bags: Bags,
        documents: bool,
        out: npt.NDArray[Any],
        out_scales: F32 | None,
        threads: int,
    ) -> None:
        """Write the encodings of some bags."""
        shape, matrices = self._ready()
        tokens, scales = bags.tokens, bags.scales
        if holds(tokens):
            matrices = Matrices._make(map(constant, matrices))
        center = self._center(shape.d)
        if center is not None:
            tokens, scales = widened(tokens, scales) - like(tokens, center), None
        _backend.pick("fde", tokens).encode(
            tokens,
            scales,
            bags.offsets,
            matrices.hashes,
            matrices.projections,
            shape.n_repetitions,
            shape.n_bits,
            shape.n_dims,
            documents,
            documents and bool(self.fill_empty_partitions),
            matrices.buckets,
            matrices.signs,
            out,
            out_scales,
            threads,
        )

    def _encoded(
        self,
        tokens: ArrayIn,
        offsets: ArrayIn,
        lengths: ArrayIn,
        scales: ArrayIn,
        documents: bool,
        out: ArrayIn,
        dtype: npt.DTypeLike,
        threads: int | None,
        progress: bool,
    ) -> npt.NDArray[Any] | ScaledInt8:
        count, shape = _threads.resolve(threads), self._ready()[0]
        width = shape.width
        if out is None and lengths is None and scales is None and dtype == "float32":
            bag = plain_bag(tokens, offsets, shape.d)
            if bag is not None:
                row = np.empty((1, width), np.float32)
                self._encode(bag, documents, row, None, count)
                return row
        bags = self._bags(tokens, offsets, lengths, scales, device=True)
        rows, row_scales = results(out, dtype, (len(bags), width), bags.memory)
        with bar(progress, len(bags), "encode", "document") as encoded:
            for chunk in bags.chunks(_token_bytes(bags, count)):
                part = slice(chunk.start, chunk.stop)
                mine = None if row_scales is None else row_scales[part]
                self._encode(chunk, documents, rows[part], mine, count)
                encoded(chunk.stop - chunk.start)
        return given_back(rows, row_scales)

    def _coded(
        self,
        tokens: ArrayIn,
        offsets: ArrayIn,
        lengths: ArrayIn,
        scales: ArrayIn,
        into: Any,
        threads: int | None,
        progress: bool,
    ) -> npt.NDArray[Any]:
        """The codes of documents: a block of encodings is made, encoded, and overwritten."""
        if not callable(getattr(into, "encode", None)):
            raise TypeError(f"into: expected a quantiser that encodes, got {into!r}")
        count = _threads.resolve(threads)
        bags = self._bags(tokens, offsets, lengths, scales, device=True)
        width, xp = self._ready()[0].width, module_of(bags.memory)
        block = xp.empty((min(len(bags), max(1, _CODED // (4 * width))), width), np.float32)
        empty = into.encode(block[:0])
        codes: npt.NDArray[Any] = xp.empty((len(bags), *empty.shape[1:]), empty.dtype)
        with bar(progress, len(bags), "encode", "document") as encoded:
            for chunk in bags.chunks(_token_bytes(bags, count), len(block)):
                rows = block[: chunk.stop - chunk.start]
                self._encode(chunk, True, rows, None, count)
                codes[chunk.start : chunk.stop] = into.encode(rows)
                encoded(len(rows))
        return codes


def _token_bytes(bags: Ragged, threads: int) -> int:
    """How many bytes of tokens a kernel gets at once."""
    if holds(bags.memory):
        return _DEVICE_BYTES
    return _TOKEN_BYTES * min(threads, _THREADS)
