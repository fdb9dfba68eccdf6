"""A story that moves to another project is gone where it was, and lives on where that project is synced too."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tracker_server import edits
from tracker_server.api.errors import error_response, route_not_found, unauthorized_operation
from tracker_server.app import TrackerServer
from tracker_server.http_message import Response
from unit_tests.interception import html, instead, json
from unit_tests.modes import Mode
from unit_tests.source_pivotal_tracker.sync.incremental.destination import CALM, Destination, Follow, gone
from unit_tests.source_pivotal_tracker.sync.incremental.scene import Scene
from unit_tests.syncs import warnings


@pytest.mark.parametrize("workers", [1, 8])
@pytest.mark.parametrize("backwards", [False, True], ids=["to the project that is read later", "to the one before"])
def test_a_story_that_moved_between_synced_projects_lives_on(
    backwards: bool, workers: int, scene: Scene, follow: Follow
) -> None:
    source, target = (scene.other, scene.project) if backwards else (scene.project, scene.other)
    story = next(iter(source.stories)) if backwards else scene.story
    destination = follow(*CALM, num_workers=workers)
    edits.move_story_to_project(scene.world, source, target, scene.by, story)
    second = destination.sync()
    assert story not in gone(second, "stories")
    assert destination.replica.rows["stories"][story,]["project_id"] == target.id
    assert destination.differences() == []


def test_a_story_that_only_its_new_project_shows_lives_on(scene: Scene, mode: Mode) -> None:
    refused = {f"/stories/{scene.story}": error_response(unauthorized_operation("Not by its id alone."))}
    with TrackerServer(scene.world, dialect=mode.dialect, before=instead(refused)) as server:
        destination = Destination(server, "stories")
        destination.sync()
        scene.later()
        scene.move_away(scene.story)
        assert gone(destination.sync(), "stories") == set()
        assert destination.differences() == []


def test_a_release_that_moved_between_synced_projects_lives_on(scene: Scene, follow: Follow) -> None:
    destination = follow("releases", "stories")
    scene.move_away(scene.release)
    assert gone(destination.sync(), "releases") == set()
    assert destination.differences() == []


def test_a_story_that_moved_to_a_project_that_is_not_synced_is_gone(scene: Scene, follow: Follow) -> None:
    destination = follow("stories", project_ids=[scene.project.id])
    scene.move_away(scene.story)
    assert gone(destination.sync(), "stories") == {scene.story}
    assert destination.differences() == []


def test_a_story_that_moved_away_and_was_deleted_there_is_gone(scene: Scene, follow: Follow) -> None:
    destination = follow("stories")
    scene.move_away(scene.story)
    edits.delete_stories(scene.world, scene.other, scene.by, [scene.story])
    assert gone(destination.sync(), "stories") == {scene.story}
    assert destination.differences() == []


def test_a_story_that_moved_away_and_back_is_not_gone(scene: Scene, follow: Follow) -> None:
    destination = follow("stories", project_ids=[scene.project.id])
    scene.move_away(scene.story)
    edits.move_story_to_project(scene.world, scene.other, scene.project, scene.by, scene.story)
    assert gone(destination.sync(), "stories") == set()
    assert destination.differences() == []


def test_the_parts_of_a_story_that_moved_between_synced_projects_live_on(scene: Scene, follow: Follow) -> None:
    parts = ["story_tasks", "story_comments", "story_blockers", "story_reviews"]
    destination = follow("stories", *parts)
    scene.move_away(scene.story)
    second = destination.sync()
    assert [gone(second, part) for part in parts] == [set(), set(), set(), set()]
    assert destination.differences() == []


def _refusal(status: int, body: object) -> Response:
    return replace(json(body), status=status)


NOT_TRACKERS_WORDS = {
    "403 of a gateway in JSON": _refusal(403, {"error": "Forbidden"}),
    "404 of a gateway in JSON": _refusal(404, {"error": "Not Found"}),
    "404 of a gateway in HTML": html(404),
    "404 route_not_found": error_response(route_not_found()),
}


@pytest.mark.parametrize("answer", NOT_TRACKERS_WORDS.values(), ids=NOT_TRACKERS_WORDS.keys())
def test_a_story_that_left_stays_where_the_server_does_not_say_that_it_is_gone(
    answer: Response, scene: Scene, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    answers: dict[str, Response] = {}
    with TrackerServer(scene.world, dialect=mode.dialect, before=instead(answers)) as server:
        destination = Destination(server, "stories", project_ids=[scene.project.id])
        destination.sync()
        scene.later()
        scene.move_away(scene.story)
        answers.update({f"{place}/stories/{scene.story}": answer for place in ("", f"/projects/{scene.project.id}")})
        caplog.clear()
        assert gone(destination.sync(), "stories") == set()
        staying = [warning for warning in warnings(caplog) if "are not in it any more" in warning]
        assert len(staying) == 1
        assert f"Project {scene.project.id}: the rows of 1 stories" in staying[0]
        assert f"({scene.story})" in staying[0]
        assert f"stories/{scene.story}: {answer.status} " in staying[0]


def test_a_story_in_a_project_that_others_read_is_gone(scene: Scene, mode: Mode) -> None:
    refused = {
        f"/stories/{scene.story}": error_response(unauthorized_operation("You are not a member of it.")),
        f"/projects/{scene.other.id}": error_response(unauthorized_operation("You are not a member of it.")),
    }
    with TrackerServer(scene.world, dialect=mode.dialect, before=instead(refused)) as server:
        destination = Destination(server, "stories", project_ids=[scene.project.id])
        destination.sync()
        scene.later()
        scene.move_away(scene.story)
        assert gone(destination.sync(), "stories") == {scene.story}


@pytest.mark.parametrize("streams", [("stories", "story_tasks", "story_comments"), ("story_tasks",)], ids=" and ".join)
@pytest.mark.parametrize("is_gap", [False, True], ids=["not told", "in a gap"])
def test_a_story_that_comes_back_untold_after_a_sync_in_another_project_has_its_parts_here_again(
    streams: tuple[str, ...], is_gap: bool, scene: Scene, follow: Follow
) -> None:
    destination = follow(*streams)
    scene.move_away(scene.story)
    destination.sync()
    scene.later()
    told = len(scene.project.activity)
    edits.move_story_to_project(scene.world, scene.other, scene.project, scene.by, scene.story)
    scene.edit_story()
    edits.update_story(*scene.here, scene.neighbour, name="The last to change")
    del scene.project.activity[0 if is_gap else told : -1]
    destination.sync()
    of_the_story = [row for row in destination.replica.rows["story_tasks"].values() if row["story_id"] == scene.story]
    assert {row["project_id"] for row in of_the_story} == {scene.project.id}
    assert destination.differences() == []
