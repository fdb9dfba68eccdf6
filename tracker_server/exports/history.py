"""Reads the history of a project: a CSV of its own beside that of the stories, with a line for each deed.

Its columns are ID, Type, Message, Performed By and Occurred At, according to the maintainer of an importer; no file was
at hand, and neither was Tracker's own description of one. So it is read leniently: columns are found by their names, a
time in any form that has one meaning, and a line that is not understood is reported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from operator import gt, itemgetter, lt
from sys import intern, maxsize
from typing import NamedTuple

from tracker_server.exports.cell_reader import CellReader
from tracker_server.exports.cells import parse_id, unescape_formula
from tracker_server.exports.columns import Cells
from tracker_server.exports.dates import DateCells, DayReader
from tracker_server.exports.deeds import STORY_TYPES, THINGS, TYPES_OF_STORIES, Deed, deed_of, without_person
from tracker_server.exports.errors import shown
from tracker_server.exports.layout import HistoryTable
from tracker_server.exports.table import UNSTORABLE, Sheet, converting_zip_errors
from tracker_server.exports.times import at_time, is_certain, iso_time, split_time

MOST_LINES = 200_000
"""Of one project; its six months hold some ten thousand."""
SPARE_LINES = MOST_LINES // 4
"""So many more are read before the oldest are left out."""


class Subject(NamedTuple):
    """What something was done to. `thing` is its kind (empty if not known), `row_id` its id."""

    row_id: int | None
    thing: str
    story_type: str = ""


class Statement(NamedTuple):
    """What was done, and by whom. `deed` is None if the message is not understood."""

    message: str
    person: str
    deed: Deed | None


Event = tuple[Subject, Statement, str]
"""Something that was done, and when (ISO 8601). Many events share their subject and their statement."""
Content = tuple[int, str, str, str]


time_of: Callable[[Event], str] = itemgetter(2)


def content_of(event: Event) -> Content:
    """What is equal for one event in the histories of two exports."""
    subject, statement, at = event
    return subject.row_id or 0, statement.message, statement.person, at


class RowIds(NamedTuple):
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
    """The events of a table, the oldest first, its lines, and how many of them are about another project.

    `untold` are the ids of stories of whose events some are left out: UNKNOWN for one that nobody can name, and GONE
    for one that may not be in the project any more.
    """

    events: list[Event]
    lines: int
    lines_of_others: int
    untold: frozenset[int] = frozenset()


UNKNOWN, GONE = -1, -2
MAY_BE_STORIES = ("story", "")
"""Kinds of things: the second one is not known."""


def read_history(table: HistoryTable, reader: CellReader, rows: RowIds) -> History:
    """What a table tells of a project; of one that several projects may share, what is about rows of this one.

    Raises ExportError and OSError.
    """
    reader.file, reader.days = table.label, DayReader(partial(_date_cells, table))
    found = _NewestEvents()
    untold: set[int] = set()
    lines = of_others = 0
    subjects, statements_of = _Subjects(rows, is_of_one=table.is_of_one), _StatementsOf(reader)
    with converting_zip_errors(table.label), table.open() as file:
        for reader.line, (id_text, type_name, message, person, at_text) in _lines(Sheet(file, table.label)):
            lines += 1
            subject, problem = subjects[id_text, type_name]
            if subject is None:
                of_others += 1
                untold.add(GONE)
                continue
            at = _time_of_line(message, at_text, reader)
            if not at:
                untold.update(_story_of(subject))
                continue
            if problem:
                reader.warn("ID", problem)
            statement = statements_of[person, subject[1]][message]
            if statement[2] is None:
                reader.warn("Message", f"{shown(message)} is not understood; the line is kept as it is")
            if subject.row_id is None:
                untold.update(_story_of(subject, statement.deed))
            if found.add((subject, statement, at)):
                # What they remember of lines that are left out would take more memory than the lines.
                subjects.clear()
                statements_of.clear()
    reader.warn_of_ambiguous_days()
    events = found.oldest_first()
    if found.left_out:
        reader.line = 0
        reader.warn("", f"more than {MOST_LINES:,} lines; the {found.left_out:,} oldest are left out")
    return History(events, lines, of_others, frozenset(untold))


class _NewestEvents:
    """Of the events that are added, the newest MOST_LINES. Of those of one second, the order of all tells the newer."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self.left_out = 0

    def add(self, event: Event) -> bool:
        """Returns True where it left out older events."""
        self._events.append(event)
        if len(self._events) < MOST_LINES + SPARE_LINES:
            return False
        self._leave_out()
        return True

    def oldest_first(self) -> list[Event]:
        self._leave_out()
        if self._have_the_newest_first():
            self._events.reverse()
        return sorted(self._events, key=time_of)

    def _leave_out(self) -> None:
        many = len(self._events) - MOST_LINES
        if many <= 0:
            return
        times = list(map(time_of, self._events))
        places = range(len(times))
        oldest_first = sorted(places[::-1] if self._have_the_newest_first() else places, key=times.__getitem__)
        oldest = set(oldest_first[:many])
        self._events = [event for place, event in enumerate(self._events) if place not in oldest]
        self.left_out += many

    def _have_the_newest_first(self) -> bool:
        times = list(map(time_of, self._events))
        return bool(sum(map(gt, times, times[1:])) > sum(map(lt, times, times[1:])))


