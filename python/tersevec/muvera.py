"""Multi-vector retrieval: bags of token vectors as single vectors, and their exact comparison."""

from __future__ import annotations

from tersevec._carving import TokenBags, carve_queries
from tersevec._fde_encoder import FixedDimensionalEncoder
from tersevec._maxsim import maxsim, maxsim_matches, maxsim_topk
from tersevec._multi_vector_index import MultiVectorIndex
from tersevec._packed_tokens import PackedTokens, maxsim_pack
from tersevec._results import ScaledInt8

__all__ = [
    "FixedDimensionalEncoder",
    "MultiVectorIndex",
    "PackedTokens",
    "ScaledInt8",
    "TokenBags",
    "carve_queries",
    "maxsim",
    "maxsim_matches",
    "maxsim_pack",
    "maxsim_topk",
]
