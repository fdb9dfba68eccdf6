"""What the server says of a row is never overridden: its list gives it an id only where it has none."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from source_pivotal_tracker.api.fields import DEFAULT
from source_pivotal_tracker.streams.base import TrackerStream
from source_pivotal_tracker.streams.endpoints import Parent, ParentKind, Partition
from source_pivotal_tracker.wiring import client_of, configured, parents_of, streams_of
from tracker_server.api.tracker_api import TrackerApi
from tracker_server.http_message import Request, Response
from tracker_server.world import World
from unit_tests.interception import Before, is_probe, path_of, query_of
from unit_tests.source_pivotal_tracker.streams.reads import synced
from unit_tests.syncs import Row

SETTINGS = configured({"api_url": "https://tracker.example.org/services/v5", "api_token": "a" * 32})
CLIENT = client_of(SETTINGS)
OF_A_LIST = {"project_id": 1, "account_id": 2}
OWN = {"project_id": 71, "account_id": 72}
PARTS = ("tasks", "blockers", "reviews", "pull_requests", "branches", "cycle_time_details", "review_types")
OF_LISTS = [
    stream
    for stream in streams_of(SETTINGS, CLIENT, parents_of(SETTINGS, CLIENT))
    if any(endpoint.parent for endpoint in stream.endpoints)
]
"""The streams whose lists are asked for by a project or an account."""

each_stream = pytest.mark.parametrize("stream", OF_LISTS, ids=lambda stream: stream.name)


def row(own: dict[str, Any], of_parts: dict[str, Any] | None = None) -> dict[str, Any]:
    """A row with everything that a stream may look for, with the ids `own`; its parts with `of_parts`, or those too."""
    of_parts = own if of_parts is None else of_parts
    attached = [{"id": 5, **of_parts}]
    comment = {"id": 4, "file_attachments": attached, "google_attachments": attached, **of_parts}
    row_of_a_story = {
        "id": OF_A_LIST["project_id"],
        "guid": "g",
        "number": 6,
        "project_version": 7,
        "story_id": 8,
        "story_type": "release",
    }
    days = {"header": ["date", *own], "data": [["2024-01-01", *own.values()]]}
    parts = {part: [{"id": 4, **of_parts}] for part in PARTS}
    return {**row_of_a_story, "comments": [comment], **parts, **days, **own}


def parent_kind(stream: TrackerStream) -> ParentKind:
    kind = stream.endpoints[0].parent
    assert kind
    return kind


def partition(stream: TrackerStream) -> Partition:
    kind = parent_kind(stream)
    return Partition(stream.endpoints[0], Parent(kind, OF_A_LIST[kind.attribute]))


@each_stream
def test_the_id_that_a_row_carries_is_kept(stream: TrackerStream) -> None:
    key = parent_kind(stream).attribute
    carried = row(OWN | {"project": {"id": OWN["project_id"]}})

    (records,) = stream.records_by_row([carried], partition(stream))

    assert [record[key] for record in records] == [OWN[key]] * len(records) != []


@each_stream
def test_what_hangs_on_a_row_has_the_id_that_the_row_carries(stream: TrackerStream) -> None:
    key = parent_kind(stream).attribute
    # A project carries no `project_id`: it is the project.
    own = OWN | {"id": OWN["project_id"], "project": {"id": OWN["project_id"]}}
    carried = row(own, of_parts={})

    (records,) = stream.records_by_row([carried], partition(stream))

    assert [record[key] for record in records] == [OWN[key]] * len(records) != []


@each_stream
def test_a_row_is_asked_for_its_id(stream: TrackerStream) -> None:
    asked, is_project = stream.wanted_fields(), stream.endpoints[0].single
    assert not asked or is_project or DEFAULT in asked or parent_kind(stream).attribute in asked


@each_stream
def test_a_row_without_one_gets_that_of_its_list(stream: TrackerStream) -> None:
    key = parent_kind(stream).attribute

    for bare in (row({}), row({key: None})):
        (records,) = stream.records_by_row([bare], partition(stream))

        assert [record[key] for record in records] == [OF_A_LIST[key]] * len(records) != []


def rows_as(world: World, change: Callable[[Row], None]) -> Before:
    """A server whose rows of stories and epics, labels and the like are changed."""
    api = TrackerApi(world)

    def before(request: Request) -> Response | None:
        if path_of(request).count("/") < 3:
            return None
        answer = api.handle(request)
        rows = orjson.loads(answer.body)
        for changed in rows if isinstance(rows, list) else ():
            change(changed)
        return replace(answer, body=json.dumps(rows).encode())

    return before


@pytest.mark.parametrize("stream", ["labels", "stories", "story_tasks"])
@pytest.mark.parametrize("odd", ["abc", "5", 10**20, 1e20, 5.5, True, [5], {"id": 5}], ids=repr)
def test_an_id_that_is_no_number_fails_the_stream(stream: str, odd: object, world: World) -> None:
    def with_an_odd_id(changed: Row) -> None:
        changed["id"] = odd

    def before(request: Request) -> Response | None:
        is_list = path_of(request).endswith(("/labels", "/stories"))
        return odd_server(request) if is_list and not is_probe(query_of(request)) else None

    odd_server = rows_as(world, with_an_odd_id)
    sync = synced(world, stream, before=before)

    assert sync.statuses[stream][-1] == "INCOMPLETE"
    assert sync.records[stream] == []
    message = "a row of labels came with .+ as its id, which is not a number|a row came with an id that is no number"
    pattern = re.compile(message)
    assert sync.errors != []
    assert [error for error in sync.errors if not pattern.search(error)] == []


def test_rows_of_a_server_that_names_no_project_get_that_of_their_list(world: World) -> None:
    def without_a_project(changed: Row) -> None:
        changed.pop("project_id", None)
        changed.pop("project", None)

    sync = synced(world, *(stream.name for stream in OF_LISTS), before=rows_as(world, without_a_project))

    by_project = [stream.name for stream in OF_LISTS if parent_kind(stream) is ParentKind.PROJECT]
    without = {name: {row.get("project_id") for row in sync.records[name]} - set(world.projects) for name in by_project}
    assert without == {name: set() for name in by_project}


def test_what_hangs_on_a_story_of_another_project_goes_with_it_whichever_streams_are_read(world: World) -> None:
    def of_another(changed: Row) -> None:
        if "project_id" in changed:
            changed["project_id"] = 777

    for others in ((), ("stories", "epics")):
        sync = synced(
            world, "story_tasks", "story_comments", "file_attachments", *others, before=rows_as(world, of_another)
        )
        assert {name: {row["project_id"] for row in rows} for name, rows in sync.records.items()} == {
            name: {777} for name in ("story_tasks", "story_comments", "file_attachments", *others)
        }


def test_transitions_of_a_moved_story_at_the_same_version_of_either_project_are_two_rows() -> None:
    transitions = next(stream for stream in OF_LISTS if stream.name == "story_transitions")
    rows = [{"project_id": project, "project_version": 7, "story_id": 8, "state": "started"} for project in (1, 71)]

    by_row = transitions.records_by_row(rows, partition(transitions))

    assert {transitions.key_of(record) for (record,) in by_row} == {(1, 7, 8), (71, 7, 8)}
