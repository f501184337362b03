"""The whole of MUVERA: codes of encodings find candidates, MaxSim over their tokens decides."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from tersevec import _arrays, _check, _maxsim_batches, _threads
from tersevec._carving import carve_queries
from tersevec._estimator import Estimator, NotFittedError
from tersevec._fde_encoder import FixedDimensionalEncoder
from tersevec._growing import GrowingRows
from tersevec._kernels import I64, ArrayIn
from tersevec._maxsim_in import checked_weights
from tersevec._packed_tokens import PACKED_TYPES, PackedTokens
from tersevec._rabitq_search import RaBitQSearch
from tersevec._ragged_in import ragged
from tersevec._results import TopK
from tersevec._table_search import TableSearch
from tersevec.pq import ProductQuantizer

_TRAINING_BYTES = 256 << 20  # of encodings that a quantiser learns from
_FEWEST, _MOST = 2048, 65_536  # of them, whatever their size
_QUERY_BYTES, _QUERIES = 8 << 20, 256  # whose encodings are alive at once


class MultiVectorIndex(Estimator):
    """Documents of many token vectors, searched by Chamfer similarity.

    An encoder turns documents into single vectors, of which a quantiser keeps codes. A search scans
    the codes for candidates, whose tokens are then compared with the query's exactly.

    Parameters
    ----------
    encoder : FixedDimensionalEncoder
        Fit it first where tokens share a direction.
    quantizer : ProductQuantizer, ResidualQuantizer or RaBitQuantizer, optional
        Of inner products: ``metric="ip"`` where there is one. None means product codes of 8 bits
        for every 8 numbers (for 4, 2 or 1 where 8 do not divide them).
    rerank : {"float32", "float16", "bfloat16", "int8"}, default "float32"
        The type in which tokens are kept and compared, as in `maxsim_pack`.

    Attributes
    ----------
    encoder_, quantizer_ : copies of the parameters, fitted
    ids_ : ndarray of int64, shape (len(self),)
        Of the documents, in the order in which they were added.
    nbytes : int
        Bytes of codes, tokens and ids.

    Notes
    -----
    Values are those of `maxsim` in the type of `rerank`; which documents are compared at all
    depends on the encodings, and `oversample`.

    Examples
    --------
    >>> import numpy as np
    >>> from tersevec.binary import RaBitQuantizer
    >>> from tersevec.muvera import FixedDimensionalEncoder, MultiVectorIndex
    >>> rng = np.random.default_rng(0)
    >>> documents = [rng.standard_normal((n, 32), dtype=np.float32) for n in range(1, 60)]
    >>> encoder = FixedDimensionalEncoder(32, num_repetitions=8, num_simhash_projections=3)
    >>> index = MultiVectorIndex(encoder, quantizer=RaBitQuantizer(4, random_state=0))
    >>> index.fit(documents).add(documents, ids=np.arange(1000, 1059))
    MultiVectorIndex(59 documents, 1770 tokens of 32 x float32, codes of 564 bytes)
    >>> index.search([documents[40][:5]], k=1).indices
    array([[1040]])
    """

    def __init__(
        self,
        encoder: FixedDimensionalEncoder,
        *,
        quantizer: Any = None,
        rerank: str = "float32",
    ) -> None:
        """Store the parameters; `fit` checks them."""
        self.encoder = encoder
        self.quantizer = quantizer
        self.rerank = rerank

    def fit(
        self,
        documents: ArrayIn,
        offsets: ArrayIn = None,
        *,
        lengths: ArrayIn = None,
        scales: ArrayIn = None,
        threads: int | None = None,
    ) -> MultiVectorIndex:
        """Train the quantiser on encodings of documents; returns the index, which is empty then.

        At most 65,536 documents are encoded, drawn at random, and of long encodings fewer, so that
        they take 256 MiB. The arguments are those of `FixedDimensionalEncoder.encode_documents`.
        A TypeError or ValueError says what is not served.
        """
        quantizer, encoder = self._checked()
        bags = ragged(
            "documents", documents, offsets, lengths=lengths, scales=scales, dim=encoder.dimension
        )
        width = encoder.output_dimension
        most = min(_MOST, max(_FEWEST, _TRAINING_BYTES // (4 * width)))
        rng = np.random.default_rng(encoder.seed)
        drawn = np.sort(rng.permutation(len(bags))[:most])
        rows, count = np.empty((len(drawn), width), np.float32), _threads.resolve(threads)
        for row, i in enumerate(drawn.tolist()):
            encoder._encode(bags.bags(i, i + 1), True, rows[row : row + 1], None, count)
        quantizer.fit(rows)
        self.encoder_, self.quantizer_ = encoder, quantizer
        self._codes = quantizer.pack(np.empty((0, quantizer.code_size), np.uint8))
        self._tokens = PackedTokens(self.rerank, encoder.dimension)
        self._ids, self._known = GrowingRows(np.empty(0, np.int64)), set[int]()
        self._next = 0  # the id behind the largest one
        return self

    def _checked(self) -> tuple[Any, FixedDimensionalEncoder]:
        """Copies of the quantiser and the encoder, if the parameters are served."""
        if not isinstance(self.encoder, FixedDimensionalEncoder):
            raise TypeError(f"encoder: expected a FixedDimensionalEncoder, got {self.encoder!r}")
        if self.rerank not in PACKED_TYPES:
            raise ValueError(
                f"rerank: expected one of {', '.join(PACKED_TYPES)}, got {self.rerank!r}"
            )
        quantizer, width = self.quantizer, self.encoder.output_dimension
        if quantizer is None:
            size = next(size for size in (8, 4, 2, 1) if width % size == 0)
            quantizer = ProductQuantizer(
                width // size, 8, metric="ip", random_state=self.encoder.seed
            )
        if not isinstance(quantizer, (TableSearch, RaBitQSearch)):
            raise TypeError(
                "quantizer: expected a ProductQuantizer, ResidualQuantizer or RaBitQuantizer, got "
                f"{quantizer!r}"
            )
        metric = getattr(quantizer, "metric", "ip")
        if metric != "ip":
            raise ValueError(f"quantizer: expected one with metric='ip', got metric={metric!r}")
        return copy.deepcopy(quantizer), copy.deepcopy(self.encoder)

    def _require_fit(self) -> None:
        if "_codes" not in self.__dict__:
            raise NotFittedError(
                "this MultiVectorIndex has no codes yet: call fit(documents) first"
            )

    def add(
        self,
        documents: ArrayIn,
        ids: ArrayIn = None,
        *,
        threads: int | None = None,
        progress: bool = False,
    ) -> MultiVectorIndex:
        """Add documents; returns the index.

        Parameters
        ----------
        documents : bags of tokens
            As in `maxsim`, or a `PackedTokens`.
        ids : integers, shape (n,), optional
            What searches return, each one only once; None goes on behind the largest one.
        threads : int, optional
            None means `tersevec.get_num_threads()`.
        progress : bool, default False
            Show a bar over the documents; needs tqdm.

        Raises
        ------
        NotFittedError
            A ValueError: `fit` was not called.
        TypeError, ValueError
            An argument has the wrong type, shape or range, a named token is not finite, or an id is
            there already; nothing is added then.
        """
        self._require_fit()
        bags = ragged("documents", documents, dim=self._tokens.dim)
        numbers = self._new_ids(ids, len(bags))
        codes = self.encoder_.encode_documents(
            bags, into=self.quantizer_, threads=threads, progress=progress
        )
        self._tokens.append(bags)
        self._codes.append(codes)
        self._ids.append(numbers)
        self._known.update(numbers.tolist())
        self._next = max(self._next, int(numbers.max(initial=-1)) + 1)
        return self

    def _new_ids(self, ids: ArrayIn, n: int) -> I64:
        """Ids of n documents that no document has yet."""
        if ids is None:
            return np.arange(self._next, self._next + n)
        array = _arrays.view("ids", ids)
        if n == 0 and array.size == 0:
            return np.empty(0, np.int64)
        if array.dtype.kind not in "iu" or not np.can_cast(array.dtype, np.int64):
            raise TypeError(
                f"ids: expected integers of shape ({n},), got {_arrays.describe(array)}"
            )
        if array.shape != (n,):
            raise ValueError(
                f"ids: expected integers of shape ({n},), got {_arrays.describe(array)}"
            )
        fresh: set[int] = set()
        for number in array.tolist():
            if number in self._known or number in fresh:
                raise ValueError(f"ids: expected each one only once, got {number} again")
            fresh.add(number)
        return array.astype(np.int64)

    def search(
        self,
        queries: ArrayIn,
        k: int,
        *,
        oversample: int = 10,
        mask: ArrayIn = None,
        weights: ArrayIn = None,
        carve: float | None = None,
        threads: int | None = None,
    ) -> TopK:
        """The k documents of the largest Chamfer similarity: ``TopK(values, indices)``.

        Parameters
        ----------
        queries : bags of tokens
            As in `maxsim`.
        k : int
            Results per query, at least 1. It may exceed the number of documents.
        oversample : int, default 10
            The codes' ``oversample * k`` best documents are compared exactly.
        mask : bool array (n,) or uint8 array (ceil(n / 8),), optional
            Documents that may be found, in the order in which they were added.
        weights : floats, shape (query tokens,), optional
            What each query token's largest product counts in the exact comparison.
        carve : float, optional
            Compare exactly with the queries that `carve_queries` makes with this threshold. The
            values are theirs. Not with `weights`.
        threads : int, optional
            None means `tersevec.get_num_threads()`.

        Returns
        -------
        TopK
            `values` float32 and `indices` int64, the documents' ids, both (nq, k). Best first;
            ties: the one added first. Where fewer documents may be found, the rest is -inf and -1.

        Raises
        ------
        NotFittedError
            A ValueError: `fit` was not called.
        TypeError, ValueError
            An argument has the wrong type, shape or range, or a named token is not finite.
        """
        self._require_fit()
        n = len(self)
        k, depth = _check.positive("k", k), _check.positive("oversample", oversample)
        allowed, count = _check.mask("mask", mask, n), _threads.resolve(threads)
        asked = ragged("queries", queries, dim=self._tokens.dim)
        heavy = checked_weights(weights, asked)
        if carve is not None and heavy is not None:
            raise ValueError("carve: expected None with weights, since it joins tokens")
        found = np.empty((len(asked), min(depth * k, max(n, 1))), np.int64)
        for chunk in asked.chunks(_QUERY_BYTES, _QUERIES):
            rows = np.empty((chunk.stop - chunk.start, self.encoder_.output_dimension), np.float32)
            self.encoder_._encode(chunk, False, rows, None, count)
            best = self.quantizer_.topk(
                rows, self._codes, found.shape[1], mask=allowed, threads=count
            )
            found[chunk.start : chunk.stop] = best.indices
        if carve is not None:
            asked = ragged("queries", carve_queries(asked, carve))
        top = _maxsim_batches.candidate_topk(asked, self._tokens, heavy, k, found, count)
        ids = np.append(self.ids_, -1)  # the last one is that of row -1
        return TopK(top.values, ids[top.indices])

    @property
    def ids_(self) -> I64:
        """The documents' ids, in the order in which they were added; read-only."""
        self._require_fit()
        return self._ids.rows

    @property
    def nbytes(self) -> int:
        """Bytes of codes, tokens and ids."""
        self._require_fit()
        return int(self._codes.nbytes + self._tokens.nbytes + self.ids_.nbytes)

    def __len__(self) -> int:
        return len(self._tokens) if "_codes" in self.__dict__ else 0

    def __sklearn_is_fitted__(self) -> bool:
        """Whether there are codes; scikit-learn's `check_is_fitted` asks."""
        return "_codes" in self.__dict__

    def __repr__(self) -> str:
        if "_codes" not in self.__dict__:
            return super().__repr__()
        return (
            f"MultiVectorIndex({len(self)} documents, {self._tokens.n_tokens} tokens of "
            f"{self._tokens.dim} x {self.rerank}, codes of {self.quantizer_.code_size} bytes)"
        )
