"""Text files of lines, gzipped or not, read with progress."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from tersevec._cli.progress import stage
from tersevec._cli.rows import UserError

COMMENT_SIGNS = "#%"


@contextmanager
def opened(path: Path) -> Iterator[tuple[BinaryIO, Callable[[], object]]]:
    """The file's bytes, and a function that moves the progress bar to where they are read."""
    try:
        with path.open("rb") as raw, stage(f"read {path.name}", path.stat().st_size) as advance:
            file = cast(BinaryIO, gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw)
            shown = 0

            def show() -> None:
                nonlocal shown
                place = raw.tell()
                advance(place - shown)
                shown = place

            yield file, show
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


def telling_lines(path: Path) -> Generator[tuple[int, str], None, None]:
    """(line number, stripped line) of every line that is neither empty nor a comment."""
    with opened(path) as (file, show):
        for number, raw in enumerate(file, 1):
            if not number % 10_000:
                show()
            encoding = "utf-8-sig" if number == 1 else "utf-8"
            line = raw.decode(encoding, "surrogateescape").strip()
            if "\0" in line:
                raise UserError(f"{path}: line {number}: expected UTF-8 text, got a zero byte")
            if number == 1 and line.startswith("%%MatrixMarket"):
                raise UserError(
                    f"{path}: expected a list of edges, got a Matrix Market file; "
                    "scipy.io.mmread and scipy.sparse.save_npz make a .npz of it"
                )
            if line and line[0] not in COMMENT_SIGNS:
                yield number, line
