"""The contract of fixed-dimensional encodings, `fde`; `_kernels` holds those of other families."""

from __future__ import annotations

from typing import Any, Protocol

import numpy.typing as npt

from tersevec._types import F32, I8, I32, I64, Tokens


class FdeKernels(Protocol):
    """Bags of token vectors to single vectors whose inner products stand for Chamfer similarity.

    Tokens (total, d), 1 <= d <= 65536, are float32, float16, uint16 (the bits of bfloat16), or int8
    with float32 scales (total,): a token is then ``scale * row``. Offsets are int64 (n + 1,): bag i
    owns the tokens ``offsets[i]`` to ``offsets[i + 1]``; they begin at 0, do not decrease, and end
    at `total`.

    Column ``r * k + i`` of the hashes (d, R * k) is hyperplane i of repetition r, k = n_bits from 0
    to 30. Bit i of a token is 1 where its product with it is above 0. The token's cell is the rank
    of its bits, the first one highest, in the reflected Gray code: digit i of the cell is the
    parity of bits 0 to i, and cell c has the bits of ``c ^ (c >> 1)``. Cell c of repetition r holds
    the sum of its tokens; their mean for `documents`: the sum times ``float32(1 / count)``. Sums
    are float32, tokens in order. With `fill`, for documents only, an empty cell holds the token
    whose bits differ from the cell's in the fewest places; ties: the first one.

    ``v[(r * 2**k + c) * p + j]`` is the product of that cell and column ``r * p + j`` of the
    projections (d, R * p), p = n_dims; without projections p is d, and v the cells themselves. Then
    either out = v, or, with buckets int32 in [0, columns of out) and signs +1 or -1, both as long
    as v, ``out[buckets[i]] += signs[i] * v[i]`` in float32, i ascending.

    Rows of `out` (n, columns) are float32, float16 (nearest, ties to even), or int8: then scales
    float32 (n,) become the largest magnitude / 127, and numbers ``rint(number / scale)``, from -127
    to 127, or 0 where the scale is. A bag without tokens is a row of zeros. A row depends on its
    own tokens alone. Compiled kernels add products over d in order with fused operations, the same
    on every level; the twin agrees within 1e-5 of the row's largest number, unless a product with a
    hyperplane is within rounding of 0.
    """

    def rows(self) -> list[str]: ...
    def encode(
        self,
        tokens: Tokens,
        scales: F32 | None,
        offsets: I64,
        hashes: F32,
        projections: F32 | None,
        n_repetitions: int,
        n_bits: int,
        n_dims: int,
        documents: bool,
        fill: bool,
        buckets: I32 | None,
        signs: I8 | None,
        out: npt.NDArray[Any],
        out_scales: F32 | None,
        threads: int,
        *,
        isa: str = "",
    ) -> None: ...
