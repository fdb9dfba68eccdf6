"""Files of which nobody finds a part."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def made_whole(path: Path) -> Iterator[Path]:
    """Where to write what is to be at `path`: it is there once the block ends, and what was there before until then.

    Raises OSError.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        part.unlink(missing_ok=True)
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """As `made_whole`, with an open file; what is no file, such as a pipe, is written to as it is."""
    if path.exists() and not path.is_file():
        with path.open("wb") as out:
            yield out
        return
    with made_whole(path) as part, part.open("wb") as out:
        yield out
