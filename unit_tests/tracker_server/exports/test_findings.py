"""Nothing that is not understood goes without a line that names file, line, column and reason."""

from __future__ import annotations

from typing import Any

import pytest

from tracker_server.exports import ExportError
from tracker_server.exports.exports_world import MOST_FINDINGS
from unit_tests.tracker_server.exports.exported import MODERN, NAME, modern, packed, served

STATES = "accepted, delivered, finished, started, rejected, planned, unstarted, unscheduled"


@pytest.mark.parametrize(
    ("cells", "finding", "attribute"),
    [
        ({"Type": "spike"}, "Type: 'spike' is none of feature, bug, chore, release, epic", ("story_type", "feature")),
        ({"Current State": "done"}, f"Current State: 'done' is none of {STATES}", ("current_state", "unscheduled")),
        ({"Estimate": "XL"}, "Estimate: 'XL' is not a number of points", ("estimate", None)),
        ({"Estimate": "-3"}, "Estimate: '-3' is not a number of points", ("estimate", None)),
        ({"Priority": "high"}, "Priority: 'high' is none of p0, p1, p2, p3, none", ("story_priority", None)),
        ({"Created at": "1/2/3/14"}, "Created at: '1/2/3/14' is not a date like Nov 22, 2014", ("created_at", None)),
        ({"Accepted at": "now"}, "Accepted at: 'now' is not a date like Nov 22, 2014", ("accepted_at", None)),
        ({"Deadline": "soon"}, "Deadline: 'soon' is not a date like Nov 22, 2014", ("deadline", None)),
        ({"Iteration": "0"}, "Iteration: '0' is not the number of an iteration", ("id", 1000)),
        ({"Iteration": "99999"}, "Iteration: '99999' is not the number of an iteration", ("id", 1000)),
        ({"Iteration": "one"}, "Iteration: 'one' is not the number of an iteration", ("id", 1000)),
        (
            {"Iteration Start": "Nov 3, 2014"},
            "Iteration Start: 'Nov 3, 2014 – ' is of an iteration without a number",
            ("id", 1000),
        ),
        (
            {"Iteration": "1", "Iteration Start": "?"},
            "Iteration Start: '?' is not a date like Nov 22, 2014",
            ("id", 1000),
        ),
        ({"Task": "a", "Task Status": "half"}, "Task Status: 'half' is none of completed, not completed", ("id", 1000)),
        ({"Blocker": "a", "Blocker Status": "?"}, "Blocker Status: '?' is none of resolved, blocked", ("id", 1000)),
        (
            {"Review Type": "Code", "Review Status": "done"},
            "Review Status: 'done' is none of unstarted, in_review, pass, revise",
            ("id", 1000),
        ),
    ],
)
def test_a_cell_that_makes_no_sense_counts_as_empty_and_is_reported(
    cells: dict[str, str], finding: str, attribute: tuple[str, Any]
) -> None:
    exported = served(modern({}, {**cells, "Id": "1000", "Title": "Odd"}).replace(b"1000,Story 0", b"7,Story 0"))
    odd = next(story for story in exported.stories() if story["name"] == "Odd")
    assert odd.get(attribute[0]) == attribute[1]
    assert exported.findings == [f"{NAME}, line 3, {finding}; left out"]


