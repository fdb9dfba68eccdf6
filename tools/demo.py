"""Syncs a sample server into demo.duckdb through the real command line, and shows what came."""

from __future__ import annotations

import shlex
import signal
import sys
import tempfile
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import duckdb
import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.syntax import Syntax
from rich.table import Column, Table

from tools.program import (
    Message,
    Program,
    ProgramFailed,
    SampleServer,
    connector,
    every_stream,
    only,
    sample_server,
)

DATABASE = Path("demo.duckdb")
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
    started: float = 0.0
    ended: float = 0.0


class ReadProgress:
    """Tells how far a read is: on a terminal in one line that moves, elsewhere in one line each second."""

    def __init__(self, console: Console, server: SampleServer, streams: int) -> None:
        self._console = console
        self._server = server
        self._before = len(server.requests())
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
        """To be called at every message; it looks at the request log and tells only now and then."""
        now = time.monotonic()
        self._told = self._told or now
        if now - self._told < self._interval:
            return
        self._told = now
        reads = list(reads)
        names = ", ".join(read.name for read in reads if read.started and not read.ended)
        rows = sum(read.rows for read in reads)
        requests = len(self._server.requests()) - self._before
        words = f"{rows:,} rows, {requests} requests so far: {names}"
        self._bar.update(self._task, completed=sum(read.ended > 0 for read in reads), description=words)
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
    """Run the four verbs against a sample server, load what they read into `database`, and show it."""
    console.print(
        f"Starts a sample Tracker server with {PROJECTS} projects of {STORIES} stories, runs the connector's spec, "
        f"check, discover and read against it,\nand loads every row into {database}. It takes about ten seconds.\n",
        soft_wrap=True,
    )
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        log = folder / "requests.jsonl"
        server = stack.enter_context(sample_server(log, PROJECTS, STORIES))
        console.print(f"The server listens on {server.url}", soft_wrap=True)
        _run_spec(console, folder)
        _run_check(console, folder, server)
        catalog = _run_discover(console, folder, server)
        reads = sync(console, folder, server, catalog)
        load(catalog, folder, database)
        requests = server.requests()
    console.print()
    console.print(summary(reads, requests))
    with duckdb.connect(str(database), read_only=True) as connection:
        show_velocity(console, connection)
    console.print(f"\n{database} has a table for each stream. To look inside:", soft_wrap=True)
    opening = shlex.join([sys.executable, "-ic", f'import duckdb; db = duckdb.connect("{database}")'])
    console.print(f"    {opening}\n    db.sql('FROM stories LIMIT 5')", soft_wrap=True)


def sync(console: Console, folder: Path, server: SampleServer, catalog: Message) -> list[StreamRead]:
    """Read every stream of a catalog from the beginning; the rows of each go to `<stream>.jsonl` in the folder."""
    reads = {stream["name"]: StreamRead(stream["name"]) for stream in catalog["streams"]}
    with ExitStack() as stack:
        files = {name: stack.enter_context(rows_file(folder, name).open("wb")) for name in reads}
        program = connector("read", folder, config=server.config(), catalog=every_stream(catalog))
        progress = stack.enter_context(ReadProgress(console, server, len(reads)))
        stack.enter_context(program)
        for message in program.messages():
            if message["type"] == "RECORD":
                name = message["record"]["stream"]
                files[name].write(orjson.dumps(message["record"]["data"], option=orjson.OPT_APPEND_NEWLINE))
                reads[name].rows += 1
            elif message["type"] == "TRACE" and message["trace"]["type"] == "STREAM_STATUS":
                note_status(reads, message["trace"])
            elif message["type"] == "LOG" and message["log"]["level"] == "WARN":
                progress.warn(message["log"]["message"])
            progress.tell(reads.values())
    rows = sum(read.rows for read in reads.values())
    _tell(console, program, f"{rows:,} rows of {len(reads)} streams")
    return list(reads.values())


def note_status(reads: dict[str, StreamRead], trace: Message) -> None:
    """Keep when a stream began or ended, from the trace that tells it."""
    status = trace["stream_status"]
    read = reads[status["stream_descriptor"]["name"]]
    moment = trace["emitted_at"] / 1000
    if status["status"] == "STARTED":
        read.started = moment
    elif status["status"] == "COMPLETE":
        read.ended = moment


def rows_file(folder: Path, stream: str) -> Path:
    """Where the rows of a stream are kept, one JSON object a line."""
    return folder / f"{stream}.jsonl"


def load(catalog: Message, folder: Path, database: Path) -> None:
    """Make the database anew: a table for each stream, with the types that DuckDB finds in the rows.

    Where there are no rows to find them in, the table has the columns of the schema.
    """
    for old in (database, database.with_name(f"{database.name}.wal")):
        old.unlink(missing_ok=True)
    with duckdb.connect(str(database)) as connection:
        for stream in catalog["streams"]:
            rows = rows_file(folder, stream["name"])
            if rows.stat().st_size:
                relation = connection.read_json(str(rows), format="newline_delimited", sample_size=-1)
            else:
                columns = dict.fromkeys(stream["json_schema"]["properties"], "JSON")
                relation = connection.read_json(str(rows), format="newline_delimited", columns=columns)
            relation.create(stream["name"])


def summary(reads: list[StreamRead], requests: list[float]) -> Table:
    """Rows, requests and seconds of each stream and of all; a request counts for the streams open when it came."""
    table = Table("Stream", show_footer=True)
    begin, end = min(read.started for read in reads), max(read.ended for read in reads)
    totals = (
        ("Rows", f"{sum(read.rows for read in reads):,}"),
        ("Requests", f"{_between(requests, begin, end):,}"),
        ("Seconds", f"{end - begin:.2f}"),
    )
    table.columns[0].footer = "Total"
    for header, total in totals:
        table.add_column(header, footer=total, justify="right")
    for read in reads:
        asked = _between(requests, read.started, read.ended)
        table.add_row(read.name, f"{read.rows:,}", f"{asked:,}", f"{read.ended - read.started:.2f}")
    return table


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
    console.print(f"\nPoints accepted in the last iterations of {project}; velocity now: {velocity}\n", soft_wrap=True)
    console.print(chart)


def _run_spec(console: Console, folder: Path) -> None:
    with connector("spec", folder) as program:
        form = only(program, "SPEC")["connectionSpecification"]
    _tell(console, program, f"{len(form['properties'])} settings, required: {', '.join(form['required'])}")


def _run_check(console: Console, folder: Path, server: SampleServer) -> None:
    with connector("check", folder, config=server.config()) as program:
        outcome = only(program, "CONNECTION_STATUS")
    if outcome["status"] != "SUCCEEDED":
        raise ProgramFailed(f"{program} failed: {outcome['message']}")
    _tell(console, program, outcome["message"])


def _run_discover(console: Console, folder: Path, server: SampleServer) -> Message:
    with connector("discover", folder, config=server.config()) as program:
        catalog = only(program, "CATALOG")
    _tell(console, program, f"{len(catalog['streams'])} streams")
    return catalog


def _tell(console: Console, program: Program, words: str) -> None:
    verb = program.command[1]
    console.print(f"{verb:8} {program.seconds:4.1f} s  {words}", soft_wrap=True)


def _between(moments: list[float], begin: float, end: float) -> int:
    """How many of the moments, which are sorted, lie between two others."""
    return bisect_right(moments, end) - bisect_left(moments, begin)


def _stop(number: int, _: object) -> NoReturn:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
