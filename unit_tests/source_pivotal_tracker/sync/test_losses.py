"""Ways in which rows were once lost, or kept for ever, without a word."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import orjson
import pytest
from airbyte_cdk.models import AirbyteStateBlob

from tracker_server import edits
from tracker_server.api.call import Caps
from tracker_server.api.dialect import LITETRACKER, TRACKER, Dialect
from tracker_server.api.errors import error_response, invalid_parameter, unauthorized_operation
from tracker_server.api.tracker_api import TrackerApi
from tracker_server.app import TrackerServer
from tracker_server.http_message import Request, Response
from tracker_server.sample import make_world
from tracker_server.world import Project, World
from unit_tests.replica import Replica
from unit_tests.syncs import Sync, config_for, warnings

SMALL = Caps(stories=7, releases=2)


class Scene:
    """A world, its first project, and what happens before the requests that a server of it gets."""

    def __init__(self, projects: int = 1) -> None:
        self.world: World = make_world(projects=projects, stories=40)
        self.project: Project = next(iter(self.world.projects.values()))
        self.by = next(iter(self.world.tokens.values()))
        self._pages = 0
        self.is_hostile = False

    def slip(self, request: Request) -> None:
        """Before the third page of stories, the first four are deleted: four others slip to the page before."""
        if request.path.endswith("/stories"):
            self._pages += 1
            if self._pages == 3:
                edits.delete_stories(self.world, self.project, self.by, self.project.order[:4])

    def story_ids(self) -> set[int]:
        return {story for project in self.world.projects.values() for story in project.stories}


@pytest.fixture
def scene() -> Scene:
    return Scene()


def loaded(*syncs: Sync) -> dict[str, set[Any]]:
    """The ids that a destination holds after these syncs, by stream."""
    return {name: {key[0] for key in rows} for name, rows in Replica(*syncs).rows.items()}


def test_a_story_that_goes_between_a_kill_and_the_resume_is_gone(scene: Scene) -> None:
    with TrackerServer(scene.world, caps=SMALL) as server:
        config = config_for(server)
        killed = Sync(config, ["stories"], incremental=True, killed_after=12, state_seconds=0)
        sent = killed.records["stories"][0]["id"]
        assert "walk" in str(killed.blob("stories"))
        scene.world.now += timedelta(minutes=5)
        edits.delete_stories(scene.world, scene.project, scene.by, [sent])
        resumed = Sync(config, ["stories"], incremental=True, state=killed.state)
    assert loaded(killed, resumed)["stories"] == scene.story_ids()


def test_stories_that_bulk_leaves_out_are_asked_for_one_by_one(scene: Scene) -> None:
    api = TrackerApi(scene.world)

    def stingy(request: Request) -> Response | None:
        if not request.path.endswith("/bulk"):
            scene.slip(request)
            return None
        query = parse_qs(request.query)
        few = ",".join(query["ids"][0].split(",")[:2])
        return api.handle(Request("GET", request.path, f"ids={few}&fields={query['fields'][0]}", request.headers))

    with TrackerServer(scene.world, before=stingy, caps=SMALL) as server:
        first = Sync(config_for(server), ["stories"], incremental=True)
        second = Sync(config_for(server), ["stories"], incremental=True, state=first.state)
    assert any(logged.path.endswith("/bulk") for logged in server.log)
    assert loaded(first, second)["stories"] == scene.story_ids()


def test_a_403_on_single_stories_is_no_word_that_they_are_gone(scene: Scene) -> None:
    refusal = error_response(unauthorized_operation("Not now."))
    with TrackerServer(
        scene.world, before=lambda request: refusal if "/stories/" in request.path else scene.slip(request), caps=SMALL
    ) as server:
        first = Sync(config_for(server), ["stories"], incremental=True)
    with TrackerServer(scene.world, caps=SMALL) as server:
        second = Sync(config_for(server), ["stories"], incremental=True, state=first.state)
    assert loaded(first, second)["stories"] == scene.story_ids()


def test_a_release_that_becomes_a_feature_leaves_the_releases(scene: Scene) -> None:
    release = next(key for key, row in scene.project.stories.items() if row["story_type"] == "release")
    with TrackerServer(scene.world) as server:
        first = Sync(config_for(server), ["releases", "stories"], incremental=True)
        scene.world.now += timedelta(days=1)
        edits.update_story(scene.world, scene.project, scene.by, release, story_type="feature")
        second = Sync(config_for(server), ["releases", "stories"], incremental=True, state=first.state)
    held = loaded(first, second)
    assert release not in held["releases"]
    assert release in held["stories"]


def test_a_story_that_moved_to_a_project_left_out_of_one_sync_stays(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene(projects=2)
    one, other = scene.world.projects.values()
    story = next(iter(other.stories))
    with TrackerServer(scene.world) as server:
        both = config_for(server, project_ids=[one.id, other.id])
        syncs = [Sync(both, ["stories"], incremental=True)]
        scene.world.now += timedelta(days=1)
        edits.move_story_to_project(scene.world, other, one, scene.by, story)
        for ids in ([one.id], [other.id], [one.id, other.id]):
            config = config_for(server, project_ids=ids)
            syncs.append(Sync(config, ["stories"], incremental=True, state=syncs[-1].state))
    assert loaded(*syncs)["stories"] == scene.story_ids()
    assert (
        f"project_ids no longer has some projects of the state, so their rows stay as they are: projects {other.id}"
        in (warnings(caplog))
    )
    assert "The server no longer shows" not in caplog.text


def test_a_start_date_that_is_taken_back_after_a_kill_hides_nothing(scene: Scene) -> None:
    for number in range(8):
        edits.create_release(scene.world, scene.project, scene.by, name=f"Release {number}")
    with TrackerServer(scene.world, caps=SMALL) as server:
        late = config_for(server, start_date="2026-11-20T11:00:00Z")
        killed = Sync(late, ["releases"], incremental=True, killed_after=5, state_seconds=0)
        resumed = Sync(config_for(server), ["releases"], incremental=True, state=killed.state)
    releases = {key for key, row in scene.project.stories.items() if row["story_type"] == "release"}
    assert loaded(killed, resumed)["releases"] == releases


def test_rows_that_slip_on_a_server_that_tells_no_version_are_found_by_their_ids(scene: Scene) -> None:
    api = TrackerApi(scene.world, SMALL)

    def without_version(request: Request) -> Response:
        scene.slip(request)
        response = api.handle(request)
        response.headers.pop("X-Tracker-Project-Version", None)
        return response

    with TrackerServer(scene.world, before=without_version) as server:
        first = Sync(config_for(server), ["stories"], incremental=True)
        second = Sync(config_for(server), ["stories"], incremental=True, state=first.state)
    assert loaded(first, second)["stories"] == scene.story_ids()


@pytest.mark.parametrize("incremental", [True, False], ids=["incremental", "full refresh"])
def test_a_project_that_is_refused_after_its_first_page_leaves_the_stream_incomplete(
    scene: Scene, incremental: bool
) -> None:
    refusal = error_response(unauthorized_operation("Not now."))

    def refuse_later_pages(request: Request) -> Response | None:
        is_later = request.path.endswith("/stories") and "offset=0" not in request.query
        return refusal if is_later else None

    with TrackerServer(scene.world, before=refuse_later_pages, caps=SMALL) as server:
        broken_off = Sync(config_for(server), ["stories"], incremental=incremental)
    with TrackerServer(scene.world, caps=SMALL) as server:
        resumed = Sync(config_for(server), ["stories"], incremental=incremental, state=broken_off.state)
    assert broken_off.statuses["stories"][-1] == "INCOMPLETE"
    assert broken_off.failure is not None
    assert {row["id"] for sync in (broken_off, resumed) for row in sync.records["stories"]} == scene.story_ids()


def test_a_project_that_fell_behind_one_of_its_streams_is_read_anew_for_all_of_them(scene: Scene) -> None:
    with TrackerServer(scene.world) as server:
        ahead = Sync(config_for(server), ["stories"], incremental=True)
        restored = scene.project.version - 3
        scene.project.version = restored - 1
        behind = Sync(config_for(server), ["epics"], incremental=True)
        scene.project.version = restored
        both = Sync(config_for(server), ["stories", "epics"], incremental=True, state=[*ahead.state, *behind.state])
    assert {row["id"] for row in both.records["stories"]} == scene.story_ids()
    assert both.failure is None


def test_activity_that_is_refused_after_its_first_page_leaves_the_stream_incomplete(scene: Scene) -> None:
    refusal = error_response(unauthorized_operation("Not now."))
    refused: list[Request] = []

    def refuse_later_pages(request: Request) -> Response | None:
        if not request.path.endswith("/activity") or "offset=0" in request.query or not scene.is_hostile:
            return None
        refused.append(request)
        return refusal

    with TrackerServer(scene.world, before=refuse_later_pages, caps=Caps(activity=5)) as server:
        first = Sync(config_for(server), ["activity"], incremental=True)
        for number in range(12):
            scene.world.now += timedelta(minutes=1)
            edits.update_story(scene.world, scene.project, scene.by, scene.project.order[0], name=f"Name {number}")
        scene.is_hostile = True
        broken_off = Sync(config_for(server), ["activity"], incremental=True, state=first.state)
        scene.is_hostile = False
        last = Sync(config_for(server), ["activity"], incremental=True, state=broken_off.state)
    assert refused
    assert broken_off.statuses["activity"][-1] == "INCOMPLETE"
    assert broken_off.failure is not None
    came = {row["guid"] for sync in (first, broken_off, last) for row in sync.records["activity"]}
    assert came == {activity["guid"] for activity in scene.project.activity}


def test_a_server_that_gives_the_first_page_for_every_other_is_found_out_though_its_times_go_on(scene: Scene) -> None:
    api = TrackerApi(scene.world, Caps(stories=20))
    scene.project.order.reverse()  # What has been accepted long ago stands first.

    def first_page_again(request: Request) -> Response | None:
        if not request.path.endswith("/stories"):
            return None
        scene.world.now += timedelta(seconds=1)
        return api.handle(replace(request, query=re.sub("offset=[0-9]+", "offset=0", request.query)))

    with TrackerServer(scene.world, before=first_page_again) as server:
        sync = Sync(config_for(server), ["story_cycle_times"])
    assert sync.statuses["story_cycle_times"][-1] == "INCOMPLETE"
    assert "the page at offset 20 is the one before it again" in sync.errors[0]


@pytest.mark.parametrize(
    "dialect",
    [
        Dialect(activity_versions=False),
        Dialect(missing_endpoints=frozenset({"activity"})),
        Dialect(missing_endpoints=frozenset({"activity"}), versions=False),
    ],
    ids=["activity without versions", "no activity", "no activity and no versions"],
)
def test_the_past_of_a_project_is_read_anew_where_nobody_tells_what_changed_in_it(
    dialect: Dialect, scene: Scene
) -> None:
    days = ["project_history_days"]
    with TrackerServer(scene.world, dialect=dialect) as server:
        config = config_for(server)
        first = Sync(config, days, incremental=True)
        scene.world.now += timedelta(minutes=5)
        edits.delete_stories(scene.world, scene.project, scene.by, scene.project.order[:4])
        second = Sync(config, days, incremental=True, state=first.state)
        assert Replica(first, second).differences(Replica(Sync(config, days))) == []


@pytest.mark.parametrize("has_base", [False, True])
def test_a_story_that_was_written_before_a_kill_and_moved_out_of_sight_is_gone(has_base: bool) -> None:
    scene = Scene(projects=2)
    other = list(scene.world.projects.values())[1]
    with TrackerServer(scene.world, dialect=LITETRACKER) as server:
        config = config_for(server, project_ids=[scene.project.id])
        syncs = [Sync(config, ["stories"], incremental=True)] if has_base else []
        scene.world.now += timedelta(hours=1)
        story = edits.create_story(scene.world, scene.project, scene.by, name="Written, and in no state")["id"]
        state = syncs[-1].state if syncs else ()
        whole = Sync(config, ["stories"], incremental=True, state=state, state_seconds=9999)
        written = next(
            number
            for number, message in enumerate(whole.output, 1)
            if message.record and message.record.data["id"] == story
        )
        killed = Sync(config, ["stories"], incremental=True, state=state, state_seconds=9999, killed_after=written)
        scene.world.now += timedelta(minutes=10)
        edits.move_story_to_project(scene.world, scene.project, other, scene.by, story)
        syncs += [killed, Sync(config, ["stories"], incremental=True, state=killed.state)]
        assert loaded(*syncs)["stories"] == set(scene.project.stories)


@pytest.mark.parametrize("stream", ["stories", "labels"])
@pytest.mark.parametrize("bad", ["12", -1, None], ids=repr)
def test_an_id_that_no_digest_can_stand_for_fails_its_stream_in_words(stream: str, bad: object, scene: Scene) -> None:
    def spoil(request: Request) -> Response | None:
        is_list = request.path.endswith(f"/{stream}")
        return Response(200, {}, orjson.dumps([{"id": bad, "name": "x"}])) if is_list else None

    with TrackerServer(scene.world, dialect=LITETRACKER, before=spoil) as server:
        sync = Sync(config_for(server), [stream], incremental=True)
    assert any("id" in error and "defect" not in error for error in sync.errors)
    assert sync.statuses[stream][-1] == "INCOMPLETE"


def test_activity_that_tells_no_time_leaves_the_lists_to_be_looked_through(scene: Scene) -> None:
    with TrackerServer(scene.world, dialect=LITETRACKER) as server:
        for activity in scene.project.activity:
            del activity["occurred_at"]
        config = config_for(server)
        first = Sync(config, ["stories"], incremental=True)
        gone = scene.project.order[0]
        scene.world.now += timedelta(minutes=10)
        edits.delete_stories(scene.world, scene.project, scene.by, [gone])
        for activity in scene.project.activity:
            activity.pop("occurred_at", None)
        second = Sync(config, ["stories"], incremental=True, state=first.state)
    assert (first.errors, second.errors) == ([], [])
    assert loaded(first, second)["stories"] == set(scene.project.stories)


@pytest.mark.parametrize("tells_ids", [True, False], ids=["by their ids", "in another walk"])
def test_where_a_row_comes_twice_the_ones_that_slipped_are_found_though_the_version_stands_still(
    tells_ids: bool, scene: Scene
) -> None:
    pages = 0

    def in_no_order(request: Request) -> Response | None:
        nonlocal pages
        if request.path.endswith("/stories"):
            pages += 1
            if pages in (2, 4):
                scene.project.order.insert(0, scene.project.order.pop())
        hides = not tells_ids and request.query == "fields=story_ids"
        return error_response(invalid_parameter("fields")) if hides else None

    with TrackerServer(scene.world, before=in_no_order, caps=SMALL) as server:
        sync = Sync(config_for(server), ["stories"])
    assert sync.failure is None
    assert {row["id"] for row in sync.records["stories"]} == scene.story_ids()


@pytest.mark.parametrize("dialect", [TRACKER, LITETRACKER], ids=["tracker", "litetracker"])
@pytest.mark.parametrize("with_state_of_before", [False, True], ids=["noted by itself", "in a given state"])
def test_a_row_with_a_time_in_the_future_hides_none_that_come_after_it(
    with_state_of_before: bool, dialect: Dialect, scene: Scene
) -> None:
    future, streams = "2999-01-01T00:00:00Z", ["activity", "my_activity", "notifications", "stories", "story_tasks"]
    streams += ["story_transitions"] if dialect is TRACKER else []
    (notifications,) = scene.world.notifications.values()
    scene.project.transitions[-1]["occurred_at"] = scene.project.activity[-1]["occurred_at"] = future
    notifications[0]["created_at"] = future
    with TrackerServer(scene.world, dialect=dialect) as server:
        first = Sync(config_for(server), streams, incremental=True)
        state = first.state
        if with_state_of_before:
            for known in state:
                assert known.stream is not None
                written = orjson.dumps(known.stream.stream_state.__dict__)
                changed = re.sub(rb'"cursor":"[^"]*"', f'"cursor":"{future}"'.encode(), written)
                known.stream.stream_state = AirbyteStateBlob(**orjson.loads(changed))
        scene.world.now += timedelta(hours=1)
        story = next(key for key, row in scene.project.stories.items() if row["current_state"] == "unstarted")
        edits.update_story(scene.world, scene.project, scene.by, story, current_state="started")
        edits.create_task(scene.world, scene.project, scene.by, story, description="Dust")
        new = {"id": scene.world.new_id(), "created_at": "2026-11-20T13:00:00Z"}
        notifications.insert(0, {**notifications[1], **new})
        second = Sync(config_for(server), streams, incremental=True, state=state)
        whole = Sync(config_for(server), streams)
    assert second.failure is None
    assert new["id"] in loaded(whole)["notifications"]
    assert Replica(first, second).differences(Replica(whole)) == []
