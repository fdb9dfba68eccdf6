"""A server that can be edited, slowed down and told to refuse, and the program, run against it again and again."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import orjson

from integration_tests.command_line import Ended
from source_pivotal_tracker.source import SourcePivotalTracker
from tools.program import Message, config_for, every_stream
from tools.states import LastStates
from tracker_server import edits
from tracker_server.api.call import Caps
from tracker_server.app import TrackerServer
from tracker_server.http_message import Request, Response
from tracker_server.sample import SAMPLE_TOKEN, make_world
from tracker_server.world import World
from unit_tests import loaded_program
from unit_tests.editor import Editor


@dataclass
class Mood:
    """What the server does before it answers: it waits, and may have answers ready for the ends of paths."""

    seconds: float = 0.0
    once: dict[str, Response] = field(default_factory=dict)
    always: dict[str, Response] = field(default_factory=dict)

    def __call__(self, request: Request) -> Response | None:
        time.sleep(self.seconds)
        last = request.path.rpartition("/")[2]
        return self.once.pop(last, None) or self.always.get(last)


@dataclass(frozen=True)
class Scene:
    """The server and the program; `folder` has the files of the last run."""

    server: TrackerServer
    world: World
    mood: Mood
    folder: Path

    @property
    def config(self) -> Message:
        return config_for(self.server.url, SAMPLE_TOKEN)

    def run(self, verb: str, environment: Mapping[str, str] | None = None, **files: object) -> Ended:
        """`scene.run("check", config={…})` is `source-pivotal-tracker check --config …/config.json`."""
        command: list[str | Path] = [verb]
        for name, content in files.items():
            path = self.folder / f"{name}.json"
            path.write_bytes(content if isinstance(content, bytes) else orjson.dumps(content))
            command += [f"--{name}", path]
        ended = loaded_program.run(command, self.folder, environment)
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def read(
        self,
        *streams: str,
        incremental: bool = True,
        state: list[Message] | None = None,
        environment: Mapping[str, str] | None = None,
        **settings: object,
    ) -> Ended:
        """Read these streams, or all, with `settings` over the configuration."""
        return self.run(
            "read",
            environment,
            config=self.config | settings,
            catalog=catalog(*streams, incremental=incremental),
            state=state or [],
        )

    def edit(self) -> None:
        """What a team does between two syncs."""
        project = next(iter(self.world.projects.values()))
        self.world.now += timedelta(minutes=10)
        edits.delete_stories(self.world, project, self.world.tokens[SAMPLE_TOKEN], project.order[:2])
        Editor(self.world, seed=1).edit(times=30)
        self.world.now += timedelta(minutes=10)


@contextmanager
def scene_in(folder: Path, caps: Caps | None = None) -> Iterator[Scene]:
    """Two projects with rows in every stream."""
    world, mood = make_world(projects=2, stories=120), Mood()
    with TrackerServer(world, before=mood, caps=caps) as server:
        yield Scene(server, world, mood, folder)


def catalog(*streams: str, incremental: bool) -> Message:
    """These streams as discover offers them, or all of them."""
    offered = [stream.as_airbyte_stream() for stream in SourcePivotalTracker().streams({"api_token": "x"})]
    wanted = [
        {
            "name": stream.name,
            "json_schema": {},
            "supported_sync_modes": [mode.value for mode in stream.supported_sync_modes],
        }
        for stream in offered
        if not streams or stream.name in streams
    ]
    return every_stream({"streams": wanted}, incremental=incremental)


def states_of(ended: Ended) -> list[Message]:
    """What the platform keeps of a read, and hands to the next one."""
    states = LastStates()
    for message in ended.messages:
        states.note(message)
    return states.all()
