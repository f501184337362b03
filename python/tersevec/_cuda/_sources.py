"""The text of the kernels, as compilers get it."""

from __future__ import annotations

import functools
import re
from pathlib import Path

# The families whose whole contract has kernels, each a module of its own.
FAMILIES = ("fde", "hamming", "maxsim", "pqscan", "sparseproj", "symdist")
_MODULES = (
    *(*FAMILIES, "codes", "pqencode", "pqscan_bytes", "pqscan_rounding"),
    *("sparseproj_project", "topk"),
)
# Products are fused only where kernels say so, and answers are those of the CPU.
OPTIONS = ("-std=c++17", "--fmad=false")
_INCLUDE = re.compile(r'^#include "(.+)"$', re.M)


def folder() -> Path:
    """Where the sources lie: beside this file in a wheel, in the tree of an editable install."""
    here = Path(__file__).resolve().parent
    shipped = here / "cuda"
    return shipped if shipped.is_dir() else here.parents[2] / "cuda"


@functools.cache
def source(name: str) -> str:
    """One module with the headers that it includes in their places, each of them once."""
    seen: set[Path] = set()

    def text(path: Path) -> str:
        if path in seen:
            return ""
        seen.add(path)

        def included(match: re.Match[str]) -> str:
            beside = path.parent / match[1]
            return text(beside if beside.is_file() else folder() / match[1])

        body = path.read_text().replace("#pragma once\n", "")
        return f'#line 1 "{path.name}"\n' + _INCLUDE.sub(included, body)

    return text(folder() / name / f"{name}.cu")


def sources() -> dict[str, tuple[str, tuple[str, ...]]]:
    """What NVRTC is given at first use: {name: (source, options)}, an entry for each module.

    Notes
    -----
    No option names an architecture: CuPy adds that of the device at hand. The sources include
    nothing, so that they compile without paths.

    Examples
    --------
    >>> from tersevec import _cuda
    >>> source, options = _cuda.sources()["hamming"]
    >>> 'extern "C" __global__ void hamming_topk(' in source
    True
    """
    return {name: (source(name), OPTIONS) for name in _MODULES}
