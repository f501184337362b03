"""Object files of CPU levels keep to themselves, and the check would say if they did not."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = Path(__file__).parent / "native" / "check_isa_objects.py"


@pytest.fixture(scope="module")
def check():
    spec = importlib.util.spec_from_file_location("check_isa_objects", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_compiled_kernels_show_their_tables_and_nothing_else(check):
    objects = check.objects(ROOT / "build") if (ROOT / "build").is_dir() else []
    if not objects:
        pytest.skip("no object files under build/: install with a build folder that is kept")
    assert [problem for path in objects for problem in check.problems(path)] == []


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("int helper() { return 1; }", "helper"),
        ("inline int weak() { return 1; } int (*use)() = &weak;", "weak"),
        ("int start(); static int now = start(); int read() { return now; }", "runs at import"),
    ],
)
def test_the_check_sees_what_leaks(check, tmp_path, source, problem):
    compiler = shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    table = "namespace tersevec::family::avx2 { extern const int kernels; const int kernels = 1; }"
    path = tmp_path / "family_avx2.cpp.o"

    def problems(text):
        (tmp_path / "x.cpp").write_text(text)
        command = [compiler, "-std=c++20", "-c", str(tmp_path / "x.cpp"), "-o", str(path)]
        subprocess.run(command, check=True)
        if path.read_bytes()[:6] != b"\x7fELF\x02\x01":
            pytest.skip("the compiler writes no little-endian ELF64")
        return check.problems(path)

    assert problems(table) == []
    assert problem in "\n".join(problems(f"{table} {source}"))
    assert "kernelsE is not there" in "\n".join(problems(source))
