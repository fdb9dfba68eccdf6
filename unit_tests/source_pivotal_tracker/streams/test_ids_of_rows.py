"""What the server says of a row is never overridden: its list gives it an id only where it has none."""

from __future__ import annotations

from typing import Any

import pytest

from source_pivotal_tracker.streams.base import TrackerStream
from source_pivotal_tracker.streams.endpoints import Parent, ParentKind, Partition
from source_pivotal_tracker.wiring import client_of, configured, parents_of, streams_of

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


def row(own: dict[str, Any]) -> dict[str, Any]:
    """A row with everything in it that a stream may look for, each with the ids `own`."""
    attached = [{"id": 5, **own}]
    comment = {"id": 4, "file_attachments": attached, "google_attachments": attached, **own}
    row_of_a_story = {
        "id": OF_A_LIST["project_id"],
        "guid": "g",
        "number": 6,
        "project_version": 7,
        "story_id": 8,
        "story_type": "release",
    }
    days = {"header": ["date", *own], "data": [["2024-01-01", *own.values()]]}
    parts = {part: [{"id": 4, **own}] for part in PARTS}
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

    records = stream.records(carried, partition(stream))

    assert [record[key] for record in records] == [OWN[key]] * len(records) != []


@each_stream
def test_a_row_without_one_gets_that_of_its_list(stream: TrackerStream) -> None:
    key = parent_kind(stream).attribute
    bare = row({"project": {"id": OF_A_LIST["project_id"]}})

    records = stream.records(bare, partition(stream))

    assert [record.get(key, OF_A_LIST[key]) for record in records] == [OF_A_LIST[key]] * len(records) != []


def test_transitions_of_a_moved_story_at_the_same_version_of_either_project_are_two_rows() -> None:
    transitions = next(stream for stream in OF_LISTS if stream.name == "story_transitions")
    rows = [{"project_id": project, "project_version": 7, "story_id": 8, "state": "started"} for project in (1, 71)]

    made = transitions.records_by_row(rows, partition(transitions))

    assert {transitions.key_of(record) for (record,) in made} == {(1, 7, 8), (71, 7, 8)}
