"""The second sync: it brings what changed, all of it, says what is gone, and asks for little."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from source_pivotal_tracker.streams.base import PartStream
from source_pivotal_tracker.streams.times import moment
from tracker_server import edits
from tracker_server.api import PREFIX, Request, Response, error_response, unauthorized_operation
from tracker_server.app import LoggedRequest, TrackerServer
from tracker_server.sample import make_world
from tracker_server.world import Project, Row, World, iso
from unit_tests.source_pivotal_tracker.sync.test_edits_during_a_sync import differences, without_orphans
from unit_tests.strict_schema import strict_validator
from unit_tests.syncs import BY_NAME, Replica, Sync, config_for

WITH_CURSOR = [name for name, stream in BY_NAME.items() if stream.cursor_field]
RESTLESS = ["project_memberships", "project_history_days", "notifications", "my_activity"]
CALM = [name for name in WITH_CURSOR if name not in RESTLESS]
"""The streams that hang on the versions of their projects."""
WITH_TOMBSTONES = [name for name, stream in BY_NAME.items() if stream.deleted_kind]
OF_STORIES = [name for name in CALM if name.startswith("story_") and issubclass(BY_NAME[name], PartStream)]

Id = int
Edit = Callable[["Scene"], "set[Id]"]


@dataclass(frozen=True)
class Scene:
    """A world of two projects, and things in the first that are there to be changed: their ids by their names."""

    world: World
    project: Project
    other: Project
    by: Id
    story: Id
    neighbour: Id
    release: Id
    task: Id
    comment: Id
    blocker: Id
    review: Id
    epic: Id
    epic_comment: Id
    label: Id
    second_label: Id
    membership: Id

    @property
    def here(self) -> tuple[World, Project, Id]:
        """What every edit of the first project takes first."""
        return self.world, self.project, self.by

    def later(self, **duration: int) -> str:
        """Let time pass, an hour if nothing is said; the new time."""
        self.world.now += timedelta(**(duration or {"hours": 1}))
        return iso(self.world.now)

    def fresh(self) -> set[Id]:
        """The stories that an incremental read asks for whether they changed or not."""
        stories = self.project.stories
        newest = moment(max(story["updated_at"] for story in stories.values()))
        since = iso(newest - timedelta(minutes=1))
        return {key for key, row in stories.items() if row["story_type"] == "release" or row["updated_at"] >= since}


@pytest.fixture
def scene() -> Scene:
    world = make_world(projects=2, stories=12)
    project, other = world.projects.values()
    by = next(iter(world.tokens.values()))
    label, second_label = (edits.create_label(world, project, by, name=name)["id"] for name in ("shiny", "glossy"))
    story = edits.create_story(
        world, project, by, name="The one", current_state="started", label_ids=[label], tasks=["Dust", "Polish"]
    )
    neighbour = edits.create_story(world, project, by, name="The next", label_ids=[second_label], tasks=["Sweep"])
    release = edits.create_release(world, project, by, name="1.0")
    file = {"filename": "a.txt", "size": 3, "content_type": "text/plain"}
    comment = edits.create_comment(world, project, by, story_id=story["id"], text="Oh", file_attachments=[file])
    blocker = edits.create_blocker(world, project, by, story["id"], description="The wind")
    review = edits.create_review(world, project, by, story["id"], review_type_id=next(iter(project.review_types)))
    epic = edits.create_epic(world, project, by, name="Shine", label_id=label)
    epic_comment = edits.create_comment(world, project, by, epic_id=epic["id"], text="Ah")
    membership = next(row["id"] for row in project.memberships.values() if row["person_id"] != by)
    world.now += timedelta(hours=1)
    bystander = next(key for key in project.stories if key not in (story["id"], neighbour["id"], release["id"]))
    edits.update_story(world, project, by, bystander, name="The last to change")
    return Scene(
        world,
        project,
        other,
        by,
        story["id"],
        neighbour["id"],
        release["id"],
        story["tasks"][0]["id"],
        comment["id"],
        blocker["id"],
        review["id"],
        epic["id"],
        epic_comment["id"],
        label,
        second_label,
        membership,
    )


@pytest.fixture
def server(scene: Scene) -> Iterator[TrackerServer]:
    with TrackerServer(scene.world) as running:
        yield running


class Destination:
    """Follows a server by incremental syncs, each from the state that the one before left.

    `requests` are those of the last sync.
    """

    def __init__(self, server: TrackerServer, *streams: str, **settings: Any) -> None:
        self.streams = list(streams)
        self.replica = Replica()
        self.requests: list[LoggedRequest] = []
        self._server = server
        self._config = config_for(server, **settings)
        self._last: Sync | None = None

    def sync(self) -> Sync:
        before = len(self._server.log)
        state = self._last.state if self._last else ()
        self._last = Sync(self._config, self.streams, incremental=True, state=state)
        assert self._last.failure is None
        self.replica.load(self._last)
        self.requests = self._server.log[before:]
        return self._last

    @property
    def asked(self) -> list[str]:
        """The paths of the requests of the last sync."""
        return sorted(logged.path for logged in self.requests)

    def differences(self) -> list[str]:
        """What is not as on the server, apart from what hung on things that are gone."""
        whole = Replica()
        whole.load(Sync(self._config, self.streams))
        found = differences(without_orphans(self.replica.rows), without_orphans(whole.rows))
        return [each for each in found if each.split()[0] in self.streams]


def ids(rows: list[Row], key: str = "id") -> set[Id]:
    return {row[key] for row in rows}


def living(rows: list[Row]) -> list[Row]:
    return [row for row in rows if "_ab_cdc_deleted_at" not in row]


def tombstones(rows: list[Row]) -> list[Row]:
    return [row for row in rows if "_ab_cdc_deleted_at" in row]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage() for record in caplog.records if record.name == "airbyte.tracker" and record.levelno >= 30
    ]


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


def test_all_streams_that_hang_on_the_version_share_that_one_request(server: TrackerServer) -> None:
    destination = Destination(server, *CALM)
    destination.sync()
    assert destination.sync().records == {}
    assert destination.asked == ["/projects"]


def test_with_project_ids_each_project_is_asked_for_its_version(scene: Scene, server: TrackerServer) -> None:
    chosen = [scene.project.id, scene.other.id]
    destination = Destination(server, *CALM, project_ids=chosen)
    destination.sync()
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


def test_a_project_that_did_not_change_costs_nothing_beside_one_that_did(scene: Scene, server: TrackerServer) -> None:
    destination = Destination(server, *CALM)
    destination.sync()
    scene.later()
    edits.update_story(*scene.here, scene.story, name="Shinier")
    destination.sync()
    assert [path for path in destination.asked if str(scene.other.id) in path] == []


def _edit(scene: Scene) -> set[Id]:
    edits.update_story(*scene.here, scene.story, name="Shinier")
    return {scene.story}


def _accept(scene: Scene) -> set[Id]:
    edits.update_story(*scene.here, scene.story, current_state="accepted")
    return {scene.story}


def _move(scene: Scene) -> set[Id]:
    edits.move_story(*scene.here, scene.neighbour, before=scene.project.order[-1])
    return {scene.neighbour}


def _create(scene: Scene) -> set[Id]:
    return {edits.create_story(*scene.here, name="New", tasks=["One"], comments=["Two"])["id"]}


def _import(scene: Scene) -> set[Id]:
    return ids(edits.import_stories(*scene.here, [{"name": "One"}, {"name": "Two"}]))


def _create_release(scene: Scene) -> set[Id]:
    return {edits.create_release(*scene.here, name="2.0")["id"]}


def _delete(scene: Scene) -> set[Id]:
    edits.delete_stories(*scene.here, [scene.story, scene.neighbour])
    return {scene.story, scene.neighbour}


def _follow(scene: Scene) -> set[Id]:
    edits.add_follower(*scene.here, scene.story, scene.project.memberships[scene.membership]["person_id"])
    return {scene.story}


def _add_task(scene: Scene) -> set[Id]:
    edits.create_task(*scene.here, scene.story, description="Rinse")
    return {scene.story}


def _complete_task(scene: Scene) -> set[Id]:
    edits.update_task(*scene.here, scene.story, scene.task, complete=True)
    return {scene.story}


def _delete_task(scene: Scene) -> set[Id]:
    edits.delete_task(*scene.here, scene.story, scene.task)
    return {scene.story}


def _add_comment(scene: Scene) -> set[Id]:
    document = {
        "google_kind": "document",
        "title": "Plan",
        "google_id": "g",
        "alternate_link": "https://docs.example.com/g",
        "resource_id": "document:g",
    }
    edits.create_comment(*scene.here, story_id=scene.story, text="Hm", google_attachments=[document])
    return {scene.story}


def _change_comment(scene: Scene) -> set[Id]:
    edits.update_comment(*scene.here, scene.comment, story_id=scene.story, text="No")
    return {scene.story}


def _delete_comment(scene: Scene) -> set[Id]:
    edits.delete_comment(*scene.here, scene.comment, story_id=scene.story)
    return {scene.story}


def _block(scene: Scene) -> set[Id]:
    edits.create_blocker(*scene.here, scene.story, description=f"#{scene.neighbour}")
    return {scene.story, scene.neighbour}


def _resolve(scene: Scene) -> set[Id]:
    edits.update_blocker(*scene.here, scene.story, scene.blocker, resolved=True)
    return {scene.story}


def _delete_blocker(scene: Scene) -> set[Id]:
    edits.delete_blocker(*scene.here, scene.story, scene.blocker)
    return {scene.story}


def _review(scene: Scene) -> set[Id]:
    edits.update_review(*scene.here, scene.story, scene.review, status="pass")
    return {scene.story}


def _delete_review(scene: Scene) -> set[Id]:
    edits.delete_review(*scene.here, scene.story, scene.review)
    return {scene.story}


def _pull(scene: Scene) -> set[Id]:
    edits.create_pull_request(*scene.here, scene.story, owner="o", repo="r", number=7)
    return {scene.story}


def _branch(scene: Scene) -> set[Id]:
    edits.create_branch(*scene.here, scene.story, owner="o", repo="r", name="shiny")
    return {scene.story}


def _comment_on_epic(scene: Scene) -> set[Id]:
    edits.create_comment(*scene.here, epic_id=scene.epic, text="Hm")
    return set()


def _delete_comment_on_epic(scene: Scene) -> set[Id]:
    edits.delete_comment(*scene.here, scene.epic_comment, epic_id=scene.epic)
    return set()


def _change_epic(scene: Scene) -> set[Id]:
    edits.update_epic(*scene.here, scene.epic, description="All of it")
    return set()


def _delete_epic(scene: Scene) -> set[Id]:
    edits.delete_epic(*scene.here, scene.epic)
    return set()


def _create_label(scene: Scene) -> set[Id]:
    edits.create_label(*scene.here, name="matte")
    return set()


def _delete_label(scene: Scene) -> set[Id]:
    edits.delete_label(*scene.here, scene.label)
    return {scene.story}


def _leave(scene: Scene) -> set[Id]:
    edits.delete_membership(*scene.here, scene.membership)
    return set()


EDITS: dict[str, Edit] = {
    "a story edited": _edit,
    "a story accepted": _accept,
    "a story moved": _move,
    "a story created": _create,
    "stories imported": _import,
    "a release created": _create_release,
    "two stories deleted": _delete,
    "a story followed": _follow,
    "a task added": _add_task,
    "a task completed": _complete_task,
    "a task deleted": _delete_task,
    "a comment added": _add_comment,
    "a comment changed": _change_comment,
    "a comment deleted": _delete_comment,
    "a blocker added": _block,
    "a blocker resolved": _resolve,
    "a blocker deleted": _delete_blocker,
    "a review passed": _review,
    "a review deleted": _delete_review,
    "a pull request added": _pull,
    "a branch added": _branch,
    "an epic's comment added": _comment_on_epic,
    "an epic's comment deleted": _delete_comment_on_epic,
    "an epic changed": _change_epic,
    "an epic deleted": _delete_epic,
    "a label created": _create_label,
    "a label deleted": _delete_label,
    "a member gone": _leave,
}
every_edit = pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())


@every_edit
def test_after_an_edit_the_replica_is_right_untouched_stories_are_not_sent_and_few_requests_are_made(
    edit: Edit, scene: Scene, server: TrackerServer
) -> None:
    destination = Destination(server, *CALM)
    destination.sync()
    fresh = scene.fresh()
    scene.later()
    touched = edit(scene)
    second = destination.sync()
    assert destination.differences() == []
    assert ids(second.records["stories"]) - touched - fresh == set()
    for part in OF_STORIES:
        assert ids(second.records[part], "story_id") - touched - fresh == set()
    # The projects; of the one that changed its activity, stories (by time, by id, releases) and four other lists.
    assert len(destination.requests) <= 9
    assert len([path for path in destination.asked if "/stories" in path]) <= 3


@every_edit
def test_after_an_edit_the_replica_is_right_where_a_stream_wants_every_story(
    edit: Edit, scene: Scene, server: TrackerServer
) -> None:
    destination = Destination(server, "stories", "story_tasks", "story_cycle_times")
    destination.sync()
    fresh = scene.fresh()
    scene.later()
    touched = edit(scene)
    second = destination.sync()
    assert destination.differences() == []
    assert ids(second.records["stories"]) - touched - fresh == set()
    assert len([path for path in destination.asked if str(scene.project.id) in path]) <= 2


SWEEPING: dict[str, Callable[[Scene], object]] = {
    "a label renamed": lambda scene: edits.update_label(*scene.here, scene.label, name="Sparkling"),
    "labels merged": lambda scene: edits.merge_labels(*scene.here, scene.label, [scene.second_label]),
    "the settings changed": lambda scene: edits.update_project(*scene.here, description="Different"),
}


@pytest.mark.parametrize("edit", SWEEPING.values(), ids=SWEEPING.keys())
def test_a_change_of_what_stories_show_without_moving_their_time_reaches_every_story(
    edit: Callable[[Scene], object], scene: Scene, server: TrackerServer
) -> None:
    destination = Destination(server, *CALM)
    destination.sync()
    scene.later()
    edit(scene)
    destination.sync()
    assert destination.differences() == []


def test_a_new_name_of_a_label_shows_in_its_stories(scene: Scene, server: TrackerServer) -> None:
    destination = Destination(server, "stories")
    destination.sync()
    scene.later()
    edits.update_label(*scene.here, scene.label, name="Sparkling")
    destination.sync()
    labels = destination.replica.rows["stories"][scene.story,]["labels"]
    assert [label["name"] for label in labels] == ["sparkling"]


def test_the_figures_of_a_release_follow_the_stories_before_it(scene: Scene, server: TrackerServer) -> None:
    destination = Destination(server, "stories", "releases")
    destination.sync()
    scene.later()
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


@pytest.mark.parametrize(("lookback", "seconds"), [("PT0S", 2), ("PT1M", 60), ("PT1H", 3600)])
def test_an_incremental_read_starts_the_lookback_before_the_cursor_and_at_least_two_seconds(
    lookback: str, seconds: int, scene: Scene, server: TrackerServer
) -> None:
    destination = Destination(server, "stories", lookback_window=lookback)
    scene.later()
    cursor = scene.world.now
    edits.update_story(*scene.here, scene.story, name="First")
    destination.sync()
    scene.later()
    edits.update_story(*scene.here, scene.story, name="Second")
    destination.sync()
    asked = [logged.query["updated_after"] for logged in destination.requests if "updated_after" in logged.query]
    assert asked == [iso(cursor - timedelta(seconds=seconds))]


def test_the_start_date_bounds_the_first_read_only(scene: Scene, server: TrackerServer) -> None:
    start = iso(scene.world.now - timedelta(days=2))
    destination = Destination(server, "stories", start_date=start)
    first = ids(destination.sync().records["stories"])
    early = next(key for key, row in scene.project.stories.items() if row["updated_at"] < start)
    assert early not in first
    scene.later()
    label = scene.project.stories[early]["label_ids"]
    edits.update_story(*scene.here, early, label_ids=[*label, scene.label])
    scene.project.stories[early]["updated_at"] = "2020-01-01T00:00:00Z"
    assert early in ids(destination.sync().records["stories"])


@pytest.mark.parametrize("stream", ["stories", "story_tasks", "activity", "story_transitions"])
def test_where_nothing_was_new_enough_for_the_first_read_the_second_brings_what_changed_since(
    stream: str, scene: Scene, server: TrackerServer
) -> None:
    start = scene.later()
    destination = Destination(server, stream, start_date=start)
    assert destination.sync().records[stream] == []
    scene.later()
    edits.update_story(*scene.here, scene.story, current_state="delivered")
    rows = destination.sync().records[stream]
    assert rows
    allowed = {scene.story, scene.release}
    early = [row for row in rows if row[str(BY_NAME[stream].cursor_field)] < start]
    assert [row for row in early if row.get("story_id", row["id"]) not in allowed] == []


def test_a_stream_that_joins_later_is_read_whole_and_the_others_go_on_from_where_they_are(
    scene: Scene, server: TrackerServer
) -> None:
    destination = Destination(server, "stories")
    destination.sync()
    fresh = scene.fresh()
    scene.later()
    edits.update_story(*scene.here, scene.story, name="Shinier")
    destination.streams = ["stories", "story_tasks"]
    second = destination.sync()
    assert ids(second.records["stories"]) - fresh - {scene.story} == set()
    assert destination.differences() == []
    destination.sync()
    assert destination.asked == ["/projects"]


def test_a_stream_that_joins_in_an_unchanged_world_has_the_stories_to_itself(server: TrackerServer) -> None:
    destination = Destination(server, "stories")
    destination.sync()
    destination.streams = ["stories", "story_tasks"]
    second = destination.sync()
    assert second.records["stories"] == []
    assert destination.differences() == []


def _delete_release(scene: Scene) -> set[Id]:
    edits.delete_stories(*scene.here, [scene.release])
    return {scene.release}


def gone_of(edit: Edit, thing: str, **parents: str) -> tuple[Edit, str, dict[str, str]]:
    return edit, thing, parents


GONE: dict[str, tuple[Edit, str, dict[str, str]]] = {
    "stories": gone_of(_delete_release, "release"),
    "releases": gone_of(_delete_release, "release"),
    "epics": gone_of(_delete_epic, "epic"),
    "labels": gone_of(_delete_label, "label"),
    "story_tasks": gone_of(_delete_task, "task", story_id="story"),
    "story_comments": gone_of(_delete_comment, "comment", story_id="story"),
    "epic_comments": gone_of(_delete_comment_on_epic, "epic_comment", epic_id="epic"),
    "story_blockers": gone_of(_delete_blocker, "blocker", story_id="story"),
    "story_reviews": gone_of(_delete_review, "review", story_id="story"),
    "project_memberships": gone_of(_leave, "membership"),
}


def test_the_streams_with_tombstones_are_the_ones_whose_tombstones_are_tested() -> None:
    assert sorted(GONE) == sorted(WITH_TOMBSTONES)


@pytest.mark.parametrize("stream", GONE)
def test_what_was_deleted_comes_as_a_tombstone(stream: str, scene: Scene, server: TrackerServer) -> None:
    edit, thing, parents = GONE[stream]
    destination = Destination(server, stream)
    destination.sync()
    when = scene.later()
    edit(scene)
    assert tombstones(destination.sync().records[stream]) == [
        {
            "id": getattr(scene, thing),
            "project_id": scene.project.id,
            "updated_at": when,
            "_ab_cdc_deleted_at": when,
            **{key: getattr(scene, parent) for key, parent in parents.items()},
        }
    ]


@pytest.mark.parametrize("stream", GONE)
def test_a_tombstone_is_valid_with_unknown_fields_forbidden(stream: str, scene: Scene, server: TrackerServer) -> None:
    destination = Destination(server, stream)
    destination.sync()
    scene.later()
    GONE[stream][0](scene)
    (tombstone,) = tombstones(destination.sync().records[stream])
    cls = BY_NAME[stream]
    validator = strict_validator(dict(cls.get_json_schema(cls.__new__(cls))))
    assert [error.message for error in validator.iter_errors(tombstone)] == []


@pytest.mark.parametrize("stream", GONE)
def test_a_tombstone_comes_once(stream: str, scene: Scene, server: TrackerServer) -> None:
    destination = Destination(server, stream)
    destination.sync()
    scene.later()
    GONE[stream][0](scene)
    destination.sync()
    scene.later()
    edits.update_story(*scene.here, scene.neighbour, name="Another change")
    assert tombstones(destination.sync().records[stream]) == []


def test_a_bulk_deletion_is_one_tombstone_for_each_story(scene: Scene, server: TrackerServer) -> None:
    destination = Destination(server, "stories", "releases")
    destination.sync()
    scene.later()
    edits.delete_stories(*scene.here, [scene.story, scene.neighbour, scene.release])
    second = destination.sync()
    assert ids(tombstones(second.records["stories"])) == {scene.story, scene.neighbour, scene.release}
    assert ids(tombstones(second.records["releases"])) == {scene.release}


def test_a_comment_is_gone_from_the_stream_that_it_was_in(scene: Scene, server: TrackerServer) -> None:
    destination = Destination(server, "story_comments", "epic_comments")
    destination.sync()
    scene.later()
    _delete_comment(scene)
    _delete_comment_on_epic(scene)
    second = destination.sync()
    assert ids(tombstones(second.records["story_comments"])) == {scene.comment}
    assert ids(tombstones(second.records["epic_comments"])) == {scene.epic_comment}


def test_a_merged_label_is_gone_and_the_one_that_stays_is_not(scene: Scene, server: TrackerServer) -> None:
    destination = Destination(server, "labels")
    destination.sync()
    scene.later()
    edits.merge_labels(*scene.here, scene.label, [scene.second_label])
    assert ids(tombstones(destination.sync().records["labels"])) == {scene.second_label}
    assert destination.differences() == []


def test_a_thing_that_came_and_went_between_two_syncs_is_gone(scene: Scene, server: TrackerServer) -> None:
    destination = Destination(server, "stories", "labels")
    destination.sync()
    scene.later()
    story, label = _create(scene).pop(), edits.create_label(*scene.here, name="brief")["id"]
    scene.later()
    edits.delete_stories(*scene.here, [story])
    edits.delete_label(*scene.here, label)
    second = destination.sync()
    assert story not in ids(living(second.records["stories"]))
    assert label not in ids(living(second.records["labels"]))


def test_a_label_that_was_deleted_and_made_again_is_another(scene: Scene, server: TrackerServer) -> None:
    destination = Destination(server, "labels", "stories")
    destination.sync()
    scene.later()
    edits.delete_label(*scene.here, scene.second_label)
    again = edits.create_label(*scene.here, name="glossy")["id"]
    edits.update_story(*scene.here, scene.neighbour, label_ids=[again])
    assert ids(tombstones(destination.sync().records["labels"])) == {scene.second_label}
    assert destination.differences() == []


def test_what_was_deleted_before_the_first_sync_leaves_no_tombstone(scene: Scene, server: TrackerServer) -> None:
    edits.delete_stories(*scene.here, [scene.story])
    first = Destination(server, *WITH_TOMBSTONES).sync()
    assert [name for name, rows in first.records.items() if tombstones(rows)] == []


@pytest.mark.parametrize("workers", [1, 8])
@pytest.mark.parametrize("backwards", [False, True], ids=["to the project that is read later", "to the one before"])
def test_a_story_that_moved_between_synced_projects_lives_on(
    backwards: bool, workers: int, scene: Scene, server: TrackerServer
) -> None:
    source, target = (scene.other, scene.project) if backwards else (scene.project, scene.other)
    story = next(iter(source.stories)) if backwards else scene.story
    destination = Destination(server, *CALM, num_workers=workers)
    destination.sync()
    scene.later()
    edits.move_story_to_project(scene.world, source, target, scene.by, story)
    second = destination.sync()
    assert story not in ids(tombstones(second.records["stories"]))
    assert destination.replica.rows["stories"][story,]["project_id"] == target.id
    assert destination.differences() == []


def test_a_release_that_moved_between_synced_projects_lives_on(scene: Scene, server: TrackerServer) -> None:
    destination = Destination(server, "releases", "stories")
    destination.sync()
    scene.later()
    edits.move_story_to_project(scene.world, scene.project, scene.other, scene.by, scene.release)
    second = destination.sync()
    assert tombstones(second.records["releases"]) == []
    assert destination.differences() == []


def test_a_story_that_moved_to_a_project_that_is_not_synced_is_gone(scene: Scene, server: TrackerServer) -> None:
    destination = Destination(server, "stories", project_ids=[scene.project.id])
    destination.sync()
    scene.later()
    edits.move_story_to_project(scene.world, scene.project, scene.other, scene.by, scene.story)
    assert ids(tombstones(destination.sync().records["stories"])) == {scene.story}
    assert destination.differences() == []


def test_a_story_that_moved_away_and_was_deleted_there_is_gone(scene: Scene, server: TrackerServer) -> None:
    destination = Destination(server, "stories")
    destination.sync()
    scene.later()
    edits.move_story_to_project(scene.world, scene.project, scene.other, scene.by, scene.story)
    edits.delete_stories(scene.world, scene.other, scene.by, [scene.story])
    assert ids(tombstones(destination.sync().records["stories"])) == {scene.story}
    assert destination.differences() == []


def test_a_story_that_moved_away_and_back_is_not_gone(scene: Scene, server: TrackerServer) -> None:
    destination = Destination(server, "stories", project_ids=[scene.project.id])
    destination.sync()
    scene.later()
    edits.move_story_to_project(scene.world, scene.project, scene.other, scene.by, scene.story)
    edits.move_story_to_project(scene.world, scene.other, scene.project, scene.by, scene.story)
    assert tombstones(destination.sync().records["stories"]) == []
    assert destination.differences() == []


def test_the_parts_of_a_story_that_moved_between_synced_projects_live_on(scene: Scene, server: TrackerServer) -> None:
    parts = ["story_tasks", "story_comments", "story_blockers", "story_reviews"]
    destination = Destination(server, "stories", *parts)
    destination.sync()
    scene.later()
    edits.move_story_to_project(scene.world, scene.project, scene.other, scene.by, scene.story)
    second = destination.sync()
    assert [tombstones(second.records[part]) for part in parts] == [[], [], [], []]
    assert destination.differences() == []


def _refused_to(world: World, project: Project) -> Callable[[], None]:
    """Takes the token's person out of a project; what it returns lets them in again."""
    person = next(iter(world.tokens.values()))
    membership = next(key for key, row in project.memberships.items() if row["person_id"] == person)
    row = project.memberships.pop(membership)
    return lambda: project.memberships.update({membership: row})


