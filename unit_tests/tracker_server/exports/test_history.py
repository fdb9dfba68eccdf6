"""The history of a project, in a CSV of its own: activity, transitions, and what follows from them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tracker_server.derived import Figures
from tracker_server.exports import Source, Summary, inspect, read_exports
from tracker_server.exports.history import MOST_LINES
from tracker_server.exports.times import at_time, split_time
from tracker_server.sample import make_world
from tracker_server.world import iso
from unit_tests.tracker_server.exports.exported import Served, modern, packed, served, source, table
from unit_tests.tracker_server.exports.test_writing import read_again, written

HEADER = "ID,Type,Message,Performed By,Occurred At"
NAME, STORIES = "my_project_20250401_1212.zip", "my_project_20250401_1212.csv"
HISTORY = "my_project_history_20250401_1212.csv"


WEEKS = {1: ("Mar 24, 2025", "Mar 30, 2025"), 2: ("Mar 31, 2025", "Apr 6, 2025"), 3: ("Apr 7, 2025", "Apr 13, 2025")}


def planned(state: str, iteration: int, **cells: str) -> dict[str, str]:
    start, end = WEEKS[iteration]
    days = {"Iteration Start": start, "Iteration End": end}
    return {"Current State": state, "Iteration": str(iteration), **days, **cells}


ROWS = [
    planned("started", 2),
    planned("accepted", 1, **{"Accepted at": "Mar 30, 2025"}),
    {"Type": "epic"},
    planned("unstarted", 3),
    {"Current State": "unscheduled"},
]
"""Of all panels, so that the export proves to be complete."""


def line(row_id: object, message: str, at: str, type_name: str = "feature", person: str = "Ann Lee") -> dict[str, str]:
    return {"ID": str(row_id), "Type": type_name, "Message": message, "Performed By": person, "Occurred At": at}


def history(*lines: Mapping[str, str], header: str = HEADER) -> bytes:
    return table(header, *lines)


def with_history(*lines: Mapping[str, str], rows: bytes | None = None) -> Served:
    """A served export of the stories 1000 (started), 1001 (accepted) and the epic 1002, with this history."""
    stories = rows or modern(*ROWS)
    return served(packed({STORIES: stories, HISTORY: history(*lines)}), NAME)


def activity(exported: Served, **query: Any) -> list[tuple[Any, ...]]:
    rows = exported.get("{p}/activity", **query)
    return [
        (row.get("kind"), row["message"], row["occurred_at"], [what["id"] for what in row["primary_resources"]])
        for row in rows
    ]


def test_a_history_becomes_activity_the_newest_first() -> None:
    exported = with_history(
        line(1000, "Ann Lee started this feature", "2025-03-01T10:00:00Z"),
        line(1002, 'Bo added comment: "x"', "2025-03-02T10:00:00Z", "epic", "Bo"),
    )
    assert exported.findings == []
    assert activity(exported) == [
        ("comment_create_activity", 'Bo added comment: "x"', "2025-03-02T10:00:00Z", [1002]),
        ("story_update_activity", "Ann Lee started this feature", "2025-03-01T10:00:00Z", [1000]),
    ]
    (row,) = exported.get("{p}/stories/1000/activity")
    assert row["highlight"] == "started"
    assert row["performed_by"]["name"] == "Ann Lee"
    assert row["primary_resources"] == [{"kind": "story", "id": 1000, "story_type": "feature"}]
    assert row["changes"][0]["new_values"] == {"current_state": "started"}
    assert [row["message"] for row in exported.get("{p}/epics/1002/activity")] == ['Bo added comment: "x"']


def test_who_is_only_in_the_history_is_a_member() -> None:
    exported = with_history(line(1000, "Cleo started this feature", "2025-03-01", person="Cleo"))
    assert "Cleo" in [row["person"]["name"] for row in exported.get("{p}/memberships")]


def test_a_change_of_a_state_is_a_transition() -> None:
    exported = with_history(
        line(1000, "Ann Lee started this feature", "2025-03-01T10:00:00Z"),
        line(1000, "Ann Lee edited this feature", "2025-03-02T10:00:00Z"),
    )
    (transition,) = exported.get("{p}/story_transitions")
    assert exported.get("{p}/stories/1000/transitions") == [transition]
    assert (transition["state"], transition["occurred_at"]) == ("started", "2025-03-01T10:00:00Z")
    assert exported.get("{p}/stories/1001/transitions") == []


TIMES = {
    "2025-03-01T10:20:30Z": "2025-03-01T10:20:30Z",
    "2025-03-01 10:20:30 UTC": "2025-03-01T10:20:30Z",
    "2025-03-01 10:20:30.123 +01:00": "2025-03-01T09:20:30Z",
    "Mar 1, 2025 10:20 PM": "2025-03-01T22:20:00Z",
    "Mar 1, 2025 12:05am": "2025-03-01T00:05:00Z",
    "Mar 1, 2025, 11:30 PM PST": "2025-03-02T07:30:00Z",
    "Mar 1, 2025": "2025-03-01T00:00:00Z",
    "1 March 2025 at 10:20": "2025-03-01T10:20:00Z",
    "2025/03/01 10:20:30 -0800": "2025-03-01T18:20:30Z",
    "03/13/2025 9:05": "2025-03-13T09:05:00Z",
}


@pytest.mark.parametrize("text", TIMES)
def test_a_time_is_read_in_any_form_that_has_one_meaning(text: str) -> None:
    exported = with_history(line(1000, "Ann Lee started this feature", text))
    assert exported.findings == []
    assert [at for _, _, at, _ in activity(exported)] == [TIMES[text]]


BAD_LINES = {
    "no time": (line(1000, "started this feature", ""), "Occurred At: empty; the line is left out"),
    "two days": (line(1000, "started this feature", "03/04/2025 9:05"), "'03/04/2025' could be two days, and no cell"),
    "no day": (line(1000, "started this feature", "yesterday"), "Occurred At: 'yesterday' is not a date"),
    "hour 25": (line(1000, "started this feature", "2025-03-01 25:00"), "'2025-03-01 25:00' is not a time; left out"),
    "13 PM": (line(1000, "started this feature", "Mar 1, 2025 13:00 PM"), "is not a time; left out"),
    "a zone that nobody knows": (line(1000, "started this feature", "2025-03-01 10:00 XYZ"), "is not a time; left out"),
    "no message": (line(1000, " ", "2025-03-01"), "Message: empty; the line is left out"),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_a_line_that_says_nothing_is_left_out_and_named(name: str) -> None:
    bad, words = BAD_LINES[name]
    exported = with_history(line(1001, "Ann Lee accepted this feature", "2025-03-20T10:00:00Z"), bad)
    assert [ids for *_, ids in activity(exported)] == [[1001]]
    (finding,) = exported.findings
    assert finding.startswith(f"{NAME}/{HISTORY}")
    assert words in finding


KEPT = {
    "unknown words": (line(1000, "frobnicated it", "2025-03-01"), "'frobnicated it' is not understood", [1000]),
    "no number": (line("x1", "Ann Lee started this feature", "2025-03-01"), "'x1' is not a number", []),
    "a number of nothing": (line(77, "Ann Lee edited it", "2025-03-01", ""), "'77' has no row", []),
}  # fmt: skip


@pytest.mark.parametrize("name", KEPT)
def test_a_line_that_is_understood_in_part_is_kept_and_named(name: str) -> None:
    odd, words, ids = KEPT[name]
    exported = with_history(odd)
    ((_, message, at, what),) = activity(exported)
    assert (message, at, what) == (odd["Message"], "2025-03-01T00:00:00Z", ids)
    assert words in exported.findings[0]


def test_a_story_that_is_gone_is_told_of_by_its_number() -> None:
    exported = with_history(line(77, "Ann Lee deleted this bug", "2025-03-01", "bug"))
    assert exported.findings == []
    assert activity(exported) == [("story_delete_activity", "Ann Lee deleted this bug", "2025-03-01T00:00:00Z", [77])]


def test_lines_of_one_second_stay_in_their_order_whichever_comes_first() -> None:
    at = "2025-03-02T10:00:00Z"
    rising = [line(1000, "started this feature", "2025-03-01"), line(1000, "a one", at), line(1000, "a two", at)]
    for lines in (rising, rising[::-1]):
        messages = [row[1] for row in activity(with_history(*lines))]
        assert messages == ["a two", "a one", "started this feature"]


def test_columns_are_found_by_their_names() -> None:
    header = "Occurred At,What else,performed by,MESSAGE,Type,Id"
    lines = {"Occurred At": "2025-03-01", "performed by": "Ann Lee", "MESSAGE": "Ann Lee started this feature",
             "Type": "feature", "Id": "1000"}  # fmt: skip
    members = {STORIES: modern({"Current State": "started"}), HISTORY: history(lines, header=header)}
    assert [row[1] for row in activity(served(packed(members), NAME))] == ["Ann Lee started this feature"]


def test_without_a_history_its_endpoints_say_that_there_is_none() -> None:
    exported = served(packed({STORIES: modern({})}), NAME)
    for path in ("activity", "story_transitions", "history/days", "stories/1000/activity"):
        answer = exported.respond(f"/projects/{exported.project_id}/{path}")
        assert answer.status == 404
        assert b"The export has no history" in answer.body
    assert "cycle_time_details" not in exported.story("cycle_time_details")


def test_of_two_projects_at_a_place_each_has_its_own_history() -> None:
    members = {
        STORIES: modern({"Id": "1", "Current State": "started"}),
        "other_20250401_1212.csv": modern({"Id": "2"}),
        "history.csv": history(
            line(1, "Ann Lee started this feature", "2025-03-01"), line(2, "Bo edited this bug", "2025-03-02", "", "Bo")
        ),
    }  # fmt: skip
    exported = served(packed(members), "all.zip")
    found = {
        project.row["name"]: [row["message"] for row in project.activity]
        for project in exported.world.projects.values()
    }
    assert found == {"my_project": ["Ann Lee started this feature"], "other": ["Bo edited this bug"]}


def test_histories_of_two_exports_are_one_without_what_both_have() -> None:
    shared = line(1000, "Ann Lee edited this feature", "2025-02-01T10:00:00Z")
    twice = line(1000, "Ann Lee edited this feature", "2025-02-02T10:00:00Z")
    before = line(1000, "Ann Lee added this feature", "2025-01-01T10:00:00Z")
    after = line(1000, "Ann Lee started this feature", "2025-03-01T10:00:00Z")
    rows = modern({"Current State": "started"})
    old = packed({"my_project_20250210_1212.csv": rows, "history.csv": history(before, shared, twice, twice)})
    new = packed({STORIES: rows, "history.csv": history(shared, twice, after)})
    exported = Served(source(old, "my_project_20250210_1212.zip"), source(new, NAME))
    assert [at[:10] for _, _, at, _ in activity(exported)][::-1] == [
        "2025-01-01", "2025-02-01", "2025-02-02", "2025-02-02", "2025-03-01",
    ]  # fmt: skip
    guids = [row["guid"] for row in exported.get("{p}/activity")]
    assert len(set(guids)) == len(guids)


def test_a_history_alone_is_reported_and_not_read() -> None:
    exported = Served(source(modern({}), "one/one.csv"), source(history(), "two/two_history.csv"))
    reason = "not read: it is the history of a project, and no CSV with the stories lies beside it"
    assert exported.findings == [f"two_history.csv: {reason}"]


def test_lines_about_nothing_that_the_exports_have_are_counted_where_the_history_may_be_of_another_project() -> None:
    lines = history(
        line(1000, "Ann Lee started this feature", "2025-03-01"), line(77, "Ann Lee edited it", "2025-03-01"),
        line(78, "Ann Lee edited it", "2025-03-01"),
    )  # fmt: skip
    members = {STORIES: modern({"Current State": "started"}), "another_history_20250401_1212.csv": lines}
    exported = served(packed(members), "all.zip")
    assert [row[1] for row in activity(exported)] == ["Ann Lee started this feature"]
    reason = "2 lines are about nothing that the exports beside it have; left out"
    assert exported.findings == [f"all.zip/another_history_20250401_1212.csv, ID: {reason}"]


def test_a_history_named_beside_its_stories_belongs_to_them() -> None:
    lines = history(line(1000, "Ann Lee started this feature", "2025-03-01"))
    exported = Served(source(modern({"Current State": "started"}), STORIES), source(lines, HISTORY))
    assert [row[1] for row in activity(exported)] == ["Ann Lee started this feature"]


@pytest.mark.parametrize("damage", [b'"', b"\xff"], ids=["an open quote", "no UTF-8"])
def test_a_history_that_cannot_be_read_costs_itself_alone_and_is_an_error(damage: bytes) -> None:
    lines = history(line(1000, "Ann Lee started this feature", "2025-03-01"))
    exported = served(packed({STORIES: modern({}), HISTORY: lines + damage}), NAME)
    (failure,) = exported.report.failures
    assert failure.words.startswith(f"{NAME}/{HISTORY}")
    assert len(exported.stories()) == 1
    assert exported.respond(f"/projects/{exported.project_id}/activity").status == 404


def test_inspecting_counts_the_lines_and_those_that_change_a_state() -> None:
    members = {
        STORIES: modern({"Current State": "started"}),
        HISTORY: history(
            line(1000, "Ann Lee started this feature", "2025-03-01"), line(1000, "frobnicated", "2025-03-02")
        ),
    }
    (summary,) = inspect([source(packed(members), NAME)], lambda _: None)
    assert isinstance(summary, Summary)
    assert vars(summary.history) == {
        "lines": 2, "understood": 1, "states": 1, "oldest": "2025-03-01T00:00:00Z", "newest": "2025-03-02T00:00:00Z",
    }  # fmt: skip


def days(exported: Served) -> dict[str, dict[str, int]]:
    """By day how many of the stories 1000 and 1001 are in which state, where there are some."""
    answer = exported.get("{p}/history/days")
    states = [name.removeprefix("counts_") for name in answer["header"] if name.startswith("counts_")]
    return {
        row[0]: {
            state: count
            for state, count in zip(states, row[-len(states) :], strict=True)
            if count and state not in ("unscheduled", "unstarted")
        }
        for row in answer["data"]
    }


def test_the_days_begin_when_all_states_are_known() -> None:
    exported = with_history(
        line(1001, "Ann Lee delivered this feature", "2025-03-25T10:00:00Z"),
        line(1000, "Ann Lee started this feature", "2025-03-28T10:00:00Z"),
        line(1001, "Ann Lee accepted this feature", "2025-03-30T10:00:00Z"),
    )
    assert days(exported) == {
        "2025-03-28": {"delivered": 1, "started": 1},
        "2025-03-29": {"delivered": 1, "started": 1},
        "2025-03-30": {"accepted": 1, "started": 1},
        "2025-03-31": {"accepted": 1, "started": 1},
        "2025-04-01": {"accepted": 1, "started": 1},
    }


def test_a_state_before_the_first_change_counts_where_the_history_tells_it() -> None:
    exported = with_history(
        line(1001, "Ann Lee edited this feature", "2025-03-30T09:00:00Z"),
        line(1000, "Ann Lee changed the state from rejected to started", "2025-03-31T10:00:00Z"),
    )
    assert days(exported) == {
        "2025-03-30": {"accepted": 1, "rejected": 1},
        "2025-03-31": {"accepted": 1, "started": 1},
        "2025-04-01": {"accepted": 1, "started": 1},
    }


UNKNOWN = {
    "a last state that is not that of the row": [line(1000, "Ann Lee finished this feature", "2025-03-29")],
    "a change that begins elsewhere": [
        line(1000, "Ann Lee finished this feature", "2025-03-28"),
        line(1000, "Ann Lee changed the state from rejected to started", "2025-03-29"),
    ],
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_where_changes_are_missing_only_the_day_of_the_export_is_known(name: str) -> None:
    assert list(days(with_history(*UNKNOWN[name]))) == ["2025-04-01"]


STARTED_AND_ACCEPTED = [
    line(1000, "Ann Lee started this feature", "2025-03-25T10:00:00Z"),
    line(1001, "Ann Lee delivered this feature", "2025-03-25T10:00:00Z"),
    line(1001, "Ann Lee accepted this feature", "2025-03-27T10:00:00Z"),
]
"""Known from 2025-03-25 on."""
UNCLEAR = {
    "of a story without another change": (line(1003, "Ann Lee frobnicated this feature", "2025-03-29"), "2025-03-29"),
    "before a change that does not say from what": (
        line(1001, "Ann Lee frobnicated this feature", "2025-03-26"), "2025-03-27",
    ),
    "after the last change": (line(1001, "Ann Lee frobnicated this feature", "2025-03-28"), "2025-03-28"),
    "about a state that nobody knows": (
        line(1000, "Ann Lee changed the state from started to frobnicated", "2025-03-29"), "2025-03-29",
    ),
    "of a comment whose text speaks of a state": (
        line(1000, 'Ann Lee added comment: "the state of things"', "2025-03-29"), "2025-03-25",
    ),
    "of an epic": (line(1002, "Ann Lee frobnicated it", "2025-03-29", "epic"), "2025-03-25"),
    "of what may be a story that is gone": (line(77, "Ann Lee frobnicated it", "2025-03-29", ""), "2025-03-29"),
    "without a number that can be read": (line("x1", "Ann Lee edited this feature", "2025-03-29"), "2025-04-01"),
    "of a comment without a number": (line("", 'Ann Lee added comment: "x"', "2025-03-29"), "2025-03-25"),
    "of a label without a number": (line("", "Ann Lee added label x", "2025-03-29", ""), "2025-03-25"),
    "without a time": (line(1000, "Ann Lee edited this feature", ""), "2025-04-01"),
    "with a time that nobody understands": (line(1000, "Ann Lee edited this feature", "yesterday"), "2025-04-01"),
    "of a story that is gone, without a time": (line(77, "Ann Lee deleted this bug", "", "bug"), "2025-04-01"),
    "without a message": (line(1000, " ", "2025-03-29"), "2025-04-01"),
    "of an epic, without a time": (line(1002, "Ann Lee edited it", "", "epic"), "2025-03-25"),
}  # fmt: skip
"""A line more, and the first day that is known then."""


@pytest.mark.parametrize("name", UNCLEAR)
def test_a_line_that_may_be_a_change_of_a_state_makes_the_days_before_it_unknown(name: str) -> None:
    unclear, first_day = UNCLEAR[name]
    assert min(days(with_history(*STARTED_AND_ACCEPTED))) == "2025-03-25"
    assert min(days(with_history(*STARTED_AND_ACCEPTED, unclear))) == first_day


def test_a_change_that_says_from_what_makes_known_what_was_before_it() -> None:
    lines = [
        line(1000, "Ann Lee frobnicated this feature", "2025-03-26"),
        line(1000, "Ann Lee changed the state from unstarted to started", "2025-03-29"),
    ]
    found = days(with_history(*STARTED_AND_ACCEPTED[1:], *lines))
    assert min(found) == "2025-03-26"
    assert found["2025-03-28"] == {"accepted": 1}
    assert found["2025-03-29"] == {"accepted": 1, "started": 1}


def test_of_a_history_that_several_projects_share_no_story_may_be_told_that_is_gone() -> None:
    members = {
        STORIES: modern(*ROWS),
        "other_20250401_1212.csv": modern({"Id": "2"}),
        "history.csv": history(*STARTED_AND_ACCEPTED, line(77, "Bo deleted this bug", "2025-03-29", "bug", "Bo")),
    }
    world, _ = read_exports([source(packed(members), "all.zip")])
    (project,) = (project for project in world.projects.values() if project.row["name"] == "my_project")
    assert project.state_history is not None
    assert project.state_history.first_day.isoformat() == "2025-04-01"


UNCLEAR_IN_A_LIFE = {
    "understood": (line(1000, "Ann Lee edited this feature", "2025-03-04"), True),
    "not understood": (line(1000, "Ann Lee frobnicated this feature", "2025-03-04"), False),
    "without a time": (line(1000, "Ann Lee edited this feature", ""), False),
    "without a time, about another story": (line(1001, "Ann Lee edited this feature", ""), True),
    "without a number": (line("x", "Ann Lee edited this feature", "2025-03-04"), False),
}


@pytest.mark.parametrize("name", UNCLEAR_IN_A_LIFE)
def test_the_time_in_each_state_is_known_only_where_no_line_may_be_another_change(name: str) -> None:
    unclear, is_known = UNCLEAR_IN_A_LIFE[name]
    stories = modern(
        {"Current State": "started", "Created at": "Mar 2, 2025"}, {"Current State": "unstarted", "Type": "bug"}
    )
    lines = [
        line(1001, "Ann Lee edited this bug", "2025-03-01", "bug"),
        line(1000, "Ann Lee started this feature", "2025-03-03"),
        unclear,
    ]
    exported = with_history(*lines, rows=stories)
    assert (exported.stories("cycle_time_details")[0].get("cycle_time_details") is not None) == is_known
    assert [row["state"] for row in exported.get("{p}/story_transitions")] == ["started"]


@pytest.mark.parametrize("order", ["the oldest first", "the newest first"])
def test_of_too_many_lines_the_newest_are_kept_whichever_comes_first(order: str) -> None:
    begin, more = datetime(2025, 1, 1, tzinfo=UTC), 60_001
    lines = [
        f"1000,feature,edited {number - more if abs(number - more) < 3 else 'it'},Ann,"
        f"{iso(begin + timedelta(seconds=number // 2))}\n"
        for number in range(MOST_LINES + more)
    ]
    if order == "the newest first":
        lines.reverse()
    content = f"{HEADER}\n{''.join(lines)}".encode()
    exported = served(packed({STORIES: modern({"Current State": "started"}), HISTORY: content}), NAME)
    (project,) = exported.world.projects.values()
    assert len(project.activity) == MOST_LINES
    assert [project.activity[place]["message"] for place in range(4)] == [
        "edited 0", "edited 1", "edited 2", "edited it",
    ]  # fmt: skip
    (finding,) = exported.findings
    assert finding.endswith("more than 200,000 lines; the 60,001 oldest are left out")


def test_a_story_that_is_gone_counts_on_no_day_so_the_days_begin_when_it_went() -> None:
    gone = [
        line(77, "Ann Lee started this bug", "2025-03-20", "bug"),
        line(77, "Ann Lee moved it", "2025-03-31", "bug"),
    ]
    assert list(days(with_history(*gone))) == ["2025-03-31", "2025-04-01"]


def test_of_an_export_that_may_be_a_part_the_days_are_not_known() -> None:
    exported = with_history(line(1000, "Ann Lee started this feature", "2025-03-28"), rows=modern(ROWS[0]))
    answer = exported.respond(f"/projects/{exported.project_id}/history/days")
    assert answer.status == 404
    assert b"Nothing proves that the export has all stories" in answer.body
    assert len(activity(exported)) == 1


def test_the_time_in_each_state_is_that_of_stories_whose_whole_life_is_in_the_history() -> None:
    stories = modern(
        {"Current State": "accepted", "Created at": "Mar 2, 2025", "Accepted at": "Mar 6, 2025"},
        {"Current State": "accepted", "Accepted at": "Mar 6, 2025"},
    )
    lines = [
        line(story_id, f"Ann Lee {verb} this feature", f"2025-03-0{day}T12:00:00Z")
        for story_id in (1000, 1001)
        for verb, day in (("started", 3), ("finished", 5), ("delivered", 5), ("accepted", 6))
    ]
    exported = with_history(line(1001, "Ann Lee edited this feature", "2025-03-01"), *lines, rows=stories)
    times = {row["id"]: row.get("cycle_time_details") for row in exported.stories("cycle_time_details")}
    assert times[1001] is None
    assert times[1000]["started_time"] == 2 * 86_400_000
    assert times[1000]["total_cycle_time"] == 3 * 86_400_000
    number = exported.get("{p}/iterations", limit=1)[0]["number"]
    cycle_times = exported.get(f"{{p}}/iterations/{number}/analytics/cycle_time_details")
    assert {row["story_id"] for row in cycle_times} <= {1000}


@pytest.mark.parametrize("seed", [1, 2])
def test_the_days_and_times_of_an_export_are_those_of_the_world_that_it_was_made_of(seed: int) -> None:
    world = make_world(3, 120, seed)
    again, _ = read_again(world)
    compared = timed = 0
    for project in world.projects.values():
        other = next(found for found in again.projects.values() if found.order == project.order)
        figures, found_again = Figures(project, world.now), Figures(other, other.as_of or again.now)
        true_days = {row[0]: row[1:] for row in figures.history_days()["data"]}
        for day, *counts in found_again.history_days()["data"]:
            assert counts[-8:] == true_days[day][-8:], day
            compared += 1
        for story_id in project.stories:
            if details := found_again.cycle_time(story_id):
                assert details == figures.cycle_time(story_id)
                timed += 1
    assert compared >= len(world.projects)
    assert timed > 20


def test_a_history_in_a_zip_of_another_time_zone_keeps_its_times() -> None:
    assert at_time("2025-03-01T00:00:00Z", split_time("2025-03-01 23:59 EST")[1]) == "2025-03-02T04:59:00Z"


def test_the_version_of_a_project_changes_with_its_history() -> None:
    one = with_history(line(1000, "Ann Lee started this feature", "2025-03-01"))
    other = with_history(line(1000, "Ann Lee started this feature", "2025-03-02"))
    (first,), (second,) = one.world.projects.values(), other.world.projects.values()
    assert first.version != second.version


def test_more_than_one_project_in_memory_is_read_again_with_its_history() -> None:
    world = make_world(3, 20)
    content = written(world)
    again, _ = read_exports([Source("all_20261120_1200.zip", lambda: io.BytesIO(content))], most_in_memory=1)
    for _ in range(2):
        assert all(project.activity and project.transitions for project in again.projects.values())
