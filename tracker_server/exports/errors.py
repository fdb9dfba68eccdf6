"""What can be wrong with an export: a file that cannot be read, or a part of one that was not understood."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


class ExportError(Exception):
    """A file that cannot be read as an export, in a sentence that names it."""


@dataclass(frozen=True)
class Failure:
    """A file that cannot be read, in a sentence that names it, and the projects of which it may be, by their `slug`."""

    file: str
    words: str
    projects: frozenset[str]


@dataclass(frozen=True)
class Finding:
    """Something that was left out, not understood, or decided between several exports: where, and what became of it.

    `file` is the name of a file, `my.zip/stories.csv` for one in a ZIP. `line` is the one in that file on which the
    row begins; 0 where it is about the file itself. `column` is a column's name, empty where it is about all of the
    row.
    """

    file: str
    line: int
    column: str
    reason: str

    def __str__(self) -> str:
        place = f"{self.file}, line {self.line}" if self.line else self.file
        return f"{place}{f', {self.column}' if self.column else ''}: {self.reason}"


Report = Callable[[Finding], None]
"""Is told of each finding."""


def shown(text: str) -> str:
    """A cell as a sentence quotes it: on one line, and not all of it where it is long."""
    quoted = repr(text[:60])
    return quoted if len(text) <= 60 else f"{quoted[:-1]}…{quoted[-1]}"
