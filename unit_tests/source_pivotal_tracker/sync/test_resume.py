"""A sync that is killed and started again with its last states: nothing is lost, and little is read twice."""

from __future__ import annotations

import os
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from airbyte_cdk.models import (
    AirbyteGlobalState,
    AirbyteMessage,
    AirbyteStateBlob,
    AirbyteStateMessage,
    AirbyteStateType,
)
from airbyte_cdk.models import Type as MessageType

from source_pivotal_tracker.streams.base import PartStream
from source_pivotal_tracker.sync.state import NEUTRAL
from tracker_server import edits
from tracker_server.api.call import Caps
from tracker_server.app import TrackerServer
from tracker_server.sample import SAMPLE_TOKEN, make_world
from tracker_server.world import Project, World
from unit_tests import expected_keys
from unit_tests.editor import Editor
from unit_tests.expected_keys import Key
from unit_tests.interception import asked
from unit_tests.modes import Mode, by_mode, needs_versions
from unit_tests.replica import Replica
from unit_tests.syncs import BY_NAME, Sync, config_for, key_of, warnings

KILLS = int(os.environ.get("KILLS", "2"))
PAGE = 5
SMALL_PAGES = Caps(stories=PAGE, releases=2, iterations=PAGE, activity=PAGE, transitions=PAGE)
WORKERS = 3
PARTS = {name for name, stream in BY_NAME.items() if issubclass(stream, PartStream)}

every_kill = pytest.mark.parametrize("seed", range(KILLS))
every_kill_by_mode = by_mode("seed", lambda mode: range(mode.fewer(KILLS)))
both_modes = pytest.mark.parametrize("incremental", [True, False], ids=["incremental", "full refresh"])


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(projects=2, stories=16)


@pytest.fixture(scope="module")
def server(world: World, mode: Mode) -> Iterator[TrackerServer]:
    with TrackerServer(world, caps=SMALL_PAGES, dialect=mode.dialect) as running:
        yield running


@pytest.fixture(scope="module")
def all_keys(world: World, mode: Mode) -> dict[str, set[Key]]:
    keys = expected_keys.keys(world, SAMPLE_TOKEN)
    return {stream: set() if stream in mode.unknown else set(keys[stream]) for stream in BY_NAME}


@pytest.fixture(scope="module")
def claims(world: World, mode: Mode) -> Claims:
    return Claims(world, mode)


def read(
    server: TrackerServer,
    *,
    incremental: bool,
    state: Iterable[AirbyteStateMessage] = (),
    killed_after: int | None = None,
    streams: Iterable[str] = (),
    workers: int = WORKERS,
) -> Sync:
    """One attempt, with a state after every page."""
    return Sync(
        config_for(server, num_workers=workers),
        streams,
        incremental=incremental,
        state=state,
        killed_after=killed_after,
        state_seconds=0,
    )


