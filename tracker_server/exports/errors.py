"""What can be wrong with an export: a file that cannot be read, or a part of one that was not understood."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


class ExportError(Exception):
    """A file that cannot be read as an export, in a sentence that names it."""


class ProjectIdError(ExportError):
    """Ids that were given for projects do not fit these."""


@contextmanager
def converting_os_errors(label: str) -> Iterator[None]:
    """Turns the OSError of a file into an ExportError."""
    try:
        yield
    except OSError as error:
        raise ExportError(f"{label} cannot be read: {error.strerror or error}.") from None


@dataclass(frozen=True)
class Failure:
    """A file that cannot be read: a sentence that names it, and the `slug` of each project that it may belong to."""

    file: str
    words: str
    projects: frozenset[str]


@dataclass(frozen=True)
class Finding:
    """Something that was left out, not understood, or decided between several exports: where, and what happened to it.

    `file` is the name of a file, `my.zip/stories.csv` for one in a ZIP. `line` is where the row begins in that
    file, 0 for the file itself. `column` is the name of a column, empty for the whole row.
    """

    file: str
    line: int
    column: str
    reason: str

    def __str__(self) -> str:
        place = f"{self.file}, line {self.line}" if self.line else self.file
        return f"{place}{f', {self.column}' if self.column else ''}: {self.reason}"


Report = Callable[[Finding], None]
"""Receives each finding."""


def shown(text: str) -> str:
    """A cell as a sentence quotes it: on one line, and cut after 60 characters."""
    quoted = repr(text[:60])
    return quoted if len(text) <= 60 else f"{quoted[:-1]}…{quoted[-1]}"
