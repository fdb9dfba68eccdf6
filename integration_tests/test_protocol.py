"""Every line that the verbs print is a message of the Airbyte protocol, with no field that it does not know."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from pathlib import Path

import orjson
import pytest

from integration_tests.command_line import NOBODY_THERE, OTHER_TOKEN, Ended
from source_pivotal_tracker.source import SourcePivotalTracker
from tools.program import Message, config_for, every_stream
from tools.states import LastStates
from tracker_server import edits
from tracker_server.api.errors import ApiError, error_response
from tracker_server.app import TrackerServer
from tracker_server.http_message import Request, Response
from tracker_server.sample import SAMPLE_TOKEN, make_world
from tracker_server.world import World
from unit_tests import loaded_program
from unit_tests.editor import Editor
from unit_tests.interception import html
from unit_tests.protocol_schema import FIELD_OF_TYPE, violations

PAUSE = 4
"""Seconds; a sync looks every second whether requests are held back."""
WITH_ALL_LOGS = {"LOG_LEVEL": "DEBUG"}
"""As the platform asks for them. With `--debug`, which it never gives, the cdk prints lines of a form of its own."""


class Refusing:
    """Lets every request through but for those of these paths, each of which has an answer ready, once or for ever."""

    def __init__(self) -> None:
        self.once: dict[str, Response] = {}
        self.always: dict[str, Response] = {}

    def __call__(self, request: Request) -> Response | None:
        last = request.path.rpartition("/")[2]
        return self.once.pop(last, None) or self.always.get(last)


@dataclass(frozen=True)
class Scene:
    """A server that can be edited and told to refuse, and the program, run in a folder."""

    server: TrackerServer
    world: World
    refusing: Refusing
    folder: Path

    @property
    def config(self) -> Message:
        return config_for(self.server.url, SAMPLE_TOKEN)

    def run(self, verb: str, environment: Mapping[str, str] | None = None, **files: object) -> Ended:
        command: list[str | Path] = [verb]
        for name, content in files.items():
            path = self.folder / f"{name}.json"
            path.write_bytes(content if isinstance(content, bytes) else orjson.dumps(content))
            command += [f"--{name}", path]
        ended = loaded_program.run(command, self.folder, environment)
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def read(self, environment: Mapping[str, str] | None = None, *, incremental: bool = True, **files: object) -> Ended:
        return self.run("read", environment, config=self.config, catalog=catalog(incremental=incremental), **files)

    def edit(self) -> None:
        """What a team does between two syncs."""
        project = next(iter(self.world.projects.values()))
        self.world.now += timedelta(minutes=10)
        edits.delete_stories(self.world, project, self.world.tokens[SAMPLE_TOKEN], project.order[:2])
        Editor(self.world, seed=1).edit(times=30)
        self.world.now += timedelta(minutes=10)


def catalog(*, incremental: bool) -> Message:
    """All streams, as discover offers them."""
    offered = [stream.as_airbyte_stream() for stream in SourcePivotalTracker().streams({"api_token": "x"})]
    streams = [
        {
            "name": stream.name,
            "json_schema": {},
            "supported_sync_modes": [mode.value for mode in stream.supported_sync_modes],
        }
        for stream in offered
    ]
    return every_stream({"streams": streams}, incremental=incremental)


def states_of(ended: Ended) -> list[Message]:
    states = LastStates()
    for message in ended.messages:
        states.note(message)
    return states.all()


def second_sync(scene: Scene) -> Ended:
    first = scene.read()
    scene.edit()
    return scene.read(state=states_of(first))


def failing_sync(scene: Scene) -> Ended:
    scene.refusing.always["labels"] = html(403)
    return scene.read()


def limited_sync(scene: Scene) -> Ended:
    refusal = error_response(ApiError(429, "rate_limit_exceeded", "Too many requests."))
    scene.refusing.once["stories"] = replace(refusal, headers={**refusal.headers, "Retry-After": str(PAUSE)})
    return scene.read(WITH_ALL_LOGS)


def refused_token(scene: Scene) -> Ended:
    return scene.run("read", config={**scene.config, "api_token": OTHER_TOKEN}, catalog=catalog(incremental=True))


RUNS: dict[str, tuple[Callable[[Scene], Ended], int, set[str]]] = {
    "spec": (lambda scene: scene.run("spec"), 0, {"SPEC"}),
    "check": (lambda scene: scene.run("check", config=scene.config), 0, {"CONNECTION_STATUS"}),
    "a check that fails": (
        lambda scene: scene.run("check", config={**scene.config, "api_url": NOBODY_THERE}),
        0,
        {"CONNECTION_STATUS"},
    ),
    "discover": (lambda scene: scene.run("discover", config=scene.config), 0, {"CATALOG"}),
    "discover without a good configuration": (lambda scene: scene.run("discover", config=b"{"), 1, {"TRACE ERROR"}),
    "a full refresh": (
        lambda scene: scene.read(incremental=False),
        0,
        {"LOG", "RECORD", "STATE", "TRACE ESTIMATE", "TRACE STREAM_STATUS"},
    ),
    "a first sync": (Scene.read, 0, {"LOG", "RECORD", "STATE", "TRACE ESTIMATE", "TRACE STREAM_STATUS"}),
    "a second sync": (second_sync, 0, {"LOG", "RECORD", "STATE", "TRACE STREAM_STATUS"}),
    "a sync that fails": (failing_sync, 1, {"LOG", "RECORD", "STATE", "TRACE ERROR", "TRACE STREAM_STATUS"}),
    "a sync that is held up, with all logs": (
        limited_sync,
        0,
        {"LOG", "LOG DEBUG", "RECORD", "STATE", "TRACE STREAM_STATUS", "TRACE STREAM_STATUS RATE_LIMITED"},
    ),
    "a sync whose token is refused": (refused_token, 1, {"TRACE ERROR"}),
}
"""What is run, with which exit code it ends, and which kinds of messages it has to print."""


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    world, refusing = make_world(projects=2, stories=120), Refusing()
    with TrackerServer(world, before=refusing) as server:
        yield Scene(server, world, refusing, tmp_path)


@pytest.mark.parametrize(("run", "exit_code", "kinds"), RUNS.values(), ids=RUNS.keys())
def test_every_line_is_a_message_of_the_protocol(
    run: Callable[[Scene], Ended], exit_code: int, kinds: set[str], scene: Scene
) -> None:
    ended = run(scene)
    assert (ended.exit_code, ended.stderr) == (exit_code, "")
    assert ended.stdout.endswith("\n")
    found = [
        f"line {number}: {violation}"
        for number, message in zip(count(1), ended.messages, strict=False)
        for violation in violations(message)
    ]
    assert found == []
    assert SAMPLE_TOKEN not in ended.stdout
    assert kinds <= {kind for message in ended.messages for kind in kinds_of(message)}


def kinds_of(message: Message) -> Iterator[str]:
    """What a message is called here: its type, for some with what is in it."""
    yield message["type"]
    said = message[FIELD_OF_TYPE[message["type"]]]
    if message["type"] == "LOG":
        yield f"LOG {said['level']}"
    if message["type"] == "TRACE":
        yield f"TRACE {said['type']}"
        for reason in said.get("stream_status", {}).get("reasons", ()):
            yield f"TRACE {said['type']} {reason['type']}"


def test_a_second_sync_brings_a_tombstone_and_a_first_one_brings_every_stream(scene: Scene) -> None:
    """What the messages above are of."""
    first = scene.read()
    assert {message["record"]["stream"] for message in first.of_type("RECORD")} == names()
    scene.edit()
    second = scene.read(state=states_of(first))
    assert any(message["record"]["data"].get("_ab_cdc_deleted_at") for message in second.of_type("RECORD"))


def names() -> set[str]:
    return {configured["stream"]["name"] for configured in catalog(incremental=True)["streams"]}
