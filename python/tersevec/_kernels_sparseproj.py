"""The contract of sparse random projections and rows of graphs, `sparseproj`."""

from __future__ import annotations

from typing import Any, Protocol

import numpy.typing as npt

from tersevec._types import F32, F64, I8, I32, I64, U32


class SparseprojKernels(Protocol):
    """Random matrices of -1, 0 and 1, and sparse rows times held rows.

    Number c of row `id` of a ternary matrix, with golden = 0x9E3779B97F4A7C15: modulo 2**64, where
    ``mix`` is the finisher of SplitMix64, ``key = mix(seed + golden)``, ``state = mix(key + id *
    golden)``; modulo 2**32, word b is ``finish(low + b * (golden >> 32), high)`` of the halves of
    the state, where ``finish(x, key)`` is x ^ x >> 16, times 0x21F0AAAD plus the key, x ^ x >> 15,
    times 0xD35A2D97, x ^ x >> 15; u is its bits 16 t to 16 t + 15 as a signed number plus 2**15,
    where c = 64 g + 2 j + s and 2 b + t = 64 g + 32 s + j. The number is 1 if u < threshold, -1 if
    u < 2 * threshold, else 0; threshold is 1 to 2**15. Rows have a multiple of 64 columns, those
    from column `first` on, itself such a multiple, and zeros after `used` of them.

    Held rows (n, width), of a multiple of 16 columns, zero where unused, are float32, the bits of
    float16 as uint16, or int8 with float32 scales (n,); int8 without scales are -1, 0 and 1, and
    have a multiple of 64 columns. A graph is CSR, ``indptr[0] = 0``, of int32 or int64 each;
    weights and row_scales are None for ones.

    `propagate`: new row i = row_scales[i] * (s + f * x + ...), x the held numbers of the entries'
    rows, one entry after the other, f the weight, the scale, their product, or nothing, s the own
    held row with `self_loops`, else 0. Rows of more than 2048 entries are summed in parts of as
    many, and the parts added in order; -1, 0 and 1 are summed exactly. `target` keeps new rows:
    rounded to the nearest, ties to even; int8 are x * (127 / most), most the largest size in the
    row, with the scale most / 127, zeros where most < 2**-100. `out`, rows strided, becomes (out if
    `add` +) held * u(source row i) + made * u(new row i), summands of weight 0 left out; u is the
    row, or with `normalize` its unit row: weight / sqrt(squares) times the row, where squares are
    added for each 64 columns in 16 sums of their columns 16 k + t, then t and t + 8, + 4, + 2, + 1,
    and these in order. A zero row stays zero. `held_squares` and `made_squares` (n,), both or one,
    are for rows that come a block of columns at a time: without `out` the squares are added to
    them, with it they count in place of the block's own.

    `moments`, (width + 1, width + 1): the sum of the outer products of held rows, or of unit rows,
    with a 1 behind each; rows that are zero do not count. So the last row has the sum of the rows,
    and last how many there are. At most 2048 rows are summed in float32, then all in float64.
    `propagate` writes those of the target's unit rows to `target_moments`, while they are in cache.

    `project` and `project_sparse`: scale * (p - m) of columns, p the sum of the numbers that the
    column adds, m of those it takes off, in order. By columns, those of column c that it adds are
    ``features[starts[2 * c]:starts[2 * c + 1]]``, those it takes off come up to ``starts[2 * c +
    2]``; by rows, feature i is in the columns ``codes[starts[i]:starts[i + 1]]``: c where column
    c adds it, width + c where it takes it off; and `words` is what the path's `make_words` makes of
    them, to be read in place of most lists. x has strided rows; indices are features. `project`
    gives NaN in all columns of a row of x that holds NaN or an infinity.

    Every operation on floats is rounded to float32 on its own, so that both twins agree, but on
    moments: products g_ij of columns to within 2**-12 * sqrt(g_ii * g_jj), sums of a column to
    within 2**-12 of that of its sizes; the same bytes for any number of threads.
    """

    def rows(self) -> list[str]: ...
    def ternary(
        self,
        ids: I64,
        used: int,
        seed: int,
        threshold: int,
        out: I8,
        threads: int,
        *,
        first: int = 0,
        isa: str = "",
    ) -> None: ...
    def propagate(
        self,
        indptr: npt.NDArray[Any],
        indices: npt.NDArray[Any],
        weights: F32 | None,
        row_scales: F32 | None,
        self_loops: bool,
        source: npt.NDArray[Any],
        source_scales: F32 | None,
        target: npt.NDArray[Any] | None,
        target_scales: F32 | None,
        out: F32 | None,
        held: float,
        made: float,
        normalize: bool,
        add: bool,
        threads: int,
        *,
        places: I64 | None = None,
        held_squares: F32 | None = None,
        made_squares: F32 | None = None,
        target_moments: F64 | None = None,
        isa: str = "",
    ) -> None: ...
    def widen(
        self,
        source: npt.NDArray[Any],
        scales: F32 | None,
        width: int,
        normalize: bool,
        threads: int,
        *,
        isa: str = "",
    ) -> F32: ...
    def moments(
        self,
        source: npt.NDArray[Any],
        scales: F32 | None,
        width: int,
        normalize: bool,
        threads: int,
        *,
        isa: str = "",
    ) -> F64: ...
    def narrow(
        self, x: F32, target: npt.NDArray[Any], scales: F32 | None, threads: int, *, isa: str = ""
    ) -> None: ...
    def project(
        self, x: F32, starts: I64, features: I32, scale: float, threads: int, *, isa: str = ""
    ) -> F32: ...
    def project_sparse(
        self,
        indptr: npt.NDArray[Any],
        indices: npt.NDArray[Any],
        values: F32 | None,
        starts: I64,
        codes: I32,
        words: U32 | None,
        width: int,
        scale: float,
        threads: int,
    ) -> F32: ...
    def make_words(self, starts: I64, codes: I32, width: int) -> U32 | None: ...
