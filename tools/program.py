"""Runs the real programs, the connectors and the sample server, as subprocesses, and reads what they print."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import orjson

from tracker_server.app import LoggedRequest

Message = dict[str, Any]

CONNECTOR = Path(sys.executable).with_name("source-pivotal-tracker")
MANIFEST_RUNNER = Path(sys.executable).with_name("source-declarative-manifest")
"""The cdk's own command line, which runs any manifest."""
ROOT = Path(__file__).resolve().parent.parent
MANIFEST_CONNECTORS = ROOT / "connectors"
"""Where each manifest-only connector has a folder of its name."""
CUSTOM_CODE = {"AIRBYTE_ENABLE_UNSAFE_CODE": "true"}
"""The environment in which that command line loads a components.py."""
BYTES_OF_RSS_UNIT = 1 if sys.platform == "darwin" else 1024
STOP_SECONDS = 10
REQUESTS_PER_MINUTE = 1000


class ProgramFailed(Exception):
    """A program did not do what it was started for; the text has its command and its own words, in full."""


class Program:
    """A subprocess: it starts when the block begins, and is stopped at the end of the block if it still runs.

    Its stderr goes where this process's own goes. Its environment is this process's own, and `environment` over it.
    Once `lines` has ended, `exit_code` is known, and `seconds` (from the start), `cpu_seconds` and `peak_rss` (bytes),
    which are of this one process. The peak is never below this process's own at the start: the kernel hands that on.
    """

    def __init__(self, *command: str | Path, environment: Mapping[str, str] | None = None) -> None:
        self.command = [str(part) for part in command]
        self.environment = dict(environment or {})
        self.exit_code: int | None = None
        self.seconds = 0.0
        self.cpu_seconds = 0.0
        self.peak_rss = 0

    def __enter__(self) -> Program:
        self._started = time.monotonic()
        self._process = subprocess.Popen(self.command, stdout=subprocess.PIPE, env={**os.environ, **self.environment})
        self._stdout = cast("IO[bytes]", self._process.stdout)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stdout.close()

    def __str__(self) -> str:
        return " ".join([Path(self.command[0]).name, *self.command[1:]])

    def line(self) -> str:
        """The next line of its stdout; empty at the end."""
        return self._stdout.readline().decode().strip()

    def lines(self) -> Iterator[bytes]:
        """What is left of its stdout, line by line as it comes, until the program ends."""
        yield from self._stdout
        _, status, usage = os.wait4(self._process.pid, 0)
        self.exit_code = self._process.returncode = os.waitstatus_to_exitcode(status)
        self.seconds = time.monotonic() - self._started
        self.cpu_seconds = usage.ru_utime + usage.ru_stime
        self.peak_rss = usage.ru_maxrss * BYTES_OF_RSS_UNIT

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        self._process.terminate()
        for _ in self.lines():
            pass

    def messages(self) -> Iterator[Message]:
        """Its stdout as Airbyte messages. Raises ProgramFailed, after the last one, where the exit code is not 0."""
        errors: list[str] = []
        for line in self.lines():
            try:
                message: Message = orjson.loads(line)
            except orjson.JSONDecodeError:
                raise ProgramFailed(f"{self} printed a line that is no message: {line.decode()}") from None
            errors += _error_words(message)
            yield message
        if self.exit_code:
            raise ProgramFailed("\n".join([f"{self} ended with exit code {self.exit_code}.", *errors]))


@dataclass(frozen=True)
class SampleServer:
    """A running tracker_server: the base URL of its API, a token, and the file with a line for each request."""

    url: str
    token: str
    request_log: Path

    def requests(self) -> list[LoggedRequest]:
        """The requests that were answered so far, in the order in which they came."""
        whole_lines = self.request_log.read_bytes().rpartition(b"\n")[0].splitlines()
        return sorted((LoggedRequest(**orjson.loads(line)) for line in whole_lines), key=lambda request: request.at)

    def config(self, **others: object) -> Message:
        """The connector's configuration for it, with `others`."""
        return config_for(self.url, self.token) | others


