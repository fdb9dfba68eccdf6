"""The connectors for Rocketlane and PersistIQ beside Airbyte's own: rows, requests, time and memory.

Airbyte's own are reconstructed by their description in `reconstructed/`: they ask and page as those do.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
from rich.table import Table

from benchmarks.measured import Figure, Run, megabytes
from tools.program import (
    MANIFEST_CONNECTORS,
    Message,
    Program,
    ProgramFailed,
    every_stream,
    manifest_connector,
    only,
)
from tools.states import LastStates

RECONSTRUCTED = Path(__file__).parent / "reconstructed"
STREAMS = {
    "rocketlane": {
        "projects": "projectId",
        "tasks": "taskId",
        "users": "userId",
        "fields": "fieldId",
        "time_offs": "timeOffId",
        "spaces": "spaceId",
        "phases": "phaseId",
        "time_entries": "timeEntryId",
        "space_documents": "spaceDocumentId",
    },
    "persistiq": {"users": "id", "leads": "id", "campaigns": "id"},
}
"""The streams that both connectors of a system have, each with its key."""
FILTERED = {"rocketlane": ("projects", "tasks", "users", "fields", "time_entries"), "persistiq": ("leads",)}
"""Those for which the server can be asked what changed, all at once."""
SIZES = {"rocketlane": {"projects": 20, "tasks": 200}, "persistiq": {"leads": 5_000, "campaigns": 5, "events": 0}}
FASTEST = {"rocketlane": 400, "persistiq": 1000}
"""The most requests a minute that may be set, so that the budget does not hide the time."""
THEIRS = {"rocketlane": "rocketlane-0.0.yaml", "persistiq": "persistiq-0.3.yaml"}
LARGEST_SHARE = 0.1


@dataclass(frozen=True)
class Server:
    """A running sample server: the configuration for it, and the file with a line for each request."""

    config: Message
    request_log: Path

    def requests(self) -> int:
        return self.request_log.read_bytes().count(b"\n")


@dataclass(frozen=True)
class Sync:
    """A read: what it took and asked for, the keys that it brought, by stream, and the states at its end."""

    run: Run
    keys: Mapping[str, set[object]]
    states: list[Message]


@dataclass(frozen=True)
class Compared:
    """A connector's first and second sync of a world in which nothing happens."""

    name: str
    first: Sync
    second: Sync

    def came(self, truth: Mapping[str, list[object]]) -> int:
        """How many rows of the truth the first sync brought."""
        return sum(len(self.first.keys[stream].intersection(keys)) for stream, keys in truth.items())


def measure(folder: Path, system: str, sizes: Mapping[str, int] | None = None) -> tuple[Table, list[Figure]]:
    """A table of both connectors for a system, and what ours is held to; `sizes` is what the sample server holds."""
    sizes = sizes or SIZES[system]
    truth: Mapping[str, list[object]] = orjson.loads(_output(_truth(system, sizes)))
    rows = sum(len(keys) for keys in truth.values())
    name = f"source-{system}"
    with _server(folder, system, sizes) as server:
        keys = STREAMS[system]
        ours = _compared("here", folder, server, MANIFEST_CONNECTORS / name, keys)
        theirs = _compared("as Airbyte's", folder, server, RECONSTRUCTED / THEIRS[system], keys)
        some = {stream: keys[stream] for stream in FILTERED[system]}
        filtered = _compared("filtered", folder, server, MANIFEST_CONNECTORS / name, some)
    table = Table(f"{name}, {rows:,} rows")
    for header in ("Rows of the server", "Requests", "Requests, second sync", "Seconds", "Peak RSS, MB"):
        table.add_column(header, justify="right")
    for side in (ours, theirs):
        first, second = side.first.run, side.second.run
        share = f"{side.came(truth):,} ({side.came(truth) / rows:.1%})"
        figures = (f"{first.requests:.0f}", f"{second.requests:.0f}", f"{first.seconds:.1f}", megabytes(first.peak_rss))
        table.add_row(side.name, share, *figures)
    asked, again = filtered.first.run.requests, filtered.second.run.requests
    lists = ", ".join(FILTERED[system])
    return table, [
        Figure(f"{name}: rows of the server that came", f"{ours.came(truth):,}", f"{rows:,}", ours.came(truth) == rows),
        Figure(
            f"{name}: requests of a second sync of {lists}, over those of the first",
            f"{again:.0f} of {asked:.0f}, {again / asked:.1%}",
            f"at most {LARGEST_SHARE:.0%}",
            again <= LARGEST_SHARE * asked,
        ),
    ]


def _compared(name: str, folder: Path, server: Server, home: Path, keys: Mapping[str, str]) -> Compared:
    with manifest_connector(home, "discover", folder, config=server.config) as program:
        found: list[Message] = only(program, "CATALOG")["streams"]
    catalog = every_stream({"streams": [stream for stream in found if stream["name"] in keys]}, incremental=True)
    first = _sync(folder, server, home, catalog, keys, [])
    return Compared(name, first, _sync(folder, server, home, catalog, keys, first.states))


def _sync(
    folder: Path, server: Server, home: Path, catalog: Message, keys: Mapping[str, str], states: list[Message]
) -> Sync:
    brought: dict[str, set[object]] = {stream: set() for stream in keys}
    last = LastStates()
    before, rows, size = server.requests(), 0, 0
    with manifest_connector(home, "read", folder, config=server.config, catalog=catalog, state=states) as program:
        for line in program.lines():
            size += len(line)
            message = orjson.loads(line)
            last.note(message)
            if message["type"] == "RECORD":
                rows += 1
                record = message["record"]
                brought[record["stream"]].add(record["data"][keys[record["stream"]]])
    if program.exit_code:
        raise ProgramFailed(f"{program} ended with exit code {program.exit_code}.")
    run = Run(program.seconds, program.cpu_seconds, program.peak_rss, size, rows, server.requests() - before)
    return Sync(run, brought, last.all())


@contextmanager
def _server(folder: Path, system: str, sizes: Mapping[str, int]) -> Iterator[Server]:
    log = folder / f"{system}.jsonl"
    options = [part for name, number in sizes.items() for part in (f"--{name}", str(number))]
    code = MANIFEST_CONNECTORS / f"source-{system}" / "sample_server"
    with Program(sys.executable, code, "--port", "0", *options, "--request-log", log) as program:
        url, key = program.line(), program.line()
        if not key:
            raise ProgramFailed(f"{program} did not print its URL and a key.")
        log.touch()
        yield Server({"api_url": url, "api_key": key, "requests_per_minute": FASTEST[system]}, log)


def _truth(system: str, sizes: Mapping[str, int]) -> Program:
    given = (f"{name}={number}" for name, number in sizes.items())
    return Program(sys.executable, "-m", "benchmarks.truth", system, *given)


def _output(program: Program) -> bytes:
    with program:
        output = b"".join(program.lines())
    if program.exit_code:
        raise ProgramFailed(f"{program} ended with exit code {program.exit_code}.")
    return output
