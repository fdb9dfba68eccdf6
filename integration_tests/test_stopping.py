"""The real program is killed, is asked to stop, and has a reader that has gone to sleep: the next one goes on."""

from __future__ import annotations

import fcntl
import io
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, cast

import orjson
import pytest

from integration_tests.command_line import SECONDS_TO_END, TERMINATED, catalog_of
from source_pivotal_tracker.source import SourcePivotalTracker
from tools.program import CONNECTOR, ROOT, Message, SampleServer, config_for, every_stream, sample_server
from tools.states import LastStates
from tracker_server.api.errors import ApiError, error_response
from tracker_server.app import TrackerServer
from tracker_server.http_message import Request, Response
from tracker_server.sample import SAMPLE_TOKEN, make_world
from unit_tests import expected_keys
from unit_tests.syncs import BY_NAME, key_of

KILLS = int(os.environ.get("KILLS", "3"))
KILLS_IN_A_ROW = 2
PAGE = 500
PROJECTS, STORIES = 3, PAGE + 50
PIPE_SIZE = 1_048_576
"""Bytes; the most that Linux gives to anybody."""
SECONDS_TO_GIVE_UP = 2.5
"""Half a second, on a machine that has other things to do."""
PIPE_IS_FULL = 0.5
"""Seconds for which nothing more may come into a pipe that nobody reads, before it counts as full."""

SIP, BETWEEN_SIPS = 65_536, 0.3
"""Bytes, and the seconds after them: so slow that all which is left takes longer than any wait for one write."""
PAGE_OF_MEMORY = 4096

Keys = dict[str, Counter[expected_keys.Key]]
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
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115
        for name, content in files.items():
            path = folder / f"{name}.json"
            path.write_bytes(orjson.dumps(content))
            self._command += [f"--{name}", path]

    def __enter__(self) -> Read:
        self.process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=self._stderr, env={**os.environ, "PYTHONUNBUFFERED": "1"}
        )
        self.stdout = cast("IO[bytes]", self.process.stdout)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.stdout.close()
        self._stderr.seek(0)
        assert self._stderr.read() == b""
        self._stderr.close()

    def have_a_wide_pipe(self) -> None:
        """Let the program go on to write although this process is kept from reading, as on a busy machine.

        It would give up after half a second, as it should where nobody reads, and its last states would be missing.
        """
        fcntl.fcntl(self.stdout, fcntl.F_SETPIPE_SZ, PIPE_SIZE)

    def wait_for(self, when: When) -> list[Message]:
        """The messages up to the first of this kind. The rest stays in the pipe, but for what is buffered here."""
        messages: list[Message] = []
        while not messages or not when(messages[-1]):
            line = self.stdout.readline()
            assert line, "it ended before"
            messages.append(orjson.loads(line))
        return messages

    def stop(self, signal_number: int) -> float:
        """Send the signal, now; it returns the time at which it did."""
        self.process.send_signal(signal_number)
        return time.monotonic()

    def rest(self, before: Sequence[Message] = ()) -> Stopped:
        """All that was said before, and whatever whole lines come until its end."""
        keys: Keys = defaultdict(Counter)
        uncovered: Counter[str] = Counter()
        lines = (orjson.loads(line) for line in self.stdout if line.endswith(b"\n"))
        for message in (*before, *lines):
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
WHOLE = {stream: set(keys) for stream, keys in expected_keys.keys(WORLD, SAMPLE_TOKEN).items()}


def union(reads: Sequence[Stopped]) -> dict[str, set[expected_keys.Key]]:
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
            messages = read.wait_for(is_record)
            killing = threading.Timer(moments.uniform(0, 1), read.process.kill)
            killing.start()
            reads.append(read.rest(messages))
            killing.cancel()
    with Read(tmp_path, server, reads[-1].states, incremental=seed % 2 == 0) as read:
        reads.append(read.rest())
    # After the first there may be less left to read than the next one has time for.
    assert reads[0].exit_code == -signal.SIGKILL
    assert {read.exit_code for read in reads[1:-1]} <= {-signal.SIGKILL, 0}
    assert reads[-1].exit_code == 0
    assert union(reads) == WHOLE


WAYS_TO_ASK = {
    "SIGINT": [signal.SIGINT],
    "SIGTERM, again and again": [signal.SIGTERM, signal.SIGTERM, signal.SIGINT, signal.SIGTERM],
}
"""The first is what it dies of."""

every_signal = pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT], ids=lambda asked: asked.name)


@pytest.fixture(scope="module", params=WAYS_TO_ASK.values(), ids=list(WAYS_TO_ASK))
def terminated(
    request: pytest.FixtureRequest, server: SampleServer, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Stopped, float, signal.Signals]:
    """A read that was asked to stop on its way, how many seconds it took to end, and the first signal."""
    with Read(tmp_path_factory.mktemp("read"), server, [], incremental=True) as read:
        read.have_a_wide_pipe()
        messages = read.wait_for(is_story_of_the_last_project)
        asked_at = read.stop(request.param[0])
        for number in request.param[1:]:
            time.sleep(0.02)
            read.stop(number)
        stopped = read.rest(messages)
        return stopped, time.monotonic() - asked_at, request.param[0]


