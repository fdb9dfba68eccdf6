"""Runs the image as Airbyte's platform does: files in a read-only mount, a read-only root, and no rights at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import orjson
from docker.models.containers import Container

from integration_tests.command_line import Ended
from tools.image import IMAGE
from tools.program import Message

FILES = {"config": "source_config.json", "catalog": "source_catalog.json", "state": "input_state.json"}
"""The names that the platform gives them."""
MOUNT = "/config"
SECONDS_TO_END = 30


@dataclass
class Running:
    """A container that has been started, and what it has printed so far."""

    container: Container
    _chunks: Iterator[tuple[bytes | None, bytes | None]]
    _stdout: bytes = b""
    _stderr: bytes = b""

    def wait_for(self, seen: Callable[[bytes], bool]) -> bytes:
        """What stdout had brought when `seen` was true of it for the first time."""
        while not seen(self._stdout):
            assert self._read_on(), "it ended before"
        return self._stdout

    def ended(self) -> Ended:
        """All that it has done, once it has ended."""
        while self._read_on():
            pass
        exit_code = self.container.wait(timeout=SECONDS_TO_END)["StatusCode"]
        # A kill may cut a letter of more than one byte.
        return Ended(exit_code, self._stdout.decode(errors="replace"), self._stderr.decode())

    def _read_on(self) -> bool:
        stdout, stderr = next(self._chunks, (None, None))
        self._stdout += stdout or b""
        self._stderr += stderr or b""
        return bool(stdout or stderr)


@dataclass(frozen=True)
class Image:
    """The image under test, and the engine that has it."""

    client: docker.DockerClient
    name: str = IMAGE

    @contextmanager
    def started(self, *command: str, files: Path | None = None, at: str = MOUNT, **options: Any) -> Iterator[Running]:
        """A container that runs while the block does. The folder `files` is mounted `at`, its working directory.

        `options` are those of docker's `containers.create`. The network is this machine's, where the sample server is.
        """
        mounted = {"volumes": {str(files): {"bind": at, "mode": "ro"}}, "working_dir": at} if files else {}
        rights = {"read_only": True, "tmpfs": {"/tmp": ""}, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges"]}  # noqa: S108
        container = self.client.containers.create(
            self.name, list(command), network_mode="host", **{**rights, **mounted, **options}
        )
        try:
            # Not the engine's log of it, which cuts long lines, and with them letters of more than one byte.
            printed = container.attach(stream=True, demux=True)
            with closing(printed._response):  # type: ignore[attr-defined]  # its own close leaves the socket open
                container.start()
                yield Running(container, iter(printed))
        finally:
            container.remove(force=True)

    def run(self, *command: str, files: Path | None = None, at: str = MOUNT, **options: Any) -> Ended:
        """What a container did from its start to its end."""
        with self.started(*command, files=files, at=at, **options) as running:
            return running.ended()


def files_in(folder: Path, **contents: object) -> list[str]:
    """Write `config=`, `catalog=` and `state=` to the folder, for any user to read; returns the arguments for them."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    arguments: list[str] = []
    for name, content in contents.items():
        path = folder / FILES[name]
        path.write_bytes(orjson.dumps(content))
        path.chmod(0o644)
        arguments += [f"--{name}", path.name]
    return arguments


def rows(messages: Iterable[Message]) -> dict[str, list[bytes]]:
    """The rows of the records by stream, in an order that does not hang on the order in which they came."""
    found: dict[str, list[bytes]] = {}
    for message in messages:
        if message["type"] == "RECORD":
            record = message["record"]
            found.setdefault(record["stream"], []).append(orjson.dumps(record["data"], option=orjson.OPT_SORT_KEYS))
    return {stream: sorted(dumped) for stream, dumped in found.items()}


def all_rows(*reads: Iterable[Message]) -> dict[str, list[bytes]]:
    """The rows that at least one of the reads brought, each once."""
    brought = rows(message for read in reads for message in read)
    return {stream: sorted(set(dumped)) for stream, dumped in brought.items()}


def streams_that_differ(one: dict[str, list[bytes]], other: dict[str, list[bytes]]) -> set[str]:
    """The streams whose rows are not the same in both."""
    return {stream for stream in one.keys() | other.keys() if one.get(stream) != other.get(stream)}
