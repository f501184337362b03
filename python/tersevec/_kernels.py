"""The contract of the kernel families: what `_native` (C++) and `_numpy` both provide.

Every array is C-contiguous unless its comment says "rows strided": last axis contiguous, row stride
free and not negative. Callers have checked shapes, types and ranges; kernels repeat only what
memory safety needs. `threads` is at least 1 and changes no result. `isa` caps the CPU level of one
call ("" = as TERSEVEC_ISA says); the NumPy twins have one path, and ignore `threads` and `isa`.
"""

from __future__ import annotations

from typing import Protocol

from tersevec._kernels_fde import FdeKernels
from tersevec._kernels_maxsim import MaxsimKernels
from tersevec._kernels_sparseproj import SparseprojKernels
from tersevec._kernels_symdist import SymdistKernels
from tersevec._types import F32, F64, I8, I32, I64, U8, U64, ArrayIn, Codes, Tokens

__all__ = [
    "F32",
    "F64",
    "I8",
    "I32",
    "I64",
    "U8",
    "U64",
    "ArrayIn",
    "Codes",
    "FdeKernels",
    "HammingKernels",
    "MaxsimKernels",
    "PqencodeKernels",
    "PqscanKernels",
    "SparseprojKernels",
    "SymdistKernels",
    "Tokens",
]


class HammingKernels(Protocol):
    """Bits: uint8 rows (n, n_bytes), or uint64 blocks (ceil(n / 8), words, 8).

    ``blocks[i // 8, w, i % 8]`` is the w-th 8-byte word of code i, zero-padded; unused lanes are
    zero. Codes are rows (strided) or blocks; a mask is None or uint8 (ceil(n / 8),), least
    significant bit first.
    """

    @property
    def block_codes(self) -> int: ...
    def rows(self) -> list[str]: ...
    def pack(self, codes: U8, blocks: U64, start: int) -> None: ...
    def unpack(self, blocks: U64, n: int, n_bytes: int) -> U8: ...
    def pack_bits(self, x: F32, threads: int, *, isa: str = "") -> U8: ...
    def distances(self, a: U8, b: U8, threads: int, *, isa: str = "") -> I32: ...
    def topk(
        self,
        queries: U8,
        codes: Codes,
        n: int,
        k: int,
        mask: U8 | None,
        threads: int,
        *,
        isa: str = "",
    ) -> tuple[I32, I64]: ...
    def range_search(
        self,
        queries: U8,
        codes: Codes,
        n: int,
        radius: int,
        mask: U8 | None,
        threads: int,
        *,
        isa: str = "",
    ) -> tuple[I64, I64, I32]: ...


class PqencodeKernels(Protocol):
    """What trains and encodes product codes: one byte for each of the m parts of a row, (n, m).

    Codebooks are float32 (m, K, ds) with K <= 256, x is float32 (n, m * ds), rows strided. Every
    operation is rounded to float32 on its own, in the order that ``pqencode.h`` names.
    """

    def rows(self) -> list[str]: ...
    def assign(self, x: F32, codebooks: F32, threads: int, *, isa: str = "") -> U8: ...
    def assign_anisotropic(
        self, x: F32, codebooks: F32, eta: float, threads: int, *, isa: str = ""
    ) -> U8: ...
    def centroid_sums(
        self, x: F32, assigned: U8, n_centroids: int, threads: int
    ) -> tuple[F64, I64]: ...
    def grid(
        self,
        x: F32,
        metric: F32,
        shaping: F32,
        n_bits: int,
        sweeps: int,
        threads: int,
        *,
        isa: str = "",
    ) -> U8: ...
    def products(self, x: F32, columns: F32, threads: int, *, isa: str = "") -> F32: ...