def test_asked_to_stop_it_dies_of_the_signal_with_the_states_of_what_it_printed(
    terminated: tuple[Stopped, float, signal.Signals],
) -> None:
    stopped, seconds, asked = terminated
    assert stopped.exit_code == -asked
    assert seconds < SECONDS_TO_END
    assert len(stopped.states) > 10
    # Only the one walk that was under way may have said something since its last place.
    endpoints = [set(BY_NAME[stream].endpoints) for stream in stopped.uncovered]
    assert not endpoints or set.intersection(*endpoints)


def test_after_it_was_asked_to_stop_the_next_read_brings_the_rest_and_at_most_a_page_again(
    terminated: tuple[Stopped, float, signal.Signals], server: SampleServer, tmp_path: Path
) -> None:
    stopped, _, _ = terminated
    with Read(tmp_path, server, stopped.states, incremental=True) as read:
        resumed = read.rest()
    assert resumed.exit_code == 0
    assert union([stopped, resumed]) == WHOLE
    assert len(stopped.keys["stories"].keys() & resumed.keys["stories"].keys()) <= PAGE


@every_signal
def test_asked_to_stop_while_nobody_reads_what_it_prints_it_gives_up_at_once(
    asked: signal.Signals, server: SampleServer, tmp_path: Path
) -> None:
    with Read(tmp_path, server, [], incremental=True) as read:
        read.wait_for(is_record)
        wait_until_full(read.stdout)
        asked_at = read.stop(asked)
        exit_code = read.process.wait(SECONDS_TO_END * 2)
        seconds = time.monotonic() - asked_at
    assert exit_code == -asked
    assert seconds < SECONDS_TO_GIVE_UP


def test_a_reader_that_is_slow_but_alive_gets_the_last_states(server: SampleServer, tmp_path: Path) -> None:
    with Read(tmp_path, server, [], incremental=True) as read:
        messages = read.wait_for(is_record)
        wait_until_full(read.stdout)
        read.stop(signal.SIGTERM)
        slowly = [*messages, *in_sips(read.stdout)]
        stopped = read.rest(slowly)
    assert stopped.exit_code == -signal.SIGTERM
    assert slowly[-1]["type"] in ("STATE", "TRACE", "LOG")
    assert stopped.uncovered == {}


def in_sips(pipe: IO[bytes]) -> Iterator[Message]:
    """The messages of a pipe, of which a little is read at a time."""
    output = b""
    while piece := cast("io.BufferedReader", pipe).read1(SIP):
        output += piece
        time.sleep(BETWEEN_SIPS)
    return map(orjson.loads, output.splitlines())


def test_a_reader_that_leaves_after_it_was_asked_to_stop_does_not_change_what_it_dies_of(
    server: SampleServer, tmp_path: Path
) -> None:
    with Read(tmp_path, server, [], incremental=True) as read:
        read.wait_for(is_record)
        wait_until_full(read.stdout)
        read.stop(signal.SIGTERM)
        read.stdout.close()
        assert read.process.wait(SECONDS_TO_END) == -signal.SIGTERM


def wait_until_full(pipe: IO[bytes]) -> None:
    """Returns once nothing more comes into a pipe that nobody reads, because it is full."""
    much = fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ) // 2
    before, since = 0, time.monotonic()
    while time.monotonic() - since < PIPE_IS_FULL or before < much:
        waiting = unread(pipe)
        if waiting != before:
            before, since = waiting, time.monotonic()
        time.sleep(0.05)


def unread(pipe: IO[bytes]) -> int:
    (waiting,) = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))
    return int(waiting)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("verb", ["check", "discover", "spec"])
@every_signal
def test_a_verb_that_waits_for_its_reader_dies_of_the_signal(
    verb: str, asked: signal.Signals, server: SampleServer, tmp_path: Path
) -> None:
    command: list[str | Path] = [CONNECTOR, verb]
    if verb != "spec":
        command += ["--config", file(tmp_path, "config", server.config())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        fcntl.fcntl(program.stdout, fcntl.F_SETPIPE_SZ, PAGE_OF_MEMORY)
        while not unread(program.stdout):
            time.sleep(0.05)
        program.send_signal(asked)
        if verb == "check":  # It may have ended by itself.
            assert program.wait(SECONDS_TO_END) in (-asked, 0)
        else:
            assert program.wait(SECONDS_TO_END) == -asked
        assert program.stderr.read() == b""


@every_signal
def test_a_check_that_waits_for_a_silent_server_ends_when_it_is_asked_to(asked: signal.Signals, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, started_check(silent, tmp_path) as check:
        connection, _ = silent.accept()
        with connection:
            check.send_signal(asked)
            assert check.wait(SECONDS_TO_END) == -asked


def test_where_a_shell_lets_it_ignore_sigint_it_does_so(tmp_path: Path) -> None:
    ignoring = ("/bin/sh", "-c", 'trap "" INT; exec "$0" "$@"')
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        started_check(silent, tmp_path, *ignoring) as check,
        silent.accept()[0],
    ):
        check.send_signal(signal.SIGINT)
        time.sleep(0.1)
        check.terminate()
        assert check.wait(SECONDS_TO_END) == -signal.SIGTERM


def test_the_first_process_of_a_container_ends_with_the_exit_code_of_the_signal(tmp_path: Path) -> None:
    """For it the signal's own action is none at all."""
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        started_check(silent, tmp_path, *as_first_process()) as unshare,
        silent.accept()[0],
    ):
        os.kill(only_child_of(unshare), signal.SIGTERM)
        assert unshare.wait(SECONDS_TO_END) == TERMINATED


