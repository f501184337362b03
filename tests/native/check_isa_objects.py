#!/usr/bin/env python3
"""Check the object files of CPU levels: ``python check_isa_objects.py BUILD_FOLDER...``.

Each is compiled with its level's own flags. So it may define nothing that the linker could take for
code of another level: no global or weak symbol but the family's table of kernels. And nothing of it
may run at import: no static constructors. ELF is read here, so that objects of any machine do.
"""

from __future__ import annotations

import re
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LEVELS = ("sse4", "avx2", "avx512", "avx512icl", "avx512bf16", "amx", "neon", "neondot")
NAME = re.compile(rf"(?P<family>[a-z0-9]+)_(?:[a-z0-9]+_)*?(?P<level>{'|'.join(LEVELS)})\.cpp\.o")
SYMTAB, LOCAL = 2, 0
COMPILERS_OWN = {"DW.ref.__gxx_personality_v0"}  # a pointer for unwinding, the same in every object
SANITIZERS = ("__asan", "__odr_asan", "__ubsan", "__tsan", "__msan")


class Section(NamedTuple):
    """What matters of an ELF64 section header."""

    name: int
    kind: int
    offset: int
    size: int
    link: int


class Symbol(NamedTuple):
    """A symbol, and whether this object defines it and others can see it."""

    name: str
    defined: bool
    shared: bool


def text(strings: bytes, start: int) -> str:
    """The zero-terminated string at `start`."""
    return strings[start : strings.index(b"\0", start)].decode()


def sections(elf: bytes) -> tuple[list[Section], list[str]]:
    """All sections and their names."""
    if elf[:6] != b"\x7fELF\x02\x01":
        raise ValueError("expected a little-endian ELF64 object")
    (table,) = struct.unpack_from("<Q", elf, 0x28)
    entry, count, names = struct.unpack_from("<HHH", elf, 0x3A)
    found = []
    for i in range(count):
        name, kind, _, _, offset, size, link = struct.unpack_from(
            "<IIQQQQI", elf, table + entry * i
        )
        found.append(Section(name, kind, offset, size, link))
    strings = elf[found[names].offset :][: found[names].size]
    return found, [text(strings, section.name) for section in found]


def symbols(elf: bytes, found: list[Section]) -> Iterator[Symbol]:
    """The symbols of the object."""
    for section in found:
        if section.kind != SYMTAB:
            continue
        strings = elf[found[section.link].offset :][: found[section.link].size]
        for place in range(section.offset, section.offset + section.size, 24):
            name, info, _, index = struct.unpack_from("<IBBH", elf, place)
            yield Symbol(text(strings, name), index != 0, info >> 4 != LOCAL)


def problems(path: Path) -> list[str]:
    """What is wrong with one object, in words."""
    match = NAME.fullmatch(path.name)
    assert match is not None
    parts = ("tersevec", match["family"], match["level"], "kernels")
    table = f"_ZN{''.join(f'{len(part)}{part}' for part in parts)}E"
    elf = path.read_bytes()
    found, names = sections(elf)
    all_symbols = list(symbols(elf, found))
    instrumented = any(symbol.name.startswith(SANITIZERS) for symbol in all_symbols)
    wrong = [
        f"{path.name}: {symbol.name} is visible to the linker, only {table} may be"
        for symbol in all_symbols
        if symbol.defined
        and symbol.shared
        and symbol.name != table
        and symbol.name not in COMPILERS_OWN
        and not symbol.name.startswith(SANITIZERS)
    ]
    if not any(symbol.name == table and symbol.defined for symbol in all_symbols):
        wrong.append(f"{path.name}: {table} is not there")
    if not instrumented:  # sanitizers bring constructors of their own
        wrong += [
            f"{path.name}: section {name}: something runs at import"
            for name in names
            if name.startswith((".init_array", ".ctors", ".preinit_array"))
        ]
    return wrong


def objects(folder: Path) -> list[Path]:
    """The object files of CPU levels below a build folder."""
    return sorted(path for path in folder.rglob("*.cpp.o") if NAME.fullmatch(path.name))


def main(folders: list[str]) -> int:
    """Print what is wrong; returns the number to exit with."""
    checked = [path for folder in folders for path in objects(Path(folder))]
    wrong = [problem for path in checked for problem in problems(path)]
    print("\n".join([*wrong, f"{len(checked)} objects of CPU levels, {len(wrong)} problems"]))
    return 1 if wrong or not checked else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
