"""What the reading of export archives is held to: parsing, inspecting, and a read of all streams."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.engine import RUNS, Figure
from benchmarks.measured import Run, median, megabytes, run
from tools.program import Message, Program, connector, every_stream, only

PROJECTS, STORIES = 20, 5_000
LEAST_PARSED, LEAST_READ = 20_000.0, 15_000.0
"""Rows a second: lines of the CSV, and records of all streams."""
MOST_RSS = 150e6

PARSE = """\
import sys, time
from pathlib import Path
from tracker_server.exports import Source, read_exports
began = time.perf_counter()
read_exports([Source.of(Path(sys.argv[1]))])
print(time.perf_counter() - began)
"""


def figures(folder: Path) -> Iterator[Figure]:
    """Measure them one after the other, on an archive that is made in the folder."""
    archive = folder / "export.zip"
    size = ("--projects", str(PROJECTS), "--stories", str(STORIES))
    run(Program(sys.executable, "-m", "tracker_server", "export", str(archive), *size))
    stories = PROJECTS * STORIES
    parsed = stories / min(_seconds_to_parse(archive) for _ in range(RUNS))
    yield Figure(
        "Rows of an export parsed a second",
        f"{parsed:,.0f} of {archive.stat().st_size / stories:,.0f} bytes in the ZIP",
        f"at least {LEAST_PARSED:,.0f}",
        parsed >= LEAST_PARSED,
    )
    inspected = run(Program(sys.executable, "-m", "tracker_server", "inspect", str(archive)))
    yield Figure(
        "Peak RSS of inspect, MB",
        megabytes(inspected.peak_rss),
        f"at most {megabytes(MOST_RSS)}",
        inspected.peak_rss <= MOST_RSS,
    )
    yield _read(folder, archive)


def _seconds_to_parse(archive: Path) -> float:
    with Program(sys.executable, "-c", PARSE, str(archive)) as program:
        return float(program.line())


def _read(folder: Path, archive: Path) -> Figure:
    config = {"export_archive": str(archive)}
    with connector("discover", folder, config=config) as program:
        found: list[Message] = only(program, "CATALOG")["streams"]
    catalog = every_stream({"streams": found})

    def one() -> Run:
        return run(connector("read", folder, config=config, catalog=catalog))

    start_up = median(run(connector("discover", folder, config=config)) for _ in range(RUNS))
    net = median(one() for _ in range(RUNS)).less(start_up)
    speed = net.rows / net.seconds
    return Figure(
        "Rows a second of a read out of the export, all streams, net of start-up",
        f"{speed:,.0f}, {net.rows:,.0f} rows, {megabytes(net.peak_rss + start_up.peak_rss)} MB",
        f"at least {LEAST_READ:,.0f}",
        speed >= LEAST_READ,
    )
