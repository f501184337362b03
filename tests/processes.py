"""Python processes of their own, for what is decided once at import."""

from __future__ import annotations

import os
import subprocess
import sys

from tersevec import _backend

NO_EXTENSION = "import sys; sys.modules['tersevec._native'] = None\n"


def run(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the code with this environment, of which nothing else configures tersevec."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("TERSEVEC") and name != "OMP_NUM_THREADS"
    }
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=clean | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def output(code: str, *arguments: str, **environment: str) -> str:
    """What the code prints; it must end well and say nothing else."""
    if _backend.native()[0] is None:  # which is said on stderr, if nobody asks for NumPy
        environment = {"TERSEVEC_BACKEND": "numpy", **environment}
    ended = run(code, *arguments, **environment)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.strip()


def error(code: str, **environment: str) -> str:
    """The last line that the code prints on its way down."""
    ended = run(code, **environment)
    assert ended.returncode != 0
    return ended.stderr.strip().splitlines()[-1]
