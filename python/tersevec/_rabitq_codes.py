"""What a RaBitQ code is: integers near a direction, and the floats that make products of them."""

from __future__ import annotations

import numpy as np

from tersevec import _backend, _check
from tersevec._kernels import F32, I64, U8, ArrayIn
from tersevec._symmetric_codes import ScanCodes, inverse_lengths

FLOAT_BYTES = 8  # of a row: the factor and the deviation, little-endian float32

# Where to clip, in parts of a row's largest magnitude: everywhere, then around the best.
_COARSE = np.geomspace(0.42, 1.04, 6)
_FINE = np.geomspace(_COARSE[0] / _COARSE[1], _COARSE[1] / _COARSE[0], 14)[1:-1]


def nearest_numbers(residuals: F32, n_bits: int) -> U8:
    """Numbers whose integers point most nearly where each row does: uint8 (n, m).

    A row divided by some step and rounded to odd integers, those beyond the last clipped; of many
    steps the one that gives the largest cosine. With the best of all possible ones, the errors of
    4-bit codes would be less than 0.1 % smaller.
    """
    levels = 2 ** (n_bits - 1)
    magnitudes = np.abs(residuals)
    largest = magnitudes.max(axis=1, keepdims=True)
    magnitudes /= np.where(largest > 0, largest, np.float32(1))
    level = np.zeros(magnitudes.shape, np.int16)
    if n_bits > 1:
        level[...] = _levels(magnitudes, _best_scales(magnitudes, levels), levels)
    numbers: U8 = np.where(residuals < 0, levels - 1 - level, levels + level).astype(np.uint8)
    return numbers


def _levels(magnitudes: F32, scales: F32, levels: int, out: F32 | None = None) -> F32:
    """Magnitudes times a scale for each row, rounded down to 0, ..., levels - 1."""
    steps: F32 = np.multiply(magnitudes, scales, out=out)
    np.floor(steps, out=steps)
    return np.minimum(steps, np.float32(levels - 1), out=steps)


def _best_scales(magnitudes: F32, levels: int) -> F32:
    """The scale of each row whose levels, plus a half, make the largest cosine: (n, 1)."""
    halves, terms = np.empty_like(magnitudes), np.empty_like(magnitudes)
    best = np.full((len(magnitudes), 1), levels, np.float32)
    reached = np.full_like(best, -np.inf)

    def attempt(scales: F32) -> None:
        _levels(magnitudes, scales, levels, out=halves)
        np.add(halves, np.float32(0.5), out=halves)
        products = np.multiply(halves, magnitudes, out=terms).sum(axis=1, keepdims=True)
        squares = np.multiply(halves, halves, out=terms).sum(axis=1, keepdims=True)
        cosines = products / np.sqrt(squares)
        better = cosines > reached
        np.copyto(best, scales, where=better)
        np.copyto(reached, cosines, where=better)

    for clip in _COARSE.tolist():
        attempt(np.full_like(best, levels / clip))
    roughly = best.copy()
    for clip in _FINE.tolist():
        attempt(roughly / np.float32(clip))
    return best


def floats_of(residuals: F32, numbers: U8, n_bits: int) -> F32:
    """The factor and the deviation of each row: float32 (n, 2).

    With r the row and v its integers, r is estimated as factor * v, where the factor |r|² / <r, v>
    makes the product with r itself exact. Of a vector of length 1 that knows nothing of the random
    rotation, the estimated product with r is off by so many deviations as a normal number is.
    """
    wide, integers = residuals.astype(np.float64), 2.0 * numbers - (2**n_bits - 1)
    square, product = (wide * wide).sum(axis=1), (wide * integers).sum(axis=1)
    reach = square * (integers * integers).sum(axis=1)  # at least the product's square
    known = product > 0
    product[~known] = 1
    missed = np.maximum(reach / (product * product) - 1, 0)  # 1 / cos² - 1
    floats = np.stack(
        (square / product, np.sqrt(square * missed / max(1, residuals.shape[1] - 1))), axis=1
    )
    floats[~known] = 0
    return floats.astype(np.float32)


def joined(numbers: U8, floats: F32, n_bits: int) -> U8:
    """Code rows: the numbers, dense, and the floats behind them."""
    bits = _backend.pick("symdist").join(numbers, n_bits)
    behind = np.ascontiguousarray(floats, "<f4").view(np.uint8)
    return np.concatenate((bits, behind), axis=1)


def parted(codes: U8) -> tuple[U8, F32]:
    """The bits of code rows, in place, and their floats: float32 (n, 2)."""
    floats = np.ascontiguousarray(codes[:, -FLOAT_BYTES:]).view("<f4")
    return codes[:, :-FLOAT_BYTES], floats.astype(np.float32)


def refuse_foreign(name: str, codes: U8) -> None:
    """Tell the first row whose floats no encoder writes."""
    floats = parted(codes)[1]
    bad = np.flatnonzero(~(np.isfinite(floats) & (floats >= 0)).all(axis=1))
    if len(bad):
        raise ValueError(
            f"{name}: row {bad[0]} ends in {floats[bad[0]].tolist()}, where encode writes two "
            "finite numbers that are not negative"
        )


def errors_of(bits: U8, floats: F32, m: int, n_bits: int) -> F32:
    """How far estimates stray for a query's length, and for its rounding: float32 (2, n).

    The first is the deviation. A query's rounding error is as random: the estimate strays by it,
    times the length of factor * v, over the square root of the dimension.
    """
    stray = floats[:, 0] / inverse_lengths(bits, m, n_bits)
    return np.stack((floats[:, 1], stray / np.float32(m**0.5)))


class RaBitQCodes(ScanCodes):
    """The codes of a `RaBitQuantizer` in the layout that the scan kernels read; `pack` makes them.

    As `ScanCodes`, but `factors` are those that the code rows end in.
    """

    _floats_per_code = 3  # the factor, and the two errors

    @property
    def _row_bytes(self) -> int:
        return self._code_bytes + FLOAT_BYTES

    def append(self, codes: ArrayIn) -> None:
        """Add codes behind those that are there, as `ScanCodes.append` does.

        A ValueError also names a row whose floats `encode` cannot have written.
        """
        rows = _check.codes("codes", codes, self.n_bytes)
        refuse_foreign("codes", rows)
        super().append(rows)

    def errors(self, rows: I64 | slice) -> F32:
        """What `errors_of` gives for the codes of these numbers."""
        errors: F32 = self._floats[1:, rows]
        return errors

    def _floats_of(self, codes: U8) -> F32:
        bits, floats = parted(codes)
        return np.concatenate((floats[None, :, 0], errors_of(bits, floats, self._m, self._n_bits)))

    def _rows(self, start: int, stop: int) -> U8:
        floats = self._floats[:2, start:stop].T
        behind = np.ascontiguousarray(floats, "<f4").view(np.uint8)
        return np.concatenate((super()._rows(start, stop), behind), axis=1)