def test_a_project_that_is_not_shown_any_more_is_no_deletion_and_says_so(
    scene: Scene, server: TrackerServer, caplog: pytest.LogCaptureFixture
) -> None:
    destination = Destination(server, *WITH_TOMBSTONES)
    destination.sync()
    caplog.clear()
    _refused_to(scene.world, scene.project)
    second = destination.sync()
    assert [name for name, rows in second.records.items() if tombstones(rows)] == []
    (warning,) = warnings(caplog)
    assert "so their rows stay as they are" in warning
    assert warning.endswith(f"projects {scene.project.id}")


def test_a_project_that_is_shown_again_goes_on_from_where_it_was(scene: Scene, server: TrackerServer) -> None:
    destination = Destination(server, *CALM)
    destination.sync()
    fresh = scene.fresh()
    let_in = _refused_to(scene.world, scene.project)
    scene.later()
    edits.delete_stories(*scene.here, [scene.story])
    destination.sync()
    let_in()
    third = destination.sync()
    assert ids(tombstones(third.records["stories"])) == {scene.story}
    assert ids(living(third.records["stories"])) - fresh == set()
    assert destination.differences() == []


def test_a_list_that_cannot_be_read_any_more_is_no_deletion_and_says_so(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    refused: set[str] = set()

    def before(request: Request) -> Response | None:
        path = request.path.removeprefix(PREFIX)
        return error_response(unauthorized_operation("Not yours.")) if path in refused else None

    with TrackerServer(scene.world, before=before) as server:
        destination = Destination(server, "stories", "labels")
        destination.sync()
        scene.later()
        _delete(scene)
        refused.update({f"/projects/{scene.project.id}/stories", f"/projects/{scene.project.id}/activity"})
        caplog.clear()
        second = destination.sync()
        assert tombstones(second.records["stories"]) == []
        assert any("stories" in each and f"project {scene.project.id}" in each for each in warnings(caplog))
        refused.clear()
        destination.sync()
        assert destination.differences() == []


def _forget(scene: Scene, keep: int) -> None:
    """Let the project's activity hold its last entries only."""
    del scene.project.activity[:-keep]


def test_versions_that_the_activity_does_not_tell_are_read_anew_with_one_warning(
    scene: Scene, server: TrackerServer, caplog: pytest.LogCaptureFixture
) -> None:
    destination = Destination(server, *CALM)
    destination.sync()
    scene.later()
    for edit in (_edit, _add_task, _complete_task, _comment_on_epic):
        edit(scene)
    _forget(scene, keep=1)
    caplog.clear()
    second = destination.sync()
    (warning,) = warnings(caplog)
    assert warning.startswith(f"Project {scene.project.id} is read anew")
    assert " 3 of the versions " in warning
    assert ids(second.records["stories"]) == scene.project.stories.keys()
    assert ids(second.records["stories"]).isdisjoint(scene.other.stories)
    assert [each for each in destination.differences() if not each.startswith("activity ")] == []


def test_what_the_activity_still_tells_to_be_gone_is_gone_after_a_gap_too(scene: Scene, server: TrackerServer) -> None:
    destination = Destination(server, "stories")
    destination.sync()
    scene.later()
    _edit(scene)
    edits.delete_stories(*scene.here, [scene.neighbour])
    _forget(scene, keep=1)
    assert ids(tombstones(destination.sync().records["stories"])) == {scene.neighbour}


def test_after_a_gap_the_next_sync_is_an_ordinary_one(scene: Scene, server: TrackerServer) -> None:
    destination = Destination(server, *CALM)
    destination.sync()
    scene.later()
    _edit(scene)
    _add_task(scene)
    _forget(scene, keep=1)
    destination.sync()
    destination.sync()
    assert destination.asked == ["/projects"]


def test_a_project_whose_version_fell_behind_is_read_anew_with_one_warning(
    scene: Scene, server: TrackerServer, caplog: pytest.LogCaptureFixture
) -> None:
    destination = Destination(server, "stories", "labels")
    destination.sync()
    scene.project.version -= 50
    caplog.clear()
    second = destination.sync()
    assert ids(second.records["stories"]) == scene.project.stories.keys()
    (warning,) = warnings(caplog)
    assert warning.startswith(f"Project {scene.project.id} is read anew")
    destination.sync()
    assert destination.asked == ["/projects"]
