"""Reads the history of a project: a CSV of its own beside that of the stories, with a line for each deed.

Its columns are ID, Type, Message, Performed By and Occurred At, according to the maintainer of an importer; no file was
at hand, and neither was Tracker's own description of one. So it is read leniently: columns are found by their names, a
time in any form that has one meaning, and a line that is not understood is reported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from functools import partial
from itertools import pairwise
from sys import intern
from typing import NamedTuple

from tracker_server.exports.cell_reader import CellReader
from tracker_server.exports.cells import parse_id
from tracker_server.exports.columns import Cells
from tracker_server.exports.dates import DateCells, DayReader
from tracker_server.exports.deeds import STORY_TYPES, THINGS, TYPES_OF_STORIES, Deed, deed_of, without_person
from tracker_server.exports.errors import shown
from tracker_server.exports.layout import HistoryTable
from tracker_server.exports.table import UNSTORABLE, Sheet
from tracker_server.exports.times import at_time, iso_time, split_time

MOST_LINES = 200_000
"""Of one project; its six months hold some ten thousand."""


class Event(NamedTuple):
    """Something that was done. `thing` is the kind of what it was done to (empty if not known), `row_id` its id.

    `deed` is None if the message is not understood. `at` is in ISO 8601.
    """

    row_id: int | None
    thing: str
    message: str
    person: str
    at: str
    deed: Deed | None
    story_type: str = ""

    @property
    def content(self) -> tuple[int, str, str, str]:
        """What is equal for one event in the histories of two exports."""
        return self.row_id or 0, self.message, self.person, self.at


class Rows(NamedTuple):
    """The ids of what a project has."""

    project_id: int
    story_ids: Collection[int]
    epic_ids: Collection[int]

    def have(self, row_id: int | None) -> bool:
        return row_id in self.story_ids or row_id in self.epic_ids or row_id == self.project_id

    def thing(self, row_id: int | None, type_name: str) -> str:
        """What has an id: by the rows of the project, or else by the cell that says its type."""
        if row_id in self.story_ids:
            return "story"
        if row_id in self.epic_ids:
            return "epic"
        if row_id == self.project_id:
            return "project"
        name = type_name.strip().lower()
        return "story" if name in STORY_TYPES else name if name in THINGS else ""


class History(NamedTuple):
    """The events of a table, the oldest first, its lines, and how many of them are about another project."""

    events: list[Event]
    lines: int
    lines_of_others: int


def read_history(table: HistoryTable, reader: CellReader, rows: Rows) -> History:
    """What a table tells of a project; of one that several projects may share, what is about rows of this one.

    Raises ExportError and OSError.
    """
    reader.file, reader.days = table.label, DayReader(partial(_date_cells, table))
    found: list[Event] = []
    lines = of_others = 0
    with table.open() as file:
        sheet = Sheet(file, table.label)
        for reader.line, cells in _lines(sheet):
            lines += 1
            row_id = parse_id(cells.row_id.strip().lstrip("#"))
            if not (table.is_of_one or rows.have(row_id)):
                of_others += 1
                continue
            event = _event(cells, row_id, reader, rows)
            if event is None:
                continue
            if len(found) == MOST_LINES:
                reader.warn("", f"more than {MOST_LINES:,} lines; those from here on are left out")
                break
            found.append(event)
    reader.warn_of_ambiguous_days()
    rising = Counter(before.at < after.at for before, after in pairwise(found) if before.at != after.at)
    if rising[False] > rising[True]:
        found.reverse()
    return History(sorted(found, key=lambda event: event.at), lines, of_others)


def merged(newest_first: Iterable[list[Event]]) -> list[Event]:
    """The events of several histories of one project, each as often as in the one that has it most often."""
    several = list(newest_first)
    if len(several) == 1:
        return several[0]
    together: list[Event] = []
    times: Counter[tuple[int, str, str, str]] = Counter()
    for events in several:
        own: Counter[tuple[int, str, str, str]] = Counter()
        for event in events:
            own[event.content] += 1
            if own[event.content] > times[event.content]:
                together.append(event)
        times |= own
    return sorted(together, key=lambda event: event.at)


class _Line(NamedTuple):
    row_id: str
    type_name: str
    message: str
    person: str
    at: str


_COLUMNS = ("id", "type", "message", "performed by", "occurred at")


def _lines(sheet: Sheet) -> Iterator[tuple[int, _Line]]:
    places = _places(sheet.header)
    for line, cells in sheet.rows():
        if cells is None:
            places = _places(sheet.header)
        elif any(map(str.strip, cells)):
            texts = [cells[place] if -1 < place < len(cells) else "" for place in places]
            if sheet.records.may_be_unstorable:
                texts = [UNSTORABLE.sub("", text) for text in texts]
            yield line, _Line._make(texts)


def _places(header: Cells) -> list[int]:
    names = [name.strip().strip("\ufeff").lower() for name in header]
    return [names.index(name) if name in names else -1 for name in _COLUMNS]


def _event(line: _Line, row_id: int | None, reader: CellReader, rows: Rows) -> Event | None:
    """What a line says; None for one without a time or anything that was done."""
    thing = rows.thing(row_id, line.type_name)
    if not line.message.strip():
        reader.warn("Message", "empty; the line is left out")
        return None
    at = iso_time(line.at) or _time(line.at, reader)
    if not at:
        return None
    if row_id is None and line.row_id.strip():
        reader.warn("ID", f"{shown(line.row_id)} is not a number; the line is kept without what it was done to")
    elif not thing:
        reader.warn("ID", f"{shown(line.row_id)} has no row, and Type does not say what it is; the line is kept")
    reader.person_id(line.person)
    message, person = line.message.strip(), intern(line.person.strip())
    deed = deed_of(without_person(message, person), thing)
    if deed is None:
        reader.warn("Message", f"{shown(line.message)} is not understood; the line is kept as it is")
    name = line.type_name.strip().lower()
    story_type = intern(name) if thing == "story" and name in TYPES_OF_STORIES else ""
    return Event(row_id, thing, message, person, at, deed, story_type)


def _time(text: str, reader: CellReader) -> str | None:
    day_text, rest = split_time(text)
    if not day_text:
        reader.warn("Occurred At", "empty; the line is left out")
        return None
    day = reader.day(day_text, "Occurred At")
    at = at_time(day, rest) if day else None
    if day and not at:
        reader.warn_left_out("Occurred At", text, "not a time")
    return at


def _date_cells(table: HistoryTable) -> Iterator[DateCells]:
    """The days of a table. Raises ExportError."""
    with table.open() as file:
        for _, line in _lines(Sheet(file, table.label)):
            yield DateCells(split_time(line.at)[0], "", "", "", "", "")
