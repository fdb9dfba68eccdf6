"""The first line of an export: which of Tracker's columns is where.

Names repeat, so a cell is found by its position: the n-th Task belongs to the n-th Task Status. The columns are those
of the last exports; older ones have fewer, and those of 2012 call some differently.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import NamedTuple

SINGLE = (
    "Id", "Title", "Labels", "Iteration", "Iteration Start", "Iteration End", "Type", "Estimate", "Priority",
    "Current State", "Created at", "Accepted at", "Deadline", "Requested By", "Description", "URL",
)  # fmt: skip
REPEATED = (
    ("Owned By",), ("Blocker", "Blocker Status"), ("Comment",), ("Task", "Task Status"),
    ("Review Type", "Reviewer", "Review Status"), ("Pull Request",), ("Git Branch",),
)  # fmt: skip
FORMER_NAMES = {"story": "title", "story type": "type", "note": "comment"}
"""The names of columns in 2012, and today's."""

HISTORY = frozenset({"message", "performed by", "occurred at"})
"""Columns of a project's history (according to the maintainer of an importer; no file was available)."""

_SINGLE = frozenset(name.lower() for name in SINGLE)
_KNOWN = _SINGLE | {name.lower() for group in REPEATED for name in group}
_BESIDE_TITLE = frozenset({"id", "type", "current state", "labels", "url"})

_SIZES = {group[0]: len(group) for group in REPEATED}

Cells = list[str]


def is_story_header(header: Cells) -> bool:
    """Whether this is the first line of an export of stories."""
    names = _names(header)
    return "title" in names and not names.isdisjoint(_BESIDE_TITLE)


def is_history_header(header: Cells) -> bool:
    """Whether this is the first line of a project's history."""
    return _names(header) >= HISTORY


def is_header(header: Cells) -> bool:
    """Whether this is the first line of either."""
    return is_story_header(header) or is_history_header(header)


def is_repeated_header(cells: Cells) -> bool:
    """Whether a row repeats the header of an export of stories."""
    # Hardly any row does, and the first cell shows it.
    if cells[0] and _place(cells[0]) not in _KNOWN:
        return False
    return is_story_header(cells) and _names(cells) - {""} <= _KNOWN


def _names(header: Cells) -> set[str]:
    return set(map(_place, header))


def _place(name: str) -> str:
    """The column of Tracker that a name in a header stands for."""
    place = name.strip().strip("\ufeff").lower()
    return FORMER_NAMES.get(place, place)


class SingleCells(NamedTuple):
    """The cells of a row in the columns SINGLE."""

    number: str
    title: str
    labels: str
    iteration: str
    iteration_start: str
    iteration_end: str
    story_type: str
    estimate: str
    priority: str
    state: str
    created_at: str
    accepted_at: str
    deadline: str
    requested_by: str
    description: str
    url: str


_Getter = Callable[[Cells], Sequence[str]]


class Columns:
    """Where the cells of a record are. Call `pad` for the cells of a record first.

    `unknown` has the positions of the columns that Tracker does not have. `cells_of` picks all cells of a repeated
    group of columns, by the name of the first.
    """

    def __init__(self, header: Cells) -> None:
        self.width = len(header)
        places: dict[str, list[int]] = {}
        for position, name in enumerate(header):
            places.setdefault(_place(name), []).append(position)
        known = [name.lower() for group in REPEATED for name in group]
        self.unknown = [
            position
            for name, positions in places.items()
            if name not in known
            for position in positions[name in _SINGLE :]
        ]
        self.single: Callable[[Cells], tuple[str, ...]] = itemgetter(
            *(places.get(name.lower(), [self.width])[0] for name in SINGLE)
        )
        self.cells_of = {group[0]: self._getter(places, group) for group in REPEATED}

    def _getter(self, places: dict[str, list[int]], group: tuple[str, ...]) -> _Getter:
        positions = [places.get(name.lower(), []) for name in group]
        most = max(map(len, positions))
        if most and all(len(column) == most for column in positions):
            in_order = [position for nth_group in zip(*positions, strict=True) for position in nth_group]
            if in_order == list(range(in_order[0], in_order[-1] + 1)):
                return itemgetter(slice(in_order[0], in_order[-1] + 1))
        # The cell behind the last is always empty. It stands in for what is missing, and makes two groups the least.
        paired = zip(*(column + [self.width] * (most - len(column) + 2) for column in positions), strict=True)
        return itemgetter(*(position for nth_group in paired for position in nth_group))

    def pad(self, cells: Cells) -> Cells:
        """Cuts or fills the cells to the number of columns, with an empty one behind; returns those beyond."""
        if len(cells) == self.width:
            cells.append("")
            return []
        beyond = cells[self.width :]
        del cells[self.width :]
        cells += [""] * (self.width + 1 - len(cells))
        return beyond

    def texts(self, name: str, cells: Cells) -> list[str]:
        """The values of a repeated column."""
        return list(filter(None, self.cells_of[name](cells)))

    def groups(self, name: str, cells: Cells) -> list[tuple[str, ...]]:
        """The values of a repeated group of columns, whose first is `name`; single cells may be empty."""
        return grouped(name, self.cells_of[name](cells))


def grouped(name: str, cells: Sequence[str]) -> list[tuple[str, ...]]:
    """The cells of a repeated group of columns, as `cells_of` gives them, together where they belong together."""
    return list(filter(any, zip(*[iter(cells)] * _SIZES[name], strict=True)))
