"""Kernels on a GPU: sources that ship with the package, compiled at first use through CuPy.

Every family has a module here with the names and arguments of its contract in `_kernels`; arrays
are CuPy's and results too. Launches go to CuPy's current stream, memory comes from its pool, and
nothing waits for the device but what must know a size: the hits of a range search, and errors.
"""

from __future__ import annotations

from tersevec._cuda._sources import FAMILIES, sources

__all__ = ["FAMILIES", "sources"]
