"""The contract of the integer products, `symdist`; `_kernels` holds those of the other families."""

from __future__ import annotations

from typing import Protocol

from tersevec._types import F32, I8, I64, U8


class SymdistKernels(Protocol):
    """Codes of m numbers of n_bits = 1 to 8, rows or blocks of uint8; n_bits is u below.

    A number c stands for the odd integer v = 2 c - (2**u - 1). Rows (n, ceil(m * u / 8)) are dense,
    least significant bit first, and strided at will; what pads them means nothing, and is zero
    where kernels write it. Blocks (ceil(n / 16), ceil(m / (4 * (8 / w))), 64) hold 16 codes, and
    numbers in the least w of 1, 2, 4, 8 bits that they fit into. With b the block, c the code in
    it, t = 0 to 3 and i = 0 to 8 / w - 1, bits i * w to i * w + w - 1 of the byte
    ``[b, g, 4 * c + t]`` are the number of dimension ``4 * (8 / w * g + i) + t``. Unused lanes and
    dimensions are zero.

    Queries are int8 (nq, m) from -127 to 127, or -63 to 63 where u = 8; scales (nq,) and factors
    (n,) are finite, not negative, and small enough for all products to be finite. The similarity of
    a query q and a code x is ``(float32(S) * scale of q) * factor of x``, where S is the integer
    sum of q[j] * v[j] over j < m, exact, and each product is rounded to float32 on its own; a zero
    has no sign. Larger is better; ties: lower row. A mask is None or uint8 (ceil(n / 8),), least
    significant bit first, zero past n.
    """

    def rows(self) -> list[str]: ...
    def block_shape(self, m: int, n_bits: int) -> tuple[int, int, int]: ...
    def join(self, numbers: U8, n_bits: int) -> U8: ...
    def split(self, codes: U8, m: int, n_bits: int) -> U8: ...
    def pack(self, codes: U8, blocks: U8, m: int, n_bits: int, start: int) -> None: ...
    def unpack(self, blocks: U8, n: int, m: int, n_bits: int) -> U8: ...
    def scores(
        self,
        queries: I8,
        scales: F32,
        codes: U8,
        n: int,
        n_bits: int,
        factors: F32,
        threads: int,
        *,
        isa: str = "",
    ) -> F32: ...
    def topk(
        self,
        queries: I8,
        scales: F32,
        codes: U8,
        n: int,
        n_bits: int,
        factors: F32,
        k: int,
        mask: U8 | None,
        threads: int,
        *,
        isa: str = "",
    ) -> tuple[F32, I64]: ...
    def range_search(
        self,
        queries: I8,
        scales: F32,
        codes: U8,
        n: int,
        n_bits: int,
        factors: F32,
        radius: float,
        mask: U8 | None,
        threads: int,
        *,
        isa: str = "",
    ) -> tuple[I64, I64, F32]: ...
