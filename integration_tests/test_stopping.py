"""The real program is killed, is asked to stop, and has a reader that has gone to sleep: the next one goes on."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import socket
import struct
import subprocess
import termios
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import orjson
import pytest

from integration_tests.command_line import SECONDS_TO_END, TERMINATED
from source_pivotal_tracker.source import SourcePivotalTracker
from tools.program import CONNECTOR, Message, SampleServer, config_for, every_stream, sample_server
from tools.states import LastStates
from tracker_server.sample import SAMPLE_TOKEN, make_world
from unit_tests import held
from unit_tests.syncs import BY_NAME, key_of

KILLS = int(os.environ.get("KILLS", "5"))
KILLS_IN_A_ROW = 3
PAGE = 500
PROJECTS, STORIES = 3, PAGE + 50
PIPE_IS_FULL = 0.5
"""Seconds for which nothing more may come into a pipe that nobody reads, before it counts as full."""

Keys = dict[str, Counter[held.Key]]
When = Callable[[Message], bool]


@dataclass(frozen=True)
class Stopped:
    """What a read printed before it ended: the keys of its records by stream, and how often each came.

    `uncovered` counts by stream the records that no state of it came after. `states` goes on from what it was given.
    """

    exit_code: int
    keys: Keys
    uncovered: Counter[str]
    states: list[Message]


class Read:
    """`source-pivotal-tracker read`, running from the beginning of the block to its end.

    It is started as container images start Python: without a buffer of Python's own before stdout.
    """

    def __init__(self, folder: Path, server: SampleServer, states: Sequence[Message], *, incremental: bool) -> None:
        self._states = LastStates()
        for state in states:
            self._states.note({"type": "STATE", "state": state})
        files = {
            "config": server.config(num_workers=1),
            "catalog": catalog(server, incremental=incremental),
            "state": self._states.all(),
        }
        self._command: list[str | Path] = [CONNECTOR, "read"]
        for name, content in files.items():
            path = folder / f"{name}.json"
            path.write_bytes(orjson.dumps(content))
            self._command += [f"--{name}", path]

    def __enter__(self) -> Read:
        self.process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": "1"}
        )
        self.stdout = cast("IO[bytes]", self.process.stdout)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.stdout.close()

    def wait_for(self, when: When) -> list[Message]:
        """The messages up to the first of this kind. The rest stays in the pipe, but for what is buffered here."""
        said: list[Message] = []
        while not said or not when(said[-1]):
            line = self.stdout.readline()
            assert line, "it ended before"
            said.append(orjson.loads(line))
        return said

    def stop(self, signal_number: int) -> float:
        """Send the signal, now; it returns the time at which it did."""
        self.process.send_signal(signal_number)
        return time.monotonic()

    def rest(self, said: Sequence[Message] = ()) -> Stopped:
        """All that was said before, and whatever whole lines come until its end."""
        keys: Keys = defaultdict(Counter)
        uncovered: Counter[str] = Counter()
        lines = (orjson.loads(line) for line in self.stdout if line.endswith(b"\n"))
        for message in (*said, *lines):
            self._states.note(message)
            if message["type"] == "RECORD":
                stream, row = message["record"]["stream"], message["record"]["data"]
                keys[stream][key_of(stream, row)] += 1
                uncovered[stream] += 1
            elif message["type"] == "STATE":
                uncovered.pop(message["state"]["stream"]["stream_descriptor"]["name"], None)
        return Stopped(self.process.wait(), keys, uncovered, self._states.all())


def catalog(server: SampleServer, *, incremental: bool) -> Message:
    streams = SourcePivotalTracker().streams(server.config())
    offered = [stream.as_airbyte_stream() for stream in streams]
    return every_stream(
        {
            "streams": [
                {
                    "name": stream.name,
                    "json_schema": {},
                    "supported_sync_modes": [mode.value for mode in stream.supported_sync_modes],
                }
                for stream in offered
            ]
        },
        incremental=incremental,
    )


def is_record(message: Message) -> bool:
    return bool(message["type"] == "RECORD")


def is_story_of_the_last_project(message: Message) -> bool:
    """By then the streams have had states for the first project, and not yet again for the second."""
    return (
        is_record(message)
        and message["record"]["stream"] == "stories"
        and (message["record"]["data"]["project_id"] == LAST_PROJECT)
    )


WORLD = make_world(PROJECTS, STORIES)
LAST_PROJECT = list(WORLD.projects)[-1]
WHOLE = {stream: set(keys) for stream, keys in held.keys(WORLD, SAMPLE_TOKEN).items()}


def union(reads: Sequence[Stopped]) -> dict[str, set[held.Key]]:
    return {stream: {key for read in reads for key in read.keys.get(stream, ())} for stream in BY_NAME}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleServer]:
    log = tmp_path_factory.mktemp("server") / "requests.jsonl"
    with sample_server(log, PROJECTS, STORIES, "--latency-ms", "50") as running:
        yield running


@pytest.mark.parametrize("seed", range(-(-KILLS // KILLS_IN_A_ROW)))
def test_killed_at_any_moment_and_started_again_with_its_last_state_it_brings_every_row(
    seed: int, server: SampleServer, tmp_path: Path
) -> None:
    moments = random.Random(seed)  # noqa: S311
    kills = min(KILLS_IN_A_ROW, KILLS - seed * KILLS_IN_A_ROW)
    reads: list[Stopped] = []
    for _ in range(kills):
        states = reads[-1].states if reads else []
        with Read(tmp_path, server, states, incremental=seed % 2 == 0) as read:
            said = read.wait_for(is_record)
            killing = threading.Timer(moments.uniform(0, 1), read.process.kill)
            killing.start()
            reads.append(read.rest(said))
            killing.cancel()
    with Read(tmp_path, server, reads[-1].states, incremental=seed % 2 == 0) as read:
        reads.append(read.rest())
    assert {read.exit_code for read in reads[:-1]} == {-signal.SIGKILL}
    assert reads[-1].exit_code == 0
    assert union(reads) == WHOLE


@pytest.fixture(scope="module")
def terminated(server: SampleServer, tmp_path_factory: pytest.TempPathFactory) -> tuple[Stopped, float]:
    """A read that got SIGTERM on its way, and how many seconds it took to end."""
    with Read(tmp_path_factory.mktemp("read"), server, [], incremental=True) as read:
        said = read.wait_for(is_story_of_the_last_project)
        asked_at = read.stop(signal.SIGTERM)
        stopped = read.rest(said)
        return stopped, time.monotonic() - asked_at


def test_asked_to_stop_it_ends_in_time_with_the_states_of_what_it_printed(terminated: tuple[Stopped, float]) -> None:
    stopped, seconds = terminated
    assert stopped.exit_code == TERMINATED
    assert seconds < SECONDS_TO_END
    assert len(stopped.states) > 10
    # Only the one walk that was under way may have said something since its last place.
    endpoints = [set(BY_NAME[stream].endpoints) for stream in stopped.uncovered]
    assert not endpoints or set.intersection(*endpoints)


def test_after_it_was_asked_to_stop_the_next_read_brings_the_rest_and_at_most_a_page_again(
    terminated: tuple[Stopped, float], server: SampleServer, tmp_path: Path
) -> None:
    stopped, _ = terminated
    with Read(tmp_path, server, stopped.states, incremental=True) as read:
        resumed = read.rest()
    assert resumed.exit_code == 0
    assert union([stopped, resumed]) == WHOLE
    assert len(stopped.keys["stories"].keys() & resumed.keys["stories"].keys()) <= PAGE


def test_asked_to_stop_while_nobody_reads_what_it_prints_it_ends_in_time(server: SampleServer, tmp_path: Path) -> None:
    with Read(tmp_path, server, [], incremental=True) as read:
        read.wait_for(is_record)
        wait_until_full(read.stdout)
        asked_at = read.stop(signal.SIGTERM)
        exit_code = read.process.wait(SECONDS_TO_END * 2)
        seconds = time.monotonic() - asked_at
    assert exit_code == TERMINATED
    assert seconds < SECONDS_TO_END


def wait_until_full(pipe: IO[bytes]) -> None:
    """Returns once nothing more comes into a pipe that nobody reads."""
    before, since = 0, time.monotonic()
    while time.monotonic() - since < PIPE_IS_FULL or not before:
        (waiting,) = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))
        if waiting != before:
            before, since = waiting, time.monotonic()
        time.sleep(0.05)


def test_a_check_that_waits_for_a_silent_server_ends_when_it_is_asked_to(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/services/v5"
        config = tmp_path / "config.json"
        config.write_bytes(orjson.dumps(config_for(url, SAMPLE_TOKEN)))
        with subprocess.Popen([CONNECTOR, "check", "--config", config], stdout=subprocess.PIPE) as check:
            connection, _ = silent.accept()
            with connection:
                check.terminate()
                assert check.wait(SECONDS_TO_END) == TERMINATED
