"""What a read does with a server that refuses or ignores `fields`, and which rows and attributes come from it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import pytest

from source_pivotal_tracker.streams.base import PartStream
from tracker_server.api.dialect import LITETRACKER
from tracker_server.api.errors import error_response, invalid_parameter
from tracker_server.app import TrackerServer
from tracker_server.http_message import Request, Response
from tracker_server.sample import make_world
from tracker_server.world import World
from unit_tests.interception import Before, html, query_of, without_fields
from unit_tests.source_pivotal_tracker.streams.reads import keys_come, keys_held, synced
from unit_tests.syncs import BY_NAME, Row, Sync, config_for, warnings


def refuses(*attributes: str) -> Before:
    """Answers 400 where `fields` names one of these."""

    def before(request: Request) -> Response | None:
        named = set(re.findall(r"[a-z_:]+", query_of(request).get("fields", "")))
        return error_response(invalid_parameter(f"no {attributes}")) if named.intersection(attributes) else None

    return before


def test_a_server_that_refuses_the_default_attributes_too_fails_the_stream(world: World) -> None:
    sync = synced(world, "labels", "me", before=refuses("counts", ":default"))
    assert sync.statuses["labels"][-1] == "INCOMPLETE"
    assert sync.statuses["me"][-1] == "COMPLETE"
    (error,) = sync.errors
    assert "/labels: 400 invalid_parameter: " in error


WITH_ENDPOINTS = ["story_tasks", "story_comments", "story_blockers", "story_reviews", "epic_comments"]
WITHOUT = [name for name, stream in BY_NAME.items() if issubclass(stream, PartStream) and name not in WITH_ENDPOINTS]


@pytest.mark.parametrize("stream", WITH_ENDPOINTS)
def test_where_the_server_ignores_fields_parts_come_from_their_own_endpoints(stream: str, world: World) -> None:
    sync = synced(world, stream, before=without_fields(world))
    assert keys_come(sync, stream) == keys_held(world, stream)
    assert sync.statuses[stream][-1] == "COMPLETE"


@pytest.mark.parametrize("stream", WITHOUT)
def test_a_part_that_has_no_endpoint_of_its_own_is_an_empty_stream_with_a_warning(
    stream: str, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    sync = synced(world, stream, before=without_fields(world))
    assert sync.records[stream] == []
    assert sync.statuses[stream][-1] == "COMPLETE"
    empty = [warning for warning in warnings(caplog) if "will be empty" in warning]
    assert empty
    assert len(empty) == len(set(empty)) <= 2


@pytest.mark.parametrize("by_the_cdk", [True, False], ids=["by the cdk", "by the engine"])
def test_a_part_is_no_empty_stream_where_no_story_tells_that_the_server_ignores_fields(*, by_the_cdk: bool) -> None:
    world = make_world(projects=1, stories=1)
    (project,) = world.projects.values()
    project.stories.clear()
    project.order.clear()
    for epic in project.epics.values():
        epic["comments"] = [{"id": epic["id"] + 1, "kind": "comment", "text": "Oh", "person_id": 1}]
    with TrackerServer(world, before=without_fields(world)) as server:
        sync = Sync(config_for(server), ["epic_comments"], by_the_cdk=by_the_cdk)
    assert {row["epic_id"] for row in sync.records["epic_comments"]} == project.epics.keys()
    assert sync.failure is None


@pytest.mark.parametrize("stream", ["stories", "epics", "labels", "projects", "releases", "activity"])
def test_whole_rows_come_from_a_server_that_ignores_fields(stream: str, world: World) -> None:
    sync = synced(world, stream, before=without_fields(world))
    assert keys_come(sync, stream) == keys_held(world, stream)


def story_ids(iterations: list[Row]) -> dict[tuple[int, int], list[int]]:
    return {(row["project_id"], row["number"]): row["story_ids"] for row in iterations}


def test_an_iteration_with_nested_stories_has_their_ids_only(world: World) -> None:
    plain = synced(world, "iterations").records["iterations"]
    nested = synced(world, "iterations", before=without_fields(world)).records["iterations"]
    assert story_ids(nested) == story_ids(plain)
    assert all("stories" not in row for row in nested)
    assert any(row["story_ids"] for row in nested)


def failing_tasks(status: int, times: int, path: str = "") -> Before:
    """Answers the requests for the tasks of each story with this status first, so many times."""
    asked_for: Counter[str] = Counter()

    def before(request: Request) -> Response | None:
        if not request.path.endswith("/tasks") or path not in request.path:
            return None
        asked_for[request.path] += 1
        return replace(html(status), headers={"Retry-After": "0"}) if asked_for[request.path] <= times else None

    return before


@pytest.mark.parametrize("status", [429, 503])
def test_a_request_for_parts_that_fails_for_a_while_costs_no_row(status: int, world: World) -> None:
    with TrackerServer(world, dialect=LITETRACKER, before=failing_tasks(status, times=2)) as server:
        sync = Sync(config_for(server), ["stories", "story_tasks"])
    assert sync.failure is None
    for stream in ("stories", "story_tasks"):
        assert keys_come(sync, stream) == keys_held(world, stream)


@pytest.mark.parametrize("status", [429, 503])
def test_a_request_for_parts_that_keeps_failing_is_an_error_with_project_path_and_cause_and_others_go_on(
    status: int, world: World
) -> None:
    project = next(iter(world.projects.values()))
    path = f"/projects/{project.id}/stories/{project.order[0]}/tasks"
    broken = TrackerServer(world, dialect=LITETRACKER, before=failing_tasks(status, 1000, path))
    with broken as server:
        sync = Sync(config_for(server), ["stories", "story_tasks", "labels", "me"], incremental=True)
    with TrackerServer(world, dialect=LITETRACKER) as server:
        rest = Sync(config_for(server), ["stories", "story_tasks"], incremental=True, state=sync.state)
    ends = {stream: statuses[-1] for stream, statuses in sync.statuses.items()}
    assert ends == {"stories": "INCOMPLETE", "story_tasks": "INCOMPLETE", "labels": "COMPLETE", "me": "COMPLETE"}
    assert len(sync.errors) == 2
    for error in sync.errors:
        assert f"of project {project.id}: GET {path}: {status} " in error
    for stream in ("stories", "story_tasks"):
        assert {*keys_come(sync, stream), *keys_come(rest, stream)} == set(keys_held(world, stream))
