"""The contract of MaxSim, `maxsim`; `_kernels` holds those of the other families."""

from __future__ import annotations

from typing import Protocol

from tersevec._types import F32, I8, I32, I64, U8, Tokens


class MaxsimKernels(Protocol):
    """Sums over a query's tokens of the largest product with a document's tokens.

    Queries are float32 (tokens, d), documents (total, d) float32, float16, uint16 (the bits of
    bfloat16), or int8 with float32 scales and int32 sums of each row, both (total,). Offsets are
    int64 (n + 1,): bag i owns the tokens ``offsets[i]`` to ``offsets[i + 1]``; they begin at 0, do
    not decrease, and end at the number of tokens. Weights are None or float32 (query tokens,).

    Products: float16 counts as the same numbers in float32. For bfloat16, queries are rounded to it
    (nearest, ties to even), and products summed in float32. For int8, queries are quantised as
    `pack_int8` does, and a product is ``(float32(S) * query's scale) * token's scale``, where S is
    the integer sum, exact. `pack_int8` gives numbers from -127 to 127, ``rint(number / scale)``
    where the scale, the row's largest magnitude / 127, is above 0, and their sums. Compiled kernels
    fuse and order float32 sums the same on every level; the twin agrees within 1e-5 of the lengths
    of the two vectors.

    A score starts at 0 and adds, in float32 and in the order of the query's tokens, the weight
    times the largest product. It is 0 for an empty document or query, and depends on the query and
    the document alone. If a product is not finite it is NaN, in `topk` infinity. Candidates are
    int64 (queries, c), documents or -1, which scores -inf. Larger is better; ties: lower document.
    A mask is None or uint8 (ceil(n / 8),), least significant bit first, zero past n.
    """

    def rows(self) -> list[str]: ...
    def pack_int8(self, tokens: Tokens) -> tuple[I8, F32, I32]: ...
    def scores(
        self,
        queries: F32,
        query_offsets: I64,
        documents: Tokens,
        scales: F32 | None,
        sums: I32 | None,
        offsets: I64,
        weights: F32 | None,
        threads: int,
        *,
        isa: str = "",
    ) -> F32: ...
    def candidates(
        self,
        queries: F32,
        query_offsets: I64,
        documents: Tokens,
        scales: F32 | None,
        sums: I32 | None,
        offsets: I64,
        weights: F32 | None,
        candidates: I64,
        threads: int,
        *,
        isa: str = "",
    ) -> F32: ...
    def topk(
        self,
        queries: F32,
        query_offsets: I64,
        documents: Tokens,
        scales: F32 | None,
        sums: I32 | None,
        offsets: I64,
        weights: F32 | None,
        k: int,
        mask: U8 | None,
        threads: int,
        *,
        isa: str = "",
    ) -> tuple[F32, I64]: ...
    def matches(
        self,
        queries: F32,
        query_offsets: I64,
        documents: Tokens,
        scales: F32 | None,
        sums: I32 | None,
        offsets: I64,
        candidates: I64,
        threads: int,
        *,
        isa: str = "",
    ) -> I32: ...
