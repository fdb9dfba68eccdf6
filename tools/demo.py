"""Syncs a sample server into demo.duckdb through the real command line, twice, and shows what came."""

from __future__ import annotations

import re
import shlex
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import duckdb
import orjson
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.syntax import Syntax
from rich.table import Column, Table

from source_pivotal_tracker.streams.scopes import Scopes
from source_pivotal_tracker.wiring import client_of, configured, streams_of
from tools.program import Message, Program, ProgramFailed, config_for, connector, every_stream, only
from tools.replica import DELETED_AT, create, merge, rows_file
from tools.states import LastStates
from tracker_server import edits
from tracker_server.app import LoggedRequest, TrackerServer
from tracker_server.exports import write_export
from tracker_server.sample import SAMPLE_TOKEN, make_world, sample_files
from tracker_server.world import Project, World

DATABASE = Path("demo.duckdb")
EXPORT = "demo-export.zip"
PROJECTS = 3
STORIES = 250
BAR_WIDTH = 40

VELOCITY = """\
SELECT p.name, p.current_velocity, i.number, i.accepted_points
FROM iterations i JOIN projects p ON p.id = i.project_id
WHERE p.id = (SELECT min(id) FROM projects)
  AND i.number < p.current_iteration_number
ORDER BY i.number DESC LIMIT 12"""


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
    requests: list[LoggedRequest]
    warnings: list[str]
    states: list[Message]


class ReadProgress:
    """Tells how far a read is: on a terminal in one line that moves, elsewhere in one line each second."""

    def __init__(self, console: Console, server: TrackerServer, streams: int) -> None:
        self._console = console
        self._server = server
        self._before = len(server.log)
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
        requests = len(self._server.log) - self._before
        words = f"{ended} of {len(reads)} streams, {rows:,} rows, {requests} requests so far"
        self._bar.update(self._task, completed=ended, description=words)
        if not self._console.is_terminal:
            self._console.print(f"          {words}", soft_wrap=True)


