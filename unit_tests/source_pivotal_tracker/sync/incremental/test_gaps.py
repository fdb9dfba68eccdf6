"""What a second sync is not shown (a project, a list, some of the activity) is no deletion, and it says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from source_pivotal_tracker.sync.activity import LATE_VERSIONS
from tracker_server import edits
from tracker_server.api.errors import error_response, unauthorized_operation
from tracker_server.api.tracker_api import TrackerApi
from tracker_server.app import TrackerServer
from tracker_server.http_message import Request, Response
from unit_tests.interception import instead, json, path_of
from unit_tests.modes import Mode, needs_versions
from unit_tests.source_pivotal_tracker.sync.incremental.destination import (
    CALM,
    WITH_TOMBSTONES,
    Destination,
    Follow,
    gone,
    ids,
    living,
    tombstones,
)
from unit_tests.source_pivotal_tracker.sync.incremental.scene import Scene
from unit_tests.syncs import Sync, config_for, warnings


def shut_out(scene: Scene) -> Callable[[], None]:
    """Takes the token's person out of the project; what it returns lets them in again."""
    memberships = scene.project.memberships
    membership = next(key for key, row in memberships.items() if row["person_id"] == scene.by)
    row = memberships.pop(membership)
    return lambda: memberships.update({membership: row})


def forget(scene: Scene, keep: int) -> None:
    """Lets the project's activity hold its last entries only."""
    del scene.project.activity[:-keep]


def test_a_project_that_is_not_shown_any_more_is_no_deletion_and_says_so(
    scene: Scene, follow: Follow, caplog: pytest.LogCaptureFixture
) -> None:
    destination = follow(*WITH_TOMBSTONES)
    caplog.clear()
    shut_out(scene)
    second = destination.sync()
    assert [name for name in second.records if tombstones(second, name)] == []
    (warning,) = (words for words in warnings(caplog) if "so their rows stay as they are" in words)
    assert warning.endswith(f"projects {scene.project.id}")


def test_a_project_that_is_shown_again_goes_on_from_where_it_was(scene: Scene, follow: Follow) -> None:
    destination = follow(*CALM)
    fresh = scene.fresh()
    let_in = shut_out(scene)
    edits.delete_stories(*scene.here, [scene.story])
    destination.sync()
    let_in()
    third = destination.sync()
    assert gone(third, "stories") == {scene.story}
    assert living(third, "stories") - fresh == set()
    assert destination.differences() == []