@pytest.mark.parametrize(
    ("cells", "finding"),
    [
        ({"Title": ""}, "Title: there is none"),
        ({"Id": "7.5"}, "Id: '7.5' is not the number of a story; its URL or else its content gives one"),
        ({"Id": ""}, "Id: missing; a number is made up"),
        (
            {"Comment": "no signature"},
            "Comment: 'no signature' does not end in (Author - Nov 22, 2014); author and day are left out",
        ),
        ({"Task Status": "completed"}, "Task Status: there is no Task to it; it counts as one without a text"),
        ({"Blocker Status": "blocked"}, "Blocker Status: there is no Blocker to it; it counts as one without a text"),
        (
            {"Type": "epic", "Labels": "a, b"},
            "Labels: 'a, b' is more than the one label of an epic; the others are left out",
        ),
        ({"Type": "epic", "Estimate": "3"}, "Estimate: '3' is not something that an epic has; left out"),
        (
            {"Type": "epic", "Current State": "started"},
            "Current State: 'started' is not something that an epic has; left out",
        ),
        ({"Type": "epic", "Owned By": "Ann"}, "Owned By: 'Ann' is not something that an epic has here; left out"),
        (
            {"Type": "epic", "Task": "a", "Task Status": "completed"},
            "Task: 'a, completed' is not something that an epic has here; left out",
        ),
    ],
)
def test_a_row_that_is_odd_is_kept_and_told_of(cells: dict[str, str], finding: str) -> None:
    exported = served(modern(cells))
    assert len(exported.stories()) + len(exported.get("{p}/epics")) == 1
    assert exported.findings == [f"{NAME}, line 2, {finding}"]


def test_an_epic_may_say_that_it_has_no_estimate_and_no_priority() -> None:
    assert served(modern({"Type": "epic", "Estimate": "-1", "Priority": "none"})).findings == []


def test_a_long_cell_is_quoted_on_one_line_and_not_in_full() -> None:
    (finding,) = served(modern({"Estimate": "1\n" * 100})).findings
    quoted = r"1\n" * 30
    assert finding == f"{NAME}, line 2, Estimate: '{quoted}…' is not a number of points; left out"


def test_lines_are_counted_as_the_file_has_them() -> None:
    content = modern({"Description": "one\ntwo\n\nfour"}, {"Estimate": "x"}).replace(b"\n1001", b"\n\n1001")
    (finding,) = served(content).findings
    lines = content.splitlines()
    assert lines[7 - 1].startswith(b"1001,")
    assert finding.startswith(f"{NAME}, line 7, Estimate: ")


def test_a_column_that_is_not_trackers_is_reported_with_the_number_of_its_cells() -> None:
    content = b"Id,Title,Mood,\n1,A,good,\n2,B,,x\n3,C\n"
    assert served(content).findings == [
        f"{NAME}, line 1, Mood: not a column of Tracker; 1 cells are left out",
        f"{NAME}, line 1, column 4: not a column of Tracker; 1 cells are left out",
    ]


def test_the_second_column_of_a_name_that_does_not_repeat_is_reported() -> None:
    exported = served(b"Id,Title,Title\n1,A,B\n")
    assert exported.story()["name"] == "A"
    assert exported.findings == [f"{NAME}, line 1, Title: not a column of Tracker; 1 cells are left out"]


def test_cells_beyond_the_last_column_are_reported() -> None:
    exported = served(b"Id,Title\n1,A,,\n2,B,x\n")
    assert exported.findings == [f"{NAME}, line 3: 1 cells are beyond the last column; left out"]


def test_a_row_with_the_id_of_an_earlier_one_is_left_out_and_told_of() -> None:
    exported = served(modern({"Id": "7"}, {"Id": "7", "Type": "epic"}, {"Id": "7", "Title": "Again"}))
    assert [story["name"] for story in exported.stories()] == ["Story 0"]
    assert exported.findings == [f"{NAME}, line 4, Id: 7 occurs earlier in this export; this row is left out"]


def test_a_csv_of_a_zip_whose_rows_are_in_another_one_is_reported() -> None:
    exported = served(packed({"p.csv": modern({}), "p_2.csv": modern({}, {"Id": "5"})}), "p.zip")
    assert len(exported.stories()) == 2
    assert exported.findings == ["p.zip/p.csv: not served: p.zip/p_2.csv is an equally new export of 'p'"]


def test_days_of_an_iteration_that_differ_between_rows_are_reported() -> None:
    first = {"Iteration": "1", "Iteration Start": "Nov 3, 2014", "Iteration End": "Nov 9, 2014"}
    exported = served(modern(first, {**first, "Iteration End": "Nov 16, 2014"}))
    assert exported.get("{p}/iterations")[0]["finish"] == "2014-11-10T00:00:00Z"
    assert exported.findings == [
        f"{NAME}, line 3, Iteration Start: an earlier row gives iteration 1 other days; these are left out"
    ]


