"""tersevec: vectors in few bits, searched fast and exactly.

`tersevec.binary` packs signs into bits and searches by Hamming distance; `tersevec.pq` quantises
products; `tersevec.muvera` searches bags of token vectors; `tersevec.projection` makes vectors
shorter; `tersevec.graph` makes some of nodes. Every search returns a `TopK` or `RangeHits`, and the
same answer on every backend, CPU level and number of threads.
"""

from tersevec import binary, graph, muvera, pq, projection
from tersevec._backend import get_backend, set_backend
from tersevec._config import show_config
from tersevec._results import BoundedTopK, RangeHits, TopK
from tersevec._threads import get_num_threads, set_num_threads
from tersevec._version import __version__

__all__ = [
    "BoundedTopK",
    "RangeHits",
    "TopK",
    "__version__",
    "binary",
    "get_backend",
    "get_num_threads",
    "graph",
    "muvera",
    "pq",
    "projection",
    "set_backend",
    "set_num_threads",
    "show_config",
]
