"""A second sync says what is gone, once, and of nothing else."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from tracker_server import edits
from tracker_server.app import TrackerServer
from unit_tests.modes import needs_versions
from unit_tests.source_pivotal_tracker.sync.incremental.destination import (
    WITH_TOMBSTONES,
    Destination,
    Follow,
    gone,
    living,
    tombstones,
)
from unit_tests.source_pivotal_tracker.sync.incremental.scene import Edit, Scene
from unit_tests.strict_schema import strict_validator
from unit_tests.syncs import BY_NAME


class Deletion(NamedTuple):
    """An edit, the name of the thing in the scene that it deletes, and the key and name of what that hung on."""

    edit: Edit
    thing: str
    parent: tuple[str, str] | None = None


OF_THE_STORY, OF_THE_EPIC = ("story_id", "story"), ("epic_id", "epic")
DELETIONS = {
    "stories": Deletion(Scene.delete_release, "release"),
    "releases": Deletion(Scene.delete_release, "release"),
    "epics": Deletion(Scene.delete_epic, "epic"),
    "labels": Deletion(Scene.delete_label, "label"),
    "story_tasks": Deletion(Scene.delete_task, "task", OF_THE_STORY),
    "story_comments": Deletion(Scene.delete_comment, "comment", OF_THE_STORY),
    "epic_comments": Deletion(Scene.delete_comment_on_epic, "epic_comment", OF_THE_EPIC),
    "story_blockers": Deletion(Scene.delete_blocker, "blocker", OF_THE_STORY),
    "story_reviews": Deletion(Scene.delete_review, "review", OF_THE_STORY),
    "story_pull_requests": Deletion(Scene.delete_pull_request, "pull_request", OF_THE_STORY),
    "story_branches": Deletion(Scene.delete_branch, "branch", OF_THE_STORY),
    "project_memberships": Deletion(Scene.end_membership, "membership"),
}
every_deletion = pytest.mark.parametrize("stream", DELETIONS)


def test_the_streams_with_tombstones_are_the_ones_whose_tombstones_are_tested() -> None:
    assert sorted(DELETIONS) == sorted(WITH_TOMBSTONES)


@every_deletion
def test_what_was_deleted_comes_as_a_tombstone(stream: str, scene: Scene, follow: Follow) -> None:
    edit, thing, parent = DELETIONS[stream]
    destination = follow(stream)
    edit(scene)
    assert tombstones(destination.sync(), stream) == [
        {
            "id": getattr(scene, thing),
            "project_id": scene.project.id,
            "updated_at": scene.now,
            "_ab_cdc_deleted_at": scene.now,
            **({parent[0]: getattr(scene, parent[1])} if parent else {}),
        }
    ]


@every_deletion
def test_a_tombstone_is_valid_with_unknown_fields_forbidden(stream: str, scene: Scene, follow: Follow) -> None:
    destination = follow(stream)
    DELETIONS[stream].edit(scene)
    (tombstone,) = tombstones(destination.sync(), stream)
    cls = BY_NAME[stream]
    validator = strict_validator(dict(cls.get_json_schema(cls.__new__(cls))))
    assert [error.message for error in validator.iter_errors(tombstone)] == []


@needs_versions
@every_deletion
def test_a_tombstone_comes_once(stream: str, scene: Scene, follow: Follow) -> None:
    destination = follow(stream)
    DELETIONS[stream].edit(scene)
    destination.sync()
    scene.later()
    edits.update_story(*scene.here, scene.neighbour, name="Another change")
    assert tombstones(destination.sync(), stream) == []


def test_a_bulk_deletion_is_one_tombstone_for_each_story(scene: Scene, follow: Follow) -> None:
    destination = follow("stories", "releases")
    edits.delete_stories(*scene.here, [scene.story, scene.neighbour, scene.release])
    second = destination.sync()
    assert gone(second, "stories") == {scene.story, scene.neighbour, scene.release}
    assert gone(second, "releases") == {scene.release}


def test_a_comment_is_gone_from_the_stream_that_it_was_in(scene: Scene, follow: Follow) -> None:
    destination = follow("story_comments", "epic_comments")
    scene.delete_comment()
    scene.delete_comment_on_epic()
    second = destination.sync()
    assert gone(second, "story_comments") == {scene.comment}
    assert gone(second, "epic_comments") == {scene.epic_comment}


def test_a_merged_label_is_gone_and_the_one_that_stays_is_not(scene: Scene, follow: Follow) -> None:
    destination = follow("labels")
    edits.merge_labels(*scene.here, scene.label, [scene.second_label])
    assert gone(destination.sync(), "labels") == {scene.second_label}
    assert destination.differences() == []


def test_a_thing_that_came_and_went_between_two_syncs_is_gone(scene: Scene, follow: Follow) -> None:
    destination = follow("stories", "labels")
    (story,), label = scene.create_story(), edits.create_label(*scene.here, name="brief")["id"]
    scene.later()
    edits.delete_stories(*scene.here, [story])
    edits.delete_label(*scene.here, label)
    second = destination.sync()
    assert story not in living(second, "stories")
    assert label not in living(second, "labels")


def test_a_label_that_was_deleted_and_made_again_is_another(scene: Scene, follow: Follow) -> None:
    destination = follow("labels", "stories")
    edits.delete_label(*scene.here, scene.second_label)
    again = edits.create_label(*scene.here, name="glossy")["id"]
    edits.update_story(*scene.here, scene.neighbour, label_ids=[again])
    assert gone(destination.sync(), "labels") == {scene.second_label}
    assert destination.differences() == []


def test_what_was_deleted_before_the_first_sync_leaves_no_tombstone(scene: Scene, server: TrackerServer) -> None:
    edits.delete_stories(*scene.here, [scene.story])
    first = Destination(server, *WITH_TOMBSTONES).sync()
    assert [name for name in first.records if tombstones(first, name)] == []