def _story_of(subject: Subject, deed: Deed | None = None) -> Iterator[int]:
    """The story that a line is about, if it may be about one and not just about a part of it."""
    if subject.thing in MAY_BE_STORIES and (deed is None or deed.kind.startswith("story_")):
        yield UNKNOWN if subject.row_id is None else subject.row_id


def merged(newest_first: Iterable[list[Event]]) -> list[Event]:
    """The events of several histories of one project, each as often as in the one that has it most often."""
    several = list(newest_first)
    if len(several) == 1:
        return several[0]
    together: list[Event] = []
    times: Counter[Content] = Counter()
    for events in several:
        own: Counter[Content] = Counter()
        for event in events:
            content = content_of(event)
            own[content] += 1
            if own[content] > times[content]:
                together.append(event)
        times |= own
    return sorted(together, key=time_of)


_COLUMNS = ("id", "type", "message", "performed by", "occurred at")


def _lines(sheet: Sheet) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The cells of each line that has any, in the order of _COLUMNS, and its number."""
    places, width = _places(sheet.header)
    cells_of = itemgetter(*places)
    for line, cells in sheet.rows():
        if cells is None:
            places, width = _places(sheet.header)
            cells_of = itemgetter(*places)
            continue
        if len(cells) >= width:
            texts = cells_of(cells)
        else:
            texts = tuple(cells[place] if -1 < place < len(cells) else "" for place in places)
        if not (texts[0].isdigit() or any(map(str.strip, cells))):
            continue
        if sheet.records.may_be_unstorable:
            texts = tuple(UNSTORABLE.sub("", text) for text in texts)
        yield line, texts


def _places(header: Cells) -> tuple[list[int], int]:
    """Where the columns are, -1 for one that is missing, and how many cells a line has that has them all."""
    names = [name.strip().strip("\ufeff").lower() for name in header]
    places = [names.index(name) if name in names else -1 for name in _COLUMNS]
    return places, maxsize if -1 in places else max(places) + 1


class _Subjects(dict[tuple[str, str], tuple[Subject | None, str]]):
    """What lines are about, by their ID and Type, and a problem with these, empty without one.

    There is no subject where the line is about another project. Most lines are about what an earlier one is about.
    """

    def __init__(self, rows: RowIds, *, is_of_one: bool) -> None:
        super().__init__()
        self._rows = rows
        self._is_of_one = is_of_one

    def __missing__(self, key: tuple[str, str]) -> tuple[Subject | None, str]:
        self[key] = found = self._read(*key)
        return found

    def _read(self, id_text: str, type_name: str) -> tuple[Subject | None, str]:
        row_id = parse_id(id_text.strip().lstrip("#"))
        if not (self._is_of_one or self._rows.have(row_id)):
            return None, ""
        thing, name = self._rows.thing(row_id, type_name), type_name.strip().lower()
        problem = ""
        if row_id is None and id_text.strip():
            problem = f"{shown(id_text)} is not a number; the line is kept without what it was done to"
        elif not thing:
            problem = f"{shown(id_text)} has no row, and Type does not say what it is; the line is kept"
        return Subject(row_id, thing, intern(name) if thing == "story" and name in TYPES_OF_STORIES else ""), problem


class _StatementsOf(dict[tuple[str, str], "_Statements"]):
    """What lines say, by the person and the kind of thing that they are about."""

    def __init__(self, reader: CellReader) -> None:
        super().__init__()
        self._reader = reader

    def __missing__(self, key: tuple[str, str]) -> _Statements:
        person, thing = key
        self._reader.person_id(person)
        self[key] = found = _Statements(intern(unescape_formula(person.strip())), thing)
        return found


class _Statements(dict[str, Statement]):
    """What the messages about one kind of thing and by one person say. Most are as an earlier one is."""

    def __init__(self, person: str, thing: str) -> None:
        super().__init__()
        self._person = person
        self._thing = thing

    def __missing__(self, cell: str) -> Statement:
        message = unescape_formula(cell.strip())
        deed = deed_of(without_person(message, self._person), self._thing)
        self[cell] = found = Statement(message, self._person, deed)
        return found


def _time_of_line(message: str, at_text: str, reader: CellReader) -> str | None:
    """When something was done; None for a line that is left out."""
    if not message or message.isspace():
        reader.warn("Message", "empty; the line is left out")
        return None
    return at_text if is_certain(at_text) else iso_time(at_text) or _time(at_text, reader)


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
    with converting_zip_errors(table.label), table.open() as file:
        for _, line in _lines(Sheet(file, table.label)):
            yield DateCells(split_time(line[-1])[0], "", "", "", "", "")