def test_iterations_in_a_wrong_order_are_reported() -> None:
    first = {"Iteration": "1", "Iteration Start": "Nov 3, 2014"}
    exported = served(modern(first, {**first, "Iteration": "2"}))
    assert exported.findings == [
        f"{NAME}, Iteration Start: iteration 2 does not begin after iteration 1; its days are left out"
    ]


def test_a_report_counts_all_findings_and_keeps_the_first_thousand() -> None:
    rows = b"".join(b"%d,A,x\n" % number for number in range(1, 1_501))
    report = served(b"Id,Title,Estimate\n" + rows).report
    assert (report.finding_count, len(report.findings)) == (1_500, MOST_FINDINGS)


def test_statuses_and_states_may_be_written_in_another_case() -> None:
    cells = {"Type": "Bug", "Current State": "Unstarted", "Task": "a", "Task Status": "Completed"}
    review = {"Review Type": "Code", "Review Status": "In Review", "Priority": "P1 - High"}
    exported = served(modern({**cells, **review}))
    story = exported.story(":default,tasks,reviews")
    assert (story["story_type"], story["current_state"], story["story_priority"]) == ("bug", "unstarted", "p1")
    assert (story["tasks"][0]["complete"], story["reviews"][0]["status"]) == (True, "in_review")
    assert exported.findings == []


def test_names_of_columns_may_be_written_in_another_case_and_with_spaces() -> None:
    exported = served(MODERN.upper().replace(",", " , ").encode() + b"\n1,A\n")
    assert (exported.story()["name"], exported.findings) == ("A", [])


UNSTORABLE = ("\0", "\ufffe", "\uffff", "\ufdd0", "\U0001fffe", "\U0010ffff")


@pytest.mark.parametrize("character", UNSTORABLE, ids=ascii)
def test_a_character_that_a_warehouse_refuses_is_left_out_of_the_text_and_told_of(character: str) -> None:
    cells = {"Description": f"pasted {character}from{character} a log", "Owned By": f"An{character}n", "Task": "fine"}
    exported = served(modern({}, cells, {"Title": "Größe 😀 \ufffd\ufffc"}))
    story = exported.stories(":default,tasks,owners")[1]
    assert (story["description"], story["owners"][0]["name"]) == ("pasted from a log", "Ann")
    assert exported.stories()[2]["name"] == "Größe 😀 \ufffd\ufffc"
    one = "a character that databases refuse (such as U+0000) is left out"
    assert exported.findings == [
        f"{NAME}, line 3, Description: 2 times {one}", f"{NAME}, line 3, Owned By: {one}",
    ]  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_its_mark_is_called_so(encoding: str) -> None:
    with pytest.raises(ExportError, match=r"is in UTF-16; save the file as CSV in UTF-8\."):
        served(modern({}).decode().encode(encoding))


NO_STORY = "not a story, because it has neither a title nor a number; left out"
NO_STORIES = {
    "a conflict of git": ("<<<<<<< HEAD\n", f"'<<<<<<< HEAD': {NO_STORY}"),
    "its other marks": ("=======\n", f"'=======': {NO_STORY}"),
    "a sum": ("Sum,,,,,,,12\n", f"'Sum' and 1 more cells: {NO_STORY}"),
    "the header again": (MODERN + "\n", "a repeated header, not a story"),
    "the header again with a BOM": (f"\ufeff{MODERN}\n", "a repeated header, not a story"),
    "blanks": (" , ,\n", None),
    "nothing": (",,,\n\n", None),
}


