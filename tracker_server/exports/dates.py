"""The days of a file that a spreadsheet has saved in the form of its country.

Tracker wrote `Nov 22, 2014`. A form that names the month or begins with the year has one meaning only. For
`11/12/2014`, all cells of a file together have to show which number is the month. Three things show it: a number above
12, iterations, which take whole weeks and follow each other, and stories, which are not accepted before they are
created. If all of that leaves it open, the cells that could be two days are left out: a guess would be wrong in half of
such files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import NamedTuple

from tracker_server.exports.cells import iso_day, parse_day

ORDERS = {"month, day, year": (2, 0, 1), "day, month, year": (2, 1, 0), "year, month, day": (0, 1, 2)}
"""Where year, month and day stand among three numbers."""
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
CENTURY = 2000
"""Of years with two digits: Tracker began in 2006."""
WEEK = 7
LEAST_IN_STORIES = 3
"""Stories that have to contradict an order, because imported ones may be accepted before they were created."""

_TIME = r"(?:[ T,]+[0-9]{1,2}:[0-9]{2}[^,;]{0,20})?"
_NAMED = (
    re.compile(rf"(?P<month>[A-Za-z]{{3,9}})[.]? (?P<day>[0-9]{{1,2}})[,;]? (?P<year>[0-9]{{4}}){_TIME}"),
    re.compile(
        rf"(?P<day>[0-9]{{1,2}})[.]?[ -](?P<month>[A-Za-z]{{3,9}})[.]?,?[ -](?P<year>[0-9]{{4}}|[0-9]{{2}}){_TIME}"
    ),
)
_NUMBERS = re.compile(rf"([0-9]{{1,4}})([-/.]) ?([0-9]{{1,2}})\2 ?([0-9]{{1,4}})[.]?{_TIME}")


class DateCells(NamedTuple):
    """The cells of a row that should contain days, as in the file, and the number of its iteration."""

    created: str
    accepted: str
    deadline: str
    start: str
    end: str
    iteration: str


class DayReader:
    """Reads the days of one file. `rows` returns all of its rows; it is called once, for the first ambiguous cell.

    `ambiguous_count` is how many cells that could be two days, as many as were read, and the first of them.
    """

    def __init__(self, rows: Callable[[], Iterable[DateCells]]) -> None:
        self._rows = rows
        self.ambiguous_count = 0
        self.first_ambiguous = ""

    def read(self, text: str) -> str | None:
        """The day in ISO 8601; None if the text is no day, or could be two."""
        text = text.strip()
        found = parse_day(text) or _unambiguous_day(text)
        if found or not _NUMBERS.fullmatch(text):
            return found
        readings = {reading for order in self.orders if (reading := _in_order(text, order))}
        if len(readings) == 1:
            return readings.pop()
        if readings:
            self.ambiguous_count += 1
            self.first_ambiguous = self.first_ambiguous or text
        return None

    @cached_property
    def orders(self) -> Sequence[str]:
        """The orders of year, month and day that are possible in this file, by all of its cells."""
        rows = [row for row in self._rows() if any(map(_NUMBERS.fullmatch, row[:5]))]
        cells = {cell.strip() for row in rows for cell in row[:5]}
        open_cells = [cell for cell in cells if not (parse_day(cell) or _unambiguous_day(cell))]
        days = [cell for cell in open_cells if any(_in_order(cell, order) for order in ORDERS)]
        orders = [order for order in ORDERS if all(_in_order(cell, order) for cell in days)] or list(ORDERS)
        for contradictions, least in ((_in_iterations, 1), (_in_stories, LEAST_IN_STORIES)):
            if len(orders) > 1:
                numbers = {order: contradictions(rows, order) for order in orders}
                if 0 in numbers.values():
                    orders = [order for order in orders if numbers[order] < least]
        return orders


def latest_day() -> str:
    """Tomorrow, in ISO 8601: no export was made later, whatever its cells say. The time zone of a cell is not known."""
    return f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%dT00:00:00Z}"


def _unambiguous_day(text: str) -> str | None:
    """The day of a text that can be only one: it names the month, begins with the year, or has points between."""
    for form in _NAMED:
        if found := form.fullmatch(text):
            name = found["month"].lower().replace("sept", "sep") if len(found["month"]) == 4 else found["month"].lower()
            month = next((number for number, month_name in enumerate(MONTHS, 1) if month_name.startswith(name)), 0)
            return iso_day(_year(found["year"]), month, int(found["day"]))
    found = _NUMBERS.fullmatch(text)
    if found and len(found[1]) == 4:
        return _in_order(text, "year, month, day")
    if found and found[2] == "." and len(found[4]) == 4:
        return _in_order(text, "day, month, year")
    return None


@lru_cache(maxsize=65_536)
def _in_order(text: str, order: str) -> str | None:
    """The day of three numbers in this order; None where they are none."""
    found = _NUMBERS.fullmatch(text)
    if not found:
        return None
    parts = (found[1], found[3], found[4])
    year, month, number = (parts[place] for place in ORDERS[order])
    if len(year) not in (2, 4) or len(month) > 2 or len(number) > 2:
        return None
    return iso_day(_year(year), int(month), int(number))


def _year(text: str) -> int:
    return int(text) + (CENTURY if len(text) == 2 else 0)


def _in_iterations(rows: Iterable[DateCells], order: str) -> int:
    """How many iterations would not take whole weeks, or not follow each other."""
    starts: dict[int, date] = {}
    wrong = 0
    for row in rows:
        start, end = (_date(cell, order) for cell in (row.start, row.end))
        wrong += bool(start and end and (end < start or ((end - start).days + 1) % WEEK))
        if start and re.fullmatch("[0-9]{1,5}", row.iteration.strip()):
            starts[int(row.iteration)] = start
    return wrong + sum(before >= after for (_, before), (_, after) in pairwise(sorted(starts.items())))


def _in_stories(rows: Iterable[DateCells], order: str) -> int:
    """How many stories would have been accepted before they were created."""
    days = ((_date(row.created, order), _date(row.accepted, order)) for row in rows)
    return sum(bool(created and accepted and accepted < created) for created, accepted in days)


def _date(cell: str, order: str) -> date | None:
    cell = cell.strip()
    found = parse_day(cell) or _unambiguous_day(cell) or _in_order(cell, order)
    return date.fromisoformat(found[:10]) if found else None