def attempts(server: TrackerServer, seed: int, kills: int, *, incremental: bool) -> list[Sync]:
    """A sync that is killed so many times at moments that the seed chooses, and then left alone."""
    chance = random.Random(seed)  # noqa: S311
    syncs: list[Sync] = []
    most = 1800  # Messages of a whole sync, about.
    for _ in range(kills):
        state = syncs[-1].state if syncs else ()
        syncs.append(
            read(server, incremental=incremental, state=state, killed_after=chance.randrange(1, most // kills))
        )
    syncs.append(read(server, incremental=incremental, state=syncs[-1].state))
    return syncs


def keys_of(syncs: Iterable[Sync]) -> dict[str, Counter[Key]]:
    """How often each key came, by stream."""
    found: dict[str, Counter[Key]] = defaultdict(Counter)
    for sync in syncs:
        for stream, rows in sync.records.items():
            found[stream].update(key_of(stream, row) for row in rows)
    return found


class Claims:
    """What a state says has come, by the world that was read and by what of it can be known."""

    def __init__(self, world: World, mode: Mode) -> None:
        self._world = world
        self._mode = mode
        self._known: dict[tuple[str, int | None, str, int | None], set[Key]] = {}

    def of(self, stream: str, blob: Mapping[str, Any]) -> set[Key]:
        """The keys of all rows that a state claims, apart from what hangs on an account."""
        if stream in self._mode.unknown:
            return set()
        if blob == NEUTRAL:
            return self._keys(stream, None, "", None)
        found: set[Key] = set()
        if blob.get("server"):
            found |= self._keys(stream, None, "", None)
        endpoints = [endpoint.name for endpoint in BY_NAME[stream].endpoints]
        for project_id, checkpoints in blob.get("projects", {}).items():
            if int(project_id) not in self._world.projects:
                continue
            for endpoint in endpoints:
                checkpoint = checkpoints.get(endpoint) if len(endpoints) > 1 else checkpoints
                offset = checkpoint.get("walk", {}).get("offset") if checkpoint else 0
                if offset != 0:
                    found |= self._keys(stream, int(project_id), endpoint, offset)
        return found

    def _keys(self, stream: str, project_id: int | None, endpoint: str, offset: int | None) -> set[Key]:
        known = (stream, project_id, endpoint, offset)
        if known not in self._known:
            self._known[known] = set(self._held(stream, project_id, endpoint, offset))
        return self._known[known]

    def _held(self, stream: str, project_id: int | None, endpoint: str, offset: int | None) -> list[Key]:
        if project_id is None:
            return expected_keys.keys(self._world, SAMPLE_TOKEN)[stream]
        project = self._world.projects[project_id]
        if stream.endswith("_attachments"):
            others: dict[str, Any] = {"epics": {}} if endpoint == "stories" else {"stories": {}, "order": []}
            project = replace(project, **others)
        if offset is not None and endpoint != "iterations":
            project = first_of(project, endpoint, offset)
        keys = expected_keys.keys(replace(self._world, projects={project_id: project}), SAMPLE_TOKEN)[stream]
        return keys[:offset] if endpoint == "iterations" else keys


def first_of(project: Project, endpoint: str, offset: int) -> Project:
    """A project whose list of this name ends where a walk over it stands."""
    if endpoint == "stories":
        chosen = project.order[:offset]
        return replace(project, order=chosen, stories={key: project.stories[key] for key in chosen})
    if endpoint == "releases":
        chosen = [key for key in project.order if project.stories[key]["story_type"] == "release"][:offset]
        return replace(project, stories={key: project.stories[key] for key in chosen})
    if endpoint == "story_transitions":
        return replace(project, transitions=project.transitions[:offset])
    assert endpoint == "activity"
    return replace(project, activity=project.activity[len(project.activity) - offset :])


def states_with_what_came_before(syncs: Iterable[Sync]) -> Iterator[tuple[str, dict[str, Any], set[Key]]]:
    """Each state of these attempts: its stream, what it holds, and the keys of that stream that came before it."""
    came: dict[str, set[Key]] = defaultdict(set)
    for sync in syncs:
        for message in sync.output:
            if message.type == MessageType.RECORD and message.record:
                came[message.record.stream].add(key_of(message.record.stream, message.record.data))
            elif message.type == MessageType.STATE:
                stream = stream_of(message)
                yield stream, blob_of(message), came[stream]


def stream_of(message: AirbyteMessage) -> str:
    assert message.state is not None
    assert message.state.stream is not None
    return str(message.state.stream.stream_descriptor.name)


def blob_of(message: AirbyteMessage) -> dict[str, Any]:
    assert message.state is not None
    assert message.state.stream is not None
    state = message.state.stream.stream_state
    return dict(state.__dict__) if state else {}


class Killed(NamedTuple):
    """A sync that was killed twice and then left alone, and whether it read what it could incrementally."""

    attempts: list[Sync]
    incremental: bool


@pytest.fixture(scope="module", params=[(seed, mode) for seed in range(KILLS) for mode in ("incremental", "full")])
def killed(request: pytest.FixtureRequest, server: TrackerServer) -> Killed:
    seed, mode = request.param
    return Killed(attempts(server, seed, 2, incremental=mode == "incremental"), mode == "incremental")


def test_a_killed_sync_that_is_started_again_brings_every_row_of_every_stream(
    killed: Killed, all_keys: dict[str, set[Key]]
) -> None:
    came = keys_of(killed.attempts)
    assert {stream: set(came[stream]) for stream in all_keys} == all_keys
    assert killed.attempts[-1].failure is None


def test_no_state_claims_a_row_that_did_not_come_before_it(killed: Killed, claims: Claims) -> None:
    states = 0
    for stream, blob, came in states_with_what_came_before(killed.attempts):
        missing = claims.of(stream, blob) - came
        assert missing == set(), f"{stream} claims {len(missing)} rows too many: {blob}"
        states += 1
    assert states > len(BY_NAME)


@both_modes
@pytest.mark.parametrize("seed", range(max(1, KILLS // 5)))
def test_a_sync_that_is_killed_again_and_again_brings_every_row_of_every_stream(
    seed: int, incremental: bool, server: TrackerServer, all_keys: dict[str, set[Key]]
) -> None:
    came = keys_of(attempts(server, 1000 + seed, 5, incremental=incremental))
    assert {stream: set(came[stream]) for stream in all_keys} == all_keys


PAGED = ["stories", "story_tasks", "story_comments", "story_transitions", "activity", "iterations", "file_attachments"]


@pytest.fixture(scope="module")
def paged_messages(server: TrackerServer) -> dict[bool, int]:
    """How many messages a whole sync of these streams has, incremental and not."""
    return {incremental: read(server, incremental=incremental, streams=PAGED).messages for incremental in (True, False)}


@needs_versions
@both_modes
@every_kill
def test_what_is_read_twice_is_a_page_of_each_walk_that_was_under_way(
    seed: int, incremental: bool, server: TrackerServer, paged_messages: dict[bool, int]
) -> None:
    before_its_end = paged_messages[incremental] * 9 // 10
    killed_after = random.Random(3000 + seed).randrange(1, before_its_end)  # noqa: S311
    killed = read(server, incremental=incremental, killed_after=killed_after, streams=PAGED)
    again = read(server, incremental=incremental, state=killed.state, streams=PAGED)
    for stream in PAGED:
        both = listed(stream, killed) & listed(stream, again)
        twice = Counter(project for project, _ in both)
        assert len(twice) <= WORKERS, stream
        assert max(twice.values(), default=0) <= PAGE, stream


@needs_versions
@both_modes
def test_a_stream_that_sat_out_an_attempt_goes_on_from_its_own_place(
    incremental: bool, server: TrackerServer, all_keys: dict[str, set[Key]]
) -> None:
    both = ["stories", "story_tasks"]
    syncs = [read(server, incremental=incremental, streams=both, workers=1, killed_after=30)]
    for streams, killed_after in ((["stories"], 12), (both, None)):
        state = syncs[-1].state
        syncs.append(
            read(
                server,
                incremental=incremental,
                streams=streams,
                workers=1,
                state=state,
                killed_after=killed_after,
            )
        )
    offsets = [place_of(stream, syncs[1]) for stream in both]
    assert offsets[0] > offsets[1] > 0
    came = keys_of(syncs)
    assert {stream: set(came[stream]) for stream in both} == {stream: all_keys[stream] for stream in both}


def place_of(stream: str, sync: Sync) -> int:
    """Where a killed read stands in the first project."""
    checkpoint = next(iter(sync.blob(stream)["projects"].values()))
    return int(checkpoint["walk"]["offset"])


@needs_versions
def test_a_stream_that_was_read_to_its_end_before_the_kill_is_not_read_again_in_a_full_refresh(
    server: TrackerServer,
) -> None:
    streams = ["stories", "activity"]
    whole = read(server, incremental=False, streams=streams, workers=1)
    killed = read(server, incremental=False, streams=streams, workers=1, killed_after=whole.messages - 10)
    assert killed.statuses == {"stories": ["STARTED", "RUNNING", "COMPLETE"], "activity": ["STARTED", "RUNNING"]}
    again = read(server, incremental=False, streams=streams, workers=1, state=killed.state)
    assert len(again.records["stories"]) == 0


def listed(stream: str, sync: Sync) -> set[tuple[int, Key]]:
    """The rows of the lists that the records of a stream came in, by their project: for tasks, their stories."""
    parents = ("story_id", "epic_id") if stream in PARTS else ()
    rows = sync.records[stream]
    return {
        (row["project_id"], next(((parent, row[parent]) for parent in parents if row.get(parent)), key_of(stream, row)))
        for row in rows
    }


@every_kill_by_mode
def test_an_incremental_read_of_changes_that_is_killed_and_started_again_makes_the_replica_right(
    seed: int, mode: Mode
) -> None:
    world = make_world(projects=2, stories=16, seed=seed)
    chance = random.Random(4000 + seed)  # noqa: S311
    streams = [name for name in BY_NAME if seed % 2 or name != "story_cycle_times"]
    with TrackerServer(world, caps=SMALL_PAGES, dialect=mode.dialect) as server:
        first = read(server, incremental=True, streams=streams)
        world.now += timedelta(hours=1)
        Editor(world, seed).edit(30)
        killed = read(
            server, incremental=True, state=first.state, streams=streams, killed_after=chance.randrange(1, 700)
        )
        again = read(server, incremental=True, state=killed.state, streams=streams)
        # A stream without a cursor is replaced by what a sync brings, and both attempts are one sync.
        for stream, rows in again.records.items():
            killed.records[stream] += rows
        whole = read(server, incremental=False, streams=streams)
    assert again.failure is None
    assert Replica(first, killed).differences(Replica(whole)) == []


@every_kill_by_mode
def test_edits_between_the_kills_of_a_sync_leave_the_replica_right_after_the_sync_that_follows(
    seed: int, mode: Mode
) -> None:
    world = make_world(projects=2, stories=24, seed=seed)
    chance = random.Random(5000 + seed)  # noqa: S311
    streams = [name for name in BY_NAME if BY_NAME[name].cursor_field]
    editor = Editor(world, seed, sweeping=seed % 3 == 0)
    replica = Replica()
    state: list[AirbyteStateMessage] = []
    with TrackerServer(world, caps=SMALL_PAGES, dialect=mode.dialect) as server:
        for most in (600, 600, 600, None, None):
            killed_after = None if most is None else chance.randrange(1, most)
            sync = read(server, incremental=True, streams=streams, state=state, killed_after=killed_after)
            replica.load(sync)
            state = sync.state
            if most:
                world.now += timedelta(minutes=chance.choice((0, 1, 60)))
                editor.edit(4)
        whole = read(server, incremental=False, streams=streams)
    assert sync.failure is None
    assert replica.differences(Replica(whole)) == []


def killed_on_its_way(server: TrackerServer, stream: str, *, incremental: bool) -> tuple[Sync, int]:
    """A read of one stream that was killed after some pages of its first list, and the offset at which it stands."""
    killed = read(server, incremental=incremental, streams=[stream], killed_after=4 * PAGE, workers=1)
    offset = place_of(stream, killed)
    assert offset >= 2 * PAGE
    return killed, offset


def test_after_a_kill_no_request_of_the_killed_read_comes_any_more() -> None:
    with TrackerServer(make_world(projects=1, stories=30), caps=SMALL_PAGES, latency=0.1) as server:
        killed_on_its_way(server, "activity", incremental=False)
        requests = len(server.log)
        time.sleep(0.3)
        assert len(server.log) == requests


def test_a_list_is_gone_on_with_after_edits_from_as_many_rows_back_as_stories_were_touched() -> None:
    world = make_world(projects=1, stories=30)
    project = next(iter(world.projects.values()))
    with TrackerServer(world, caps=SMALL_PAGES) as server:
        killed, offset = killed_on_its_way(server, "stories", incremental=True)
        world.now += timedelta(minutes=1)
        gone = killed.records["stories"][0]["id"]
        edits.delete_stories(world, project, next(iter(world.people)), [gone])
        again = read(server, incremental=True, streams=["stories"], state=killed.state)
    offsets = [int(offset) for offset in asked(server.log, "offset")]
    assert offsets[-1] >= len(project.stories) - PAGE
    resumed_at = offsets.index(offset - 1)
    assert offsets[resumed_at:] == list(range(offset - 1, len(project.stories), PAGE))
    came = {row["id"] for sync in (killed, again) for row in sync.records["stories"]}
    assert came - {gone} == project.stories.keys()
    assert [row["id"] for row in again.records["stories"] if row.get("_ab_cdc_deleted_at")] == [gone]


@both_modes
def test_activity_is_gone_on_with_after_edits_and_the_next_sync_brings_what_came_meanwhile(incremental: bool) -> None:
    world = make_world(projects=1, stories=30)
    project = next(iter(world.projects.values()))
    with TrackerServer(world, caps=SMALL_PAGES) as server:
        killed, offset = killed_on_its_way(server, "activity", incremental=incremental)
        known = {activity["guid"] for activity in project.activity}
        world.now += timedelta(minutes=1)
        Editor(world, 1).edit(7)
        before = len(server.log)
        again = read(server, incremental=incremental, streams=["activity"], state=killed.state)
        offsets = [int(request.query["offset"]) for request in server.log[before:] if "offset" in request.query]
        last = read(server, incremental=incremental, streams=["activity"], state=again.state)
    rest = list(range(offset, len(project.activity), PAGE))
    assert offsets[-len(rest) :] == rest
    assert offsets.count(0) == 0
    assert {row["guid"] for sync in (killed, again) for row in sync.records["activity"]} >= known
    came = {row["guid"] for sync in (killed, again, last) for row in sync.records["activity"]}
    assert came == {activity["guid"] for activity in project.activity}


def test_the_states_of_a_finished_incremental_sync_hold_cursors_only(server: TrackerServer, mode: Mode) -> None:
    sync = read(server, incremental=True)
    assert "walk" not in str([sync.blob(stream) for stream in mode.known()])
    assert "done" not in str([sync.blob(stream) for stream in BY_NAME if BY_NAME[stream].cursor_field])
    assert [stream for stream in mode.known() if sync.blob(stream) == NEUTRAL] == [
        stream for stream in mode.known() if not BY_NAME[stream].cursor_field
    ]


def test_the_states_of_a_finished_full_refresh_hold_nothing(server: TrackerServer) -> None:
    sync = read(server, incremental=False)
    assert {stream: sync.blob(stream) for stream in BY_NAME} == dict.fromkeys(BY_NAME, NEUTRAL)


def test_a_full_refresh_after_a_finished_one_brings_everything_again(
    server: TrackerServer, all_keys: dict[str, set[Key]]
) -> None:
    first = read(server, incremental=False)
    came = keys_of([read(server, incremental=False, state=first.state)])
    assert {stream: set(came[stream]) for stream in all_keys} == all_keys


def test_a_full_refresh_after_a_killed_one_that_was_finished_brings_everything_again(
    server: TrackerServer, all_keys: dict[str, set[Key]]
) -> None:
    killed = read(server, incremental=False, killed_after=600)
    finished = read(server, incremental=False, state=killed.state)
    came = keys_of([read(server, incremental=False, state=finished.state)])
    assert {stream: set(came[stream]) for stream in all_keys} == all_keys


def test_a_place_is_not_taken_up_where_the_activity_does_not_tell_what_has_changed_since(world: World) -> None:
    project = replace(next(iter(world.projects.values())))
    with TrackerServer(replace(world, projects={project.id: project}), caps=SMALL_PAGES) as server:
        killed = read(server, incremental=True, streams=["stories"], killed_after=2 * PAGE)
        assert killed.blob("stories")["projects"][str(project.id)]["walk"]["offset"] == PAGE
        project.version += 1
        again = read(server, incremental=True, streams=["stories"], state=killed.state)
    assert {row["id"] for row in again.records["stories"]} == project.stories.keys()


FOREIGN_STATES = {
    "global": AirbyteStateMessage(
        type=AirbyteStateType.GLOBAL,
        global_=AirbyteGlobalState(stream_states=[], shared_state=AirbyteStateBlob({"cursor": "2026-11-20"})),
    ),
    "legacy": AirbyteStateMessage(type=AirbyteStateType.LEGACY, data={"labels": {"updated_at": "2026-11-20"}}),
}


@pytest.mark.parametrize("state", FOREIGN_STATES.values(), ids=FOREIGN_STATES.keys())
def test_a_state_that_is_not_of_a_stream_is_left_out_with_a_warning(
    state: AirbyteStateMessage,
    server: TrackerServer,
    all_keys: dict[str, set[Key]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    sync = read(server, incremental=True, state=[state], streams=["labels"])
    assert sync.failure is None
    assert set(keys_of([sync])["labels"]) == all_keys["labels"]
    (warning,) = warnings(caplog)
    assert warning.endswith("because this connector writes none: its streams are read from the start")


def test_a_state_with_an_empty_namespace_is_that_of_the_stream(server: TrackerServer) -> None:
    first = read(server, incremental=True, streams=["stories"])
    given = []
    for state in first.state:
        assert state.stream
        descriptor = replace(state.stream.stream_descriptor, namespace="")
        given.append(replace(state, stream=replace(state.stream, stream_descriptor=descriptor)))

    again = read(server, incremental=True, streams=["stories"], state=given)

    with_none = read(server, incremental=True, streams=["stories"], state=first.state)
    assert again.records["stories"] == with_none.records["stories"]
    assert len(again.records["stories"]) < len(first.records["stories"])


def test_states_of_a_stream_keep_the_time_between_them_that_they_are_told(server: TrackerServer) -> None:
    after_every_page = read(server, incremental=True, streams=["activity"])
    rarely = Sync(config_for(server), ["activity"], incremental=True, state_seconds=3600)
    assert len(states_of(after_every_page)) > 20
    assert (
        len(states_of(rarely)) <= len(server.world.projects) + 1
    )  # before the first page of each list, and at the end


def states_of(sync: Sync) -> list[AirbyteMessage]:
    return [message for message in sync.output if message.type == MessageType.STATE]
