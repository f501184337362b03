"""MUVERA: bags of token vectors as single vectors."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from tersevec import _fde_file
from tersevec._fde_base import given_center
from tersevec._fde_batches import FdeBatches
from tersevec._fde_fit import measured, warn_if_shared
from tersevec._kernels import ArrayIn
from tersevec._results import ScaledInt8


class FixedDimensionalEncoder(FdeBatches):
    """Bags of token vectors as single vectors whose inner products stand for Chamfer similarity.

    Every repetition cuts the space into ``2**num_simhash_projections`` cells by random hyperplanes.
    A document becomes the mean of its tokens in each cell, a query the sum, both projected at
    random to fewer numbers; the blocks of all cells and repetitions, side by side, are the vector.

    Parameters
    ----------
    dimension : int, default 128
        Of the tokens.
    num_repetitions : int, default 20
        Independent partitions; more of them mean less noise.
    num_simhash_projections : int, default 5
        Hyperplanes of a partition, 0 to 30.
    projection_dimension : int or None, default 16
        Numbers of a cell. With ``projection_type="identity"`` it is `dimension`, whatever is given.
    projection_type : {"orthogonal", "dense", "ams_sketch", "identity"}, default "orthogonal"
        Columns of random orthogonal matrices, dealt out to one repetition after the other, whose
        errors cancel; independent signs; one sign for each dimension of a token, in a random column
        (the reference's); or none.
    fill_empty_partitions : bool, default True
        Whether a document's empty cell takes the token whose signs are nearest to the cell's.
        Where queries and documents have few tokens, False finds more.
    final_projection_dimension : int, optional
        Numbers that all blocks are added to, each with a random sign.
    center : array of floats, shape (dimension,), optional
        Subtracted from every token, of documents and queries alike. `fit` learns one.
    seed : int, default 1
        Queries and documents need the same one.
    random_streams : {"tersevec", "google"}, default "tersevec"
        Where random numbers come from: tersevec's own generator; or the reference's, as its builds
        for Linux draw them, with "ams_sketch" or "identity". There repetition r of seed s is
        repetition 0 of seed s + r.

    Attributes
    ----------
    output_dimension : int
        Numbers of an encoding: num_repetitions * 2**num_simhash_projections * projection_dimension,
        or `final_projection_dimension`.
    matrices : Matrices
        ``(hashes, projections, buckets, signs)``, drawn once and read-only.
    center_ : ndarray of float32, shape (dimension,)
        After `fit`: what is subtracted from every token.
    mean_cosine_ : float
        After `fit`: of two different tokens, before their mean was subtracted.

    Notes
    -----
    The inner product of a query's and a document's encoding is an estimate of `num_repetitions`
    times their Chamfer similarity (`maxsim`), too low on average, since a mean of tokens is never
    nearer than the nearest. It is for ranking, by inner product: do not normalise encodings. A row
    depends on its own tokens alone, to the last bit, whatever the batch and the number of threads;
    backends agree within 1e-5 of its largest number, unless a token lies within rounding of a
    hyperplane. A bag without tokens is a row of zeros. After Dhulipala et al., "MUVERA:
    Multi-vector retrieval via fixed dimensional encodings", 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from tersevec.muvera import FixedDimensionalEncoder
    >>> rng = np.random.default_rng(0)
    >>> documents = [rng.standard_normal((n, 32), dtype=np.float32) for n in (7, 3, 5)]
    >>> encoder = FixedDimensionalEncoder(32, num_repetitions=8, projection_dimension=8)
    >>> rows = encoder.encode_documents(documents)
    >>> rows.shape
    (3, 2048)
    >>> query = documents[1][:2] + np.float32(0.1)
    >>> (encoder.encode_queries([query]) @ rows.T).argmax().item()
    1
    """

    def __init__(
        self,
        dimension: int = 128,
        *,
        num_repetitions: int = 20,
        num_simhash_projections: int = 5,
        projection_dimension: int | None = 16,
        projection_type: str = "orthogonal",
        fill_empty_partitions: bool = True,
        final_projection_dimension: int | None = None,
        center: ArrayIn = None,
        seed: int = 1,
        random_streams: str = "tersevec",
    ) -> None:
        """Store the parameters, and refuse those that are not served."""
        self.dimension = dimension
        self.num_repetitions = num_repetitions
        self.num_simhash_projections = num_simhash_projections
        self.projection_dimension = projection_dimension
        self.projection_type = projection_type
        self.fill_empty_partitions = fill_empty_partitions
        self.final_projection_dimension = final_projection_dimension
        self.center = center
        self.seed = seed
        self.random_streams = random_streams
        shape = self._check_parameters()
        if center is not None:
            given_center(center, shape.d)

    def fit(
        self,
        tokens: ArrayIn,
        offsets: ArrayIn = None,
        *,
        lengths: ArrayIn = None,
        scales: ArrayIn = None,
    ) -> FixedDimensionalEncoder:
        """Learn `center_`, the mean of tokens, and warn if they share a direction; returns self.

        Optional: without it, nothing but `center` is subtracted. The arguments are those of
        `encode_documents`; a sample of the documents is enough. With `center`, that is `center_`.

        Raises
        ------
        TypeError, ValueError
            An argument has the wrong type, shape or range, or a named token is not finite.
        """
        bags = self._bags(tokens, offsets, lengths, scales)
        given = None if self.center is None else given_center(self.center, bags.dim)
        sample = measured(bags, given)
        self.center_ = (sample.mean if given is None else given).copy()
        self.center_.flags.writeable = False
        self.mean_cosine_ = sample.mean_cosine
        warn_if_shared(sample.mean_cosine, given is not None)
        return self

    def encode_queries(
        self,
        tokens: ArrayIn,
        offsets: ArrayIn = None,
        *,
        lengths: ArrayIn = None,
        scales: ArrayIn = None,
        out: ArrayIn = None,
        dtype: npt.DTypeLike = "float32",
        threads: int | None = None,
    ) -> npt.NDArray[Any] | ScaledInt8:
        """The encodings of queries, sums of the tokens in each cell: (n, output_dimension).

        The arguments, results and errors are those of `encode_documents`.
        """
        return self._encoded(tokens, offsets, lengths, scales, False, out, dtype, threads, False)

    def encode_documents(
        self,
        tokens: ArrayIn,
        offsets: ArrayIn = None,
        *,
        lengths: ArrayIn = None,
        scales: ArrayIn = None,
        out: ArrayIn = None,
        dtype: npt.DTypeLike = "float32",
        into: Any = None,
        threads: int | None = None,
        progress: bool = False,
    ) -> npt.NDArray[Any] | ScaledInt8:
        """The encodings of documents, means of the tokens in each cell: (n, output_dimension).

        Parameters
        ----------
        tokens : array of float16, bfloat16, float32, float64 or int8, shape (tokens, dimension)
            Of all documents, one after the other. Or a list of arrays, one for each document; or
            an array (n, L, dimension) whose rows are used up to `lengths`; or a `PackedTokens`; or
            the pair ``(tokens, offsets)`` or ``(tokens, lengths)``. An array without offsets is one
            document. CuPy arrays too: then results are CuPy arrays, and so are `scales` and `out`.
        offsets : integers, shape (n + 1,), optional
            Document i owns the tokens from ``offsets[i]`` to ``offsets[i + 1]``.
        lengths : integers, shape (n,), optional
            With padded tokens: how many belong to each document.
        scales : floats, optional
            With int8 tokens, what each is to be multiplied with: (tokens,), or (n, L) if padded.
        out : ndarray, shape (n, output_dimension), optional
            Where to write; of type `dtype`. With int8 a pair of values and scales.
        dtype : {"float32", "float16", "int8"}, default "float32"
        into : quantiser, optional
            Return the codes that its `encode` makes of the encodings, few at once: encodings take
            no more than 8 MiB.
        threads : int, optional
            None means `tersevec.get_num_threads()`.
        progress : bool, default False
            Show a bar over the documents; needs tqdm.

        Returns
        -------
        ndarray, shape (n, output_dimension)
            Or, with ``dtype="int8"``, ``ScaledInt8(values, scales)``; with `into`, codes.

        Raises
        ------
        TypeError, ValueError
            An argument has the wrong type, shape or range, or a named token is not finite.

        Notes
        -----
        With CuPy arrays the host waits for the device: it reads offsets, and looks for tokens that
        are not finite.
        """
        if into is None:
            return self._encoded(
                tokens, offsets, lengths, scales, True, out, dtype, threads, progress
            )
        if out is not None:
            raise ValueError("out: expected None with into")
        return self._coded(tokens, offsets, lengths, scales, into, threads, progress)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the encoder to a file (.npz): parameters, what `fit` learned, and the matrices.

        The file's old content is there until the new one is whole.
        """
        parameters, arrays = self.get_params(), {}
        center = parameters.pop("center")
        if center is not None:
            arrays["center"] = given_center(center, self.n_features_in_)
        if "center_" in self.__dict__:
            arrays["center_"] = self.center_
            arrays["mean_cosine_"] = np.array(self.mean_cosine_)
        plain = {
            name: value.item() if isinstance(value, np.generic) else value
            for name, value in parameters.items()
        }
        _fde_file.write(path, plain, self.matrices, arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> FixedDimensionalEncoder:
        """The encoder that `save` wrote, with the very same matrices.

        A ValueError says what is wrong with a file of another kind or version.
        """
        parameters, arrays = _fde_file.read(path)
        encoder = cls(**parameters, center=arrays.get("center"))
        encoder._restore(_fde_file.matrices(encoder._check_parameters(), arrays))
        if "center_" in arrays:
            encoder.center_ = arrays["center_"]
            encoder.mean_cosine_ = float(arrays["mean_cosine_"])
        return encoder
