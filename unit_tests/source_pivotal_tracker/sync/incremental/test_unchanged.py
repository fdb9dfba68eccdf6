"""A second sync asks for little: for nothing but the projects where nothing changed."""

from __future__ import annotations

import pytest

from tracker_server.app import TrackerServer
from unit_tests.source_pivotal_tracker.sync.incremental.destination import CALM, RESTLESS, Destination, Follow, ids
from unit_tests.source_pivotal_tracker.sync.incremental.scene import Scene


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


def test_all_streams_that_hang_on_the_version_share_that_one_request(follow: Follow) -> None:
    destination = follow(*CALM)
    assert destination.sync().records == {}
    assert destination.asked == ["/projects"]


def test_with_project_ids_each_project_is_asked_for_its_version(scene: Scene, follow: Follow) -> None:
    chosen = [scene.project.id, scene.other.id]
    destination = follow(*CALM, project_ids=chosen)
    assert destination.sync().records == {}
    assert destination.asked == [f"/projects/{each}" for each in sorted(chosen)]


@pytest.mark.parametrize("stream", RESTLESS)
def test_a_stream_that_hangs_on_no_version_asks_and_sends_nothing_new(stream: str, server: TrackerServer) -> None:
    destination = Destination(server, stream)
    first = destination.sync().records[stream]
    second = destination.sync().records[stream]
    assert len(destination.requests) >= 1
    assert len(second) < len(first)
    assert [row for row in second if row not in first] == []


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
    destination.sync()
    assert destination.asked == ["/projects"]


def test_a_stream_that_joins_in_an_unchanged_world_has_the_stories_to_itself(follow: Follow) -> None:
    destination = follow("stories")
    destination.streams = ["stories", "story_tasks"]
    second = destination.sync()
    assert second.records["stories"] == []
    assert destination.differences() == []
