"""Tables and code in Markdown, written and read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

_CODE = re.compile(r"(?<!`)(?P<ticks>`+)(?!`)(?P<text>.+?)(?<!`)(?P=ticks)(?!`)")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, each of its lines ended; a pipe in a cell is escaped."""
    return "".join(map(_row, (head, ["---"] * len(head), *rows)))


def code_in(text: str) -> Iterator[str]:
    """What is set as code in a line of Markdown, without its ticks, and without the space that keeps ticks apart."""
    for span in _CODE.finditer(text):
        inside = span["text"]
        is_padded = inside.startswith(" ") and inside.endswith(" ") and inside.strip()
        yield inside[1:-1] if is_padded else inside


def first_cells(page: str) -> Iterator[str]:
    """The first cell of each row of each table in a page, heads left out."""
    lines = page.splitlines()
    for above, line in pairwise(lines):
        if above.startswith("| ") and line.startswith("| ") and not line.startswith("| ---"):
            yield line.split(" | ")[0].removeprefix("| ")


def _row(cells: Iterable[str]) -> str:
    escaped = (cell.replace("|", r"\|") for cell in cells)
    return f"| {' | '.join(escaped)} |\n"