def main(database: Path = DATABASE) -> int:
    """Run the demo; returns the exit status."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    console = Console(markup=False, highlight=False)
    try:
        demo(console, database)
    except ProgramFailed as failure:
        Console(stderr=True, markup=False, highlight=False).print(str(failure), style="red", soft_wrap=True)
        return 1
    return 0


def demo(console: Console, database: Path) -> None:
    """Run the four verbs against a sample server, edit what it holds, read what changed, and show both reads."""
    console.print(
        f"Starts a sample Tracker server with {PROJECTS} projects of {STORIES} stories, runs the connector's spec, "
        f"check, discover and read against it,\nand loads every row into {database}. Then some stories are edited, "
        "deleted and moved, and a second read brings what changed.\nAt last all is written as an export, as Pivotal "
        f"Tracker gave its users, into {database.with_name(EXPORT)}, and read from that file, without a server.\n"
        "It takes about twenty seconds.\n",
        soft_wrap=True,
    )
    world = make_world(PROJECTS, STORIES)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(TrackerServer(world))
        console.print(f"The server listens on {server.url}", soft_wrap=True)
        _run_spec(console, folder)
        _run_check(console, folder, server)
        catalog = _run_discover(console, folder, server)
        create(catalog, database)
        first = sync(console, folder, server, catalog)
        merge(catalog, folder, database)
        console.print(f"meanwhile         {edit(world)}", soft_wrap=True)
        second = sync(console, folder, server, catalog, first)
        merge(catalog, folder, database)
    console.print()
    console.print(summary(first, second))
    with duckdb.connect(str(database), read_only=True) as connection:
        console.print(f"\n{compared(world, connection)}", soft_wrap=True)
        show_velocity(console, connection)
    console.print("\nThe same, out of an export:\n")
    read_export(console, world, database.with_name(EXPORT), catalog)
    console.print(f"\n{database} has a table for each stream. To look inside:", soft_wrap=True)
    opening = shlex.join([sys.executable, "-ic", f'import duckdb; db = duckdb.connect("{database}")'])
    console.print(f"    {opening}\n    db.sql('FROM stories LIMIT 5')", soft_wrap=True)


def sync(console: Console, folder: Path, server: TrackerServer, catalog: Message, last: Sync | None = None) -> Sync:
    """Read every stream of a catalog: all of it, or what changed since the last sync, whose warnings are not repeated.

    The rows of each stream go to a file in the folder.
    """
    reads = {stream["name"]: StreamRead(stream["name"]) for stream in catalog["streams"]}
    before = len(server.log)
    warnings: list[str] = []
    states = LastStates()
    with ExitStack() as stack:
        files = {name: stack.enter_context(rows_file(folder, name).open("wb")) for name in reads}
        wanted = every_stream(catalog, incremental=True)
        program = connector("read", folder, config=_config(server), catalog=wanted, state=last.states if last else [])
        progress = stack.enter_context(ReadProgress(console, server, len(reads)))
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
    made = Sync(list(reads.values()), server.log[before:], warnings, states.all())
    rows, tombstones = (sum(figures) for figures in zip(*((r.rows, r.tombstones) for r in made.reads), strict=True))
    told = f"{rows:,} rows of {len(reads)} streams, {len(made.requests)} requests"
    _tell(console, program, f"{told}, {tombstones} tombstones" if tombstones else told)
    return made


def note_status(reads: dict[str, StreamRead], trace: Message) -> None:
    """Keep when a stream began or ended, from the trace that tells it."""
    status = trace["stream_status"]
    read = reads[status["stream_descriptor"]["name"]]
    moment = trace["emitted_at"] / 1000
    if status["status"] == "STARTED":
        read.started = moment
    elif status["status"] == "COMPLETE":
        read.ended = moment


def edit(world: World) -> str:
    """What a team does between two syncs, the same each time; returns it in words."""
    by = world.tokens[SAMPLE_TOKEN]
    project, other, *_ = world.projects.values()
    backlog, icebox = _in_state(project, "unstarted"), _in_state(project, "unscheduled")
    started = _in_state(project, "started")[:2]
    world.now += timedelta(minutes=10)
    for story in icebox[:3]:
        edits.update_story(world, project, by, story, name=f"{project.stories[story]['name']} (once more)")
    for story in started:
        edits.update_story(world, project, by, story, current_state="finished")
    edits.create_comment(world, project, by, story_id=started[0], text="Please have a look.")
    edits.move_story(world, project, by, backlog[-1], before=backlog[0])
    edits.create_story(world, project, by, name="Thank the harbour master", tasks=["Buy a card", "Sign it"])
    world.now += timedelta(minutes=10)
    edits.delete_stories(world, project, by, icebox[3:7])
    for story in icebox[7:9]:
        edits.move_story_to_project(world, project, other, by, story)
    return (
        f"in {project.row['name']}, 3 stories are edited, {len(started)} finished, 1 commented on, 1 created, "
        f"1 put on top of the backlog,\n                  4 deleted, and 2 moved to {other.row['name']}"
    )


def summary(first: Sync, second: Sync) -> Table:
    """What each sync brought and asked for, stream by stream and in all; the seconds are those of the first."""
    table = Table(
        title="First sync: rows, requests, seconds. Second sync: rows, tombstones, requests",
        caption="A request that feeds several streams counts in each, and once in the total.",
        box=box.SIMPLE_HEAD,
        show_footer=True,
        pad_edge=False,
        collapse_padding=True,
    )
    seconds = max(read.ended for read in first.reads) - min(read.started for read in first.reads)
    totals = (
        ("Rows", f"{sum(read.rows for read in first.reads):,}"),
        ("Requests", f"{len(first.requests):,}"),
        ("Seconds", f"{seconds:.2f}"),
        ("Rows", f"{sum(read.rows for read in second.reads):,}"),
        ("Tombstones", f"{sum(read.tombstones for read in second.reads):,}"),
        ("Requests", f"{len(second.requests):,}"),
    )
    table.add_column("Stream", footer="Total", no_wrap=True)
    for header, total in totals:
        table.add_column(header, footer=total, justify="right")
    patterns = request_patterns()
    for one, other in zip(first.reads, second.reads, strict=True):
        pattern = patterns[one.name]
        table.add_row(
            one.name,
            *(f"{one.rows:,}", f"{_matching(first, pattern)}", f"{one.ended - one.started:.2f}"),
            *(f"{other.rows:,}", f"{other.tombstones}", f"{_matching(second, pattern)}"),
        )
    return table


def request_patterns() -> dict[str, re.Pattern[str]]:
    """For each stream the paths of the requests that bring its rows."""
    settings = configured(config_for("http://127.0.0.1/services/v5", SAMPLE_TOKEN))
    client = client_of(settings)
    return {
        stream.name: re.compile("|".join(_path_pattern(endpoint.path) for endpoint in stream.endpoints))
        for stream in streams_of(settings, client, Scopes(client))
    }


def compared(world: World, connection: duckdb.DuckDBPyConnection) -> str:
    """Says that the stories in the database are those of the server. Raises ProgramFailed if they are not."""
    columns = ("id", "project_id", "name", "current_state", "updated_at")
    held = {
        tuple(story[column] for column in columns)
        for project in world.projects.values()
        for story in project.stories.values()
    }
    moment = "strftime(updated_at, '%Y-%m-%dT%H:%M:%SZ')"
    query = f"SELECT {', '.join(columns[:-1])}, {moment} FROM stories"  # noqa: S608
    replicated = set(connection.execute(query).fetchall())
    if held != replicated:
        raise ProgramFailed(f"{len(held ^ replicated)} stories differ between the server and the database.")
    return f"The database holds the {len(held)} stories that the server holds now, each as it is there."


def show_velocity(console: Console, connection: duckdb.DuckDBPyConnection) -> None:
    """Ask for the points of the last iterations of one project and draw them, the oldest on top."""
    rows = connection.sql(VELOCITY).fetchall()[::-1]
    project, velocity = rows[-1][:2]
    most = max(points for *_, points in rows)
    chart = Table.grid("", "", Column(justify="right"), padding=(0, 1))
    for *_, number, points in rows:
        chart.add_row(f"iteration {number}", "█" * round(BAR_WIDTH * points / (most or 1)), f"{points:g}")
    console.print("\nOne query:\n")
    console.print(Syntax(VELOCITY, "sql", background_color="default"))
    title = f"Points accepted in the last iterations of {project}; velocity now: {velocity:g}"
    console.print(f"\n{title}\n", soft_wrap=True)
    console.print(chart)


def read_export(console: Console, world: World, archive: Path, catalog: Message) -> None:
    """Write the world as an export and read that through the connector. Raises ProgramFailed if a story is missing."""
    world.files = sample_files(world)
    with archive.open("wb") as out:
        write_export(world, out)
    rows: Counter[str] = Counter()
    stories = set()
    with tempfile.TemporaryDirectory() as folder:
        config = {"export_archive": str(archive)}
        program = connector("read", Path(folder), config=config, catalog=every_stream(catalog), state=[])
        with program:
            for message in program.messages():
                if message["type"] == "RECORD":
                    name, row = message["record"]["stream"], message["record"]["data"]
                    rows[name] += 1
                    stories.update([row["id"]] if name == "stories" else [])
    held = {story for project in world.projects.values() for story in project.stories}
    if stories != held:
        raise ProgramFailed(f"{len(held ^ stories)} stories differ between the server and its export.")
    untold = [stream["name"] for stream in catalog["streams"] if not rows[stream["name"]]]
    _tell(
        console, program, f"{sum(rows.values()):,} rows of {len(rows)} streams, all {len(stories)} stories among them"
    )
    console.print(f"An export does not tell of {', '.join(untold)}.", soft_wrap=True)
    console.print(f"To have it served again: .venv/bin/tracker-server serve {archive}", soft_wrap=True)


def _run_spec(console: Console, folder: Path) -> None:
    with connector("spec", folder) as program:
        form = only(program, "SPEC")["connectionSpecification"]
    _tell(console, program, f"{len(form['properties'])} settings")


def _run_check(console: Console, folder: Path, server: TrackerServer) -> None:
    with connector("check", folder, config=_config(server)) as program:
        outcome = only(program, "CONNECTION_STATUS")
    if outcome["status"] != "SUCCEEDED":
        raise ProgramFailed(f"{program} failed: {outcome['message']}")
    _tell(console, program, outcome["message"])


def _run_discover(console: Console, folder: Path, server: TrackerServer) -> Message:
    with connector("discover", folder, config=_config(server)) as program:
        catalog = only(program, "CATALOG")
    _tell(console, program, f"{len(catalog['streams'])} streams")
    return catalog


def _config(server: TrackerServer) -> Message:
    return config_for(server.url, SAMPLE_TOKEN)


def _tell(console: Console, program: Program, words: str) -> None:
    verb = program.command[1]
    console.print(f"{verb:8} {program.seconds:4.1f} s  {words}", soft_wrap=True)


def _in_state(project: Project, state: str) -> list[int]:
    return [story for story in project.order if project.stories[story]["current_state"] == state]


def _path_pattern(template: str) -> str:
    return "/" + re.sub(r"\{\w+\}", r"\\d+", template) + "(/bulk)?"


def _matching(sync: Sync, pattern: re.Pattern[str]) -> int:
    return sum(pattern.fullmatch(request.path) is not None for request in sync.requests)


def _stop(number: int, _: object) -> NoReturn:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
