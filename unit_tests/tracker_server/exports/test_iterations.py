"""When iterations began, from the days that some rows tell."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker_server.exports.iterations import CLOSED, Span, calendar, estimated_export_time


def day(number: int, month: int = 1) -> str:
    return f"2024-{month:02}-{number:02}T00:00:00Z"


def week(first: int) -> Span:
    return day(first), day(first + 6)


def days(spans: dict[int, Span], oldest: str = "") -> list[str]:
    """When the iterations begin, in January."""
    warnings: list[str] = []
    begin = [f"{day:%m-%d}" for day in calendar(spans, oldest, warnings.append).first_days]
    return begin + warnings


@pytest.mark.parametrize(
    ("spans", "begin"),
    [
        ({1: week(1), 2: week(8)}, ["01-01", "01-08", "01-15"]),
        ({3: week(15)}, ["01-01", "01-08", "01-15", "01-22"]),
        ({1: week(1), 4: week(22)}, ["01-01", "01-08", "01-15", "01-22", "01-29"]),
        ({1: week(1), 2: (day(8), day(21)), 3: week(22)}, ["01-01", "01-08", "01-22", "01-29"]),
        ({1: week(1), 3: (day(22), day(28))}, ["01-01", "01-08", "01-22", "01-29"]),
        ({1: (day(1), ""), 2: (day(8), "")}, ["01-01", "01-08"]),
        ({1: (day(1), day(14)), 2: (day(15), day(28))}, ["01-01", "01-15", "01-29"]),
    ],
    ids=[
        "in the rows",
        "before",
        "between",
        "a longer one",
        "a longer one that is empty",
        "without ends",
        "of two weeks",
    ],
)
def test_iterations_begin_when_rows_tell_and_between_those_regularly(spans: dict[int, Span], begin: list[str]) -> None:
    assert days(spans) == begin


def test_iterations_that_contradict_those_before_are_left_out() -> None:
    assert days({1: week(8), 2: (day(1), ""), 3: week(22)}) == [
        "01-08", "01-15", "01-22", "01-29",
        "iteration 2 does not begin after iteration 1; its days are left out",
    ]  # fmt: skip


def test_without_any_there_are_weeks_from_the_monday_before_the_first_day() -> None:
    found = calendar({}, day(10), lambda _: None)
    assert (found.first_days, found.weeks) == ([date(2024, 1, 8)], 1)


def test_an_iteration_after_those_in_the_rows_has_the_common_length() -> None:
    found = calendar({1: (day(1), day(14)), 2: (day(15), day(28))}, "", lambda _: None)
    assert [found.first_day(number) for number in (3, 4, 5)] == [
        date(2024, 1, 29),
        date(2024, 2, 12),
        date(2024, 2, 26),
    ]
    assert found.week_start_day == "Monday"


@given(st.dictionaries(st.integers(1, 60), st.tuples(st.dates(date(2010, 1, 1), date(2030, 1, 1)), st.integers(0, 30))))
def test_whatever_rows_tell_each_iteration_begins_after_the_one_before(rows: dict[int, tuple[date, int]]) -> None:
    spans = {
        number: (f"{first}T00:00:00Z", f"{date.fromordinal(first.toordinal() + length)}T00:00:00Z")
        for number, (first, length) in rows.items()
    }
    found = calendar(spans, "", lambda _: None).first_days
    assert all(before < after for before, after in pairwise(found))


NOON = datetime(2024, 1, 10, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("last_day", "reached", "not_beyond", "moment"),
    [
        (NOON, 0, 0, NOON),
        (NOON, 2, 2, NOON),
        (NOON, 3, 3, datetime(2024, 1, 15, tzinfo=UTC)),
        (NOON, 0, 1, datetime(2024, 1, 7, 23, 59, 59, tzinfo=UTC)),
        (NOON, 1, 3, NOON),
        (NOON, 3, 1, datetime(2024, 1, 15, tzinfo=UTC)),
        (None, 0, 0, CLOSED),
    ],
)
def test_an_export_was_made_in_the_iteration_in_which_something_is_in_work(
    last_day: datetime | None, reached: int, not_beyond: int, moment: datetime
) -> None:
    iterations = calendar({1: week(1), 2: week(8), 3: week(15)}, "", lambda _: None)
    assert estimated_export_time(last_day, reached, not_beyond, iterations) == moment
