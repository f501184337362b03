"""How many threads the native kernels use."""

from __future__ import annotations

import operator
import os
from typing import NamedTuple

_MOST = 2**31 - 1  # what the kernels' `int` holds


class Start(NamedTuple):
    """The number of threads at import and the reason for it, as `show_config` prints them."""

    threads: int
    why: str


def resolve(threads: int | None) -> int:
    """The `threads=` of a call as a number: None is `get_num_threads()`."""
    return _current if threads is None else _positive("threads", threads)


def _positive(name: str, count: int) -> int:
    if type(count) is int and 1 <= count <= _MOST:
        return count
    if isinstance(count, bool) or not hasattr(count, "__index__"):
        raise TypeError(f"{name}: expected an integer of at least 1 or None, got {count!r}")
    value = operator.index(count)
    if value < 1:
        raise ValueError(f"{name}: expected an integer of at least 1, got {value}")
    if value > _MOST:
        raise ValueError(f"{name}: expected an integer of at most 2**31 - 1, got {value}")
    return value


def _usable_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _at_start() -> Start:
    """TERSEVEC_NUM_THREADS, else OMP_NUM_THREADS if it can be read, else this process's CPUs."""
    own = os.environ.get("TERSEVEC_NUM_THREADS", "").strip()
    if own:
        if not own.isdecimal() or not 1 <= int(own) <= _MOST:
            raise ValueError(
                f"TERSEVEC_NUM_THREADS: expected an integer from 1 to 2**31 - 1, got {own!r}"
            )
        return Start(int(own), "TERSEVEC_NUM_THREADS says so")
    outermost = (
        os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    )  # "4,2": one number per nesting level
    if outermost.isdecimal() and 1 <= int(outermost) <= _MOST:
        return Start(int(outermost), "OMP_NUM_THREADS says so")
    return Start(_usable_cpus(), "CPUs that this process may run on")


_start = _at_start()
_current = _start.threads


def why() -> str:
    """The reason for the number in use."""
    return _start.why if _current == _start.threads else "set_num_threads says so"


def get_num_threads() -> int:
    """The number of threads that ``threads=None`` means.

    Notes
    -----
    It starts as TERSEVEC_NUM_THREADS, else OMP_NUM_THREADS, else the number of CPUs this process
    may run on.

    Examples
    --------
    >>> import tersevec
    >>> tersevec.get_num_threads() >= 1
    True
    """
    return _current


def set_num_threads(count: int) -> None:
    """Set the number of threads that ``threads=None`` means, for the whole process.

    Parameters
    ----------
    count : int
        At least 1. More than there are CPUs is allowed.

    Raises
    ------
    TypeError, ValueError
        `count` is not an integer, or below 1.

    Notes
    -----
    No result depends on it.

    Examples
    --------
    >>> import tersevec
    >>> before = tersevec.get_num_threads()
    >>> tersevec.set_num_threads(2); tersevec.get_num_threads()
    2
    >>> tersevec.set_num_threads(before)
    """
    global _current
    _current = _positive("count", count)
