"""The part of the demo that searches bags of token vectors, which ship with the package too."""

from __future__ import annotations

import io
from importlib import resources

import numpy as np

from tersevec._kernels import F32, I64
from tersevec._ragged import offsets_of
from tersevec.binary import RaBitQuantizer
from tersevec.muvera import FixedDimensionalEncoder, MultiVectorIndex, TokenBags, maxsim_topk

K, OVERSAMPLE, N_BITS = 10, 3, 2


def load() -> tuple[TokenBags, TokenBags, I64]:
    """Unit tokens of documents and of queries, and the document that each query belongs to.

    >>> documents, queries, targets = load()
    >>> len(documents.offsets) - 1, len(queries.offsets) - 1, len(targets)
    (300, 50, 50)
    """
    content = resources.files("tersevec").joinpath("data", "tokens64.npz").read_bytes()
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        documents, queries = (
            TokenBags(
                _unit(arrays[f"{side}_tokens"]), offsets_of(arrays[f"{side}_lengths"].astype(int))
            )
            for side in ("document", "query")
        )
        return documents, queries, arrays["targets"].astype(np.int64)


def _unit(tokens: np.ndarray[tuple[int, ...], np.dtype[np.int8]]) -> F32:
    wide = tokens.astype(np.float32)
    return np.asarray(wide / np.linalg.norm(wide, axis=1, keepdims=True), np.float32)


def lines() -> list[str]:
    """What the pipeline finds, against exact search with all tokens."""
    documents, queries, targets = load()
    dim = documents.tokens.shape[1]
    exact = maxsim_topk(queries, documents, K).indices
    encoder = FixedDimensionalEncoder(
        dim, num_simhash_projections=4, projection_dimension=8, fill_empty_partitions=False
    )
    index = MultiVectorIndex(
        encoder, quantizer=RaBitQuantizer(N_BITS, random_state=0), rerank="int8"
    )
    index.fit(documents).add(documents)
    found = index.search(queries, K, oversample=OVERSAMPLE).indices
    pairs = zip(found, exact, strict=True)
    recall = float(np.mean([len(np.intersect1d(*pair)) / K for pair in pairs]))
    hit = float((found == targets[:, None]).any(axis=1).mean())
    hit_exact = float((exact == targets[:, None]).any(axis=1).mean())
    n, n_tokens = len(index), len(documents.tokens)
    return [
        f"Multi-vector search (MUVERA): {n} WordNet entries as {n_tokens:,} token vectors of {dim}",
        f"dimensions, {len(targets)} example sentences as queries, top {K}.",
        f"  exact MaxSim, float32: {documents.tokens.nbytes // n:,} bytes per document, "
        f"{hit_exact:.0%} of the entries found",
        f"  encodings of {encoder.output_dimension:,} numbers in {N_BITS} bits, "
        f"then int8 MaxSim of {OVERSAMPLE * K} candidates:",
        f"  {index.nbytes // n:,} bytes per document, {hit:.0%} of the entries found, "
        f"recall@{K} of exact search {recall:.3f}",
    ]
