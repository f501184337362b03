"""The published recurrence of binary codes: a plane of signs, then what it leaves over, again."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from tersevec import _backend
from tersevec._kernels import F32, U8
from tersevec._quantizer import unit_rows


class Layer(NamedTuple):
    """What multiplies rows from the right, and is added to them."""

    weight: F32  # (inputs, outputs)
    bias: F32  # (outputs,)


Map: TypeAlias = tuple[Layer, ...]  # one layer after the other, and a ReLU between two


def linear(weight: npt.NDArray[np.floating]) -> Map:
    """A map of one layer that adds nothing."""
    return (Layer(np.ascontiguousarray(weight, np.float32), np.zeros(weight.shape[1], np.float32)),)


def applied(layers: Map, x: F32, threads: int) -> F32:
    """The rows (n, outputs) after all layers, summed in one order, whatever the batch."""
    products = _backend.pick("pqencode").products
    for i, layer in enumerate(layers):
        x = products(np.maximum(x, 0) if i else x, layer.weight, threads)
        x += layer.bias
    return x


class Recurrence(NamedTuple):
    """The maps of a code of m components: b = sign(W f), then for i = 1, 2 ... in turn

    r = f - normalise(B_i b) and b += 2**-i sign(R_i r), where the sign of 0 is +1.
    """

    first: Map  # W: vectors to components
    backs: tuple[Map, ...]  # B_1, B_2 ...: the planes so far to vectors
    residuals: tuple[Map, ...]  # R_1, R_2 ...: what they leave over to components
    last: Map = ()  # all planes to vectors; where it is empty, the last of `backs` has to do
    adapter: F32 | None = None  # (d_new, d): another model's vectors to this one's, but for lengths

    @property
    def shape(self) -> tuple[int, int, int]:
        """Dimensions of a vector, components of a code, and bits of each."""
        entry = self.first[0].weight if self.adapter is None else self.adapter
        return len(entry), len(self.first[-1].bias), 1 + len(self.backs)

    def numbers(self, x: F32, threads: int) -> U8:
        """Numbers from 0 to 2**n_levels - 1 of unit rows: (n, m), the first plane on top."""
        f = x
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            if self.adapter is not None:
                f = unit_rows(_backend.pick("pqencode").products(x, self.adapter, threads))
            bits = applied(self.first, f, threads) >= 0
            numbers, planes = bits.astype(np.uint8), _signs(bits)
            for i, (back, residual) in enumerate(zip(self.backs, self.residuals, strict=True), 1):
                left_over = f - unit_rows(applied(back, planes, threads))
                bits = applied(residual, left_over, threads) >= 0
                numbers = 2 * numbers + bits
                planes += np.float32(2.0**-i) * _signs(bits)
        return numbers

    def decoder(self) -> Map:
        """The map from odd integers to vectors of any length; empty where there is none."""
        layers = list(self.last or (self.backs[-1] if self.backs else ()))
        if layers:
            first = layers[0]
            layers[0] = first._replace(weight=first.weight * np.float32(2.0 ** -len(self.backs)))
            if self.adapter is not None:
                back = np.linalg.pinv(self.adapter.astype(np.float64)).astype(np.float32)
                layers[-1] = Layer(layers[-1].weight @ back, layers[-1].bias @ back)
        return tuple(layers)

    def adapted(self, adapter: F32) -> Recurrence:
        """The same codes for unit rows that `adapter` (d_new, d) maps to those of this model."""
        chained = adapter if self.adapter is None else adapter @ self.adapter
        return self._replace(adapter=np.ascontiguousarray(chained))


def _signs(bits: npt.NDArray[np.bool_]) -> F32:
    return np.where(bits, np.float32(1), np.float32(-1))
