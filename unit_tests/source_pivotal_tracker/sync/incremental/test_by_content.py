"""Where a server does not tell all that changed, rows are compared with those that were sent, and swept at times."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
from airbyte_cdk.models import AirbyteStateBlob, AirbyteStateMessage

from source_pivotal_tracker.sync.row_digests import RowDigests
from tracker_server import edits
from tracker_server.api.dialect import LITETRACKER
from tracker_server.api.errors import ApiError, error_response, unauthorized_operation
from tracker_server.api.tracker_api import TrackerApi
from tracker_server.app import TrackerServer
from tracker_server.http_message import Request, Response
from unit_tests.interception import Before, instead, json, path_of, query_of
from unit_tests.modes import LITETRACKER_MODE, needs_versions, only_litetracker
from unit_tests.source_pivotal_tracker.sync.incremental.destination import (
    CALM,
    Destination,
    Follow,
    gone,
    ids,
    living,
    tombstones,
)
from unit_tests.source_pivotal_tracker.sync.incremental.scene import Scene
from unit_tests.syncs import Sync, config_for, swept_later, warnings

STREAMS = ["stories", "story_tasks", "labels", "epics", "releases"]


@pytest.fixture
def lite(scene: Scene) -> Iterator[TrackerServer]:
    with TrackerServer(scene.world, dialect=LITETRACKER) as running:
        yield running


def sync(server: TrackerServer, last: Sync | None = None, **settings: Any) -> Sync:
    sync = Sync(config_for(server, **settings), STREAMS, incremental=True, state=last.state if last else ())
    assert sync.failure is None
    return sync


def days_later(last: Sync, days: int) -> Sync:
    """The same sync, as if its lists had last been swept so many days ago."""
    for message, earlier in zip(last.state, swept_later(last.state, -days), strict=True):
        message.stream = earlier.stream
    return last


def forget_activity(scene: Scene) -> None:
    """What happened lately is not told; the last of what was told before still is."""
    scene.project.activity[:] = [row for row in scene.project.activity if row["occurred_at"] < scene.now]


def change_silently(scene: Scene) -> None:
    """An edit of a story and a deletion that neither a time nor the activity tells."""
    was = scene.project.stories[scene.story]["updated_at"]
    scene.later()
    edits.update_story(*scene.here, scene.story, name="Changed without a word")
    edits.delete_stories(*scene.here, [scene.neighbour])
    scene.project.stories[scene.story]["updated_at"] = was
    forget_activity(scene)


def test_a_second_sync_of_a_world_that_stands_still_sends_nothing(lite: TrackerServer) -> None:
    second = sync(lite, sync(lite))
    assert {name: len(rows) for name, rows in second.records.items() if rows} == {}


def test_what_nobody_tells_comes_with_the_next_sweep_and_what_is_gone_as_a_tombstone(
    scene: Scene, lite: TrackerServer
) -> None:
    first = sync(lite)
    change_silently(scene)
    between = sync(lite, first)
    assert ids(between.records["stories"]).isdisjoint({scene.story, scene.neighbour})
    swept = sync(lite, days_later(between, 7))
    assert living(swept, "stories") == {scene.story}
    assert [row["id"] for row in tombstones(swept, "stories")] == [scene.neighbour]
    after = sync(lite, swept)
    assert after.records["stories"] == []


def test_a_row_that_is_missing_stays_until_tracker_itself_says_that_it_is_gone(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    answers: dict[str, Response] = {}
    with TrackerServer(scene.world, dialect=LITETRACKER, before=instead(answers)) as server:
        first = sync(server)
        change_silently(scene)
        blocked = replace(json({"error": "Forbidden"}), status=403)
        places = ["", *(f"/projects/{project}" for project in scene.world.projects)]
        answers.update({f"{place}/stories/{scene.neighbour}": blocked for place in places})
        caplog.clear()
        swept = sync(server, days_later(first, 7))
        assert tombstones(swept, "stories") == []
        assert [warning for warning in warnings(caplog) if f"stay ({scene.neighbour}), because" in warning]
        answers.clear()
        assert gone(sync(server, days_later(swept, 7)), "stories") == {scene.neighbour}


SILENT = {"labels": "labels", "epics": "epics", "project_memberships": "memberships"}


@pytest.mark.parametrize("stream", SILENT)
def test_a_list_that_is_empty_all_at_once_deletes_nothing_but_what_the_activity_tells(
    stream: str, scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    answers: dict[str, Response] = {}
    deletion = {"labels": Scene.delete_label, "epics": Scene.delete_epic, "project_memberships": Scene.end_membership}
    deleted = {"labels": scene.label, "epics": scene.epic, "project_memberships": scene.membership}[stream]
    with TrackerServer(scene.world, dialect=LITETRACKER, before=instead(answers)) as server:
        destination = Destination(server, stream)
        held = ids(destination.sync().records[stream])
        scene.later()
        deletion[stream](scene)
        answers[f"/projects/{scene.project.id}/{SILENT[stream]}"] = json([])
        caplog.clear()
        silent = destination.sync()
        assert gone(silent, stream) == {deleted}
        (warning,) = (warning for warning in warnings(caplog) if " is empty, and the activity " in warning)
        of_the_project = len({row["id"] for row in getattr(scene.project, SILENT[stream]).values()} - {deleted})
        assert f"the list of {SILENT[stream]} is empty" in warning
        assert f"its {of_the_project} rows" in warning
        answers.clear()
        scene.later()
        again = destination.sync()
        assert living(again, stream) == set()
        assert destination.differences() == []
    assert held > {deleted}


def test_a_list_that_is_empty_because_the_activity_says_so_is_no_cause_for_a_warning(
    scene: Scene, lite: TrackerServer, caplog: pytest.LogCaptureFixture
) -> None:
    destination = Destination(lite, "epics", "epic_comments")
    destination.sync()
    scene.later()
    epics = set(scene.project.epics)
    for epic in epics:
        edits.delete_epic(*scene.here, epic)
    caplog.clear()
    assert gone(destination.sync(), "epics") == epics
    scene.later()
    destination.sync()
    assert [warning for warning in warnings(caplog) if " is empty, and the activity " in warning] == []
    assert destination.differences() == []


@pytest.mark.parametrize(("days", "sweep"), [(1, True), (3, False), (0, False)])
def test_sweeps_are_as_many_days_apart_as_the_user_says(
    days: int, sweep: bool, scene: Scene, lite: TrackerServer
) -> None:
    first = days_later(sync(lite), 2)
    change_silently(scene)
    second = sync(lite, first, full_sweep_days=days)
    assert (living(second, "stories") == {scene.story}) is sweep


def test_a_sweep_that_is_noted_for_a_day_in_the_future_does_not_put_off_the_next(
    scene: Scene, lite: TrackerServer
) -> None:
    first = days_later(sync(lite), -1000)
    change_silently(scene)
    assert living(sync(lite, first), "stories") == {scene.story}


@needs_versions
def test_a_server_that_tells_all_is_not_swept_and_keeps_no_row_digests(server: TrackerServer) -> None:
    first = sync(server)
    assert "ledger" not in str([first.blob(name) for name in STREAMS])
    before = len(server.log)
    sync(server, first, full_sweep_days=1)
    assert [logged.path for logged in server.log[before:]] == ["/projects"]


def test_activity_that_does_not_reach_back_makes_the_project_be_looked_through(
    scene: Scene, lite: TrackerServer, caplog: pytest.LogCaptureFixture
) -> None:
    first = sync(lite)
    change_silently(scene)
    scene.later()
    scene.project.activity.clear()
    scene.edit_story()
    caplog.clear()
    second = sync(lite, first)
    assert scene.story in living(second, "stories")
    assert [row["id"] for row in tombstones(second, "stories")] == [scene.neighbour]
    assert any(
        warning.startswith(f"Project {scene.project.id}: comparing all rows because ") for warning in warnings(caplog)
    )


def test_a_label_that_is_renamed_makes_no_story_be_asked_for_its_parts(scene: Scene, lite: TrackerServer) -> None:
    first = sync(lite)
    scene.later()
    edits.update_story(*scene.here, scene.neighbour, name="The last to change")
    scene.later()
    second = sync(lite, first)
    edits.update_label(*scene.here, scene.label, name="bright")
    before = len(lite.log)
    third = sync(lite, second)
    assert scene.story in living(third, "stories")
    stories = f"/projects/{scene.project.id}/stories"
    parts = [logged.path for logged in lite.log[before:] if re.match(rf"{stories}/\d+/tasks", logged.path)]
    assert parts == [f"{stories}/{scene.neighbour}/tasks"]


def test_the_log_says_what_the_server_lacks_and_what_it_costs_once(
    lite: TrackerServer, caplog: pytest.LogCaptureFixture
) -> None:
    sync(lite)
    lacking = [warning for warning in warnings(caplog) if warning.startswith("The server ")]
    assert [warning.split(":")[0] for warning in lacking] == [
        "The server ignores `fields`",
        "The server sends no pagination headers",
        "The server sends no project versions",
    ]
    assert sum(logged.query == {"limit": "1", "fields": "id"} for logged in lite.log) == 1


def test_a_story_whose_digests_are_damaged_is_read_anew_with_a_warning(
    scene: Scene, lite: TrackerServer, caplog: pytest.LogCaptureFixture
) -> None:
    first = sync(lite)
    states: list[AirbyteStateMessage] = first.state
    for message in states:
        assert message.stream
        blob = orjson.loads(orjson.dumps(message.stream.stream_state.__dict__ if message.stream.stream_state else {}))
        for project in blob["projects"].values():
            project["ledger"] = project["ledger"][:-3]
        message.stream.stream_state = AirbyteStateBlob(blob)
    caplog.clear()
    second = sync(lite, first)
    assert ids(second.records["stories"]) == {
        key for project in scene.world.projects.values() for key in project.stories
    }
    assert any("is damaged for project" in warning for warning in warnings(caplog))


def test_row_digests_take_few_characters_of_state(lite: TrackerServer) -> None:
    first = sync(lite)
    written = [checkpoint["ledger"] for checkpoint in first.blob("stories")["projects"].values()]
    assert sum(map(len, written)) < 40 * len(first.records["stories"]) + 200
    assert all(RowDigests.read(digests) for digests in written)


Activity = Callable[[Request, TrackerApi], Response]


def oldest_first(request: Request, api: TrackerApi) -> Response:
    """The activity of a project the other way round, 50 at a time."""
    rows: list[Any] = []
    while page := orjson.loads(api.handle(replace(request, query=f"offset={len(rows)}&limit=50")).body):
        rows += page
    offset = int(query_of(request).get("offset", 0))
    return json(rows[::-1][offset : offset + 50])


ACTIVITIES: dict[str, Activity] = {
    "with the oldest first": oldest_first,
    "that is always empty": lambda _request, _api: json([]),
    "without an endpoint": lambda _request, _api: error_response(ApiError(404, "route_not_found", "None.")),
    "that is refused": lambda _request, _api: error_response(unauthorized_operation("Not yours.")),
}


def in_place_of_activity(scene: Scene, activity: Activity) -> Before:
    api = TrackerApi(scene.world, dialect=LITETRACKER)
    path = f"/projects/{scene.project.id}/activity"
    return lambda request: activity(request, api) if path_of(request) == path else None


@pytest.mark.parametrize("activity", ACTIVITIES.values(), ids=ACTIVITIES.keys())
def test_a_server_whose_activity_is_of_no_use_loses_neither_a_row_nor_a_deletion(
    activity: Activity, scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    streams = [name for name in LITETRACKER_MODE.known(CALM) if name != "activity"]
    before = in_place_of_activity(scene, activity)
    with TrackerServer(scene.world, dialect=LITETRACKER, before=before) as server:
        destination = Destination(server, *streams)
        destination.sync()
        assert [
            warning for warning in warnings(caplog) if "last sync" in warning or warning.startswith("Project ")
        ] == []
        scene.later()
        scene.edit_story()
        scene.add_task()
        scene.change_epic()
        edits.delete_stories(*scene.here, [scene.neighbour, scene.release])
        second = destination.sync()
        assert gone(second, "stories") == {scene.neighbour, scene.release}
        assert gone(second, "releases") == {scene.release}
        assert destination.differences() == []
        scene.later()
        scene.create_story()
        scene.delete_epic()
        assert gone(destination.sync(), "epics") == {scene.epic}
        assert destination.differences() == []


def test_activity_that_has_the_oldest_first_comes_whole_and_so_do_the_deletions_that_it_tells(scene: Scene) -> None:
    with TrackerServer(scene.world, dialect=LITETRACKER, before=in_place_of_activity(scene, oldest_first)) as server:
        destination = Destination(server, "activity", "story_tasks", "stories")
        destination.sync()
        scene.later()
        scene.delete_task()
        assert gone(destination.sync(), "story_tasks") == {scene.task}
        assert destination.differences() == []


@only_litetracker
@pytest.mark.parametrize("back", [{"seconds": -30}, {"hours": -2}, {"days": -90}], ids=str)
def test_after_a_clock_went_back_what_changed_is_sent_and_no_version_is_spoken_of(
    back: dict[str, int], scene: Scene, follow: Follow, caplog: pytest.LogCaptureFixture
) -> None:
    destination = follow("stories", "story_tasks", "epics")
    scene.later(hours=-1)
    scene.later(**back)
    scene.edit_story()
    scene.change_epic()
    edits.delete_stories(*scene.here, [scene.neighbour])
    caplog.clear()
    second = destination.sync()
    assert scene.story in living(second, "stories")
    assert scene.epic in living(second, "epics")
    assert gone(second, "stories") == {scene.neighbour}
    assert [warning for warning in warnings(caplog) if "version fell" in warning] == []


@only_litetracker
def test_a_project_that_was_away_for_two_syncs_brings_all_that_happened_meanwhile(
    scene: Scene, follow: Follow, caplog: pytest.LogCaptureFixture
) -> None:
    destination = follow(*LITETRACKER_MODE.known(CALM))
    memberships = dict(scene.project.memberships)
    scene.project.memberships.clear()
    scene.edit_story()
    scene.delete_stories()
    scene.delete_release()
    scene.delete_epic()
    caplog.clear()
    for _ in range(2):
        away = destination.sync()
        assert [name for name in away.records if tombstones(away, name)] == []
        scene.later()
    unseen = [warning for warning in warnings(caplog) if "so their rows stay as they are" in warning]
    assert [warning.endswith(f"projects {scene.project.id}") for warning in unseen] == [True, True]
    scene.project.memberships.update(memberships)
    back = destination.sync()
    assert gone(back, "stories") == {scene.story, scene.neighbour, scene.release}
    assert (gone(back, "releases"), gone(back, "epics")) == ({scene.release}, {scene.epic})
    assert destination.differences() == []