def config_for(url: str, token: str) -> Message:
    """The configuration for a sample server: it needs no sparing, so the budget is the largest that there is."""
    return {"api_url": url, "api_token": token, "requests_per_minute": REQUESTS_PER_MINUTE}


@contextmanager
def sample_server(
    request_log: Path, projects: int, stories: int, *options: str, module: str = "tracker_server"
) -> Iterator[SampleServer]:
    """Serves `projects` projects of `stories` stories each on a free port, while the block runs.

    `options` are more options of tracker_server, or of another `module` that has the same ones.
    """
    size = f"--port 0 --projects {projects} --stories {stories}".split()
    log = ("--request-log", request_log)
    with Program(sys.executable, "-m", module, *size, *options, *log) as program:
        url, token = program.line(), program.line()
        if not token:
            raise ProgramFailed(f"{program} did not print its URL and a token.")
        yield SampleServer(url, token, request_log)


def connector(verb: str, folder: Path, **files: Message | list[Message]) -> Program:
    """The console script with a verb and its files, which are written to `folder`: `config=`, `catalog=`, `state=`."""
    return Program(CONNECTOR, verb, *_written(folder, files))


def manifest_connector(name: str | Path, verb: str, folder: Path, **files: Message | list[Message]) -> Program:
    """A connector of `connectors/`, such as `source-rocketlane`, with a verb and its files, as `connector` has them.

    A path in place of a name is that of a folder like these, or of a manifest that has no code beside it. The cdk's own
    command line runs it. For `spec` that prints the settings of a manifest that nobody has chosen yet, so
    tools/manifest_spec.py, which prints the connector's own, takes its place there.
    """
    home = MANIFEST_CONNECTORS / name
    if verb == "spec":
        return Program(sys.executable, "-m", "tools.manifest_spec", home, environment={"PYTHONPATH": str(ROOT)})
    parts: list[str | Path] = ["--manifest-path", home]
    if home.is_dir():
        parts = ["--manifest-path", home / "manifest.yaml", "--components-path", home / "components.py"]
    return Program(MANIFEST_RUNNER, verb, *parts, *_written(folder, files), environment=CUSTOM_CODE)


def every_stream(catalog: Message, *, incremental: bool = False) -> Message:
    """The configured catalog of all streams of `catalog`: a full refresh, or `incremental` where a stream offers it."""
    modes = {"sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}
    changes = {"sync_mode": "incremental", "destination_sync_mode": "append_dedup"}
    return {
        "streams": [
            {"stream": stream, **(changes if incremental and is_incremental(stream) else modes)}
            for stream in catalog["streams"]
        ]
    }


def is_incremental(stream: Message) -> bool:
    """Whether a stream, as discover describes it, can be asked for what changed."""
    return "incremental" in stream.get("supported_sync_modes", ())


def only(program: Program, kind: str) -> Message:
    """What the one message of this kind (`SPEC`, `CATALOG`, `CONNECTION_STATUS`) holds. Raises ProgramFailed."""
    key = {"CONNECTION_STATUS": "connectionStatus"}.get(kind, kind.lower())
    found = [message[key] for message in program.messages() if message["type"] == kind]
    if len(found) != 1:
        raise ProgramFailed(f"{program} printed {len(found)} messages of type {kind}, not one.")
    return cast("Message", found[0])


def _written(folder: Path, files: Mapping[str, Message | list[Message]]) -> Iterator[str | Path]:
    """The arguments that name the files, each of which is written to the folder."""
    for name, content in files.items():
        path = folder / f"{name}.json"
        path.write_bytes(orjson.dumps(content))
        yield from (f"--{name}", path)


def _error_words(message: Message) -> list[str]:
    if message["type"] == "LOG" and message["log"]["level"] in ("ERROR", "FATAL"):
        return [message["log"]["message"]]
    error = message["trace"].get("error") if message["type"] == "TRACE" else None
    return [error[key] for key in ("message", "internal_message", "stack_trace") if error.get(key)] if error else []