def test_a_list_that_cannot_be_read_any_more_is_no_deletion_and_says_so(
    scene: Scene, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    answers: dict[str, Response] = {}
    refusal = error_response(unauthorized_operation("Not yours."))
    with TrackerServer(scene.world, before=instead(answers), dialect=mode.dialect) as server:
        destination = Destination(server, "stories", "labels")
        destination.sync()
        scene.later()
        scene.delete_stories()
        answers |= {f"/projects/{scene.project.id}/{name}": refusal for name in ("stories", "activity")}
        caplog.clear()
        second = destination.sync()
        assert gone(second, "stories") == set()
        assert any("stories" in warning and f"project {scene.project.id}" in warning for warning in warnings(caplog))
        answers.clear()
        destination.sync()
        assert destination.differences() == []


@needs_versions
def test_versions_that_the_activity_does_not_tell_are_read_anew_with_one_warning(
    scene: Scene, follow: Follow, caplog: pytest.LogCaptureFixture
) -> None:
    destination = follow(*CALM)
    for edit in (scene.edit_story, scene.add_task, scene.complete_task, scene.comment_on_epic):
        edit()
    forget(scene, keep=1)
    caplog.clear()
    second = destination.sync()
    (warning,) = warnings(caplog)
    assert warning.startswith(f"Project {scene.project.id}: re-reading everything because ")
    assert " 3 of the versions " in warning
    assert ids(second.records["stories"]) == scene.project.stories.keys()
    assert ids(second.records["stories"]).isdisjoint(scene.other.stories)
    assert [difference for difference in destination.differences() if not difference.startswith("activity ")] == []


def test_what_the_activity_still_tells_to_be_gone_is_gone_after_a_gap_too(scene: Scene, follow: Follow) -> None:
    destination = follow("stories")
    scene.edit_story()
    edits.delete_stories(*scene.here, [scene.neighbour])
    forget(scene, keep=1)
    assert gone(destination.sync(), "stories") == {scene.neighbour}


@needs_versions
def test_after_a_gap_the_next_sync_is_an_ordinary_one(scene: Scene, follow: Follow) -> None:
    destination = follow(*CALM)
    scene.edit_story()
    scene.add_task()
    forget(scene, keep=1)
    destination.sync()
    destination.sync()
    assert destination.asked == ["/projects"]


def test_activity_that_is_shown_later_than_its_change_comes_with_the_next_one(scene: Scene, mode: Mode) -> None:
    answers: dict[str, Response] = {}
    with TrackerServer(scene.world, dialect=mode.dialect, before=instead(answers)) as server:
        destination = Destination(server, "activity", "stories")
        destination.sync()
        scene.later()
        scene.edit_story()
        late = scene.project.activity[-1]["guid"]
        answers[f"/projects/{scene.project.id}/activity"] = json([])
        assert late not in ids(destination.sync().records["activity"], "guid")
        answers.clear()
        scene.later()
        scene.add_task()
        assert late in ids(destination.sync().records["activity"], "guid")
        assert destination.differences() == []


@needs_versions
def test_a_project_whose_version_fell_behind_is_read_anew_with_one_warning(
    scene: Scene, follow: Follow, caplog: pytest.LogCaptureFixture
) -> None:
    destination = follow("stories", "labels")
    scene.project.version -= 50
    caplog.clear()
    second = destination.sync()
    assert ids(second.records["stories"]) == scene.project.stories.keys()
    (warning,) = warnings(caplog)
    assert warning.startswith(f"Project {scene.project.id}: re-reading everything because ")
    destination.sync()
    assert destination.asked == ["/projects"]


@needs_versions
def test_the_activity_since_a_version_fell_behind_is_there(scene: Scene, follow: Follow) -> None:
    destination = follow("activity", "stories")
    scene.project.version -= LATE_VERSIONS + 50
    scene.later()
    scene.edit_story()
    assert scene.project.activity[-1]["guid"] in ids(destination.sync().records["activity"], "guid")


ODD: dict[str, dict[str, Any]] = {
    "no kind": {"kind": None},
    "a kind that is an object": {"kind": {"a": 1}},
    "a resource that is nothing": {"primary_resources": [None]},
    "resources that are a number": {"primary_resources": 5},
    "a resource whose id is a list": {"primary_resources": [{"kind": "story", "id": [1]}]},
    "a change that is nothing": {"changes": [None]},
    "a change that is a text": {"changes": ["story"]},
    "changes that are an object": {"changes": {"kind": "story"}},
    "a change whose id is an object": {"changes": [{"kind": "story", "id": {}, "change_type": "delete"}]},
    "values that are a text": {"changes": [{"kind": "story", "id": 1, "new_values": "x"}]},
    "a story_id that is a list": {"changes": [{"kind": "task", "id": 1, "new_values": {"story_id": [1]}}]},
    "a deletion without a time": {
        "changes": [{"kind": "story", "id": 1, "change_type": "delete"}],
        "occurred_at": None,
    },
    "a version that is a text": {"project_version": "7"},
    "a guid that is a list": {"guid": ["x"]},
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("streams", [("stories", "labels"), ("stories", "labels", "activity")], ids=", ".join)
@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
def test_activity_of_an_odd_shape_is_a_gap_or_an_error_in_words(
    odd: dict[str, Any], streams: tuple[str, ...], scene: Scene, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    # Not one for each request: Python 3.11 fails now and then where several threads compile the routes at once.
    api = TrackerApi(scene.world, dialect=mode.dialect)

    def before(request: Request) -> Response | None:
        if not path_of(request).endswith("/activity"):
            return None
        answer = api.handle(request)
        rows = [row | odd for row in orjson.loads(answer.body)]
        return replace(answer, body=orjson.dumps(rows))

    with TrackerServer(scene.world, dialect=mode.dialect, before=before) as server:
        config = config_for(server)
        first = Sync(config, streams, incremental=True)
        scene.later()
        scene.edit_story()
        second = Sync(config, streams, incremental=True, state=first.state)
    assert "Traceback" not in caplog.text
    assert [error for error in [*first.errors, *second.errors] if "defect" in error] == []
    if second.failure is None:
        assert scene.story in living(second, "stories")
