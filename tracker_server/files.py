"""Files of which nobody finds a part."""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO

MOST_OF_NAME = 50
"""Characters of a name that stay in that of its part: a disk takes 255 bytes."""


@contextmanager
def made_whole(path: Path) -> Iterator[Path]:
    """Where to write what is to be at `path`: it is there once the block ends, and what was there before until then.

    A link stays one: what it leads to is written. Raises OSError.
    """
    path = Path(os.path.realpath(path))
    part = part_of(path)
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def part_of(path: Path) -> Path:
    """Where `made_whole` lets this process write what is to be at a path that is no link."""
    return path.with_name(f".{path.name[:MOST_OF_NAME]}.{_run(os.getpid())}.part")


@cache
def _run(process: int) -> str:
    """A name for a process, which no process on another machine has."""
    return f"{process}-{secrets.token_hex(4)}"


@contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """As `made_whole`, with an open file; what is no file, such as a pipe, is written to from one end to the other."""
    if path.exists() and not path.is_file():
        with io.BufferedWriter(_OneWay(path, "wb")) as out:
            yield out
        return
    with made_whole(path) as part, part.open("wb") as out:
        yield out


def is_new_or_ours(folder: Path, list_of_ours: str) -> bool:
    """Whether a folder holds nothing, or else the file in which a command lists what it has written there.

    Raises OSError.
    """
    return (folder / list_of_ours).is_file() or not any(folder.iterdir())


class _OneWay(io.FileIO):
    """What one cannot go back in: some devices claim that one can, and have forgotten what came before."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: object) -> int:
        raise io.UnsupportedOperation("seek")

    def tell(self) -> int:
        raise io.UnsupportedOperation("tell")
