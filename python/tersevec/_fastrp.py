"""FastRP: nodes as vectors, by a few products of a graph with a random matrix."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tersevec import _check as check
from tersevec import _fastrp_steps as steps
from tersevec import _threads
from tersevec._cuda._device import holds
from tersevec._estimator import Estimator, NotFittedError
from tersevec._fastrp_columns import Embedding, column_blocks
from tersevec._fastrp_first import first_of
from tersevec._fastrp_input import in_order_of, new_rows, node_ids, result_array
from tersevec._fastrp_order import in_places, node_order
from tersevec._fastrp_plan import plan_of, result_dtype
from tersevec._graph_input import as_graph
from tersevec._held import Held
from tersevec._progress import bar
from tersevec._types import ArrayIn


class FastRP(Estimator):
    """Embeddings of a graph's nodes: random vectors, averaged over neighbours a few times.

    ``E_0 = D**normalization_strength R`` with a sparse random R and the degrees D, ``E_i = D**-1 A
    E_(i-1)``, and the result is ``self_weight N(E_0) + weights[0] N(E_1) + weights[1] N(E_2) +
    ...``, where N divides rows by their length.

    Parameters
    ----------
    n_components : int, default 256
        Dimensions of the result.
    weights : sequence of float, default (0, 1, 1)
        The first belongs to E_1. Weights at both even and odd places, as by default, see nodes at
        even and at odd distances alike.
    normalization_strength : float, default 0.0
        Below 0, hubs count less; above, more. Nodes without edges count as of degree 1.
    density : float or "auto", default "auto"
        The share of R that is not zero, rounded to a multiple of 2**-15; "auto" is 1/3.
    self_weight : float, default 0.0
        The weight of E_0, the node's own random vector.
    normalize : bool, default True
        Whether N divides rows by their length, or does nothing.
    standardize : bool, default False
        Whether columns of the result get mean 0 and variance 1.
    whiten_every : int, default 0
        Every so many steps, and after the last, E_i becomes its unit rows, less their mean, their
        covariance made the identity; 0 for never. Then many steps pay, with a weight for the last
        alone: classes of nodes are found better, some links worse.
    self_loops : bool, default False
        Whether every node is its own neighbour too, with weight 1.
    feature_ratio : float, default 0.5
        Where there are node features, the share of columns of E_0 that are random projections of
        them. With 1 nothing depends on `ids`.
    state : {"float16", "float32", "int8"}, default "float16"
        How E_i is held between steps: 2, 4 or 1 bytes a number.
    dtype : {"float32", "float16", "float64"}, default "float32"
        The type of the result; sums are float32.
    random_state : int, numpy.random.Generator or None
        Where R comes from.

    Attributes
    ----------
    embedding_ : ndarray (n_nodes, n_components)
        The result, not copied.

    Notes
    -----
    A node without edges gets a row of zeros unless E_0 counts or there are self loops; a warning
    tells how many there are. The same bytes come out on every backend, CPU level and number of
    threads, but with `whiten_every` and `standardize`, which use NumPy's linear algebra. Memory:
    the result and two states, and the projections of node features as float32; on Linux up to 512
    MiB of results that are gone stay with the process for the next ones, unless memory is short.
    With CuPy arrays the host waits for the device, adds the weights of each row, and takes the
    powers of degrees. After Chen et al., "Fast and accurate network embeddings via very sparse
    random projection", 2019; `gds` and `paper` take the parameters of others.

    Examples
    --------
    >>> import numpy as np
    >>> from tersevec.graph import FastRP
    >>> ring = np.arange(10)
    >>> edges = np.stack([np.r_[ring, ring], np.r_[(ring + 1) % 10, (ring - 1) % 10]])
    >>> FastRP(16, random_state=0).fit_transform(edges).shape
    (10, 16)
    """

    def __init__(
        self,
        n_components: int = 256,
        *,
        weights: Sequence[float] = (0, 1, 1),
        normalization_strength: float = 0.0,
        density: float | str = "auto",
        self_weight: float = 0.0,
        normalize: bool = True,
        standardize: bool = False,
        whiten_every: int = 0,
        self_loops: bool = False,
        feature_ratio: float = 0.5,
        state: str = "float16",
        dtype: npt.DTypeLike = "float32",
        random_state: int | np.random.Generator | None = None,
    ) -> None:
        """Store the parameters; `fit_transform` checks them."""
        self.n_components = n_components
        self.weights = weights
        self.normalization_strength = normalization_strength
        self.density = density
        self.self_weight = self_weight
        self.normalize = normalize
        self.standardize = standardize
        self.whiten_every = whiten_every
        self.self_loops = self_loops
        self.feature_ratio = feature_ratio
        self.state = state
        self.dtype = dtype
        self.random_state = random_state

    @classmethod
    def gds(
        cls,
        embedding_dimension: int,
        *,
        iteration_weights: Sequence[float] = (0.0, 1.0, 1.0),
        normalization_strength: float = 0.0,
        node_self_influence: float = 0.0,
        property_ratio: float = 0.0,
        random_seed: int | None = None,
    ) -> FastRP:
        """A model with the parameters, and their defaults, of Neo4j's Graph Data Science.

        Its orientation "undirected", which it advises, are edges listed both ways.
        """
        return cls(
            embedding_dimension,
            weights=iteration_weights,
            normalization_strength=normalization_strength,
            self_weight=node_self_influence,
            feature_ratio=property_ratio,
            random_state=random_seed,
        )

    @classmethod
    def paper(
        cls,
        n_components: int = 512,
        *,
        weights: Sequence[float] = (0.0, 0.0, 1.0, 6.67),
        beta: float = -0.64,
        random_state: int | np.random.Generator | None = None,
    ) -> FastRP:
        """A model as the authors of FastRP ran it on BlogCatalog: columns standardised."""
        return cls(
            n_components,
            weights=weights,
            normalization_strength=beta,
            standardize=True,
            random_state=random_state,
        )

    def fit_transform(
        self,
        adjacency: Any,
        node_features: ArrayIn = None,
        *,
        ids: ArrayIn = None,
        n_nodes: int | None = None,
        order: ArrayIn = None,
        column_block: int | None = None,
        out: npt.NDArray[Any] | None = None,
        threads: int | None = None,
        progress: bool = False,
    ) -> npt.NDArray[Any]:
        """The embedding of every node, (n_nodes, n_components); nodes average over their rows.

        Parameters
        ----------
        adjacency : scipy.sparse matrix, edge index, (edges, weights), graph, or table
            Square CSR, CSC or COO; integers (2, m) of sources and targets, alone or with weights; a
            NetworkX or igraph graph; an Arrow table of edges. An edge i -> j has i average over j;
            an undirected one is listed both ways. Weights are finite and at least 0. A matrix of
            ``cupyx.scipy.sparse`` too: then the result is a CuPy array, as all arguments are.
        node_features : array of floats or int8, or scipy.sparse matrix, (n_nodes, k), optional
            Attributes for `feature_ratio` of the columns.
        ids : array of integers, shape (n_nodes,), optional
            What rows of R follow from, by default the place: a node keeps its bytes when nodes come
            in another order, or in a larger graph as far as its surroundings stay.
        n_nodes : int, optional
            Nodes of an edge index; by default as many as its largest number says.
        order : "degree" or array of integers, shape (n_nodes,), optional
            The order in which nodes are gone through and held: hubs first, or each node once.
            Steps may be faster where neighbours lie close, as
            ``scipy.sparse.csgraph.reverse_cuthill_mckee`` puts them, if there are many steps;
            hubs first helps little. The result stays in its own order, to the byte but with
            `whiten_every`.
        column_block : int, optional
            Columns that are embedded at once, a multiple of 64; None for all. States take the
            memory of so many columns, and the graph is gone through for each block; twice where
            rows are normalised, first for their lengths. The result is the same to the byte, but
            with int8 states, whose scales are a block's own. Not for `node_features` and
            `whiten_every`, which need whole rows.
        out : ndarray or numpy.memmap, shape (n_nodes, n_components), optional
            Where the result goes.
        threads : int, optional
            None means `tersevec.get_num_threads()`.
        progress : bool, default False
            Show a bar over the steps; needs tqdm.

        Raises
        ------
        TypeError, ValueError
            A parameter or an argument is not served, by name.
        """
        plan, dtype, count = plan_of(self), result_dtype(self.dtype), _threads.resolve(threads)
        d = check.positive("n_components", self.n_components, check.SUBSPACE_LIMIT)
        graph = as_graph(adjacency, n_nodes=n_nodes, device=True)
        there = graph.indptr
        if holds(there) and (plan.whiten_every or self.standardize):
            raise TypeError(
                "adjacency: lies in CUDA memory, where whiten_every and standardize have no "
                "kernels; copy it to the host first, with .get()"
            )
        keys = node_ids(ids, graph)
        if ids is not None:
            graph = in_order_of(graph, keys)
        places = node_order(order, graph)
        if places is not None:
            graph, keys = in_places(graph, places), keys[places]
        columns = column_blocks(column_block, d, plan, node_features)
        result = result_array(out, graph.n_nodes, d, dtype, there)
        degree = steps.degrees(graph, plan.self_loops)
        first = first_of(self, d, degree, keys, node_features, places)
        embedding = Embedding(graph, degree, first, plan, places, self.standardize, count)
        n_steps = len(plan.weights) * embedding.passes(columns)
        with bar(progress, n_steps, "propagate", "step") as moved:
            embedding.write(result, columns, moved)
        self.embedding_ = result
        lonely = int((degree == 0).sum()) if plan.self_weight == 0 else 0
        if lonely:
            warnings.warn(
                f"{lonely} of {len(degree)} nodes have no neighbours: their rows are "
                "zero; self_weight, or self_loops=True, gives them vectors",
                UserWarning,
                stacklevel=2,
            )
        return result

    def fit(self, adjacency: Any, node_features: ArrayIn = None, **arguments: Any) -> FastRP:
        """`fit_transform` for the sake of `embedding_` and `transform`; returns the model."""
        self.fit_transform(adjacency, node_features, **arguments)
        return self

    def transform(self, adjacency: Any, *, threads: int | None = None) -> npt.NDArray[Any]:
        """New nodes from the fitted ones that are their neighbours: weighted means of embeddings.

        `adjacency` is a ``scipy.sparse`` matrix (n_new, n_nodes), or edges from new nodes, numbered
        from 0, to fitted ones. A node without neighbours gets zeros. Where the embedding is a CuPy
        array, the matrix is one of ``cupyx.scipy.sparse``.
        """
        if "embedding_" not in self.__dict__:
            raise NotFittedError("this FastRP has no embedding yet: call fit_transform first")
        known, count = self.embedding_, _threads.resolve(threads)
        rows = new_rows(adjacency, known)
        held = Held.empty(len(known), known.shape[1], "float32", like=known)
        held.values[:, : held.d], held.values[:, held.d :] = known, 0
        return steps.averages(rows, held, count).astype(known.dtype, copy=False)
