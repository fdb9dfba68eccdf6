"""Reads single cells of a table: values, names and their ids. Reports cells that make no sense."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from tracker_server.exports.cells import parse_day, parse_points, parse_signature, unescape_formula
from tracker_server.exports.dates import DayReader
from tracker_server.exports.errors import ExportError, Finding, Report, shown
from tracker_server.exports.ids import hashed_id
from tracker_server.exports.part_rows import Signature

PRIORITIES = {priority: priority for priority in ("p0", "p1", "p2", "p3", "none")}

MOST_NAMES = 50_000
"""Of people, of labels, of review types, each."""

Value = TypeVar("Value")


@dataclass
class CellReader:
    """Reads cells of the exports of one project.

    `report` receives each cell that makes no sense, with the `file` and `line` that are being read; the cell then
    counts as empty. `days` reads those days of the file that are not written as Tracker did. `labels`, `people` and
    `review_types` are the ids of the names that came.
    """

    project_id: int
    report: Report
    labels: dict[str, int] = field(default_factory=dict)
    people: dict[str, int] = field(default_factory=dict)
    review_types: dict[str, int] = field(default_factory=dict)
    file: str = ""
    line: int = 0
    days: DayReader = field(default_factory=lambda: DayReader(tuple))
    _signatures: dict[str, Signature] = field(default_factory=dict)
    _priorities: dict[str, str] = field(default_factory=dict)

    def warn(self, column: str, reason: str) -> None:
        """Report something about the row, or about one cell of it."""
        self.report(Finding(self.file, self.line, column, reason))

    def warn_left_out(self, column: str, text: str, why: str) -> None:
        """Report a cell that is left out."""
        self.warn(column, f"{shown(text)} is {why}; left out")

    def one_of(self, known: Mapping[str, Value], text: str, column: str) -> Value | None:
        """The value of a cell in `known`, in upper or lower case; None if it is not there."""
        if text in known:
            return known[text]
        text = text.strip()
        value = known.get(text.lower())
        if value is None and text:
            self.warn_left_out(column, text, f"none of {', '.join(filter(None, known))}")
        return value

    def day(self, text: str, column: str) -> str | None:
        """A date in ISO 8601."""
        if not text:
            return None
        found = parse_day(text)
        if found is None and text.strip():
            ambiguous = self.days.ambiguous_count
            found = self.days.read(text)
            if found is None and self.days.ambiguous_count == ambiguous:
                self.warn_left_out(column, text, "not a date like Nov 22, 2014")
        return found

    def warn_of_ambiguous_days(self) -> None:
        """Report those cells of the file that could be two days."""
        if self.days.ambiguous_count:
            self.line = 0
            more = f" and {self.days.ambiguous_count - 1:,} more cells" if self.days.ambiguous_count > 1 else ""
            reason = f"{shown(self.days.first_ambiguous)}{more} could be two days, and no cell of the file shows which"
            self.warn("", f"{reason}; left out")

    def points(self, text: str) -> float | None:
        """An estimate."""
        if not text:
            return None
        try:
            return parse_points(text)
        except ValueError:
            if text.strip():
                self.warn_left_out("Estimate", text, "not a number of points")
            return None

    def priority(self, text: str) -> str | None:
        """`p1` of `p1 - High`."""
        if not text:
            return None
        return self._priorities.get(text) or self._priority(text)

    def _priority(self, text: str) -> str | None:
        found = self.one_of(PRIORITIES, text.partition(" ")[0], "Priority")
        if found and len(self._priorities) < MOST_NAMES:
            self._priorities[text] = found
        return found

    def signature(self, cell: str) -> Signature | None:
        """The signature of a comment; None without one."""
        # What begins with the last parenthesis decides, whatever the text before it is.
        end = cell[cell.rfind("(") :]
        found = self._signatures.get(end)
        if found or not (parsed := parse_signature(cell)):
            return found
        found = self.person_id(parsed[1]), parsed[2]
        if end[0] == "(" and end.find(")") == len(end) - 1:
            self._signatures[end] = found
        return found

    def label_ids(self, text: str) -> list[int]:
        """The ids of labels with commas between them."""
        if not text:
            return []
        if known := self.labels.get(text):
            return [known]
        names = dict.fromkeys(filter(None, map(str.strip, unescape_formula(text).split(","))))
        return [self._named(self.labels, "label", name, self.project_id) for name in names]

    def review_type_id(self, text: str) -> int | None:
        name = unescape_formula(text.strip())
        return self._named(self.review_types, "review_type", name, self.project_id) if name else None

    def person_id(self, text: str) -> int | None:
        found = self.people.get(text)
        if found is None and (name := unescape_formula(text.strip())):
            return self._named(self.people, "person", name)
        return found

    def people_ids(self, cells: Sequence[str]) -> list[int]:
        """The ids of the people in cells of which some are empty."""
        people = self.people
        names = [cell for cell in cells if cell]
        ids = [found for name in names if (found := people.get(name) or self.person_id(name))]
        return ids if len(ids) < 2 else list(dict.fromkeys(ids))

    def _named(self, ids: dict[str, int], kind: str, name: str, *within: int) -> int:
        found = ids.get(name)
        if found is None:
            if len(ids) == MOST_NAMES:
                problem = f"{self.file} has more than {MOST_NAMES:,} names of one kind"
                raise ExportError(f"{problem}, so it is not a Tracker export.")
            found = ids[name] = hashed_id(kind, *within, name)
        return found
