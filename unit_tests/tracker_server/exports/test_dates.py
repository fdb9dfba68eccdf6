"""DayReader as spreadsheets write them: one form a file, found out from all its cells, and never guessed."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker_server.exports.dates import DateCells, DayReader
from unit_tests.tracker_server.exports.exported import Served, modern, served


def days(*rows: DateCells) -> DayReader:
    return DayReader(lambda: rows)


def dated(created: str = "", accepted: str = "", start: str = "", end: str = "", iteration: str = "") -> DateCells:
    return DateCells(created, accepted, "", start, end, iteration)


@pytest.mark.parametrize(
    "text",
    [
        "Nov 5, 2023", "November 5, 2023", "Nov 5 2023", "nov 05, 2023", "5-Nov-23", "05-Nov-2023", "5 Nov 2023",
        "5. November 2023", "2023-11-05", "2023/11/05", "2023.11.5", "2023-11-05T00:00:00Z", "2023-11-05 14:30:00 UTC",
        "2023/11/05 2:30 PM", "5.11.2023", "05.11.2023 00:00", "Nov 5, 2023 12:00 AM", " 2023-11-05 ", "Nov 5; 2023",
    ],
)  # fmt: skip
def test_a_day_that_can_be_read_in_one_way_is_read_wherever_it_stands(text: str) -> None:
    assert days().read(text) == "2023-11-05T00:00:00Z"


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "45235", "2023-13-05", "2023-02-30", "31.4.2023", "Mov 5, 2023", "5/2023", "1/2/3/4", "11-5",
        "99/99/2023", "1023-11-05", "M 5, 2023", "5 2023 Nov", "2023-11",
    ],
)  # fmt: skip
def test_what_is_no_day_is_none(text: str) -> None:
    reader = days(dated(text))
    assert (reader.read(text), reader.ambiguous_count) == (None, 0)


TELLING = {
    "a part beyond 12": (dated("11/05/2023", "11/22/2023"), "11/05/2023"),
    "a part beyond 12, day first": (dated("05/11/2023", "22/11/2023"), "05/11/2023"),
    "an iteration of a week": (dated("11/05/2023", start="11/06/2023", end="11/12/2023"), "11/05/2023"),
    "an iteration of a week, day first": (dated("05/11/2023", start="06/11/2023", end="12/11/2023"), "05/11/2023"),
    "two digits for the year": (dated("11/05/23", "11/22/23"), "11/05/23"),
    "two digits for the year, day first": (dated("5/11/23", "22/11/23"), "5/11/23"),
    "with hyphens": (dated("11-05-2023", "11-22-2023"), "11-05-2023"),
    "with times": (dated("11/05/2023 0:00", "11/22/2023 0:00"), "11/05/2023 0:00"),
    "one month in both": (dated("11/11/2023"), None),
}


@pytest.mark.parametrize("name", TELLING)
def test_the_cells_of_a_file_together_tell_the_order_of_the_numbers(name: str) -> None:
    row, text = TELLING[name]
    expected = "2023-11-11T00:00:00Z" if text is None else "2023-11-05T00:00:00Z"
    assert days(row).read(text or row.created) == expected


@pytest.mark.parametrize(("number", "expected"), [(3, "2023-11-05T00:00:00Z"), (2, None)])
def test_several_stories_that_would_be_accepted_before_they_were_created_tell_the_order(
    number: int, expected: str | None
) -> None:
    assert days(*[dated("11/05/2023", "12/03/2023")] * number).read("11/05/2023") == expected


def test_iterations_that_follow_each_other_tell_the_order() -> None:
    rows = [dated(start="11/06/2023", iteration="4"), dated(start="12/04/2023", iteration="5")]
    assert days(*rows).read("11/06/2023") == "2023-11-06T00:00:00Z"


@pytest.mark.parametrize(
    "rows",
    [
        [dated("11/05/2023")],
        [dated("11/05/2023", "11/09/2023")],
        [dated("11/22/2023"), dated("22/11/2023")],
    ],
    ids=["one", "as good in both", "both orders in one file"],
)
def test_what_could_be_two_days_is_none_and_counted(rows: list[DateCells]) -> None:
    reader = days(*rows)
    assert [reader.read("11/05/2023"), reader.read("05/11/2023")] == [None, None]
    assert (reader.ambiguous_count, reader.first_ambiguous) == (2, "11/05/2023")


@given(
    st.lists(st.dates(date(2008, 1, 1), date(2025, 4, 30)), min_size=1, max_size=20),
    st.sampled_from(["%m/%d/%Y", "%d/%m/%Y"]),
)
def test_a_day_that_is_read_is_the_one_that_was_written(written: list[date], form: str) -> None:
    cells = [day.strftime(form) for day in written]
    reader = days(*map(dated, cells))
    for day, cell in zip(written, cells, strict=True):
        assert reader.read(cell) in (None, f"{day.isoformat()}T00:00:00Z")


SPREADSHEET = {
    "Created at": "11/05/2023", "Accepted at": "11/09/2023", "Current State": "accepted", "Iteration": "4",
    "Iteration Start": "11/06/2023", "Iteration End": "11/12/2023", "Comment": "hi (Ann Lee - Nov 9, 2023)",
}  # fmt: skip


def starts(exported: Served) -> dict[int, str | None]:
    return {row["number"]: (row.get("start") or "")[:10] or None for row in exported.get("{p}/iterations")}


def test_the_days_of_a_spreadsheet_are_those_of_the_story_and_of_its_iteration() -> None:
    exported = served(modern(SPREADSHEET))
    story = exported.story()
    assert (story["created_at"], story["accepted_at"]) == ("2023-11-05T00:00:00Z", "2023-11-09T00:00:00Z")
    assert (starts(exported)[4], exported.findings) == ("2023-11-06", [])


def test_where_days_could_be_two_they_and_those_of_iterations_are_left_out_with_one_line() -> None:
    ambiguous = {**SPREADSHEET, "Iteration Start": "11/06/2023", "Iteration End": ""}
    exported = served(modern(*[ambiguous] * 3), "a.csv")
    assert all("created_at" not in story for story in exported.stories())
    rows = exported.get("{p}/iterations", fields=":default,story_ids")
    assert {key for row in rows for key in row} & {"start", "finish", "length"} == set()
    assert [row["story_ids"] for row in rows if row["number"] == 4] == [[1000, 1001, 1002]]
    assert exported.findings == [
        "a.csv: '11/05/2023' and 8 more cells could be two days, and no cell of the file shows which; left out"
    ]