class PqscanKernels(Protocol):
    """Product codes of m numbers of n_bits = 4 to 8, rows or blocks of uint8; K is 2**n_bits.

    Rows (n, ceil(m * n_bits / 8)) are dense, least significant bit first; what pads them means
    nothing. Blocks (ceil(n / codes of a block), lines, bytes of a line), with c(i, j) the number of
    code i in sub-space j, b the block and t the place in a line:

    - 4 bits, 32 codes, m lines of 16: ``[b, j, t]`` is c(32 b + t, j) | c(32 b + t + 16, j) << 4;
    - 5 and 6 bits, 64 codes, 3 lines of 64 for 4 sub-spaces: ``[b, 3 g + i, t]`` is c(64 b + t,
      4 g + i) | (c(64 b + t, 4 g + 3) >> 2 i & 3) << 6 for i < 3; the last m % 4 sub-spaces have a
      line each, as in
    - 7 and 8 bits, 64 codes, m lines of 64: ``[b, j, t]`` is c(64 b + t, j).

    Unused lanes are zero. K follows from the tables (nq, m, K), the columns (m, ds, K) or the pairs
    (K, m, K), where ``pairs[a, j, b]`` is the entry of centroids a and b of sub-space j. A mask is
    None, or uint8 (ceil(n / 8),), or (nq, ceil(n / 8)) with a row for each query, least significant
    bit first, zero past n. Segments are None, or int64 (s, 2): ranges [start, stop) of rows that do
    not overlap, the only ones to scan; a bias is None, or finite float32 (nq, s), added last to the
    distances (in `search`: the similarities) of a segment. `products_pay` tells the way that
    `search` takes to its result: products of bytes, or sums of table entries.

    Floats are float32, every product, sum and difference rounded on its own, in the order of the
    dimensions and of the sub-spaces, so that both twins agree.
    """

    def rows(self) -> list[str]: ...
    def block_shape(self, m: int, n_bits: int) -> tuple[int, int, int]: ...
    def join(self, assigned: U8, n_bits: int) -> U8: ...
    def split(self, codes: U8, m: int, n_bits: int) -> U8: ...
    def pack(self, codes: U8, blocks: U8, m: int, n_bits: int, start: int) -> None: ...
    def unpack(self, blocks: U8, n: int, m: int, n_bits: int) -> U8: ...
    def lookup_tables(
        self, queries: F32, codebooks: F32, metric: str, threads: int, *, isa: str = ""
    ) -> F32: ...
    def distances(self, tables: F32, codes: U8, n: int, threads: int, *, isa: str = "") -> F32: ...
    def products_pay(self, queries: F32, columns: F32, *, isa: str = "") -> bool: ...
    def search(
        self,
        queries: F32,
        columns: F32,
        metric: str,
        limit: float,
        codes: U8,
        n: int,
        k: int,
        mask: U8 | None,
        threads: int,
        *,
        segments: I64 | None = None,
        bias: F32 | None = None,
        isa: str = "",
    ) -> tuple[F32, I64] | None: ...
    def topk(
        self,
        tables: F32,
        codes: U8,
        n: int,
        k: int,
        mask: U8 | None,
        threads: int,
        *,
        segments: I64 | None = None,
        bias: F32 | None = None,
        isa: str = "",
    ) -> tuple[F32, I64]: ...
    def range_search(
        self,
        tables: F32,
        codes: U8,
        n: int,
        radius: float,
        mask: U8 | None,
        threads: int,
        *,
        segments: I64 | None = None,
        bias: F32 | None = None,
        isa: str = "",
    ) -> tuple[I64, I64, F32]: ...
    def quantised_topk(
        self,
        tables: F32,
        codes: U8,
        n: int,
        k: int,
        mask: U8 | None,
        threads: int,
        *,
        segments: I64 | None = None,
        isa: str = "",
    ) -> tuple[F32, F32, I64]: ...
    def symmetric_topk(
        self,
        pairs: F32,
        q_codes: U8,
        codes: U8,
        n: int,
        k: int,
        mask: U8 | None,
        threads: int,
        *,
        isa: str = "",
    ) -> tuple[F32, I64]: ...
    def symmetric_range(
        self,
        pairs: F32,
        q_codes: U8,
        codes: U8,
        n: int,
        radius: float,
        mask: U8 | None,
        threads: int,
        *,
        segments: I64 | None = None,
        isa: str = "",
    ) -> tuple[I64, I64, F32]: ...
