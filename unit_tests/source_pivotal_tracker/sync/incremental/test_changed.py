"""A second sync brings what changed, all of it, and little else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from source_pivotal_tracker.streams.base import PartStream
from tracker_server import edits
from tracker_server.app import TrackerServer
from tracker_server.world import iso
from unit_tests.interception import asked
from unit_tests.modes import by_mode, needs_fields
from unit_tests.source_pivotal_tracker.sync.incremental.destination import CALM, RESTLESS, Destination, Follow, ids
from unit_tests.source_pivotal_tracker.sync.incremental.scene import Edit, Scene, every_edit
from unit_tests.syncs import BY_NAME

JUDGED_BY_TIME = ("stories", "story_tasks", "activity", "story_transitions")
OF_STORIES = [name for name in CALM if name.startswith("story_") and issubclass(BY_NAME[name], PartStream)]


@pytest.mark.sampled(3)
@every_edit
def test_after_an_edit_the_replica_is_right_and_untouched_stories_are_not_sent(
    edit: Edit, scene: Scene, follow: Follow
) -> None:
    destination = follow(*CALM)
    fresh = scene.fresh()
    touched = edit(scene)
    second = destination.sync()
    assert destination.differences() == []
    assert ids(second.records["stories"]) - touched - fresh == set()
    for part in OF_STORIES:
        assert ids(second.records[part], "story_id") - touched - fresh == set()


@pytest.mark.sampled(3, 1)
@needs_fields
@every_edit
def test_after_an_edit_few_requests_are_made(edit: Edit, scene: Scene, follow: Follow) -> None:
    destination = follow(*CALM)
    edit(scene)
    destination.sync()
    # The projects; of the one that changed its activity, stories (by time, by id, releases) and four other lists.
    assert len(destination.requests) <= 9
    assert len([path for path in destination.asked if "/stories" in path]) <= 3


@pytest.mark.sampled(3, 2)
@needs_fields
@every_edit
def test_after_an_edit_the_replica_is_right_where_a_stream_wants_every_story(
    edit: Edit, scene: Scene, follow: Follow
) -> None:
    destination = follow("stories", "story_tasks", "story_cycle_times")
    fresh = scene.fresh()
    touched = edit(scene)
    second = destination.sync()
    assert destination.differences() == []
    assert ids(second.records["stories"]) - touched - fresh == set()
    assert len([path for path in destination.lists if str(scene.project.id) in path]) <= 2


SWEEPING: dict[str, Callable[[Scene], object]] = {
    "a label renamed": lambda scene: edits.update_label(*scene.here, scene.label, name="Sparkling"),
    "labels merged": lambda scene: edits.merge_labels(*scene.here, scene.label, [scene.second_label]),
    "the settings changed": lambda scene: edits.update_project(*scene.here, description="Different"),
}


@pytest.mark.parametrize("edit", SWEEPING.values(), ids=SWEEPING.keys())
def test_a_change_of_what_stories_show_without_moving_their_time_reaches_every_story(
    edit: Callable[[Scene], object], scene: Scene, follow: Follow
) -> None:
    destination = follow(*CALM)
    edit(scene)
    destination.sync()
    assert destination.differences() == []


def test_a_new_name_of_a_label_shows_in_its_stories(scene: Scene, follow: Follow) -> None:
    destination = follow("stories")
    edits.update_label(*scene.here, scene.label, name="Sparkling")
    destination.sync()
    labels = destination.replica.rows["stories"][scene.story,]["labels"]
    assert [label["name"] for label in labels] == ["sparkling"]


def test_the_figures_of_a_release_follow_the_stories_before_it(scene: Scene, follow: Follow) -> None:
    destination = follow("stories", "releases")
    edits.update_story(*scene.here, scene.story, estimate=8, current_state="accepted")
    destination.sync()
    assert destination.differences() == []


@pytest.mark.parametrize("changed", [{}, {"status": "pass"}], ids=["visited", "changed"])
def test_what_changes_without_a_version_comes_too(changed: dict[str, Any], scene: Scene, server: TrackerServer) -> None:
    destination = Destination(server, *RESTLESS)
    destination.sync()
    scene.project.memberships[scene.membership]["last_viewed_at"] = scene.later(days=1)
    if changed:
        edits.update_review(*scene.here, scene.story, scene.review, **changed)
    second = destination.sync()
    assert scene.membership in ids(second.records["project_memberships"])
    assert destination.differences() == []


@pytest.mark.parametrize("lookback", ["PT0S", "PT1M"])
def test_two_edits_in_one_second_with_a_sync_between_them_both_come(
    lookback: str, scene: Scene, server: TrackerServer
) -> None:
    destination = Destination(server, "stories", "story_tasks", lookback_window=lookback)
    scene.later()
    edits.update_story(*scene.here, scene.story, name="First")
    destination.sync()
    edits.update_story(*scene.here, scene.neighbour, name="Second")
    edits.update_story(*scene.here, scene.story, name="Third")
    edits.create_task(*scene.here, scene.story, description="Fourth")
    destination.sync()
    assert destination.differences() == []


def test_a_transition_and_an_activity_that_share_a_second_with_the_last_ones_come(
    scene: Scene, server: TrackerServer
) -> None:
    destination = Destination(server, "story_transitions", "activity", "my_activity", lookback_window="PT0S")
    scene.later()
    edits.update_story(*scene.here, scene.story, current_state="finished")
    destination.sync()
    edits.update_story(*scene.here, scene.story, current_state="delivered")
    destination.sync()
    assert destination.differences() == []


@needs_fields
@pytest.mark.parametrize(("lookback", "seconds"), [("PT0S", 2), ("PT1M", 60), ("PT1H", 3600)])
def test_an_incremental_read_starts_the_lookback_before_the_cursor_and_at_least_two_seconds(
    lookback: str, seconds: int, scene: Scene, follow: Follow
) -> None:
    scene.later()
    cursor = scene.world.now
    edits.update_story(*scene.here, scene.story, name="First")
    destination = follow("stories", lookback_window=lookback)
    edits.update_story(*scene.here, scene.story, name="Second")
    destination.sync()
    assert asked(destination.requests, "updated_after") == [iso(cursor - timedelta(seconds=seconds))]


def test_the_start_date_bounds_the_first_read_only(scene: Scene, server: TrackerServer) -> None:
    start = iso(scene.world.now - timedelta(days=2))
    destination = Destination(server, "stories", start_date=start)
    early = next(key for key, row in scene.project.stories.items() if row["updated_at"] < start)
    assert early not in ids(destination.sync().records["stories"])
    scene.later()
    label = scene.project.stories[early]["label_ids"]
    edits.update_story(*scene.here, early, label_ids=[*label, scene.label])
    scene.project.stories[early]["updated_at"] = "2020-01-01T00:00:00Z"
    assert early in ids(destination.sync().records["stories"])


@by_mode("stream", lambda mode: mode.known(JUDGED_BY_TIME))
def test_where_nothing_was_new_enough_for_the_first_read_the_second_brings_what_changed_since(
    stream: str, scene: Scene, server: TrackerServer
) -> None:
    start = scene.later()
    allowed = {scene.story} | scene.fresh()
    destination = Destination(server, stream, start_date=start)
    assert destination.sync().records[stream] == []
    scene.later()
    edits.update_story(*scene.here, scene.story, current_state="delivered")
    rows = destination.sync().records[stream]
    assert rows
    early = [row for row in rows if row[str(BY_NAME[stream].cursor_field)] < start]
    assert [row for row in early if row.get("story_id", row["id"]) not in allowed] == []