@every_signal
def test_it_dies_of_a_signal_without_a_word_while_it_is_imported(asked: signal.Signals, tmp_path: Path) -> None:
    """A module that comes first in the path stands for the seconds that all of them take."""
    (tmp_path / "orjson.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    for command in ([str(CONNECTOR), "spec"], [sys.executable, str(ROOT / "main.py"), "spec"]):
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as program:
            assert program.stdout is not None
            assert program.stdout.readline() == "importing\n"
            program.send_signal(asked)
            _, trouble = program.communicate(timeout=SECONDS_TO_END)
        assert (program.returncode, trouble) == (-asked, "")


def test_the_first_process_of_a_container_can_be_ended_before_all_is_imported(tmp_path: Path) -> None:
    shutil.copy(ROOT / "main.py", tmp_path)
    package = tmp_path / "source_pivotal_tracker"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "run.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    command: list[str | Path] = [*as_first_process(), sys.executable, tmp_path / "main.py", "spec"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as unshare:
        assert unshare.stdout is not None
        assert unshare.stdout.readline() == b"importing\n"
        os.kill(only_child_of(unshare), signal.SIGTERM)
        assert unshare.wait(SECONDS_TO_END) == TERMINATED


def as_first_process() -> list[str]:
    """What makes a command the first process, as in a container; it skips where that needs root."""
    command = ["unshare", "--pid", "--fork", "--kill-child"]
    if subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("only root may start the first process of a container")
    return command


def only_child_of(process: subprocess.Popen[bytes]) -> int:
    return int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())


def started_check(silent: socket.socket, folder: Path, *under: str) -> subprocess.Popen[bytes]:
    """A check of a server that has not answered yet."""
    url = f"http://127.0.0.1:{silent.getsockname()[1]}/services/v5"
    config = file(folder, "config", config_for(url, SAMPLE_TOKEN))
    return subprocess.Popen([*under, CONNECTOR, "check", "--config", config], stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("path", ["projects", "stories"])
def test_a_read_that_waits_for_the_servers_limit_ends_when_it_is_asked_to(path: str, tmp_path: Path) -> None:
    def refuse(request: Request) -> Response | None:
        if not request.path.endswith(f"/{path}"):
            return None
        return replace(error_response(ApiError(429, "server_under_load", "Later.")), headers={"Retry-After": "60"})

    with TrackerServer(make_world(projects=1, stories=2), before=refuse) as server:
        config = file(tmp_path, "config", config_for(server.url, SAMPLE_TOKEN))
        catalog = file(tmp_path, "catalog", catalog_of("labels", "stories"))
        command: list[str | Path] = [CONNECTOR, "read", "--config", config, "--catalog", catalog]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as read:
            assert read.stdout is not None
            lines = iter(read.stdout.readline, b"")
            assert any(b"RATE_LIMITED" in line for line in lines)
            read.terminate()
            _, trouble = read.communicate(timeout=SECONDS_TO_END)
    assert (read.returncode, trouble) == (-signal.SIGTERM, b"")


def test_through_a_pipe_that_does_not_wait_every_message_comes(server: SampleServer, tmp_path: Path) -> None:
    config = file(tmp_path, "config", server.config())
    catalog = file(tmp_path, "catalog", catalog_of("stories"))
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with (
        open(reading, "rb") as pipe,
        subprocess.Popen([CONNECTOR, "read", "--config", config, "--catalog", catalog], stdout=writing) as read,
    ):
        os.close(writing)
        wait_until_full(pipe)
        messages = [orjson.loads(line) for line in pipe]
    assert read.returncode == 0
    assert sum(map(is_record, messages)) == len(WHOLE["stories"])


NO_SPACE = "Cannot write to stdout: No space left on device."


@pytest.mark.parametrize(
    ("verb", "where", "words"),
    [
        ("spec", ">&-", "There is no stdout to write the messages to."),
        ("spec", ">/dev/full", NO_SPACE),
        ("--help", ">/dev/full", NO_SPACE),
    ],
)
def test_what_cannot_be_written_ends_it_in_one_sentence(verb: str, where: str, words: str) -> None:
    ended = subprocess.run(["/bin/sh", "-c", f'exec "$0" "$1" {where}', CONNECTOR, verb], stderr=subprocess.PIPE)
    assert (ended.returncode, ended.stderr.decode()) == (1, f"{words}\n")


def file(folder: Path, name: str, content: Message) -> Path:
    path = folder / f"{name}.json"
    path.write_bytes(orjson.dumps(content))
    return path
