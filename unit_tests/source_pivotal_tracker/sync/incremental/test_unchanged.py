"""A second sync asks for little: for nothing but the projects where nothing changed."""

from __future__ import annotations

import pytest

from tracker_server.app import TrackerServer
from unit_tests.modes import by_mode, needs_versions
from unit_tests.source_pivotal_tracker.sync.incremental.destination import (
    CALM,
    RESTLESS,
    WITH_CURSOR,
    Destination,
    Follow,
    ids,
)
from unit_tests.source_pivotal_tracker.sync.incremental.scene import Scene


@needs_versions
@pytest.mark.parametrize("stream", CALM)
def test_a_sync_in_which_nothing_changed_asks_for_the_projects_and_sends_nothing(
    stream: str, server: TrackerServer
) -> None:
    destination = Destination(server, stream)
    assert destination.sync().records[stream]
    second = destination.sync()
    assert destination.asked == ["/projects"]
    assert second.records[stream] == []
    assert second.statuses[stream] == ["STARTED", "COMPLETE"]


@needs_versions
def test_all_streams_that_hang_on_the_version_share_that_one_request(follow: Follow) -> None:
    destination = follow(*CALM)
    assert destination.sync().records == {}
    assert destination.asked == ["/projects"]


@needs_versions
def test_with_project_ids_each_project_is_asked_for_its_version(scene: Scene, follow: Follow) -> None:
    chosen = [scene.project.id, scene.other.id]
    destination = follow(*CALM, project_ids=chosen)
    assert destination.sync().records == {}
    assert destination.asked == [f"/projects/{project_id}" for project_id in sorted(chosen)]


@by_mode(
    "stream",
    lambda mode: mode.known(RESTLESS if mode.dialect.versions else WITH_CURSOR),
)
def test_a_stream_that_hangs_on_no_version_asks_and_sends_nothing_new(stream: str, server: TrackerServer) -> None:
    destination = Destination(server, stream)
    first = destination.sync().records[stream]
    second = destination.sync().records[stream]
    assert len(destination.requests) >= 1
    assert len(second) < len(first)
    assert [row for row in second if row not in first] == []


@needs_versions
def test_a_project_that_did_not_change_costs_nothing_beside_one_that_did(scene: Scene, follow: Follow) -> None:
    destination = follow(*CALM)
    scene.edit_story()
    destination.sync()
    assert [path for path in destination.asked if str(scene.other.id) in path] == []


def test_a_stream_that_joins_later_is_read_whole_and_the_others_go_on_from_where_they_are(
    scene: Scene, follow: Follow
) -> None:
    destination = follow("stories")
    fresh = scene.fresh()
    scene.edit_story()
    destination.streams = ["stories", "story_tasks"]
    second = destination.sync()
    assert ids(second.records["stories"]) - fresh - {scene.story} == set()
    assert destination.differences() == []


@needs_versions
def test_a_stream_that_joined_later_costs_nothing_once_it_has_been_read(follow: Follow) -> None:
    destination = follow("stories")
    destination.streams = ["stories", "story_tasks"]
    destination.sync()
    destination.sync()
    assert destination.asked == ["/projects"]


@needs_versions
def test_a_stream_that_joins_in_an_unchanged_world_has_the_stories_to_itself(follow: Follow) -> None:
    destination = follow("stories")
    destination.streams = ["stories", "story_tasks"]
    second = destination.sync()
    assert second.records["stories"] == []
    assert destination.differences() == []
