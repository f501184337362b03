"""Check a wheel and what auditwheel made of it: size, contents, nothing grafted in."""

import sys
import zipfile
from pathlib import Path

MEBIBYTES = 6
NEEDED = (
    "tersevec/py.typed",
    "tersevec/_native.pyi",
    "tersevec/_cli/demo.py",
    "tersevec/_numpy/hamming.py",
    "tersevec/_cuda/hamming.py",
    "tersevec/_cuda/cuda/hamming/hamming.cu",
    "tersevec/_cuda/cuda/core/topk.cuh",
    "tersevec/data/LICENCES.md",
    "tersevec/data/graph_debian.npz",
    "tersevec/data/text384.npz",
    "tersevec/data/tokens64.npz",
    "tersevec/data/base_texts.tsv.gz",
    "tersevec/data/query_texts.tsv.gz",
)


def problems(wheel: Path, repaired: Path) -> list[str]:
    """What is wrong, one sentence each."""
    names = zipfile.ZipFile(wheel).namelist()
    found = [f"{name} is missing" for name in NEEDED if name not in names]
    if not any(name.startswith("tersevec/_native.") and name.endswith(".so") for name in names):
        found.append("the compiled extension is missing")
    found += [
        f"{name} does not belong there"
        for name in names
        if not name.startswith(("tersevec/", "tersevec-"))
        or "test" in Path(name).name
        or name.endswith((".cpp", ".a", ".o", ".pyc"))
    ]
    if wheel.stat().st_size > MEBIBYTES * 2**20:
        found.append(f"{wheel.stat().st_size / 2**20:.2f} MiB, allowed {MEBIBYTES}")
    grafted = [name for name in zipfile.ZipFile(repaired).namelist() if ".libs/" in name]
    found += [f"needs a library from outside: {name}" for name in grafted]
    return found


def main() -> int:
    """Print the findings; the exit status says whether there are any."""
    wheel, repaired = map(Path, sys.argv[1:])
    found = problems(wheel, repaired)
    for line in found:
        print(f"{wheel.name}: {line}")
    print(f"{wheel.name}: {wheel.stat().st_size / 2**20:.2f} MiB; repaired: {repaired.name}")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
