"""The house is in order: every family has every room, and what must agree agrees."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import pytest

import tersevec
from tersevec import _backend, _cuda, _kernels

ROOT = Path(__file__).parents[1]
if not (ROOT / "csrc").is_dir():
    pytest.skip("the tests were copied out of the sources", allow_module_level=True)

FAMILIES = _backend.FAMILIES
# Levels without rows of their own: only products of bytes have instructions at `amx` and `neondot`,
# only those of bfloat16 at `avx512bf16`, and what works on floats finds nothing new in the last
# AVX-512 levels.
ABSENT = {
    "hamming": {"avx512bf16", "amx", "neondot"},
    "pqencode": {"avx512icl", "avx512bf16", "amx", "neondot"},
    "pqscan": {"avx512bf16", "amx", "neondot"},
    "sparseproj": {"avx512icl", "avx512bf16", "amx", "neondot"},
    "symdist": {"avx512bf16"},
    "fde": {"avx512icl", "avx512bf16", "amx", "neondot"},
    "maxsim": set(),
}
ARCHITECTURES = (
    ("sse4", "avx2", "avx512", "avx512icl", "avx512bf16", "amx"),
    ("neon", "neondot"),
)
FOLDERS = ("csrc", "python", "tests", "bench", "cuda")
SOURCES = sorted(
    path
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*")
    if path.suffix in (".cpp", ".h", ".py", ".pyi", ".cu", ".cuh")
    and "__pycache__" not in path.parts
)
CPP = [path for path in SOURCES if path.suffix in (".cpp", ".h", ".cu", ".cuh")]
PYTHON = [path for path in SOURCES if path.suffix in (".py", ".pyi")]
PUBLIC_MODULES = (
    "tersevec",
    "tersevec.binary",
    "tersevec.graph",
    "tersevec.muvera",
    "tersevec.pq",
    "tersevec.projection",
)


def name_of(path):
    return str(path.relative_to(ROOT))


def levels(family):
    """The CPU levels that have rows in a family."""
    return [level for level in _backend.ISA_LEVELS if level not in ABSENT[family]]


def room(family):
    """The files that a family must have."""
    kernels = [f"csrc/{family}/{family}_{level}.cpp" for level in levels(family)]
    if family in _cuda.FAMILIES:
        kernels += [f"cuda/{family}/{family}.cu", f"python/tersevec/_cuda/{family}.py"]
    return [
        *(f"csrc/{family}/{family}{suffix}" for suffix in (".h", ".cpp", "_loop.h")),
        *kernels,
        f"python/bindings/bind_{family}.cpp",
        f"python/tersevec/_numpy/{family}.py",
        f"tests/test_{family}.py",
        f"bench/bench_{family}.py",
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_every_file(family):
    assert [file for file in room(family) if not (ROOT / file).is_file()] == []


def test_every_folder_of_kernels_is_a_family():
    folders = {path.name for path in (ROOT / "csrc").iterdir() if any(path.glob("*.cpp"))}
    assert folders == {"core", *FAMILIES}


@pytest.mark.parametrize("family", FAMILIES)
def test_kernel_files_define_the_level_of_their_name(family):
    for level in levels(family):
        text = (ROOT / f"csrc/{family}/{family}_{level}.cpp").read_text()
        assert f"namespace tersevec::{family}::{level} {{" in text
        assert f"Isa::{level}" in text
        table = (ROOT / f"csrc/{family}/{family}.cpp").read_text()
        assert f"namespace {level} {{ extern const Kernels kernels; }}" in table


@pytest.mark.parametrize("family", FAMILIES)
def test_kernel_files_say_how_they_work_and_call_nothing_of_the_standard_library(family):
    for level in set(levels(family)) - {"scalar"}:
        text = (ROOT / f"csrc/{family}/{family}_{level}.cpp").read_text()
        for heading in ("//   step  ", "//   registers  ", "//   tail  ", "//   why not  "):
            assert heading in text, f"{level}: no line {heading!r}"
        calls = set(re.findall(r"std::\w+", text)) - {"std::int64_t", "std::uint8_t"}
        calls -= {f"std::{sign}int{bits}_t" for sign in ("", "u") for bits in (8, 16, 32, 64)}
        assert calls == set()


# ---- twins


def protocol(family):
    return getattr(_kernels, f"{family.capitalize()}Kernels")


def operations(family):
    """Names and argument names of the contract."""
    return {
        name: [
            argument for argument in inspect.signature(function).parameters if argument != "self"
        ]
        for name, function in vars(protocol(family)).items()
        if inspect.isfunction(function) and not name.startswith("_")
    }


def constants(family):
    """Names of the contract that are no functions."""
    return {name for name, value in vars(protocol(family)).items() if isinstance(value, property)}


def twin(family, folder="_numpy"):
    return importlib.import_module(f"tersevec.{folder}.{family}")


def split_arguments(signature):
    """The argument names of a pybind11 signature, keywords of types left out."""
    depth, argument, found = 0, "", []
    for letter in signature[signature.index("(") + 1 :]:
        if letter in ",)" and depth == 0:
            found.append(argument.partition(":")[0].strip())
            argument = ""
            if letter == ")":
                break
            continue
        depth += (letter in "[(") - (letter in "])")
        argument += letter
    return [name for name in found if name not in ("", "*")]


@pytest.mark.parametrize(
    ("folder", "family"),
    [*(("_numpy", family) for family in FAMILIES), *(("_cuda", f) for f in _cuda.FAMILIES)],
)
def test_twins_have_the_names_and_arguments_of_the_contract(folder, family):
    for name in constants(family):
        assert getattr(twin(family, folder), name) == getattr(twin(family), name), name
    for name, arguments in operations(family).items():
        here = inspect.signature(getattr(twin(family, folder), name))
        there = inspect.signature(getattr(protocol(family), name))
        assert list(here.parameters) == arguments, name
        kinds = [argument.kind for argument in here.parameters.values()]
        assert kinds == [argument.kind for argument in list(there.parameters.values())[1:]], name


@pytest.mark.parametrize("family", FAMILIES)
def test_compiled_kernels_have_the_names_and_arguments_of_the_contract(family):
    extension = _backend.native()[0]
    if extension is None:
        pytest.skip("the extension is not built")
    module = getattr(extension, family)
    names = {name for name in dir(module) if not name.startswith("_")}
    assert names == {*operations(family), *constants(family)}
    for name, arguments in operations(family).items():
        assert split_arguments(getattr(module, name).__doc__) == arguments, name
    for name in constants(family):
        assert getattr(module, name) == getattr(twin(family), name), name


@pytest.mark.parametrize("family", FAMILIES)
def test_the_compiled_levels_are_those_of_this_architecture(family):
    extension = _backend.native()[0]
    if extension is None:
        pytest.skip("the extension is not built")
    known = extension.isa_levels()
    assert known[0] == "scalar"
    assert tuple(known[1:]) in (*ARCHITECTURES, ())
    expected = [level for level in reversed(known) if level in levels(family)]
    assert getattr(extension, family).rows() == expected
    assert extension.isa_active() in extension.isa_runnable()


def test_the_readme_lists_the_levels_and_which_families_have_them():
    cells = r" ([^|]*) \|" * len(FAMILIES)
    table = re.findall(rf"^\| `(\w+)` \|.*?\|{cells}$", (ROOT / "README.md").read_text(), re.M)
    listed = {level: dict(zip(FAMILIES, row, strict=True)) for level, *row in table}
    assert set(listed) == set(_backend.ISA_LEVELS)
    for level, row in listed.items():
        for family, cell in row.items():
            own = level in levels(family)
            assert cell == "yes" if own else cell.startswith("as `"), (level, family)


# ---- style


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_files_are_short_enough_to_read(path):
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", CPP, ids=name_of)
def test_cpp_lines_have_at_most_100_columns_and_a_licence(path):
    lines = path.read_text().splitlines()
    assert [number for number, line in enumerate(lines, 1) if len(line) > 100] == []
    assert lines[0] == "// SPDX-License-Identifier: Apache-2.0"


FORBIDDEN = {
    r"-m(arch|cpu|tune)=nat" r"ive": "a build for the machine that made it",
    r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b": "work left for others",
    r"(?<![\w.])sha" r"red/": "a folder beside the project",
    r"#\s*if(def)?\b.*__AVX": "a file's name is the condition",
    r"@TAB" r"LE@": "a table that was never filled in",
}


@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_sources_and_pages_are_free_of_what_does_not_belong(pattern):
    pages = [*ROOT.glob("*.md"), ROOT / "CMakeLists.txt", ROOT / "pyproject.toml"]
    found = [name_of(path) for path in [*SOURCES, *pages] if re.search(pattern, path.read_text())]
    assert found == [], FORBIDDEN[pattern]


def public_functions():
    """(name, function) of every function and method that users may call."""
    for module_name in PUBLIC_MODULES:
        module = importlib.import_module(module_name)
        for word in module.__all__:
            value = getattr(module, word)
            if inspect.isfunction(value):
                yield f"{module_name}.{word}", value
            elif inspect.isclass(value) and not issubclass(value, tuple):
                yield f"{module_name}.{word}", value
                for name, method in inspect.getmembers(value, inspect.isfunction):
                    if not name.startswith("_"):
                        yield f"{module_name}.{word}.{name}", method


@pytest.mark.parametrize(
    ("name", "function"), [pytest.param(*found, id=found[0]) for found in public_functions()]
)
def test_public_words_are_documented(name, function):
    text = inspect.getdoc(function)
    assert text, f"{name}: no docstring"
    first = text.splitlines()[0]
    assert first.endswith((".", ":")) or " " in first, f"{name}: the first line is no sentence"


@pytest.mark.parametrize("module_name", PUBLIC_MODULES)
def test_functions_of_modules_document_parameters_results_and_errors(module_name):
    module = importlib.import_module(module_name)
    for word in module.__all__:
        function = getattr(module, word)
        if not inspect.isfunction(function):
            continue
        text, signature = inspect.getdoc(function), inspect.signature(function)
        if signature.parameters:
            assert "Parameters\n----------" in text, word
            assert "Raises\n------" in text, word
            for argument in signature.parameters:
                assert re.search(rf"^(\w+, )*{argument}(, \w+)* :", text, re.M), (
                    f"{word}: {argument}"
                )
        if signature.return_annotation not in ("None", "str", "int"):
            assert "Returns\n-------" in text, word


def test_every_public_word_exists_and_is_listed_once():
    for module_name in PUBLIC_MODULES:
        module = importlib.import_module(module_name)
        assert len(set(module.__all__)) == len(module.__all__)
        assert all(hasattr(module, word) for word in module.__all__)


def test_the_version_is_written_once():
    assert re.fullmatch(r"\d+\.\d+\.\d+", tersevec.__version__)
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert f"## [{tersevec.__version__}]" in changelog or "## [Unreleased]" in changelog
