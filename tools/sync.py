"""Reads every stream of a connector, twice, and tells how far it is; the rows go to files, and to a database."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tools.program import Message, every_stream
from tools.replica import DELETED_AT, create, merge, rows_file
from tools.source import Request, Source, run_check, run_discover, run_spec, tell
from tools.states import LastStates


@dataclass
class StreamRead:
    """What a read brought of one stream; `started` and `ended` are seconds since 1970."""

    name: str
    rows: int = 0
    tombstones: int = 0
    started: float = 0.0
    ended: float = 0.0


@dataclass(frozen=True)
class Sync:
    """One read of all streams: what the server was asked meanwhile, what was warned of, and the states at the end."""

    reads: list[StreamRead]
    requests: list[Request]
    warnings: list[str]
    states: list[Message]


class ReadProgress:
    """Tells how far a read is: on a terminal in one line that moves, elsewhere in one line each second."""

    def __init__(self, console: Console, source: Source, streams: int) -> None:
        self._console = console
        self._source = source
        self._before = len(source.log)
        self._interval = 0.1 if console.is_terminal else 1.0
        self._told = 0.0
        columns = (SpinnerColumn(), MofNCompleteColumn(), BarColumn(), TextColumn("{task.description}"))
        self._bar = Progress(
            *columns, TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal
        )
        self._task = self._bar.add_task("starting", total=streams)

    def __enter__(self) -> ReadProgress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def warn(self, words: str) -> None:
        self._console.print(f"          Warning: {words}", style="yellow", soft_wrap=True)

    def tell(self, reads: Iterable[StreamRead]) -> None:
        """To be called at every message; it tells only now and then."""
        now = time.monotonic()
        self._told = self._told or now
        if now - self._told < self._interval:
            return
        self._told = now
        reads = list(reads)
        ended = sum(read.ended > 0 for read in reads)
        rows = sum(read.rows for read in reads)
        requests = len(self._source.log) - self._before
        words = f"{ended} of {len(reads)} streams, {rows:,} rows, {requests} requests so far"
        self._bar.update(self._task, completed=ended, description=words)
        if not self._console.is_terminal:
            self._console.print(f"          {words}", soft_wrap=True)


class Synced(NamedTuple):
    """What discover found, and the syncs before and after an edit."""

    catalog: Message
    first: Sync
    second: Sync


def sync_twice(console: Console, source: Source, database: Path, edit: Callable[[], str]) -> Synced:
    """Run the four verbs, read once more after an edit, and load both reads into a database that is made anew.

    `edit` changes what the server holds, and returns that in words.
    """
    run_spec(console, source)
    run_check(console, source)
    catalog = run_discover(console, source)
    create(catalog, database)
    first = sync(console, source, catalog)
    merge(catalog, source.folder, database)
    console.print(f"meanwhile         {edit()}", soft_wrap=True)
    second = sync(console, source, catalog, first)
    merge(catalog, source.folder, database)
    return Synced(catalog, first, second)


def sync(console: Console, source: Source, catalog: Message, last: Sync | None = None) -> Sync:
    """Read every stream of a catalog: all of it, or what changed since the last sync, whose warnings are not repeated.

    The rows of each stream go to a file in the folder of the source.
    """
    reads = {stream["name"]: StreamRead(stream["name"]) for stream in catalog["streams"]}
    before = len(source.log)
    warnings: list[str] = []
    states = LastStates()
    with ExitStack() as stack:
        files = {name: stack.enter_context(rows_file(source.folder, name).open("wb")) for name in reads}
        wanted = every_stream(catalog, incremental=True)
        program = source.program("read", config=source.config, catalog=wanted, state=last.states if last else [])
        progress = stack.enter_context(ReadProgress(console, source, len(reads)))
        stack.enter_context(program)
        for message in program.messages():
            states.note(message)
            if message["type"] == "RECORD":
                row = message["record"]["data"]
                read = reads[message["record"]["stream"]]
                files[read.name].write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
                is_tombstone = row.get(DELETED_AT) is not None
                read.tombstones += is_tombstone
                read.rows += not is_tombstone
            elif message["type"] == "TRACE" and message["trace"]["type"] == "STREAM_STATUS":
                note_status(reads, message["trace"])
            elif message["type"] == "LOG" and message["log"]["level"] == "WARN":
                warnings.append(message["log"]["message"])
                if last is None or warnings[-1] not in last.warnings:
                    progress.warn(warnings[-1])
            progress.tell(reads.values())
    sync = Sync(list(reads.values()), list(source.log[before:]), warnings, states.all())
    rows, tombstones = (sum(figures) for figures in zip(*((r.rows, r.tombstones) for r in sync.reads), strict=True))
    figures_in_words = f"{rows:,} rows of {len(reads)} streams, {len(sync.requests)} requests"
    tell(console, "read", program, f"{figures_in_words}, {tombstones} tombstones" if tombstones else figures_in_words)
    return sync


def note_status(reads: dict[str, StreamRead], trace: Message) -> None:
    """Keep when a stream began or ended, from the trace that tells it."""
    status = trace["stream_status"]
    read = reads[status["stream_descriptor"]["name"]]
    moment = trace["emitted_at"] / 1000
    if status["status"] == "STARTED":
        read.started = moment
    elif status["status"] == "COMPLETE":
        read.ended = moment
