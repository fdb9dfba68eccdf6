"""What exports are held to: speed of parsing and reading, memory to inspect and to serve, each beside its target."""

from __future__ import annotations

import json
import statistics
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.engine import LARGE
from benchmarks.measured import RUNS, STORY_STREAMS, Figure, median, megabytes, read, run
from tools.program import Message, Program, ProgramFailed, SampleServer, connector, every_stream, only

LEAST_LINES_PER_SECOND = 32_000.0
MOST_OVER_FLOOR = 3.0
LEAST_READ = 30_000.0
MOST_TO_INSPECT = 100e6
MOST_TO_SERVE = 400e6
SERVER = (sys.executable, "-m", "tracker_server")


def figures(folder: Path) -> Iterator[Figure]:
    """Measure them one after the other."""
    archive = folder / "archive.zip"
    projects, stories = LARGE
    run(Program(*SERVER, "export", archive, f"--projects={projects}", f"--stories={stories}", "--no-files"))
    yield from _parsing("stories alone", _without_histories(archive, folder / "stories.zip"))
    yield from _parsing("with histories", archive)
    yield _inspecting(archive)
    yield _serving(folder, archive)
    yield _reading(folder, archive)


def _without_histories(archive: Path, out: Path) -> Path:
    with zipfile.ZipFile(archive) as found, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as left:
        for name in found.namelist():
            if "_history_" not in name:
                left.writestr(name, found.read(name))
    return out


def _parsing(what: str, archive: Path) -> Iterator[Figure]:
    runs = [parsed(archive) for _ in range(RUNS)]
    speed = statistics.median(run.lines_per_second for run in runs)
    yield Figure(
        f"Lines of an export, {what}, that are read in a second of CPU",
        f"{speed:,.0f}",
        f"at least {LEAST_LINES_PER_SECOND:,.0f}",
        speed >= LEAST_LINES_PER_SECOND,
    )
    over_floor = statistics.median(run.over_floor for run in runs)
    yield Figure(
        f"CPU of reading an export, {what}, over csv.reader over the same bytes",
        f"{over_floor:.1f} times",
        f"at most {MOST_OVER_FLOOR:.0f} times",
        over_floor <= MOST_OVER_FLOOR,
    )


class Parsed(NamedTuple):
    """Lines with all their parts in a second of CPU, and how often the floor that took."""

    lines_per_second: float
    over_floor: float


def parsed(archive: Path) -> Parsed:
    """Read an export once, and the floor in the same process. Raises ProgramFailed where something is odd."""
    with Program(sys.executable, "-m", "benchmarks.parsing", archive) as program:
        found = json.loads(program.line())
    if found["findings"]:
        raise ProgramFailed(f"{found['findings']} things in {archive} were not understood.")
    return Parsed(found["lines"] / found["seconds"], found["seconds"] / found["floor_seconds"])


def _inspecting(archive: Path) -> Figure:
    inspected = run(Program(*SERVER, "inspect", archive))
    more = f" in {inspected.cpu_seconds:.1f} s of CPU"
    return Figure.of_memory("Peak RSS of inspecting it", inspected.peak_rss, MOST_TO_INSPECT, more)


def _serving(folder: Path, archive: Path) -> Figure:
    log = folder / "archive.jsonl"
    with Program(*SERVER, "serve", archive, "--port=0", "--request-log", log) as program:
        server = SampleServer(program.line(), program.line(), log)
        whole = read(folder, server, STORY_STREAMS)
        program.stop()
    speed = whole.rows / whole.seconds
    more = f" while {whole.rows:,.0f} rows are read, {speed:,.0f} a second"
    return Figure.of_memory("Peak RSS of serving it", program.peak_rss, MOST_TO_SERVE, more)


def _reading(folder: Path, archive: Path) -> Figure:
    """All streams through the connector, without a server."""
    config = {"export_archive": str(archive)}
    with connector("discover", folder, config=config) as program:
        found: list[Message] = only(program, "CATALOG")["streams"]
    catalog = every_stream({"streams": found})

    start_up = median(run(connector("discover", folder, config=config)) for _ in range(RUNS))
    whole = median(run(connector("read", folder, config=config, catalog=catalog)) for _ in range(RUNS))
    net = whole.less(start_up)
    speed = net.rows / net.seconds
    return Figure(
        "Rows a second of a read out of it, all streams, net of start-up",
        f"{speed:,.0f}, of {net.rows:,.0f} rows, with a peak RSS of {megabytes(whole.peak_rss)} MB",
        f"at least {LEAST_READ:,.0f}",
        speed >= LEAST_READ,
    )