@pytest.mark.parametrize("name", NO_STORIES)
def test_a_line_that_is_no_story_is_left_out_and_told_of(name: str) -> None:
    line, reason = NO_STORIES[name]
    head, first, *others = modern({}, {}, {}).decode().splitlines(keepends=True)
    exported = served("".join([head, first, line, *others]).encode())
    assert [story["id"] for story in exported.stories()] == [1000, 1001, 1002]
    assert exported.findings == ([f"{NAME}, line 3: {reason}"] if reason else [])


def test_after_a_header_with_other_columns_cells_are_those_of_that() -> None:
    exported = served(b"Id,Title,Estimate\n1,A,2\nId,Estimate,Title,Labels\n2,3,B,x\n")
    rows = [(story["id"], story["name"], story["estimate"]) for story in exported.stories()]
    assert rows == [(1, "A", 2), (2, "B", 3)]


@pytest.mark.parametrize(
    "row",
    [{"Title": "Title"}, {"Title": "Title", "Labels": "url", "Description": "type"}, {"Id": "", "Title": "A"}],
    ids=str,
)
def test_a_story_that_is_called_as_a_column_is_one(row: dict[str, str]) -> None:
    assert len(served(modern(row)).stories()) == 1


def test_a_story_without_a_title_that_has_a_number_or_an_address_is_one() -> None:
    url = "https://www.pivotaltracker.com/n/projects/99/stories/8"
    exported = served(modern({"Id": "7", "Title": ""}, {"Id": "x", "Title": "", "URL": url}))
    assert [story["id"] for story in exported.stories()] == [7, 8]


def test_semicolons_bring_commas_into_numbers() -> None:
    exported = served(b"Id;Title;Estimate;Labels\r\n1;A;0,5;a, b\r\n")
    story = exported.story(":default,labels(name)")
    assert (story["estimate"], [label["name"] for label in story["labels"]]) == (0.5, ["a", "b"])


def test_a_file_that_ends_in_the_middle_of_a_row_is_reported() -> None:
    content = modern({}, {"Current State": "accepted", "Accepted at": "Dec 1, 2014"})
    exported = served(content[: content.rfind(b"accepted")])
    assert exported.findings == [
        f"{NAME}, line 3: the last row is short and its line has no end: the file may be incomplete"
    ]


@pytest.mark.parametrize("content", [b"Id,Title,Labels\n1,A", b"Id,Title\n1,A"], ids=["short", "whole"])
def test_only_a_short_row_may_be_cut(content: bytes) -> None:
    assert bool(served(content).findings) == (b"Labels" in content)


@pytest.mark.parametrize("header", ["ID,title", "Title,Id,Labels", "\ufeffId,Title"])
def test_a_header_again_is_one_however_it_is_written(header: str) -> None:
    rows = {"title": "B", "id": "2", "labels": "x"}
    cells = ",".join(rows[name.strip("\ufeff").lower()] for name in header.split(","))
    exported = served(f"Id,Title\n1,A\n{header}\n{cells}\n".encode())
    assert [(story["id"], story["name"]) for story in exported.stories()] == [(1, "A"), (2, "B")]


def test_days_below_a_header_with_other_columns_are_read_by_those() -> None:
    header = "Id,Title,Current State,Created at,Accepted at"
    again = "Id,Title,Current State,Accepted at,Created at"
    rows = "".join(f"{n},A,accepted,03/04/2015,05/04/2015\n" for n in (1, 2, 3))
    more = "".join(f"{n},B,accepted,04/02/2015,03/05/2015\n" for n in (4, 5, 6))
    exported = served(f"{header}\n{rows}{again}\n{more}".encode())
    assert {story["created_at"] for story in exported.stories()} == {"2015-03-04T00:00:00Z", "2015-03-05T00:00:00Z"}


@pytest.mark.parametrize("text", ["1,000", "1_0", "1e3", "1e30", "inf", "nan", "-2", "0x1", "1.0000000000000000"])
def test_what_is_no_estimate_is_left_out(text: str) -> None:
    exported = served(modern({"Estimate": text}))
    assert "estimate" not in exported.story()
    assert exported.findings == [f"{NAME}, line 2, Estimate: {text!r} is not a number of points; left out"]
