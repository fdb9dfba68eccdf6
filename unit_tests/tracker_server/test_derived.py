"""What the server computes from a project, against small hand-made projects and against the recordings."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from tracker_server.derived import Figures
from tracker_server.world import Project, Row

RECORDINGS = Path(__file__).parents[3] / "shared" / "recordings" / "tracker_api"
needs_recordings = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not beside the repository")

NOW = datetime(2024, 1, 24, 12, tzinfo=UTC)  # a Wednesday, in iteration 4 of the project below
DAY = 24 * 60 * 60 * 1000


def story(story_id: int, state: str, estimate: float | None = None, **attributes: Any) -> Row:
    return {
        "id": story_id,
        "story_type": "feature",
        "current_state": state,
        "estimate": estimate,
        "created_at": "2024-01-02T00:00:00Z",
        "label_ids": [],
        **attributes,
    }


def accepted(story_id: int, accepted_at: str, estimate: float | None = None, **attributes: Any) -> Row:
    return story(story_id, "accepted", estimate, accepted_at=f"{accepted_at}T10:00:00Z", **attributes)


def transition(story_id: int, occurred_at: str, state: str) -> Row:
    return {"story_id": story_id, "occurred_at": occurred_at, "state": state}


def figures(*stories: Row, now: datetime = NOW, transitions: tuple[Row, ...] = (), **settings: Any) -> Figures:
    """Figures of a project that began on Monday 2024-01-01, plans weeks of 5 points and averages over 2."""
    row = {
        "id": 99,
        "start_time": "2024-01-01T00:00:00Z",
        "iteration_length": 1,
        "week_start_day": "Monday",
        "time_zone": {"kind": "time_zone", "olson_name": "Etc/UTC", "offset": "+00:00"},
        "velocity_averaged_over": 2,
        "initial_velocity": 5,
        "point_scale": "0,1,2,3",
        "bugs_and_chores_are_estimatable": False,
        "number_of_done_iterations_to_show": 2,
        **settings,
    }
    project = Project(
        row=row,
        stories={row["id"]: row for row in stories},
        order=[row["id"] for row in stories],
        labels={7: {"id": 7}, 8: {"id": 8}},
        epics={70: {"id": 70, "label_id": 7}, 80: {"id": 80}},
        transitions=list(transitions),
    )
    return Figures(project, now)


def cycle_time(project: Figures, story_id: int = 1) -> Row:
    found = project.cycle_time(story_id)
    assert found is not None
    return found


def bodies(name: str) -> list[Any]:
    exchanges = json.loads((RECORDINGS / f"{name}.json").read_text(encoding="utf-8"))
    return [exchange["response"]["body"] for exchange in exchanges]


def recorded_figures(now: datetime) -> Figures:
    """Figures of the project of the recordings, with its stories as they were on 2017-05-03."""
    row, rows, *_ = bodies("client_get_all_stories_with_pagination")
    stories = [{**row, "label_ids": [label["id"] for label in row["labels"]]} for row in rows]
    labels = {label["id"]: label for row in rows for label in row["labels"]}
    project = Project(
        row=row,
        labels=labels,
        stories={row["id"]: row for row in stories},
        order=[row["id"] for row in stories],
        transitions=bodies("get_story_transitions")[0],
    )
    return Figures(project, now)


IN_2017 = datetime(2017, 5, 3, 23, 29, 33, tzinfo=UTC)
IN_2019 = datetime(2019, 7, 10, 4, 15, 25, tzinfo=UTC)


class TestIterations:
    def test_a_story_is_in_the_iteration_in_which_it_was_accepted(self) -> None:
        rows = figures(accepted(1, "2024-01-07", 2), accepted(2, "2024-01-08", 3)).iterations
        assert [row["story_ids"] for row in rows] == [[1], [2], [], []]

    def test_an_empty_week_is_an_iteration(self) -> None:
        rows = figures(accepted(1, "2024-01-03", 2)).iterations
        assert rows[1] == {
            "number": 2,
            "project_id": 99,
            "length": 1,
            "team_strength": 1,
            "story_ids": [],
            "start": "2024-01-08T00:00:00Z",
            "finish": "2024-01-15T00:00:00Z",
            "kind": "iteration",
            "velocity": 2,
            "points": 0,
            "accepted_points": 0,
            "effective_points": 0.0,
        }

    def test_the_current_iteration_has_accepted_then_begun_then_unstarted_stories(self) -> None:
        current = figures(
            story(1, "unstarted", 1), story(2, "started", 1), accepted(3, "2024-01-23", 1), story(4, "unscheduled", 1)
        ).iterations[3]
        assert current["story_ids"] == [3, 2, 1]
        assert (current["points"], current["accepted_points"], current["effective_points"]) == (3, 1, 3.0)

    def test_begun_stories_are_in_the_current_iteration_beyond_its_velocity(self) -> None:
        states = ("started", "finished", "delivered", "rejected", "planned")
        rows = figures(*(story(number, state, 3) for number, state in enumerate(states))).iterations
        assert rows[3]["story_ids"] == [0, 1, 2, 3, 4]
        assert len(rows) == 4

    def test_the_backlog_is_filled_in_priority_order_and_no_story_overtakes(self) -> None:
        rows = figures(*(story(number, "unstarted", points) for number, points in enumerate((3, 3, 1, 5)))).iterations
        assert [row["story_ids"] for row in rows[3:]] == [[0], [1, 2], [3]]

    def test_room_that_is_left_passes_on_to_the_next_iteration(self) -> None:
        rows = figures(*(story(number, "unstarted", 3) for number in range(5))).iterations
        assert [row["points"] for row in rows[3:]] == [3, 6, 6]

    def test_an_overfull_current_iteration_takes_nothing_from_the_next(self) -> None:
        rows = figures(story(1, "started", 8), story(2, "unstarted", 5), story(3, "unstarted")).iterations
        assert [row["story_ids"] for row in rows[3:]] == [[1], [2, 3]]

    def test_a_story_larger_than_the_velocity_has_an_empty_iteration_before_it(self) -> None:
        rows = figures(story(1, "unstarted", 5), story(2, "unstarted", 8)).iterations
        assert [row["story_ids"] for row in rows[3:]] == [[1], [], [2]]

    def test_releases_chores_and_unestimated_stories_need_no_room(self) -> None:
        rows = figures(
            story(1, "unstarted", 5),
            story(2, "unstarted", 3, story_type="chore"),
            story(3, "unstarted", 3, story_type="release"),
            story(4, "unstarted"),
        ).iterations
        assert [row["story_ids"] for row in rows[3:]] == [[1, 2, 3, 4]]

    def test_bugs_and_chores_count_where_the_project_estimates_them(self) -> None:
        bug, chore = story(1, "started", 2, story_type="bug"), story(2, "started", 1, story_type="chore")
        assert figures(bug, chore).iterations[3]["points"] == 0
        assert figures(bug, chore, bugs_and_chores_are_estimatable=True).iterations[3]["points"] == 3

    def test_points_are_ints_when_whole_and_floats_otherwise(self) -> None:
        whole = figures(story(1, "started", 0.5), story(2, "started", 0.5)).iterations[3]["points"]
        half = figures(story(1, "started", 0.5)).iterations[3]["points"]
        assert (whole, type(whole)) == (1, int)
        assert half == 0.5

    def test_the_first_iteration_begins_on_the_week_start_day(self) -> None:
        first = figures(week_start_day="Saturday").iterations[0]
        assert (first["start"], first["finish"]) == ("2023-12-30T00:00:00Z", "2024-01-06T00:00:00Z")

    def test_an_iteration_has_the_length_of_the_project_in_weeks(self) -> None:
        rows = figures(iteration_length=2).iterations
        assert [(row["number"], row["length"], row["start"]) for row in rows] == [
            (1, 2, "2024-01-01T00:00:00Z"),
            (2, 2, "2024-01-15T00:00:00Z"),
        ]

    def test_an_earlier_accepted_story_moves_the_first_iteration_back(self) -> None:
        rows = figures(accepted(1, "2023-12-27", 1)).iterations
        assert (rows[0]["start"], rows[0]["story_ids"]) == ("2023-12-25T00:00:00Z", [1])

    def test_iterations_begin_at_local_midnight_on_both_sides_of_a_clock_change(self) -> None:
        rows = figures(
            start_time="2024-03-04T08:00:00Z",
            time_zone={"kind": "time_zone", "olson_name": "America/Los_Angeles", "offset": "-08:00"},
            now=datetime(2024, 3, 11, 7, tzinfo=UTC),
        ).iterations
        assert [(row["start"], row["finish"]) for row in rows] == [
            ("2024-03-04T08:00:00Z", "2024-03-11T07:00:00Z"),
            ("2024-03-11T07:00:00Z", "2024-03-18T07:00:00Z"),
        ]

    def test_every_scheduled_story_is_in_exactly_one_iteration(self) -> None:
        states = ("started", "unstarted", "planned", "unstarted", "unscheduled", "rejected")
        open_stories = [story(number, states[number % 6], number % 4) for number in range(60)]
        done = [accepted(100 + day, f"2024-01-{day:02}", day % 4) for day in range(1, 29)]
        found = [story_id for row in figures(*done, *open_stories).iterations for story_id in row["story_ids"]]
        assert sorted(found) == [n for n in range(60) if n % 6 != 4] + list(range(101, 129))


class TestVelocity:
    def test_it_is_the_floor_of_the_mean_of_the_last_done_iterations(self) -> None:
        project = figures(accepted(1, "2024-01-03", 90), accepted(2, "2024-01-10", 4), accepted(3, "2024-01-17", 7))
        assert project.current_velocity == 5
        assert [row["velocity"] for row in project.iterations] == [5, 90, 47, 5]

    def test_an_empty_iteration_counts_in_the_mean(self) -> None:
        assert figures(accepted(1, "2024-01-10", 8)).current_velocity == 4

    def test_it_is_the_initial_velocity_where_no_iteration_is_done(self) -> None:
        first_week = figures(accepted(1, "2024-01-02", 3), now=datetime(2024, 1, 3, tzinfo=UTC))
        assert (first_week.current_iteration_number, first_week.current_velocity) == (1, 5)

    def test_it_is_the_initial_velocity_again_after_idle_weeks(self) -> None:
        assert figures(accepted(1, "2024-01-03", 8)).current_velocity == 5

    def test_a_project_without_velocity_still_plans_its_backlog(self) -> None:
        rows = figures(story(1, "unstarted", 2), story(2, "unstarted", 0), initial_velocity=0).iterations
        assert [row["story_ids"] for row in rows[3:]] == [[], [1, 2]]

    def test_volatility_is_the_standard_deviation_in_percent_of_the_mean(self) -> None:
        project = figures(accepted(1, "2024-01-10", 2), accepted(2, "2024-01-17", 6))
        assert (project.current_standard_deviation, project.current_volatility) == (2.0, 50.0)

    def test_idle_weeks_have_no_volatility(self) -> None:
        assert (figures().current_standard_deviation, figures().current_volatility) == (0.0, 0.0)

    def test_shown_iterations_go_back_as_far_as_the_project_says(self) -> None:
        assert figures().shown_iterations_start_time == "2024-01-08T00:00:00Z"

    def test_shown_iterations_go_back_to_the_first_one_at_most(self) -> None:
        shown = figures(number_of_done_iterations_to_show=12).shown_iterations_start_time
        assert shown == "2024-01-01T00:00:00Z"


class TestLabelCounts:
    def test_stories_and_points_are_counted_by_state(self) -> None:
        counts = figures(
            story(1, "started", 0.5, label_ids=[7]),
            story(2, "started", 1, label_ids=[8, 7]),
            story(3, "unscheduled", label_ids=[7]),
            story(4, "finished", 3),
        ).label_counts(7)
        none = dict.fromkeys(("accepted", "delivered", "finished", "rejected", "planned", "unstarted"), 0)
        kind = {"kind": "counts_by_story_state"}
        assert counts == {
            "kind": "story_counts",
            "number_of_stories_by_state": {**none, "started": 2, "unscheduled": 1, **kind},
            "sum_of_story_estimates_by_state": {**none, "started": 1.5, "unscheduled": 0, **kind},
            "number_of_zero_point_stories_by_state": {**none, "started": 0, "unscheduled": 1, **kind},
        }

    def test_a_label_without_stories_counts_zero(self) -> None:
        assert figures().label_counts(8)["number_of_stories_by_state"]["started"] == 0

    def test_a_label_of_another_project_is_a_key_error(self) -> None:
        with pytest.raises(KeyError):
            figures().label_counts(9)


class TestReleases:
    def test_a_release_holds_the_stories_since_the_release_before_it(self) -> None:
        project = figures(
            accepted(1, "2024-01-23", 2),
            story(2, "unstarted", 1),
            story(3, "unstarted", story_type="release"),
            story(4, "unstarted", 3),
            story(5, "unstarted", story_type="release"),
        )
        assert project.release(3) == {
            "points_accepted": 2,
            "points_total": 3,
            "counts_accepted": 1,
            "counts_total": 2,
            "projected_completion": "2024-01-29T00:00:00Z",
            "story_ids": [1, 2],
        }
        assert project.release(5)["story_ids"] == [4]
        assert project.release(5)["projected_completion"] == "2024-02-05T00:00:00Z"

    @pytest.mark.parametrize(
        "release",
        [accepted(1, "2024-01-23", story_type="release"), story(1, "unscheduled", story_type="release")],
        ids=["accepted", "unscheduled"],
    )
    def test_nothing_is_projected_for_a_release_that_is(self, release: Row) -> None:
        assert figures(release).release(1)["projected_completion"] is None

    def test_a_story_that_is_no_release_is_a_key_error(self) -> None:
        with pytest.raises(KeyError):
            figures(story(1, "unstarted")).release(1)


class TestEpics:
    def test_past_done_stories_are_those_of_done_iterations(self) -> None:
        epic = figures(
            accepted(1, "2024-01-03", 2, label_ids=[7]),
            accepted(2, "2024-01-17", label_ids=[7]),
            accepted(3, "2024-01-23", 3, label_ids=[7]),
            accepted(4, "2024-01-03", 3, label_ids=[8]),
        ).epic(70)
        assert epic == {
            "past_done_story_estimates": 2,
            "past_done_stories_count": 2,
            "past_done_stories_no_point_count": 1,
            "completed_at": "2024-01-23T10:00:00Z",
            "projected_completion": None,
        }

    def test_an_epic_is_projected_by_its_last_scheduled_story(self) -> None:
        epic = figures(
            accepted(1, "2024-01-23", 5, label_ids=[7]),
            story(2, "unstarted", 3, label_ids=[7]),
            story(3, "unscheduled", 3, label_ids=[7]),
        ).epic(70)
        assert (epic["completed_at"], epic["projected_completion"]) == (None, "2024-02-05T00:00:00Z")

    def test_an_epic_without_label_is_neither_completed_nor_projected(self) -> None:
        epic = figures(story(1, "started", 1)).epic(80)
        assert (epic["completed_at"], epic["projected_completion"]) == (None, None)


def history(project: Figures, state: str, **between: date) -> list[tuple[str, float, int]]:
    """(date, points, stories) of one state."""
    days = project.history_days(**between)
    points, counts = days["header"].index(f"points_{state}"), days["header"].index(f"counts_{state}")
    return [(row[0], row[points], row[counts]) for row in days["data"]]


class TestHistoryDays:
    def test_there_is_a_row_for_each_day_from_the_start_through_today(self) -> None:
        data = figures().history_days()["data"]
        assert [row[0] for row in data] == [f"2024-01-{day:02}" for day in range(1, 25)]

    def test_a_story_is_in_the_state_that_it_had_at_the_end_of_the_day(self) -> None:
        project = figures(
            story(1, "finished", 2),
            now=datetime(2024, 1, 4, tzinfo=UTC),
            transitions=(
                transition(1, "2024-01-02T08:00:00Z", "unstarted"),
                transition(1, "2024-01-02T23:59:59Z", "started"),
                transition(1, "2024-01-04T00:00:00Z", "finished"),
            ),
        )
        days = ("2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04")
        assert history(project, "unstarted") == [(day, 0.0, 0) for day in days]
        assert history(project, "started") == list(zip(days, (0.0, 2.0, 2.0, 0.0), (0, 1, 1, 0), strict=True))
        assert history(project, "finished") == list(zip(days, (0.0, 0.0, 0.0, 2.0), (0, 0, 0, 1), strict=True))

    def test_a_story_without_transitions_has_its_state_since_it_was_created(self) -> None:
        project = figures(story(1, "delivered", 1), now=datetime(2024, 1, 3, tzinfo=UTC))
        assert [count for _, _, count in history(project, "delivered")] == [0, 1, 1]

    def test_an_accepted_story_is_accepted_since_accepted_at_whatever_the_transitions_say(self) -> None:
        project = figures(
            accepted(1, "2024-01-02", 1),
            now=datetime(2024, 1, 4, tzinfo=UTC),
            transitions=(
                transition(1, "2024-01-01T08:00:00Z", "started"),
                transition(1, "2024-01-03T08:00:00Z", "delivered"),
                transition(1, "2024-01-04T08:00:00Z", "accepted"),
            ),
        )
        assert [count for _, _, count in history(project, "accepted")] == [0, 1, 1, 1]
        assert [count for _, _, count in history(project, "started")] == [1, 0, 0, 0]

    def test_what_happened_before_the_first_day_is_in_its_row(self) -> None:
        project = figures(story(1, "started", 1, created_at="2023-11-01T00:00:00Z"))
        assert history(project, "started")[0] == ("2024-01-01", 1.0, 1)

    def test_start_and_end_narrow_it_and_are_inclusive(self) -> None:
        project = figures(story(1, "started", 1))
        assert history(project, "started", start=date(2024, 1, 22), end=date(2024, 1, 23)) == [
            ("2024-01-22", 1.0, 1),
            ("2024-01-23", 1.0, 1),
        ]

    def test_start_and_end_do_not_widen_it(self) -> None:
        data = figures().history_days(date(1999, 1, 1), date(2099, 1, 1))["data"]
        assert data == figures().history_days()["data"]

    @pytest.mark.parametrize(
        ("start", "end"),
        [
            (date(2024, 1, 9), date(2024, 1, 8)),
            (date(2024, 2, 1), None),
            (None, date(2023, 12, 1)),
        ],
        ids=["ends before its start", "starts after today", "ends before the project's start"],
    )
    def test_there_are_no_rows_where_it(self, start: date | None, end: date | None) -> None:
        assert figures().history_days(start, end)["data"] == []


class TestCycleTime:
    def test_it_is_the_time_in_each_state_until_the_next_or_until_now(self) -> None:
        project = figures(
            story(1, "rejected"),
            transitions=(
                transition(1, "2024-01-16T12:00:00Z", "started"),
                transition(1, "2024-01-17T12:00:00Z", "finished"),
                transition(1, "2024-01-18T00:00:00Z", "unstarted"),
                transition(1, "2024-01-22T12:00:00Z", "started"),
                transition(1, "2024-01-23T12:00:00Z", "rejected"),
            ),
        )
        assert cycle_time(project) == {
            "kind": "cycle_time_details",
            "total_cycle_time": 3 * DAY + DAY // 2,
            "started_time": 2 * DAY,
            "started_count": 2,
            "finished_time": DAY // 2,
            "finished_count": 1,
            "delivered_time": 0,
            "delivered_count": 0,
            "rejected_time": DAY,
            "rejected_count": 1,
            "story_id": 1,
        }

    def test_weekends_count(self) -> None:
        begin, end = "2024-01-19T12:00:00Z", "2024-01-22T12:00:00Z"
        transitions = (transition(1, begin, "started"), transition(1, end, "accepted"))
        details = cycle_time(figures(story(1, "accepted", accepted_at=end), transitions=transitions))
        assert details["total_cycle_time"] == details["started_time"] == 3 * DAY

    def test_the_last_state_of_an_accepted_story_ends_at_its_acceptance(self) -> None:
        project = figures(accepted(1, "2024-01-17"), transitions=(transition(1, "2024-01-16T10:00:00Z", "delivered"),))
        assert cycle_time(project)["delivered_time"] == DAY

    def test_a_story_that_never_started_has_no_total(self) -> None:
        unstarted = transition(1, "2024-01-02T00:00:00Z", "unstarted")
        details = cycle_time(figures(story(1, "unstarted"), transitions=(unstarted,)))
        assert "total_cycle_time" not in details
        assert details["started_count"] == 0


@needs_recordings
class TestAgainstTheRecordings:
    def test_the_recorded_project_has_the_recorded_iterations(self) -> None:
        computed = recorded_figures(IN_2017)
        rows = [row for page in bodies("get_done_iterations") for row in page]
        rows += [row for page in bodies("get_iteration_by_number") for row in page]
        for row in rows:
            row["story_ids"] = [story["id"] for story in row.pop("stories")]
            assert row.items() <= computed.iterations[row["number"] - 1].items()
        assert len(rows) == 14

    def test_the_recorded_project_has_168_done_iterations_of_172(self) -> None:
        computed = recorded_figures(IN_2017)
        assert (computed.current_iteration_number, len(computed.iterations)) == (169, 172)

    def test_the_recorded_project_has_its_recorded_velocity(self) -> None:
        assert recorded_figures(IN_2017).current_velocity == bodies("get_all_projects")[0][0]["current_velocity"]

    def test_the_current_iteration_is_the_recorded_one(self) -> None:
        recorded = bodies("get_current_iteration")[1][0]
        recorded["story_ids"] = [story["id"] for story in recorded.pop("stories")]
        computed = recorded_figures(IN_2019).iterations[282]
        assert computed == recorded
        assert {key: type(value) for key, value in computed.items()} == {
            key: type(value) for key, value in recorded.items()
        }

    def test_the_stories_of_a_release_are_the_recorded_ones(self) -> None:
        recorded = [story["id"] for story in bodies("release_stories")[-1]]
        assert recorded_figures(IN_2017).release(66728034)["story_ids"] == recorded

    def test_each_recorded_release_has_figures(self) -> None:
        computed = recorded_figures(IN_2017)
        counts = [computed.release(release["id"])["counts_total"] for release in bodies("get_releases")[1]]
        assert counts == [23, 9, 23]

    @pytest.mark.parametrize("label", ["admin", "orders", "shopping", "cart"])
    def test_label_counts_are_those_of_the_last_recorded_change(self, label: str) -> None:
        changes = [
            change
            for activity in bodies("get_my_activities")[0]
            for change in activity["changes"]
            if change["kind"] == "label" and change["name"] == label and "counts" in change["new_values"]
        ]
        newest = changes[0]
        assert recorded_figures(IN_2017).label_counts(newest["id"]) == newest["new_values"]["counts"]

    def test_history_has_the_recorded_columns_and_types(self) -> None:
        recorded = bodies("get_daily_history_container")[0]
        computed = recorded_figures(IN_2019).history_days()
        assert (computed["kind"], computed["header"]) == (recorded["kind"], recorded["header"])
        assert computed.keys() == recorded.keys()
        for row in computed["data"]:
            assert [type(value) for value in row] == [type(value) for value in recorded["data"][0]]

    def test_cycle_times_have_the_recorded_keys_types_and_counts(self) -> None:
        [recorded] = [row for row in bodies("get_cycle_time_details")[0] if row["story_id"] == 66728000]
        computed = cycle_time(recorded_figures(IN_2019), 66728000)
        assert {key: type(value) for key, value in computed.items()} == {
            key: type(value) for key, value in recorded.items()
        }
        assert computed["rejected_count"] == recorded["rejected_count"]

    def test_cycle_times_of_a_story_without_transitions_are_the_recorded_zeros(self) -> None:
        [recorded] = [row for row in bodies("get_cycle_time_details")[0] if row["story_id"] == 66727998]
        assert recorded_figures(IN_2019).cycle_time(66727998) == recorded


def day(text: str) -> str:
    return f"{text}T00:00:00Z"


def test_iterations_that_the_project_knows_go_before_those_that_would_be_computed() -> None:
    shown = figures(accepted(1, "2024-01-03", 3), accepted(2, "2024-01-20", 2), story(3, "started", 1))
    shown.project.iteration_starts = [day("2024-01-01"), day("2024-01-15"), day("2024-01-22")]
    rows = shown.iterations
    assert [(row["number"], row["length"], row["start"], row["finish"]) for row in rows] == [
        (1, 2, day("2024-01-01"), day("2024-01-15")),
        (2, 1, day("2024-01-15"), day("2024-01-22")),
        (3, 1, day("2024-01-22"), day("2024-01-29")),
    ]
    assert [row["story_ids"] for row in rows] == [[1], [2], [3]]
    assert shown.current_iteration_number == 3


def test_the_velocity_is_in_proportion_to_the_length_of_the_iterations() -> None:
    shown = figures(accepted(1, "2024-01-03", 8), accepted(2, "2024-01-20", 1))
    shown.project.iteration_starts = [day("2024-01-01"), day("2024-01-15"), day("2024-01-22")]
    assert shown.current_velocity == 3


def test_a_story_is_in_the_iteration_that_the_project_says() -> None:
    shown = figures(
        accepted(1, "2024-01-03"), accepted(2, "2024-01-08"), story(3, "started"), story(4, "unstarted", 8),
        story(5, "unstarted"), story(6, "unscheduled"), story(7, "accepted"),
    )  # fmt: skip
    shown.project.iteration_starts = [day("2024-01-01")]
    shown.project.iteration_of = {2: 1, 3: 4, 4: 4, 5: 6}
    assert [(row["number"], row["story_ids"]) for row in shown.iterations] == [
        (1, [1, 2]), (2, []), (3, []), (4, [3, 4]), (5, []), (6, [5]),
    ]  # fmt: skip


def test_a_project_without_settings_has_those_of_a_new_one() -> None:
    project = Project(row={"id": 99}, iteration_starts=[day("2024-01-01")])
    shown = Figures(project, NOW)
    assert (shown.current_iteration_number, shown.current_velocity) == (4, 10)
    assert [row["length"] for row in shown.iterations] == [1, 1, 1, 1]


def test_an_epic_is_completed_at_no_time_where_an_accepted_story_does_not_tell_its_own() -> None:
    shown = figures(accepted(1, "2024-01-03", label_ids=[8]), story(2, "accepted", label_ids=[8]))
    shown.project.labels = {8: {"id": 8, "name": "epic"}}
    shown.project.epics = {9: {"id": 9, "label_id": 8}}
    shown.project.row["start_time"] = None
    shown.project.iteration_starts = [day("2024-01-01")]
    assert shown.epic(9)["completed_at"] is None
