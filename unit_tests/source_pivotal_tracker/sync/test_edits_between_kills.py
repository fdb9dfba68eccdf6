"""A sync that is killed, and started again in projects that people edit at the worst of moments: nothing is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import timedelta

import pytest
from airbyte_cdk.models import AirbyteStateMessage

from tracker_server import edits
from tracker_server.api.call import Caps
from tracker_server.app import TrackerServer
from tracker_server.http_message import Request
from tracker_server.sample import make_world
from tracker_server.world import Project
from unit_tests.modes import Mode
from unit_tests.replica import Replica
from unit_tests.syncs import Sync, config_for

PAGE = 5
Edit = Callable[["Scene"], object]


class Scene:
    """A project on a server. What `at_the_first_page` holds happens before the next request for a page of stories."""

    def __init__(self, mode: Mode) -> None:
        self.world = make_world(projects=1, stories=40)
        self.project: Project = next(iter(self.world.projects.values()))
        self.by = next(iter(self.world.people))
        self.at_the_first_page: list[Edit] = []
        self._mode = mode
        self.server = TrackerServer(
            self.world, before=self._before, caps=Caps(stories=PAGE, releases=1), dialect=mode.dialect
        )

    def _before(self, request: Request) -> None:
        if request.path.endswith("/stories") and self.at_the_first_page:
            self.at_the_first_page.pop()(self)

    def sync(
        self,
        streams: Iterable[str],
        state: Iterable[AirbyteStateMessage] = (),
        *,
        incremental: bool = True,
        killed_after: int | None = None,
    ) -> Sync:
        sync = Sync(
            config_for(self.server, num_workers=1),
            streams,
            incremental=incremental,
            state=state,
            killed_after=killed_after,
            state_seconds=0,
        )
        for thread in threading.enumerate():
            if thread.name.startswith("walks-"):
                thread.join(60)
        return sync

    def killed_at(
        self,
        offset: int,
        streams: Iterable[str],
        state: Iterable[AirbyteStateMessage] = (),
        *,
        incremental: bool = True,
    ) -> Sync:
        """A sync that is killed when it has so much of the stories, or more; where places are kept, by its state."""
        for killed_after in range(3, 200):
            sync = self.sync(streams, state, incremental=incremental, killed_after=killed_after)
            came = self.offset(sync, "stories") if self._mode.dialect.versions else len(sync.records["stories"])
            if came >= offset:
                return sync
        raise AssertionError(f"no state at row {offset}")

    def offset(self, sync: Sync, stream: str) -> int:
        if not any(message.stream and message.stream.stream_descriptor.name == stream for message in sync.state):
            return -1
        checkpoint = sync.blob(stream).get("projects", {}).get(str(self.project.id), {})
        return int(checkpoint.get("walk", {}).get("offset", -1))

    def touch(self) -> None:
        self.world.now += timedelta(minutes=1)
        edits.update_story(self.world, self.project, self.by, self.project.order[0], name="Touched")


@pytest.fixture
def scene(mode: Mode) -> Scene:
    return Scene(mode)


def differences(scene: Scene, syncs: Iterable[Sync], streams: Iterable[str]) -> list[str]:
    return Replica(*syncs).differences(Replica(scene.sync(streams, incremental=False)))


@pytest.mark.parametrize("incremental", [True, False], ids=["incremental", "full refresh"])
def test_what_is_deleted_between_the_activity_and_the_first_page_lets_no_row_slip_past_the_place(
    scene: Scene, incremental: bool
) -> None:
    def delete_some_that_were_read(scene: Scene) -> None:
        edits.delete_stories(scene.world, scene.project, scene.by, scene.project.order[:4])

    with scene.server:
        killed = scene.killed_at(2 * PAGE, ["stories"], incremental=incremental)
        scene.touch()
        scene.at_the_first_page = [delete_some_that_were_read]
        resumed = scene.sync(["stories"], killed.state, incremental=incremental)
    came = {row["id"] for sync in (killed, resumed) for row in sync.records["stories"]}
    assert scene.project.stories.keys() - came == set()


@pytest.mark.parametrize("streams", [["stories"], ["stories", "releases"]], ids=" and ".join)
def test_what_is_deleted_after_the_projects_were_listed_is_gone_after_the_next_sync(
    scene: Scene, streams: list[str]
) -> None:
    def delete_one_that_was_sent(scene: Scene) -> None:
        edits.delete_stories(scene.world, scene.project, scene.by, [sent])

    with scene.server:
        killed = scene.killed_at(2 * PAGE, streams)
        sent = next(row["id"] for row in killed.records["stories"])
        scene.world.now += timedelta(minutes=1)
        scene.at_the_first_page = [delete_one_that_was_sent]
        resumed = scene.sync(streams, killed.state)
        last = scene.sync(streams, resumed.state)
        assert differences(scene, (killed, resumed, last), streams) == []


def test_labels_that_are_renamed_between_the_activity_and_the_first_page_are_in_every_story_after_a_resume(
    scene: Scene,
) -> None:
    streams = ["stories", "story_cycle_times"]

    def rename_all_labels(scene: Scene) -> None:
        for label in list(scene.project.labels):
            edits.update_label(scene.world, scene.project, scene.by, label, name=f"renamed {label}")

    with scene.server:
        first = scene.sync(streams)
        scene.world.now += timedelta(days=1)
        scene.touch()
        scene.at_the_first_page = [rename_all_labels]
        killed = scene.killed_at(4 * PAGE, streams, first.state)
        resumed = scene.sync(streams, killed.state)
        last = scene.sync(streams, resumed.state)
        found = differences(scene, (first, killed, resumed, last), streams)
    assert [difference for difference in found if difference.startswith("stories ")] == []


def test_a_full_refresh_brings_what_moved_to_a_project_that_it_had_read_before_it_was_killed(
    mode: Mode,
) -> None:
    world = make_world(projects=2, stories=12)
    by = next(iter(world.people))
    with TrackerServer(world, caps=Caps(stories=PAGE), dialect=mode.dialect) as server:
        for killed_after in range(10, 60):
            killed = Sync(config_for(server, num_workers=1), ["stories"], killed_after=killed_after, state_seconds=0)
            checkpoints = killed.blob("stories")["projects"] if killed.state else {}
            done = [int(key) for key, checkpoint in checkpoints.items() if checkpoint.get("done")]
            if done:
                break
        read = world.projects[done[0]]
        other = next(project for project in world.projects.values() if project is not read)
        world.now += timedelta(minutes=1)
        edits.move_story_to_project(world, other, read, by, other.order[-1])
        edits.create_story(world, read, by, name="New")
        resumed = Sync(config_for(server), ["stories"], state=killed.state)
    came = {row["id"] for sync in (killed, resumed) for row in sync.records["stories"]}
    assert {story for project in world.projects.values() for story in project.stories} - came == set()
    assert not any(row.get("_ab_cdc_deleted_at") for row in resumed.records["stories"])
